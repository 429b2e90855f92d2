"""Pairs of rows, one of each group, that are alike in the stated confounders.

Numeric confounders are drawn together into the logit of a propensity score (one alone is used as it is); two rows may be a pair if
they lie within the caliper there, and within the same stratum of every categorical confounder. Of the allowed pairs the closest are
taken first, each row once. What is left of the difference in every confounder is always shown.
Source: Rosenbaum & Rubin 1985; Austin 2011 on calipers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dissect.errors import ShapeError

Float64 = NDArray[np.float64]
CALIPER = 0.1
BALANCE = 0.1


@dataclass(frozen=True)
class Matching:
    """first, second (P,): rows of the pairs. before, after: standardised difference of every confounder, without and with matching.

    lost: rows of the smaller group without a partner, and the rows of both that lack a confounder. score (n,): what the caliper was
    applied to, in its standard deviations.
    """

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    before: Mapping[str, float]
    after: Mapping[str, float]
    lost: int
    score: Float64

    @property
    def worst(self) -> float:
        """Largest difference that is left, without sign; 0 without confounders."""
        return max((abs(value) for value in self.after.values()), default=0.0)


def match(
    side: NDArray[np.bool_],
    numeric: Mapping[str, Float64],
    categorical: Mapping[str, NDArray[np.str_]],
    member: NDArray[np.int64] | None = None,
    *,
    caliper: float = CALIPER,
) -> Matching:
    """Match the rows of the first group (side True) 1:1 with rows of the second.

    numeric: confounder -> (n,), NaN where not known: such rows are not matched. categorical: confounder -> (n,) values, matched
    exactly. member (n,): a person with rows on both sides is matched with nobody but itself. caliper: in standard deviations.

    Raises:
        ShapeError: a confounder is not of these rows.
    """
    for name, column in (*numeric.items(), *categorical.items()):
        if len(column) != len(side):
            raise ShapeError(f"confounder {name} has {len(column)} values for {len(side)} rows.")
    columns = np.stack([np.asarray(column, np.float64) for column in numeric.values()], axis=1) if numeric else np.zeros((len(side), 0))
    usable = np.asarray(np.isfinite(columns).all(axis=1), np.bool_)
    scaled, score = _scaled(columns, side, usable)
    pairs = _closest(side & usable, ~side & usable, score, scaled, _strata(categorical, side, member), caliper)
    smaller = min(int((side & usable).sum()), int((~side & usable).sum()))
    before = _balance(numeric, categorical, np.flatnonzero(side & usable), np.flatnonzero(~side & usable), side)
    after = _balance(numeric, categorical, pairs[:, 0], pairs[:, 1], side)
    return Matching(pairs[:, 0], pairs[:, 1], before, after, smaller - len(pairs) + int((~usable).sum()), score)


def propensity(columns: Float64, side: NDArray[np.bool_]) -> Float64:
    """(n,) logit of the probability of the first group, from columns (n, K) in standard deviations: ridge logistic regression by Newton's
    method. The slight ridge keeps it finite where the groups do not overlap."""
    design = np.concatenate([np.ones((len(columns), 1)), columns], axis=1)
    weights = np.zeros(design.shape[1])
    ridge = np.diag([1e-6, *([1e-2] * columns.shape[1])])
    for _ in range(30):
        chance = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        curvature = design.T @ (design * (chance * (1 - chance))[:, None]) + ridge
        step = np.linalg.solve(curvature, design.T @ (side - chance) - ridge @ weights)
        weights = weights + step
        if np.abs(step).max() < 1e-8:
            break
    return np.asarray(design @ weights, np.float64)


def _scaled(columns: Float64, side: NDArray[np.bool_], usable: NDArray[np.bool_]) -> tuple[Float64, Float64]:
    """Columns and the score that the caliper applies to, both in pooled within-group standard deviations."""
    result, score = np.zeros_like(columns), np.zeros(len(columns))
    if not columns.shape[1] or not (side & usable).any() or not (~side & usable).any():
        return result, score
    deviation = np.array([_spread(column[side & usable], column[~side & usable]) for column in columns.T])
    result[usable] = (columns[usable] - columns[usable].mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    if columns.shape[1] == 1:
        return result, result[:, 0]
    score[usable] = propensity(result[usable], side[usable])
    spread = _spread(score[side & usable], score[~side & usable])
    return result, score / spread if spread > 0 else score


def _strata(categorical: Mapping[str, NDArray[np.str_]], side: NDArray[np.bool_], member: NDArray[np.int64] | None) -> NDArray[np.intp]:
    """(n,) one number for every combination of values; rows of a person on both sides get one of their own."""
    keys = [np.unique(column, return_inverse=True)[1] for column in categorical.values()]
    if member is not None:
        both = np.isin(member, np.intersect1d(member[side], member[~side]))
        keys.append(np.where(both, member - member.min(initial=0) + 1, 0))
    if not keys:
        return np.zeros(len(side), np.intp)
    return np.asarray(np.unique(np.stack(keys, axis=1), axis=0, return_inverse=True)[1].reshape(-1), np.intp)


def _closest(
    first: NDArray[np.bool_], second: NDArray[np.bool_], score: Float64, scaled: Float64, strata: NDArray[np.intp], caliper: float
) -> NDArray[np.intp]:
    """(P, 2) pairs, the closest first."""
    taken: list[NDArray[np.intp]] = []
    for stratum in np.unique(strata[first]):
        a, b = np.flatnonzero(first & (strata == stratum)), np.flatnonzero(second & (strata == stratum))
        b = b[np.argsort(score[b], kind="stable")]
        start = np.searchsorted(score[b], score[a] - caliper, "left")
        count = np.searchsorted(score[b], score[a] + caliper, "right") - start
        left = np.repeat(np.arange(len(a)), count)
        right = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + np.repeat(start, count)
        distance = ((scaled[a[left]] - scaled[b[right]]) ** 2).sum(axis=1)
        taken.append(_greedy(a, b, left, right, np.argsort(distance, kind="stable")))
    return np.concatenate(taken) if taken else np.zeros((0, 2), np.intp)


def _greedy(
    a: NDArray[np.intp], b: NDArray[np.intp], left: NDArray[np.intp], right: NDArray[np.intp], order: NDArray[np.intp]
) -> NDArray[np.intp]:
    free_a, free_b = [True] * len(a), [True] * len(b)
    pairs = []
    for i, j in zip(left[order].tolist(), right[order].tolist(), strict=True):
        if free_a[i] and free_b[j]:
            free_a[i] = free_b[j] = False
            pairs.append((a[i], b[j]))
    return np.array(pairs, np.intp).reshape(-1, 2)


def _balance(
    numeric: Mapping[str, Float64], categorical: Mapping[str, NDArray[np.str_]], first: NDArray[np.intp], second: NDArray[np.intp],
    side: NDArray[np.bool_],
) -> dict[str, float]:  # fmt: skip
    """Difference of the means over the standard deviation of all rows; for categories the largest of their values' shares."""
    found = {}
    for name, column in numeric.items():
        good = np.isfinite(column)
        found[name] = _apart(np.asarray(column, np.float64), first, second, _spread(column[side & good], column[~side & good]))
    for name, values in categorical.items():
        shares = [(values == value).astype(np.float64) for value in np.unique(values)]
        found[name] = max((_apart(share, first, second, _spread(share[side], share[~side])) for share in shares), key=abs, default=0.0)
    return found


def _apart(column: Float64, first: NDArray[np.intp], second: NDArray[np.intp], spread: float) -> float:
    if not len(first) or not len(second) or spread <= 0:
        return 0.0
    return float((column[first].mean() - column[second].mean()) / spread)


def _spread(first: Float64, second: Float64) -> float:
    """Root of the mean variance of two groups, as balance is usually stated."""
    parts = [group.var(ddof=1) for group in (first, second) if len(group) > 1]
    return float(np.sqrt(np.mean(parts))) if parts else 0.0
