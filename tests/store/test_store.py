"""The store as its users see it: what was written comes back, runs are begun once, a layer is replaced whole."""

from __future__ import annotations

import time
from dataclasses import fields, replace

import pytest

from dissect.errors import NotFoundError, StoreError, UsageError
from dissect.store import CheckpointRecord, ConceptEntry, ImageEntry, LabelEntry, LayerRecord, LayerResult, Store, UnitFilter
from dissect.store.schema import metadata
from tests.store.every_table import contents
from tests.store.made_up_runs import IMAGES, MASK, concept_label, save_run, save_world, small_layer, spec, unit


def test_a_new_database_is_empty_and_has_every_table(store: Store) -> None:
    counts = store.counts()
    assert len(counts) == len(metadata.tables)
    assert set(counts.values()) == {0}


def test_a_unit_comes_back_with_all_its_evidence(store: Store) -> None:
    run = save_run(store)
    view = store.unit("tiny", "conv1", 0)
    assert (view.run_id, view.model, view.dataset, view.layer, view.index) == (run.id, "tiny", "streets", "conv1", 0)
    assert view.label is not None
    assert (view.label.text, view.label.score, view.label.intersection, view.label.reachable) == ("car", 0.25, 10, 0.5)
    assert [label.method for label in view.labels] == ["netdissect", "compositional", "milan"]
    formula = view.labels[1]
    assert formula.concepts == (("object", "car", 1), ("object", "dog", 1), ("material", "carpet", -1))
    assert formula.certificate == "optimal"
    assert (view.labels[2].q, view.labels[2].score_kind) == (0.002, "pmi")
    assert [(score.category, score.name, score.rank, score.score) for score in view.concepts] == [
        ("object", "car", 1, 0.2), ("object", "dog", 2, 0.1),
    ]  # fmt: skip
    first = view.exemplars[0]
    assert (len(view.exemplars), first.rank, first.image_index, first.key, first.activation) == (3, 1, 1, "train/1.png", 4.0)
    assert (first.mask, first.mask_size, first.size, first.sha256, first.group) == (MASK, (8, 8), (64, 48), f"{1:064x}", "video")
    assert (view.stats.histogram, view.stats.edges, view.stats.threshold) == ((5, 2), (0.0, 1.0, 2.0), 0.5)


def test_every_field_of_a_label_survives(store: Store) -> None:
    run = store.begin_run(spec(save_world(store)))
    full = LabelEntry(
        "car", "concept", "netdissect", 1, "object", "1", 1, 0.25, "iou", 2**40, 2**41, 2**42, 0.5, True, ((("object", "car"), 1),),
        0.2, False, 0.1, 0.3, "independence", 199, 0.005, 0.01, "c" * 64, "optimal", "left-deep", {"curve": [0.1, 0.2]},
    )  # fmt: skip
    store.write_layer(run.id, LayerResult(LayerRecord("conv1", 1), (unit(0, full),)))
    found = store.unit(None, "conv1", 0).label
    assert found is not None
    for field in fields(LabelEntry):
        if field.name != "concepts":
            assert getattr(found, field.name) == getattr(full, field.name), field.name


def test_what_is_not_a_finite_number_is_stored_as_unknown(store: Store) -> None:
    save_run(store)
    dead = store.unit("tiny", "conv1", 5)
    assert (dead.stats.threshold, dead.stats.state, dead.label, dead.exemplars) == (None, "dead", None, ())


def test_the_same_fingerprint_is_the_same_run(store: Store) -> None:
    world = save_world(store)
    first = store.begin_run(spec(world))
    assert (first.found, first.state) == (None, "running")
    store.fail_run(first.id, "disk full")
    again = store.begin_run(spec(world))
    assert (again.id, again.found, again.state, again.message) == (first.id, "failed", "running", "")
    store.fail_run(first.id, "Ctrl-C", interrupted=True)
    assert store.begin_run(spec(world)).found == "interrupted"
    done = store.finish_run(first.id)
    assert done.finished_at is not None and done.finished_at >= done.created_at
    last = store.begin_run(spec(world))
    assert (last.id, last.found, last.state, last.finished_at) == (first.id, "done", "done", done.finished_at)
    assert store.begin_run(spec(world, "0" * 64)).id != first.id


def test_a_run_record_tells_what_it_is(store: Store) -> None:
    run = save_run(store, seed=3)
    assert (run.model, run.dataset, run.vocabulary, run.label_kind) == ("tiny", "streets", "words", "masks")
    assert (run.settings, run.versions, run.seed, run.methods) == ({"q": 0.005}, {"torch": "2.10"}, 3, ("netdissect",))
    assert (run.layers, run.images, run.skipped, run.state) == (("conv1",), IMAGES, 0, "done")


def test_a_run_is_found_by_number_prefix_and_latest(store: Store) -> None:
    world = save_world(store)
    one, two = store.begin_run(spec(world, "ab12" + "0" * 60)), store.begin_run(spec(world, "ab13" + "0" * 60))
    assert store.run(one.id) == store.run(str(one.id)) == store.run("AB12") == replace(one, found=None)
    assert store.run("latest").id == two.id
    assert [run.id for run in store.runs()] == [two.id, one.id]


def test_a_run_that_is_not_there_is_said_to_be_so(store: Store) -> None:
    store.begin_run(spec(save_world(store), "ab12" + "0" * 60))
    for reference in ("ab1", "zz", "", "%", "ab__", "-1", 10**30, "9" * 400, "ffff", "x\0"):
        with pytest.raises(NotFoundError, match=r"no run"):
            store.run(reference)


def test_a_prefix_of_two_runs_names_both(store: Store) -> None:
    world = save_world(store)
    for last in "12":
        store.begin_run(spec(world, "abcd" + last * 60))
    with pytest.raises(NotFoundError, match=r"several runs"):
        store.run("abcd")


def test_runs_are_filtered(store: Store) -> None:
    run = save_run(store, methods=("netdissect", "milan"))
    assert [record.id for record in store.runs(model="tiny", dataset="streets", state="done", method="milan")] == [run.id]
    for filters in ({"model": "other"}, {"dataset": "other"}, {"state": "failed"}, {"method": "compexp"}):
        assert store.runs(**filters) == []  # type: ignore[arg-type]


def test_writing_a_layer_again_replaces_it_and_leaves_others_alone(store: Store) -> None:
    run = save_run(store)
    store.write_layer(run.id, small_layer("conv2", 1, ()))
    before = store.counts()
    store.write_layer(run.id, small_layer())
    assert store.counts() == before
    result = replace(small_layer(), units=(unit(2, concept_label("dog", "object", 0.5), exemplars=1),))
    store.write_layer(run.id, result)
    assert [view.index for view in store.units(UnitFilter(layer="conv1"))] == [2]
    assert len(store.units(UnitFilter(layer="conv2"))) == 6


def test_a_layer_written_again_leaves_every_row_as_it_was(store: Store) -> None:
    """Row numbers too: a run that was killed and resumed ends with the same rows (trust.md R1)."""
    run = save_run(store)
    store.write_layer(run.id, small_layer("conv2", 1, ()))
    before = contents(store.engine)
    store.write_layer(run.id, small_layer())
    assert contents(store.engine) == before
    more = replace(small_layer(), units=(*small_layer().units[:1], unit(1, *small_layer().units[0].labels), *small_layer().units[2:]))
    store.write_layer(run.id, more)
    assert [label.text for label in store.unit(None, "conv1", 1).labels] == [label.text for label in store.unit(None, "conv1", 0).labels]
    store.write_layer(run.id, small_layer("conv3", 2, ()))
    assert len(store.units()) == 18


def test_a_layer_that_cannot_be_written_changes_nothing(store: Store) -> None:
    run = save_run(store)
    before = store.counts()
    for wrong in (
        unit(6, concept_label("car", "object", 0.5)),
        unit(0, concept_label("unheard of", "object", 0.5)),
        replace(unit(0), exemplars=(replace(unit(0).exemplars[0], image_index=IMAGES),)),
    ):
        with pytest.raises(StoreError, match=r"database"):
            store.write_layer(run.id, replace(small_layer(), units=(wrong,)))
        assert store.counts() == before
    with pytest.raises(NotFoundError, match=r"no run 77"):
        store.write_layer(77, small_layer())


def test_a_rule_of_the_database_is_kept_and_told(store: Store) -> None:
    run = save_run(store)
    with pytest.raises(StoreError, match=r"refuses a row"):
        store.write_layer(run.id, replace(small_layer(), units=(unit(0, concept_label("car", "object", 0.5, q=1.5)),)))
    with pytest.raises(StoreError, match=r"refuses a row"):
        store.save_checkpoint(12345, CheckpointRecord("d" * 64))


def test_saving_twice_updates_and_adds_nothing(store: Store) -> None:
    world = save_world(store)
    before = store.counts()
    assert save_world(store) == world
    assert store.counts() == before
    store.save_concepts("words", (ConceptEntry("car", "object", "7", ("auto",)),))
    assert {view.name: view.synonyms for view in store.concepts()}["car"] == ("auto",)


def test_what_was_unknown_of_an_image_is_filled_in_and_never_forgotten(store: Store) -> None:
    run = save_run(store)
    dataset = run.dataset_id
    store.save_images(dataset, [ImageEntry(1, "train/1.png", None, None, "video"), ImageEntry(2, "train/2.png", "9" * 64, (5, 6), "video")])
    first, second, *_ = store.unit("tiny", "conv1", 0).exemplars
    assert (first.sha256, first.size) == (f"{1:064x}", (64, 48))
    assert (second.sha256, second.size) == ("9" * 64, (5, 6))


def test_layers_are_told_in_numbers(store: Store) -> None:
    run = save_run(store)
    store.write_layer(run.id, small_layer("conv0", -1, ()))
    assert [summary.layer for summary in store.layers(run.id)] == ["conv0", "conv1"]
    summary = store.layer_summary(run.id, "features.0")
    assert (summary.layer, summary.aliases, summary.units, summary.map_size) == ("conv1", ("features.0",), 6, (7, 7))
    assert (summary.states, summary.detectors, summary.unique) == ({"ok": 5, "dead": 1}, 4, 4)
    assert summary.by_category["object"] == {"car": 1, "terrier": 1}
    assert (summary.label_size, summary.activation_dtype, summary.images) == ((32, 32), "float16", IMAGES)
    with pytest.raises(NotFoundError, match=r"conv0, conv1"):
        store.layer_summary(run.id, "conv9")


def test_concepts_come_with_their_family_and_their_units(store: Store) -> None:
    run = save_run(store)
    found = {view.name: view for view in store.concepts(vocabulary="words", run=run.id)}
    assert (found["dog"].narrower, found["terrier"].broader) == (("terrier",), ("dog",))
    assert (found["car"].units, found["red-c"].units, found["dog"].units) == (1, 0, 0)
    assert [view.name for view in store.concepts(category="color")] == ["", "red-c"]


def test_skipped_images_are_listed_and_replaced(store: Store) -> None:
    run = save_run(store)
    store.write_skipped(run.id, [("b.png", "truncated"), ("a\0\udcff.png", "no image")])
    store.write_skipped(run.id, [("b.png", "truncated"), ("a\0\udcff.png", "no image")])
    assert [(view.key, view.reason) for view in store.skipped(run.id)] == [("a\ufffd\ufffd.png", "no image"), ("b.png", "truncated")]
    assert store.run(run.id).skipped == 2


def test_deleting_a_run_takes_its_rows_and_nothing_else(store: Store) -> None:
    kept = save_run(store)
    before = store.counts()
    other = save_run(store, "0" * 64)
    store.write_skipped(other.id, [("a", "b")])
    assert store.delete_run(other.id) == []
    assert store.counts() == before
    assert store.unit("tiny", "conv1", 0).run_id == kept.id
    with pytest.raises(NotFoundError):
        store.delete_run(other.id)


def test_a_missing_unit_is_explained(store: Store) -> None:
    save_run(store)
    for arguments, message in (
        (("tiiny", "conv1", 0), "There is: tiny"),
        (("tiny", "conv2", 0), "There is: conv1"),
        (("tiny", "conv1", 6), r"units are 0\.\.5"),
        (("tiny", "conv1", -1), r"units are 0\.\.5"),
        (("tiny", "conv1", 10**20), r"units are 0\.\.5"),
    ):
        with pytest.raises(NotFoundError, match=message):
            store.unit(*arguments)
    with pytest.raises(NotFoundError, match=r"no run '9'"):
        store.unit("tiny", "conv1", 0, run=9)


def test_a_unit_is_that_of_the_newest_run_unless_a_run_is_named(store: Store) -> None:
    old, new = save_run(store), save_run(store, "0" * 64)
    assert store.unit("tiny", "conv1", 0).run_id == new.id
    assert store.unit("tiny", "features.0", 0, run=old.id).run_id == old.id
    assert store.unit(None, "conv1", 0, run="ffff").run_id == old.id


def test_wrong_questions_are_refused(store: Store) -> None:
    for arguments in ({"order": "size"}, {"limit": -1}, {"exemplars": -1}, {"after": "x"}, {"after": "é"}, {"after": "W10="}):
        with pytest.raises(UsageError):
            store.units(**arguments)
    with pytest.raises(UsageError, match=r"finite"):
        store.units(UnitFilter(min_iou=float("nan")))


def test_two_thousand_units_are_written_and_read_in_seconds(store: Store) -> None:
    world = save_world(store)
    run = store.begin_run(spec(world))
    units = tuple(unit(index, concept_label("car", "object", index / 4096), exemplars=15) for index in range(2048))
    result = LayerResult(LayerRecord("layer4", 2048), units)
    started = time.perf_counter()
    store.write_layer(run.id, result)
    store.write_layer(run.id, result)
    written = time.perf_counter()
    found = store.units(UnitFilter(run=run.id), limit=2048, exemplars=15)
    assert (len(found), len(found[0].exemplars), found[0].index) == (2048, 15, 2047)
    assert written - started < 30
    assert time.perf_counter() - written < 15
