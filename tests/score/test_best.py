"""Best concepts against sorting by hand, and the ties of each profile."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissect.errors import ShapeError, UsageError
from dissect.probe.profile import PROFILES
from dissect.score.best import best_concept, best_per_category, top_concepts, top_per_category
from dissect.score.count import ConceptScores, iou


def drawn(seed: int, units: int = 3, concepts: int = 6) -> ConceptScores:
    """Small counts, so that ties abound."""
    rng = np.random.default_rng(seed)
    both = rng.integers(0, 3, (units, concepts))
    area, truth = both + rng.integers(0, 3, (units, concepts)), both.max(axis=0, initial=0) + rng.integers(0, 3, concepts)
    usable = rng.random(concepts) < 0.8
    return ConceptScores(np.arange(1, concepts + 1), rng.integers(0, 3, concepts), usable, both, area, truth, iou(both, area, truth))


def order(scores: ConceptScores, unit: int, ties: str) -> list[int]:
    """Columns best first, by the words of the rules."""
    columns = [c for c in range(len(scores.concept)) if scores.scored[c] and scores.iou[unit, c] > 0]
    if ties == "intersection":
        return sorted(columns, key=lambda c: (-scores.iou[unit, c], -scores.intersection[unit, c], c))
    if ties == "later":
        return sorted(columns, key=lambda c: (-scores.iou[unit, c], -scores.category[c], -c))
    return sorted(columns, key=lambda c: (-scores.iou[unit, c], c))


@given(st.integers(0, 10**6), st.sampled_from(sorted(PROFILES)), st.integers(1, 8), st.integers(0, 7))
def test_concepts_come_in_the_profiles_order(seed: int, name: str, count: int, concepts: int) -> None:
    scores, profile = drawn(seed, concepts=concepts), PROFILES[name]
    found = top_concepts(scores, ["ok"] * 3, profile, count)
    for unit in range(3):
        expected = order(scores, unit, profile.ties)[:count]
        assert found.concept[unit].tolist() == [scores.concept[c] for c in expected] + [-1] * (count - len(expected))
        for place, column in enumerate(expected):
            assert found.score[unit, place] == scores.iou[unit, column]
            assert found.intersection[unit, place] == scores.intersection[unit, column]
            assert found.unit_area[unit, place] == scores.unit_area[unit, column]
            assert found.concept_area[unit, place] == scores.concept_area[column]
            assert found.reachable[unit, place] == scores.reachable[unit, column]


@given(st.integers(0, 10**6), st.sampled_from(sorted(PROFILES)))
def test_the_best_of_each_category_is_the_best_among_its_own(seed: int, name: str) -> None:
    scores, profile = drawn(seed), PROFILES[name]
    found = best_per_category(scores, ["ok"] * 3, profile, 3)
    for unit in range(3):
        ranked = order(scores, unit, profile.ties)
        for category in range(3):
            own = [c for c in ranked if scores.category[c] == category]
            assert found.concept[unit, category] == (scores.concept[own[0]] if own else -1)
    whole = best_concept(scores, ["ok"] * 3, profile)
    assert np.array_equal(whole.score[:, 0], found.score.max(axis=1))


@given(st.integers(0, 10**6), st.lists(st.sampled_from(["ok", "dead", "constant", "saturated"]), min_size=3, max_size=3))
def test_dead_and_constant_units_have_no_label(seed: int, states: Sequence[str]) -> None:
    scores = drawn(seed)
    found = best_concept(scores, states, PROFILES["standard"])
    for unit, state in enumerate(states):
        if state in ("dead", "constant"):
            assert found.concept[unit, 0] == -1 and found.score[unit, 0] == 0 and found.reachable[unit, 0] == 0
        else:
            assert (found.concept[unit, 0] >= 0) == bool(order(scores, unit, "intersection"))


def test_equal_scores_are_settled_by_each_profiles_rule() -> None:
    """Columns 1, 2, 3 all score 1/2: I is 1, 2, 2; categories 2, 0, 1."""
    both, area, truth = np.array([[1, 2, 2]]), np.array([[2, 2, 2]]), np.array([1, 4, 4])
    scores = ConceptScores(np.array([1, 2, 3]), np.array([2, 0, 1]), np.ones(3, np.bool_), both, area, truth, iou(both, area, truth))
    assert scores.iou.tolist() == [[0.5] * 3]
    expected = {"standard": [2, 3, 1], "netdissect": [1, 3, 2], "lite": [1, 3, 2], "compexp": [1, 2, 3]}
    for name, concepts in expected.items():
        assert top_concepts(scores, ["ok"], PROFILES[name], 3).concept[0].tolist() == concepts


def test_a_score_of_zero_is_no_label() -> None:
    zero = np.zeros((1, 2), np.int64)
    usable, truth = np.ones(2, np.bool_), np.array([1, 1])
    scores = ConceptScores(np.array([1, 2]), np.zeros(2, np.int64), usable, zero, zero + 3, truth, np.zeros((1, 2)))
    for profile in PROFILES.values():
        assert best_concept(scores, ["ok"], profile).concept.tolist() == [[-1]]


def test_wrong_calls_are_refused() -> None:
    with pytest.raises(ShapeError, match="2 unit states"):
        best_concept(drawn(1), ["ok"] * 2, PROFILES["standard"])
    with pytest.raises(UsageError, match="not 0"):
        top_concepts(drawn(1), ["ok"] * 3, PROFILES["standard"], 0)
    assert best_per_category(drawn(1), ["ok"] * 3, PROFILES["standard"], 0).concept.shape == (3, 0)
    assert top_per_category(drawn(1), ["ok"] * 3, PROFILES["standard"], 77, 2).concept.max() == -1
