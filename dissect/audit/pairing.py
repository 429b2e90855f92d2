"""Which unit of one layer answers as which unit of another: correlation of what they do on the same images, and the best assignment.

Two networks trained apart have no common order of units. Each unit is described by its spatial maxima over the images; the pairs are the
one-to-one assignment with the largest sum of correlations. Letters: n images, U and V units.
Source: Li et al. 2016, "Convergent Learning: Do different neural networks learn the same representations?", section 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from dissect.errors import ShapeError, UsageError

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Pairing:
    """The pairs found. first, second (P,): unit indices, ascending in first; correlation (P,): Pearson's, in [-1, 1].

    chance: mean correlation that the same assignment reaches when the images of one side are shuffled: what to compare the mean with.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    correlation: Float64
    chance: float

    @property
    def mean(self) -> float:
        """Mean correlation of the pairs; 0 if there is none."""
        return float(self.correlation.mean()) if len(self.correlation) else 0.0


def correlations(first: NDArray[Any], second: NDArray[Any]) -> Float64:
    """Pearson's correlation (U, V) of responses (n, U) and (n, V) to the same images. A unit that never changes correlates with none: 0.

    Raises:
        ShapeError: not the same number of images. UsageError: fewer than 3 images.
    """
    if len(first) != len(second):
        raise ShapeError(f"responses to {len(first)} and to {len(second)} images; both layers must see the same.")
    if len(first) < 3:
        raise UsageError(f"{len(first)} images are too few to pair units by what they answer to. Give 3 or more.")
    found: Float64 = _standard(first).T @ _standard(second) / len(first)
    return np.clip(found, -1.0, 1.0)


def pair_units(first: NDArray[Any], second: NDArray[Any], *, seed: int = 0) -> Pairing:
    """Pair the units of two layers by their responses (n, U) and (n, V) to the same images; min(U, V) pairs.

    Raises:
        ShapeError, UsageError: as `correlations`.
    """
    matrix = correlations(first, second)
    one, two = linear_sum_assignment(matrix, maximize=True)
    order = np.random.default_rng((seed, 0x9A12)).permutation(len(second))
    shuffled = correlations(first, second[order])
    places = linear_sum_assignment(shuffled, maximize=True)
    chance = float(shuffled[places].mean()) if len(places[0]) else 0.0
    return Pairing(np.asarray(one, np.int64), np.asarray(two, np.int64), matrix[one, two], chance)


def _standard(values: NDArray[Any]) -> Float64:
    """Columns with mean 0 and standard deviation 1; 0 where there is none."""
    centred = values.astype(np.float64) - values.mean(axis=0, dtype=np.float64)
    spread = np.sqrt((centred**2).mean(axis=0))
    flat = spread <= 1e-12 * np.abs(values).max(axis=0, initial=0.0)
    found: Float64 = np.divide(centred, np.where(flat, 1.0, spread)) * ~flat
    return found
