"""Units by what is said of them: counts, agreement, and two networks compared."""

from __future__ import annotations

import math
from collections import defaultdict
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissect.audit.lexicon import lexicon
from dissect.audit.words import Description, audit_descriptions, compare_proportions, difference_interval, fleiss_kappa, with_q
from dissect.errors import CountError

FACES = lexicon("faces")
TEXTS = st.sampled_from(["a face", "faces", "surface", "a head of lettuce", "grass", "eyes"])


@given(st.lists(st.tuples(st.integers(0, 4), TEXTS), max_size=14))
def test_counts_agree_with_a_plain_count(rows: list[tuple[int, str]]) -> None:
    said = defaultdict(list)
    for unit, text in rows:
        said[unit].append(text)
    counts = audit_descriptions(FACES, [Description("l", *row) for row in rows], "made up").counts
    by_rule = ({"a face", "a head of lettuce"}, {"a face", "faces", "eyes"}, {"a face", "faces", "eyes", "surface", "a head of lettuce"})
    expected = [sum(any(text in rule for text in texts) for texts in said.values()) for rule in by_rule]
    assert [counts.whole, counts.lemma, counts.substring] == expected
    assert (counts.units, counts.texts) == (len(said), len(rows))


def test_three_annotators_are_counted_and_the_finding_says_how_many_agree() -> None:
    rows = [Description("l", 1, text) for text in ("a face", "eyes", "fur")] + [Description("l", 2, text) for text in ("fur",) * 3]
    result = audit_descriptions(FACES, rows, "made up")
    (finding,) = result.findings
    assert finding.unit == 1 and finding.effect == pytest.approx(2 / 3) and finding.value == "face"
    assert "2 of 3 descriptions" in finding.text and result.counts.agreement == (1, 1, 0)


def test_words_that_only_one_rule_sees_are_named() -> None:
    rows = [Description("l", n, text) for n, text in enumerate(["surfaces", "faces", "a head of lettuce"])]
    counts = audit_descriptions(FACES, rows, "made up").counts
    assert counts.missed == (("faces", 1),) and counts.false_hits == (("surfaces", 1),) and counts.set_aside == (("head of lettuce", 1),)


def test_a_lemma_of_several_words_that_counts_is_no_false_hit() -> None:
    rows = [Description("l", n, text) for n, text in enumerate(["an old man", "an old mansion"])]
    counts = audit_descriptions(lexicon("age"), rows, "made up").counts
    assert (counts.lemma, counts.substring, counts.false_hits) == (1, 2, (("old man", 1),))


def test_no_descriptions_are_not_testable_and_no_words_are_not_found() -> None:
    assert audit_descriptions(FACES, [], "nothing.csv").findings[0].state == "not testable"
    assert audit_descriptions(FACES, [Description("l", 0, "grass")], "a.csv").findings[0].state == "not found"


def hypergeometric(found: int, units: int, other: int, total: int) -> float:
    """Fisher's exact test, two-sided, from its definition."""
    chances = [
        comb(units, k) * comb(total, found + other - k) / comb(units + total, found + other)
        for k in range(max(0, found + other - total), min(units, found + other) + 1)
    ]
    mine = comb(units, found) * comb(total, other) / comb(units + total, found + other)
    return sum(chance for chance in chances if chance <= mine * (1 + 1e-7))


@given(st.integers(1, 30).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.integers(1, 30).flatmap(
    lambda n: st.tuples(st.integers(0, n), st.just(n))))  # fmt: skip
def test_the_comparison_agrees_with_its_definition(one: tuple[int, int], other: tuple[int, int]) -> None:
    found = compare_proportions("description", "faces", ("a", *one), ("b", *other))
    assert found.p == pytest.approx(hypergeometric(*one, *other), abs=1e-9)
    assert -1 <= found.interval[0] <= found.difference <= found.interval[1] <= 1


def test_newcombes_example_comes_out() -> None:
    """Newcombe 1998, table II, case (a): 56/70 - 48/80, method 10."""
    low, high = difference_interval(56, 70, 48, 80)
    assert (round(low, 4), round(high, 4)) == (0.0524, 0.3339)


def test_the_published_face_counts_differ() -> None:
    """213 of about 1,000 units in ordinary against 142 in face-blurred networks."""
    found = compare_proportions("description", "faces", ("ordinary", 213, 1024), ("blurred", 142, 1024))
    assert found.p < 0.001 and found.interval[0] > 0


@pytest.mark.parametrize("wrong", [(1, 0), (3, 2), (-1, 2)])
def test_impossible_counts_are_refused(wrong: tuple[int, int]) -> None:
    with pytest.raises(CountError):
        compare_proportions("mask", "face", ("a", *wrong), ("b", 1, 2))


def test_q_values_are_over_all_comparisons() -> None:
    two = [compare_proportions("mask", "x", ("a", k, 100), ("b", 1, 100)) for k in (40, 2)]
    q = [each.q for each in with_q(two)]
    assert q == pytest.approx([2 * two[0].p, two[1].p]) and with_q([]) == ()


def test_kappa_is_one_for_agreement_zero_for_chance_and_none_where_all_say_the_same() -> None:
    assert fleiss_kappa([3, 0, 3, 0], 3) == pytest.approx(1)
    assert fleiss_kappa([3, 3], 3) is None and fleiss_kappa([1], 1) is None
    agreed, chance = (0 + 1 + 1 + 3) / 12, 0.5
    assert fleiss_kappa([0, 1, 2, 3], 3) == pytest.approx(((3 + 1 + 1 + 3) / 12 - chance) / (1 - chance)) and math.isfinite(agreed)
