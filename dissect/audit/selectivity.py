"""How differently units respond to two groups, for all units at once: AUROC, standardised difference, and p by relabelling.

AUROC is the probability that a row of the first group responds more strongly than one of the second, ties counting one half. Both tests use
it: unmatched rows are relabelled by permutation, matched pairs by flipping which of the two is the first. Ranks are made once, and
a draw is a row of a matrix product. Letters: n rows (images, or persons), P pairs, U units.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from dissect.audit import kernels
from dissect.errors import ActivationError, ShapeError
from dissect.probe.kernels import threads_for

Float64 = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], NDArray[np.float32]]
"""(generator, count) -> (count, n) labels or signs."""

ENOUGH = 50
"""Draws at least as extreme as what was observed, after which a unit is no longer drawn for."""
_BLOCK = 4_000_000
_EXACT = 2.0**24


@dataclass(frozen=True)
class Tested:
    """p (U,) and draws (U,): how many relabellings each unit had. floor: the smallest p there could have been."""

    p: Float64
    draws: NDArray[np.int64]
    floor: float


def centred_ranks(values: NDArray[Any]) -> Float64:
    """(n, U) twice the average rank of each value within its unit, less n + 1: whole numbers that sum to 0.

    Raises:
        ActivationError: a value is NaN, which has no rank.
    """
    if np.isnan(values).any():
        row, unit = (int(index) for index in np.argwhere(np.isnan(values))[0])
        raise ActivationError(f"the response of unit {unit} in row {row} is NaN; it cannot be ranked.")
    if not len(values):
        return np.zeros(values.shape)
    return np.asarray(2 * rankdata(values, axis=0) - (len(values) + 1), np.float64)


def auroc_of_ranks(ranks: Float64, side: NDArray[np.bool_]) -> Float64:
    """(U,) AUROC of the rows on the first side, from `centred_ranks`; NaN where a side is empty.

    Source: Hanley & McNeil 1982; the rank sum less its expectation, over the number of pairs, lies between -1/2 and 1/2.
    """
    pairs = int(side.sum()) * int((~side).sum())
    if not pairs:
        return np.full(ranks.shape[1], np.nan)
    return np.asarray(0.5 + ranks[side].sum(axis=0) / (2.0 * pairs), np.float64)


def standardised_difference(values: NDArray[Any], side: NDArray[np.bool_]) -> Float64:
    """(U,) difference of the means, first side less second, over the pooled standard deviation (Cohen's d); NaN where that is 0.

    values (n, U); side (n,) True for the first group.
    """
    first, second = values[side].astype(np.float64), values[~side].astype(np.float64)
    if len(first) + len(second) < 3 or not len(first) or not len(second):
        return np.full(values.shape[1], np.nan)
    spread = ((first - first.mean(axis=0)) ** 2).sum(axis=0) + ((second - second.mean(axis=0)) ** 2).sum(axis=0)
    deviation = np.sqrt(spread / (len(first) + len(second) - 2))
    result = np.full(values.shape[1], np.nan)
    np.divide(first.mean(axis=0) - second.mean(axis=0), deviation, out=result, where=deviation > 0)
    return result


def permuted(ranks: Float64, side: NDArray[np.bool_], member: NDArray[np.int64], *, most: int, seed: int) -> Tested:
    """p of AUROC = 1/2 by permuting which rows are the first group.

    member (n,): a person with a row on each side has the two swapped, or not; all other rows are permuted among themselves.
    """
    if not (len(ranks) == len(side) == len(member)):
        raise ShapeError(f"{len(ranks)} rows of ranks, {len(side)} sides and {len(member)} members are not of the same rows.")
    double = _double(member)
    single = np.flatnonzero(~np.isin(np.arange(len(side)), double.ravel())).astype(np.int64)
    expected = side.astype(np.float64)
    expected[single] = side[single].mean() if len(single) else 0.0
    expected[double.ravel()] = 0.5

    chosen = int(side[single].sum())

    def draw(random: np.random.Generator, count: int) -> NDArray[np.float32]:
        labels = np.zeros((count, len(side)), np.float32)
        start = np.uint64(random.integers(0, 2**63))
        with threads_for(count * len(single)):
            kernels.draw_subsets(labels, single, chosen, start, 0)
        if len(double):
            heads = random.integers(0, 2, (count, len(double))).astype(np.float32)
            labels[:, double[:, 0]], labels[:, double[:, 1]] = heads, 1 - heads
        return labels

    return sequential(ranks, side.astype(np.float64), expected, draw, most=most, seed=seed)


def flipped(differences: Float64, *, most: int, seed: int) -> Tested:
    """p of no difference within pairs, by flipping the sign of pairs. differences (P, U): ranks of the first less those of the second."""

    def draw(random: np.random.Generator, count: int) -> NDArray[np.float32]:
        return (2 * random.integers(0, 2, (count, len(differences)), np.int8) - 1).astype(np.float32)

    return sequential(differences, np.ones(len(differences)), np.zeros(len(differences)), draw, most=most, seed=seed)


def sequential(scores: Float64, observed: Float64, expected: Float64, draw: Draw, *, most: int, seed: int) -> Tested:
    """Two-sided p of `observed @ scores` among `draw @ scores`, both seen from `expected @ scores`.

    A unit is drawn for until `ENOUGH` draws are at least as extreme, or `most` were made: p is then ENOUGH / draws, or
    (1 + extreme) / (1 + most). Both keep P(p <= a) <= a. Source: Besag & Clifford 1991, "Sequential Monte Carlo p-values".
    """
    units = scores.shape[1]
    middle = expected @ scores
    distance = np.abs(observed @ scores - middle)
    exact = np.abs(scores).sum(axis=0).max(initial=0.0) < _EXACT
    work = np.ascontiguousarray(scores, np.float32 if exact else np.float64)
    p, draws, hits = np.ones(units), np.zeros(units, np.int64), np.zeros(units, np.int64)
    alive, done, random = np.arange(units), 0, np.random.default_rng(seed)
    while len(alive) and done < most:
        count = min(most - done, max(done, 4 * ENOUGH), max(2 * ENOUGH, _BLOCK // max(len(scores) + len(alive), 1)))
        beyond = np.abs(draw(random, count).astype(work.dtype, copy=False) @ work[:, alive] - middle[alive]) >= distance[alive] - 1e-3
        total = hits[alive] + beyond.sum(axis=0)
        over = np.flatnonzero(total >= ENOUGH)
        last = (np.cumsum(beyond[:, over], axis=0) + hits[alive[over]] >= ENOUGH).argmax(axis=0)
        draws[alive[over]] = done + last + 1
        p[alive[over]] = ENOUGH / draws[alive[over]]
        hits[alive] = total
        done += count
        alive = np.delete(alive, over)
    draws[alive] = done
    p[alive] = (1 + hits[alive]) / (1 + done)
    return Tested(p, draws, 1 / (1 + most))


def _double(member: NDArray[np.int64]) -> NDArray[np.intp]:
    """(K, 2) rows of the members that have two."""
    order = np.argsort(member, kind="stable")
    twice = np.flatnonzero(member[order][1:] == member[order][:-1])
    return np.stack([order[twice], order[twice + 1]], axis=1).reshape(-1, 2)
