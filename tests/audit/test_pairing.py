"""Units of two layers paired by what they answer to."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissect.audit.pairing import correlations, pair_units
from dissect.errors import ShapeError, UsageError


@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 5))
def test_correlations_are_pearsons(seed: int, one: int, two: int) -> None:
    random = np.random.default_rng(seed)
    first, second = random.normal(size=(9, one)), random.normal(size=(9, two))
    plain = np.corrcoef(first.T, second.T)[:one, one:]
    np.testing.assert_allclose(correlations(first, second), plain, atol=1e-12)


@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 5))
def test_the_assignment_is_the_best_of_all(seed: int, one: int, two: int) -> None:
    random = np.random.default_rng(seed)
    first, second = random.normal(size=(7, one)), random.normal(size=(7, two))
    matrix = correlations(first, second)
    found = pair_units(first, second)
    few, many = sorted((one, two))
    table = matrix if one <= two else matrix.T
    best = max(sum(table[row, column] for row, column in enumerate(order)) for order in itertools.permutations(range(many), few))
    assert found.correlation.sum() == pytest.approx(best)
    assert len(set(found.first.tolist())) == len(set(found.second.tolist())) == few


def test_shuffled_units_find_each_other_and_chance_is_far_below() -> None:
    random = np.random.default_rng(3)
    first = random.normal(size=(400, 30)).astype(np.float32)
    order = random.permutation(30)
    found = pair_units(first, first[:, order] * 3 + 1)
    assert order[found.second].tolist() == found.first.tolist()
    assert found.mean == pytest.approx(1) and 0 < found.chance < 0.2


def test_a_unit_that_never_changes_correlates_with_none() -> None:
    first = np.stack([np.full(5, 0.1), np.arange(5)], axis=1)
    assert correlations(first, first).tolist() == [[0, 0], [0, pytest.approx(1)]]


def test_other_images_and_too_few_are_refused() -> None:
    with pytest.raises(ShapeError, match="5 and to 4 images"):
        pair_units(np.zeros((5, 2)), np.zeros((4, 2)))
    with pytest.raises(UsageError, match="too few"):
        pair_units(np.zeros((2, 2)), np.zeros((2, 2)))
