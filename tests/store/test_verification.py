"""Tests of labels: entered beside what is there, found by q, replaced whole, gone with the labels they are about."""

from __future__ import annotations

import pytest

from dissect.errors import NotFoundError, StoreError
from dissect.store import LabelView, LayerMethod, Store, UnitFilter, VerifiedLabel
from tests.store.test_formulas import DONE, METHODS, labelled, results

TESTED = LayerMethod("conv1", "verification", "e" * 64, {"permutations": 200}, {"tested": 2})
FIRST = VerifiedLabel(
    0, "netdissect", 0.11, True, 0.08, 0.14, "independence", 200, 1 / 201, 0.012, "f" * 64, {"z": 7.5, "notes": ["block of one image"]}
)
SECOND = VerifiedLabel(4, "netdissect", details={"untested": "constant"})


def label(store: Store, index: int, method: str = "netdissect") -> LabelView:
    """The first label of a method of a unit of conv1."""
    return next(each for each in store.unit("tiny", "conv1", index).labels if each.method == method and each.rank == 1)


def test_tests_stand_beside_the_label_they_are_about(store: Store) -> None:
    run = labelled(store)
    before = label(store, 0)
    store.write_verification(run.id, TESTED, (FIRST, SECOND))
    after = label(store, 0)
    assert (after.held_out_score, after.held_out_agrees, after.interval_low, after.interval_high) == (0.11, True, 0.08, 0.14)
    assert (after.null_kind, after.permutations, after.p, after.q, after.split_hash) == ("independence", 200, 1 / 201, 0.012, "f" * 64)
    assert after.details == {**before.details, "verification": {"z": 7.5, "notes": ["block of one image"]}}
    assert (after.id, after.text, after.score) == (before.id, before.text, before.score)
    assert label(store, 4).q is None and label(store, 4).details["verification"] == {"untested": "constant"}
    assert store.layer_methods(run.id) == [TESTED]


def test_units_are_found_by_q(store: Store) -> None:
    run = labelled(store)
    store.write_verification(run.id, TESTED, (FIRST, SECOND))
    assert [view.index for view in store.units(UnitFilter(max_q=0.05))] == [0]
    assert store.units(UnitFilter(max_q=0.01)) == []


def test_a_second_verification_replaces_the_first(store: Store) -> None:
    run = labelled(store)
    untouched = label(store, 0)
    store.write_verification(run.id, TESTED, (FIRST, SECOND))
    store.write_verification(run.id, TESTED, (VerifiedLabel(4, "netdissect", p=0.5, q=0.5, null_kind="independence"),))
    assert label(store, 0) == untouched
    assert label(store, 4).q == 0.5


def test_formulas_are_tested_apart_from_concepts_and_new_formulas_are_untested(store: Store) -> None:
    run = labelled(store)
    store.write_formulas(run.id, DONE, results(), METHODS)
    formula = VerifiedLabel(0, "compositional", p=0.02, q=0.04, null_kind="independence", details={"z": 3.0})
    store.write_verification(run.id, TESTED, (FIRST, formula))
    assert (label(store, 0).q, label(store, 0, "compositional").q) == (0.012, 0.04)
    assert [view.label.method for view in store.units(UnitFilter(max_q=0.05, kind="formula")) if view.label] == ["compositional"]
    store.write_formulas(run.id, DONE, results(), METHODS)
    assert (label(store, 0).q, label(store, 0, "compositional").q) == (0.012, None)


def test_scoring_again_takes_the_tests_away(store: Store) -> None:
    run = labelled(store)
    store.write_verification(run.id, TESTED, (FIRST,))
    labelled(store)
    assert label(store, 0).q is None
    assert store.layer_methods(run.id) == []


def test_what_is_not_there_is_refused_and_nothing_is_written(store: Store) -> None:
    run = labelled(store)
    with pytest.raises(StoreError, match="unit 0 has no label of method 'milan'"):
        store.write_verification(run.id, TESTED, (SECOND, VerifiedLabel(0, "milan", p=0.5)))
    assert "verification" not in label(store, 4).details and store.layer_methods(run.id) == []
    with pytest.raises(NotFoundError, match="no layer 'conv9'"):
        store.write_verification(run.id, LayerMethod("conv9", "verification", "e" * 64), ())
    with pytest.raises(NotFoundError, match="no run"):
        store.write_verification(run.id + 1, TESTED, ())
