"""Effects of switching units off as rows: written, read, replaced, and gone with what they belong to."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from dissect.errors import NotFoundError, StoreError
from dissect.store import AblationEntry, Store
from tests.store.made_up_runs import save_run, small_layer

CAR = ("object", "car")
ENTRY = AblationEntry(
    (0, 3), CAR, "mean", 0.0, "loss", 0.5, 0.1, 0.9, 0.02, 20, 1 / 21, 0.05, {"mean activation": {"after": 0.1}}, {"shown": True}
)  # fmt: skip


def test_effects_come_back_as_they_were_written(store: Store) -> None:
    run = save_run(store)
    entries = [ENTRY, replace(ENTRY, members=(2,), concept=None, effect=None, measure="kl", p=None, q=None, details={})]
    store.write_ablations(run.id, "conv1", entries)
    found = store.ablations(run.id)
    assert [{**asdict(each), "id": 0} for each in found] == [{**asdict(each), "id": 0, "layer": "conv1"} for each in entries]
    assert [each.shown for each in found] == [True, False]
    assert store.ablations(run.id, "conv2") == []


def test_the_same_test_again_replaces_its_rows_and_no_others(store: Store) -> None:
    run = save_run(store)
    others = [replace(ENTRY, how="zero"), replace(ENTRY, concept=None), replace(ENTRY, members=(0,))]
    store.write_ablations(run.id, "conv1", [ENTRY, replace(ENTRY, dose=0.5), *others])
    store.write_ablations(run.id, "conv1", [replace(ENTRY, effect=0.7)])
    store.write_ablations(run.id, "conv1", [replace(ENTRY, concept=None, effect=0.6)])
    found = {(each.members, each.concept, each.how, each.dose): each.effect for each in store.ablations(run.id)}
    assert found == {
        ((0, 3), CAR, "mean", 0.0): 0.7, ((0, 3), CAR, "zero", 0.0): 0.5, ((0, 3), None, "mean", 0.0): 0.6, ((0,), CAR, "mean", 0.0): 0.5,
    }  # fmt: skip


def test_effects_go_when_their_layer_is_scored_again_or_their_run_is_deleted(store: Store) -> None:
    run = save_run(store)
    store.write_ablations(run.id, "conv1", [ENTRY])
    store.write_layer(run.id, small_layer())
    assert store.ablations(run.id) == []
    store.write_ablations(run.id, "conv1", [ENTRY])
    store.delete_run(run.id)
    assert store.counts()["ablation"] == 0


def test_what_is_not_there_is_named_and_nothing_is_written(store: Store) -> None:
    run = save_run(store)
    for entry, layer, error, words in (
        (replace(ENTRY, members=(0, 9)), "conv1", StoreError, "names unit 9"),
        (replace(ENTRY, members=()), "conv1", StoreError, "names no units"),
        (replace(ENTRY, concept=("object", "ship")), "conv1", StoreError, "'ship' is not in the database"),
        (ENTRY, "conv2", NotFoundError, "has no layer 'conv2'"),
    ):
        with pytest.raises(error, match=words):
            store.write_ablations(run.id, layer, [ENTRY, entry])
    for wrong in ({"how": "half"}, {"dose": 1.5}, {"p": -0.1}, {"q": 1.1}, {"controls": -1}):
        with pytest.raises(StoreError, match="refuses a row"):
            store.write_ablations(run.id, "conv1", [replace(ENTRY, **wrong)])
    with pytest.raises(NotFoundError, match="no run"):
        store.write_ablations(run.id + 1, "conv1", [ENTRY])
    assert store.ablations(run.id) == []
