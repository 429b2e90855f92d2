"""What became of labels between two runs, and gates on it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissect.audit.change_gate import KINDS, ChangeClause, judge, parse
from dissect.audit.changes import CHANGES, LayerChange, RunChanges, UnitLabel, concept_changes, unit_changes
from dissect.audit.gate import COMPARE, GateError
from dissect.errors import UsageError

WORDS = st.sampled_from(["car", "Car", "dog", "face", None])
LABELS = st.builds(lambda text, counts: UnitLabel(0, text, "object", 0.1, counts), WORDS, st.booleans())


def label(index: int, text: str | None, counts: bool = True, category: str = "object") -> UnitLabel:
    return UnitLabel(index, text, category, 0.1, counts)


def changes(first: list[UnitLabel], second: list[UnitLabel], pairs: list[tuple[int, int, float | None]] | None = None) -> RunChanges:
    given = pairs if pairs is not None else [(unit.index, unit.index, None) for unit in first]
    return RunChanges("a", "b", {}, (LayerChange("l", "l", "index", unit_changes(first, second, given)),))


@given(st.lists(st.tuples(LABELS, LABELS), max_size=8))
def test_counts_agree_with_a_plain_reading(pairs: list[tuple[UnitLabel, UnitLabel]]) -> None:
    first = [label(i, one.text, one.counts) for i, (one, _) in enumerate(pairs)]
    second = [label(i, two.text, two.counts) for i, (_, two) in enumerate(pairs)]
    (layer,) = changes(first, second).layers
    names = [[u.text.lower() if u.counts and u.text is not None else "" for u in side] for side in (first, second)]
    both = list(zip(*names, strict=True))
    plain = {
        "same": sum(bool(a) and a == b for a, b in both), "changed": sum(bool(a and b) and a != b for a, b in both),
        "gained": sum(bool(b) and not a for a, b in both), "lost": sum(bool(a) and not b for a, b in both),
        "none": sum(not a and not b for a, b in both), "only first": 0, "only second": 0,
    }  # fmt: skip
    assert layer.counts() == plain and tuple(plain) == CHANGES
    assert layer.unique() == ({"object": tuple(len(set(side) - {""}) for side in names)} if any(map(any, both)) else {})
    moved = {concept.name.lower(): concept.second - concept.first for concept in layer.concepts()}
    assert moved == {name: names[1].count(name) - names[0].count(name) for name in {*names[0], *names[1]} - {""}}


def test_units_without_a_partner_stand_alone() -> None:
    (layer,) = changes([label(0, "car"), label(1, "dog")], [label(0, "cat"), label(7, "dog")], [(1, 7, 0.9)]).layers
    assert [(unit.change, unit.correlation) for unit in layer.units] == [("only first", None), ("only second", None), ("same", 0.9)]


def test_a_pair_of_nobody_or_of_one_unit_twice_is_refused() -> None:
    for pairs in ([(0, 3, None)], [(0, 0, None), (0, 1, None)]):
        with pytest.raises(UsageError, match="cannot be paired"):
            unit_changes([label(0, "car")], [label(0, "car"), label(1, "dog")], pairs)


def test_the_same_name_in_two_categories_is_two_concepts() -> None:
    found = concept_changes([label(0, "wood", category="material")], [label(0, "wood", category="scene"), None])
    assert [(each.category, each.first, each.second) for each in found] == [("material", 1, 0), ("scene", 0, 1)]


RUNS = changes(
    [label(0, "car"), label(1, "dog"), label(2, "face"), label(3, "sky", False), label(4, "tree")],
    [label(0, "car"), label(1, "human face"), label(2, "face", False), label(3, "face"), label(4, "tree")],
)


def found_by(side: str, words: str) -> set[tuple[str, int, str]]:
    units = [unit.first if side == "first" else unit.second for unit in RUNS.layers[0].units]
    return {("l", unit.index, unit.text) for unit in units if unit is not None and unit.text and words in unit.text}


@pytest.mark.parametrize(("text", "count", "failed"), [
    ("new label", 2, True), ("new label matches face", 2, True), ("new label matches face > 1", 2, True), ("new labels > 2", 2, False),
    ("new label matches dog", 0, False), ("lost label", 2, True), ("lost label matches \"dog\"", 1, True), ("changed label", 1, True),
    ("changed label matches dog", 0, False), ("new concept", 1, True), ("new concept matches human", 1, True), ("lost concept", 1, True),
    ("lost concept matches face", 0, False), ("new label = 2", 2, True), ("lost concept >= 2", 1, False),
])  # fmt: skip
def test_a_clause_fails_exactly_where_it_should(text: str, count: int, failed: bool) -> None:
    (verdict,) = judge(parse(text), RUNS, found_by)
    assert (len(verdict.found), verdict.failed) == (count, failed) and ("FAILED" in verdict.text) is failed


def test_what_is_found_is_named() -> None:
    (verdict,) = judge(parse("new label matches face"), RUNS, found_by)
    assert verdict.found == ("l/1 dog -> human face", "l/3 nothing -> face")


@pytest.mark.parametrize(("text", "place"), [
    ("", 1), ("label", 1), ("changed concept", 1), ("new label matches", 1), ("new label > many", 1), ("new label; old label", 12),
    ("new label matches face > 3 dogs", 1), ("new label matches \"\"", 1),
])  # fmt: skip
def test_what_cannot_be_read_is_refused_with_its_place(text: str, place: int) -> None:
    with pytest.raises(GateError, match=rf"at character {place}\b"):
        parse(text)


@given(st.sampled_from(KINDS), st.sampled_from(["", "face", "traffic light", "a-b"]), st.sampled_from(sorted(COMPARE)), st.integers(0, 99))
def test_what_is_written_is_read_back(kind: str, words: str, sign: str, number: int) -> None:
    clause = ChangeClause(kind, words, sign, number)
    assert parse(str(clause)) == (clause,) and parse(f"{clause} ; {clause};") == (clause, clause)
