"""AUROC against comparing every pair."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissect.errors import ActivationError, ShapeError
from dissect.score.auroc import auroc


@given(st.integers(0, 10**6), st.integers(0, 14), st.integers(1, 3), st.integers(0, 3), st.booleans())
def test_auroc_is_the_share_of_pairs_in_the_right_order(seed: int, images: int, units: int, concepts: int, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    maxima = rng.integers(0, 3, (images, units)).astype(np.float32) if ties else rng.normal(size=(images, units)).astype(np.float32)
    presence = rng.random((images, concepts)) < 0.5
    found = auroc(maxima, presence)
    assert found.shape == (units, concepts)
    for unit in range(units):
        for concept in range(concepts):
            with_it, without = maxima[presence[:, concept], unit], maxima[~presence[:, concept], unit]
            wins = [1.0 if a > b else 0.5 if a == b else 0.0 for a in with_it for b in without]
            expected = sum(wins) / len(wins) if wins else np.nan
            assert found[unit, concept] == expected or (not wins and np.isnan(found[unit, concept]))


@given(st.integers(0, 10**6))
def test_turning_the_labels_round_turns_the_score_round(seed: int) -> None:
    rng = np.random.default_rng(seed)
    maxima, presence = rng.integers(0, 4, (9, 2)).astype(np.float32), rng.random((9, 3)) < 0.5
    one, other = auroc(maxima, presence), auroc(maxima, ~presence)
    np.testing.assert_allclose(one + other, np.where(np.isnan(one), np.nan, 1.0), atol=1e-15)


def test_perfect_hopeless_and_level() -> None:
    maxima = np.array([[0, 3, 1], [1, 2, 1], [2, 1, 1], [3, 0, 1]], np.float32)
    presence = np.array([[False], [False], [True], [True]])
    assert auroc(maxima, presence)[:, 0].tolist() == [1.0, 0.0, 0.5]
    assert np.isnan(auroc(maxima, np.ones((4, 1), np.bool_))).all()


def test_wrong_inputs_are_refused() -> None:
    with pytest.raises(ShapeError, match="same images"):
        auroc(np.zeros((3, 1), np.float32), np.zeros((2, 1), np.bool_))
    with pytest.raises(ActivationError, match="unit 1 in image 2"):
        auroc(np.array([[0, 0], [0, 0], [0, np.nan]], np.float32), np.zeros((3, 1), np.bool_))
