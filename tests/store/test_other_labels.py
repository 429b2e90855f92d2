"""Labels of several runs meet on one unit, and imported results hang on a checkpoint that says so; on both databases."""

from __future__ import annotations

from dataclasses import replace

from dissect.store import LabelEntry, LayerRecord, LayerResult, RunSpec, StatsEntry, Store, UnitFilter, UnitResult
from tests.store.made_up_runs import concept_label, save_run, undo, unit


def imported(store: Store, checkpoint_id: int, mark: str, text: str, *, data: str = "words", method: str = "milan") -> int:
    """A finished run of one description, as an importer makes it."""
    dataset_id, _ = store.placeholder_dataset(data, "none")
    settings = {"import": {"kind": method, "file": f"{mark}.csv", "sha256": mark * 64}}
    run = store.begin_run(RunSpec(mark * 64, checkpoint_id, dataset_id, (method,), "imported", 0.0, settings=settings))
    label = LabelEntry(text, kind="description", method=method, score_kind="none")
    store.write_layer(run.id, LayerResult(LayerRecord("conv1", 3), [UnitResult(0, StatsEntry(state="unknown"), (label,))]))
    store.finish_run(run.id)
    return run.id


def test_a_unit_shows_what_other_finished_runs_call_it(store: Store) -> None:
    own = save_run(store)
    first = imported(store, own.checkpoint_id, "a", "a red car")
    view = store.unit("tiny", "conv1", 0, run=own.id)
    assert [(each.run_id, each.method, each.text, each.source) for each in view.others] == [(first, "milan", "a red car", "a.csv")]
    back = store.unit("tiny", "conv1", 0, run=first)
    assert {(each.run_id, each.method) for each in back.others} == {(own.id, label.method) for label in view.labels if label.rank == 1}
    assert back.stats.state == "unknown" and back.said == "a red car" and back.quantile is None
    assert store.units(UnitFilter(run=own.id))[0].others == ()


def test_of_our_own_runs_the_newest_of_each_kind_counts_and_every_imported_table(store: Store) -> None:
    own = save_run(store)
    world = spec_of(store, own.id)
    for mark in "12":
        again = store.begin_run(replace(world, fingerprint=mark * 64))
        store.write_layer(again.id, LayerResult(LayerRecord("conv1", 3), [unit(0, concept_label("dog", "object", 0.3))]))
        store.finish_run(again.id)
    last = again.id
    tables = [imported(store, own.checkpoint_id, mark, f"said by {mark}") for mark in "ab"]
    found = [each for each in store.unit("tiny", "conv1", 0, run=own.id).others if each.method == "netdissect"]
    assert [each.run_id for each in found] == [last]
    said = [each.run_id for each in store.unit("tiny", "conv1", 0, run=own.id).others if each.method == "milan"]
    assert said == tables


def spec_of(store: Store, run_id: int) -> RunSpec:
    """The spec of a run, to begin another one beside it."""
    run = store.run(run_id)
    return RunSpec("0" * 64, run.checkpoint_id, run.dataset_id, run.methods, run.profile, run.quantile)


def test_an_unfinished_run_says_nothing(store: Store) -> None:
    own = save_run(store)
    open_run = imported(store, own.checkpoint_id, "a", "a red car")
    undo(store, open_run)
    assert store.unit("tiny", "conv1", 0, run=own.id).others == ()


def test_a_search_of_the_newest_runs_finds_every_imported_table(store: Store) -> None:
    own = save_run(store)
    runs = [imported(store, own.checkpoint_id, mark, f"zebra {mark}") for mark in "ab"]
    found = store.units(UnitFilter(q="zebra", newest=True))
    assert sorted(view.run_id for view in found) == runs


def test_the_placeholder_of_a_network_leaves_what_is_known_of_it(store: Store) -> None:
    own = save_run(store)
    number, weights = store.placeholder_checkpoint("tiny")
    assert weights == "imported:tiny" and number != own.checkpoint_id
    assert store.run(own.id).model_source == "factory" and store.placeholder_checkpoint("tiny") == (number, weights)
    fresh, _ = store.placeholder_checkpoint("new")
    assert fresh not in (number, own.checkpoint_id)


def test_layers_of_a_checkpoint_come_with_their_names_elsewhere(store: Store) -> None:
    number, _ = store.placeholder_checkpoint("new")
    for position, name in enumerate(("late", "early")):
        store.save_layer(number, LayerRecord(name, 4, 1 - position, aliases=(f"{name}'s alias",)))
    found = store.checkpoint_layers(number)
    named = [(layer.name, layer.units, layer.aliases) for layer in found]
    assert named == [("early", 4, ("early's alias",)), ("late", 4, ("late's alias",))]
