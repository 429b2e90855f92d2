"""Compiled loops of the audit: AUROC under many sets of row weights from an order that is sorted once, and random subsets of rows.

Each unit, or draw, is worked on by one thread and writes only its own row, so the number of threads changes no result.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from dissect.probe.kernels import compiled


@compiled(parallel=True)
def weighted_auroc(
    order: NDArray[np.int32], last: NDArray[np.bool_], side: NDArray[np.bool_], weights: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(U, B) AUROC of the rows on one side against the other, every row counted as often as its weight says; NaN where a side is empty.

    order (U, n): rows by ascending value. last (U, n): whether a place ends a run of equal values. side (n,): the first group.
    weights (n, B).
    """
    units, rows = order.shape
    draws = weights.shape[1]
    result = np.empty((units, draws), np.float32)
    for unit in numba.prange(units):
        below = np.zeros(draws, np.float64)
        first, second = np.zeros(draws, np.float64), np.zeros(draws, np.float64)
        wins = np.zeros(draws, np.float64)
        total = np.zeros(draws, np.float64)
        for place in range(rows):
            row = order[unit, place]
            if side[row]:
                for draw in range(draws):
                    first[draw] += weights[row, draw]
            else:
                for draw in range(draws):
                    second[draw] += weights[row, draw]
            if last[unit, place]:
                for draw in range(draws):
                    wins[draw] += first[draw] * (below[draw] + 0.5 * second[draw])
                    below[draw] += second[draw]
                    total[draw] += first[draw]
                    first[draw] = 0.0
                    second[draw] = 0.0
        for draw in range(draws):
            pairs = total[draw] * below[draw]
            result[unit, draw] = np.float32(wins[draw] / pairs) if pairs > 0 else np.float32(np.nan)
    return result


@compiled(parallel=False)
def mixed(state: np.uint64) -> np.uint64:
    """A well mixed 64-bit number from another. Source: splitmix64, Steele, Lea & Flood 2014."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


@compiled(parallel=True)
def draw_subsets(labels: NDArray[np.float32], rows: NDArray[np.int64], chosen: int, seed: np.uint64, first: int) -> None:
    """Write 1 into `chosen` of the columns `rows` of every line of labels (B, n), all subsets equally likely; the rest is left.

    Line b is draw number first + b: it depends on that and on the seed only. Source: partial shuffle of Fisher and Yates.
    """
    step = np.uint64(0x9E3779B97F4A7C15)
    for line in numba.prange(len(labels)):
        state = mixed(mixed(seed + step) ^ (np.uint64(first + line) * step))
        deck = rows.copy()
        for place in range(chosen):
            state += step
            left = np.uint64(len(deck) - place)
            other = place + np.int64(((mixed(state) >> np.uint64(32)) * left) >> np.uint64(32))
            deck[place], deck[other] = deck[other], deck[place]
            labels[line, deck[place]] = np.float32(1.0)
