"""Detector counts by both published rules."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissect.errors import ShapeError, UsageError
from dissect.score.best import Ranked
from dissect.score.detectors import detectors


def ranked(concept: list[list[int]], score: list[list[float]]) -> Ranked:
    ids, values = np.array(concept, np.int64), np.array(score, np.float64)
    return Ranked(ids, values, ids * 0, ids * 0, ids * 0, values * 0)


def best_of(categories: Ranked) -> Ranked:
    """The best overall, from the best of each category."""
    place = categories.score.argmax(axis=1)[:, None]
    taken = np.take_along_axis(categories.concept, place, 1).tolist()
    return ranked(taken, np.take_along_axis(categories.score, place, 1).tolist())


@given(st.integers(0, 10**6), st.integers(1, 12), st.booleans())
def test_counts_equal_sets_and_loops(seed: int, units: int, inclusive: bool) -> None:
    rng = np.random.default_rng(seed)
    score = rng.choice([0.0, 0.03, 0.04, 0.05, 0.2], (units, 3))
    concept = np.where(score > 0, rng.integers(1, 4, (units, 3)) + 10 * np.arange(3), -1)
    categories = ranked(concept.tolist(), score.tolist())
    best = best_of(categories)
    twin = np.array([int(rng.integers(0, unit)) if unit and rng.random() < 0.3 else -1 for unit in range(units)], np.int32)
    found = detectors(best, categories, twin, inclusive=inclusive)
    over = [u for u in range(units) if best.score[u, 0] > 0.04 or (inclusive and best.score[u, 0] == 0.04)]
    assert found.detector.nonzero()[0].tolist() == over
    assert found.units == sum(twin[u] < 0 for u in over)
    assert found.unique == len({best.concept[u, 0] for u in over})
    for k in range(3):
        inside = [u for u in range(units) if score[u, k] > 0.04 or (inclusive and score[u, k] == 0.04)]
        assert found.category_units[k] == sum(twin[u] < 0 for u in inside)
        assert found.category_unique[k] == len({concept[u, k] for u in inside})
    assert found.category_sum == sum(found.category_unique) >= found.unique


def test_a_duplicate_counts_once_and_equality_only_when_importing() -> None:
    categories = ranked([[5], [5], [6], [7]], [[0.1], [0.1], [0.04], [0.3]])
    twin = np.array([-1, 0, -1, -1], np.int32)
    found = detectors(categories, categories, twin)
    assert (found.units, found.unique) == (2, 2) and found.detector.tolist() == [True, True, False, True]
    assert detectors(categories, categories, twin, inclusive=True).unique == 3
    assert detectors(categories, categories, twin, threshold=0.2).units == 1


def test_wrong_calls_are_refused() -> None:
    one = ranked([[5]], [[0.1]])
    with pytest.raises(UsageError, match="between 0 and 1"):
        detectors(one, one, np.array([-1], np.int32), threshold=4)
    with pytest.raises(ShapeError, match="counted together"):
        detectors(one, one, np.array([-1, -1], np.int32))
