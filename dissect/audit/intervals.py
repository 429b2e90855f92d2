"""Bootstrap intervals of AUROC and standardised difference, for all units at once. Persons, or pairs, are drawn whole.

Percentile intervals (Efron 1979). Letters: n rows, U units, B draws.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dissect.audit.kernels import weighted_auroc
from dissect.probe.kernels import threads_for

Float64 = NDArray[np.float64]
LEVELS = (0.025, 0.975)
_UNITS = 128
"""Units at a time, so that no array grows with the network."""


def resampled(member: NDArray[np.int64], draws: int, seed: int) -> NDArray[np.float32]:
    """(n, B) how often each row is in each draw of as many members as there are, with replacement."""
    known, place = np.unique(member, return_inverse=True)
    random = np.random.default_rng(seed)
    counts = np.stack([np.bincount(random.integers(0, len(known), len(known)), minlength=len(known)) for _ in range(draws)], axis=1)
    return np.ascontiguousarray(counts[place], np.float32)


def auroc_intervals(values: NDArray[Any], side: NDArray[np.bool_], weights: NDArray[np.float32]) -> Float64:
    """(2, U) lower and upper end of the 95 % interval of AUROC; NaN where no draw has rows on both sides."""
    parts = [_ends(bootstrap_auroc(values[:, first : first + _UNITS], side, weights)) for first in range(0, values.shape[1], _UNITS)]
    return np.concatenate(parts, axis=1) if parts else np.zeros((2, 0))


def difference_intervals(values: NDArray[Any], side: NDArray[np.bool_], weights: NDArray[np.float32]) -> Float64:
    """(2, U) the same of the standardised difference."""
    parts = [_ends(bootstrap_difference(values[:, first : first + _UNITS], side, weights)) for first in range(0, values.shape[1], _UNITS)]
    return np.concatenate(parts, axis=1) if parts else np.zeros((2, 0))


def bootstrap_auroc(values: NDArray[Any], side: NDArray[np.bool_], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """(U, B) AUROC of values (n, U) with rows weighted by weights (n, B)."""
    order = np.ascontiguousarray(np.argsort(values, axis=0, kind="stable").T, np.int32)
    ordered = np.take_along_axis(np.ascontiguousarray(values.T), order.astype(np.int64), axis=1)
    last = np.ones(order.shape, np.bool_)
    last[:, :-1] = ordered[:, 1:] != ordered[:, :-1]
    with threads_for(order.size * weights.shape[1]):
        return weighted_auroc(order, last, np.ascontiguousarray(side), np.ascontiguousarray(weights, np.float32))


def bootstrap_difference(values: NDArray[Any], side: NDArray[np.bool_], weights: NDArray[np.float32]) -> Float64:
    """(U, B) standardised difference of values (n, U) with rows weighted by weights (n, B); NaN where it is not defined."""
    shifted = values.astype(np.float64) - values.mean(axis=0, dtype=np.float64)
    sums = [_moments(shifted[chosen], weights[chosen].astype(np.float64)) for chosen in (side, ~side)]
    (count, mean, spread), (other, second, more) = sums
    with np.errstate(invalid="ignore", divide="ignore"):
        deviation = np.sqrt((spread + more) / (count + other - 2))
        return np.where(deviation > 1e-12, (mean - second) / deviation, np.nan)


def _moments(values: Float64, weights: Float64) -> tuple[Float64, Float64, Float64]:
    """Counts (B,), means (U, B) and sums of squares about the mean (U, B)."""
    count = weights.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (values.T @ weights) / count
        return count, mean, np.maximum((values**2).T @ weights - count * mean**2, 0.0)


def _ends(drawn: NDArray[Any]) -> Float64:
    if not np.isnan(drawn).any():
        return np.asarray(np.quantile(drawn, LEVELS, axis=1), np.float64)
    result = np.full((2, len(drawn)), np.nan)
    for unit, row in enumerate(drawn):
        good = row[~np.isnan(row)]
        if len(good):
            result[:, unit] = np.quantile(good, LEVELS)
    return result
