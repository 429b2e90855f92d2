"""Exact thresholds: order statistics of every spatial position of every image, read from histograms.

`standard`: T is the (floor(q n) + 1)-th largest of n values, so that at most a share q lies above it. The published programs
interpolate between two neighbouring values at level k/999; position k (n - 1) / 999 is worked out in integers, so that no rounding
chooses the wrong neighbour. Sources: Bau et al. 2017 and its program; NetDissect-Lite; Mu & Andreas 2020.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from dissect.errors import DataError, ShapeError, UsageError
from dissect.probe.histogram import Histogram, half_keys, half_values, single_keys, single_values
from dissect.probe.profile import Profile
from dissect.probe.tables import Int32, Int64


@dataclass(frozen=True)
class Thresholds:
    """Where the units of a layer begin to be active.

    value (U,) float64: T. cut (U,) float32: a position or pixel is active where its value, as float32, is > cut. It is T rounded to
    float32 (masks are compared in float32 under every profile); the float just below T for saturated units, whose mask is
    "equals the maximum"; +inf for dead and constant units, which have no mask.
    state (U,): `ok`, `dead` (all values 0), `constant` (all equal, not 0), `saturated` (T equals the maximum).
    active_positions (U,) int64: raw positions > cut, of `positions` in all.
    """

    value: NDArray[np.float64]
    cut: NDArray[np.float32]
    state: tuple[str, ...]
    active_positions: Int64
    positions: int


def ranks(total: int, quantile: float, profile: Profile) -> tuple[int, int, Fraction]:
    """Which of `total` sorted values make T: 0-based ascending ranks (low, high) and the share of the high one.

    The quantile is taken as the decimal that was written: 0.29 of 100 values are 29.

    Raises:
        UsageError: the quantile is not between 0 and 1.
        DataError: there is no value.
    """
    if not 0 < quantile < 1:
        raise UsageError(f"the quantile must lie between 0 and 1 (0.005 is usual), not {quantile}.")
    if total < 1:
        raise DataError("there is no activation to take a threshold of: no image could be read.")
    if profile.quantile == "order":
        rank = total - 1 - int(Fraction(str(quantile)) * total)
        return rank, rank, Fraction(0)
    level = 999 - round(1000 * quantile) if profile.quantile == "netdissect" else int(1000 * (1 - quantile)) - 1
    place = Fraction(max(level, 0) * (total - 1), 999)
    low = int(place)
    return low, min(low + 1, total - 1), place - low


def coarse_bins(histogram: Histogram, quantile: float, profile: Profile) -> Int32:
    """The coarse bins (U, 2) that `histogram.refine` must resolve for a float32 layer; -1 in the second place where one is enough."""
    low, high, _ = ranks(_positions(histogram), quantile, profile)
    first, second = _bin_of_rank(histogram, low), _bin_of_rank(histogram, high)
    bins = np.stack([histogram.keys[first], histogram.keys[second]], axis=1).astype(np.int32)
    bins[first == second, 1] = -1
    return bins


def thresholds(histogram: Histogram, quantile: float, profile: Profile, refined: Histogram | None = None) -> Thresholds:
    """T, state and active positions of every unit.

    `histogram`: all values of the layer, merged over shards. `refined`: for float32, the merged `refine` of all shards at
    `coarse_bins` of the same quantile and profile.

    Raises:
        UsageError, DataError: as `ranks`.
        ShapeError: float32 without a fitting `refined`.
    """
    total = _positions(histogram)
    low, high, share = ranks(total, quantile, profile)
    if histogram.dtype == "float16":
        lower = half_values(histogram.keys[_bin_of_rank(histogram, low)])
        upper = half_values(histogram.keys[_bin_of_rank(histogram, high)]) if high != low else lower
    else:
        bins = coarse_bins(histogram, quantile, profile)
        refined = _fitting(refined, len(histogram))
        lower = _single_of_rank(histogram, refined, bins, low)
        upper = _single_of_rank(histogram, refined, bins, high)
    value = lower + (upper - lower) * float(share)
    if profile.threshold_dtype == "float32":
        value = value.astype(np.float32).astype(np.float64)
    cut, state = _cuts(histogram, value)
    active = _above_half(histogram, cut) if histogram.dtype == "float16" else _above_single(histogram, cut, bins, refined)
    return Thresholds(value, cut, state, active, total)


def _positions(histogram: Histogram) -> int:
    totals = histogram.totals()
    if len(totals) == 0:
        raise DataError("the layer has no units.")
    if (totals != totals[0]).any():
        raise ShapeError("the units of a layer were counted over different numbers of positions.")
    return int(totals[0])


def _cuts(histogram: Histogram, value: NDArray[np.float64]) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    flat = histogram.minimum == histogram.maximum
    dead = flat & (histogram.maximum == 0)
    saturated = ~flat & (value.astype(np.float32) == histogram.maximum)
    cut = np.where(flat, np.float32(np.inf), value.astype(np.float32))
    cut = np.where(saturated, np.nextafter(cut, np.float32(-np.inf)), cut).astype(np.float32)
    state = np.select([dead, flat, saturated], ["dead", "constant", "saturated"], "ok")
    return cut, tuple(str(word) for word in state)


def _bin_of_rank(histogram: Histogram, rank: int) -> Int64:
    """(U,) position in `keys` of the bin that holds the value of this ascending rank, for every unit."""
    wanted = histogram.running[histogram.offsets[:-1]] + rank
    found: Int64 = np.searchsorted(histogram.running, wanted, side="right") - 1
    return found


def _fitting(refined: Histogram | None, units: int) -> Histogram:
    if refined is None or len(refined) != 2 * units:
        raise ShapeError("float32 activations need a second sweep (`histogram.refine`) before their thresholds are known.")
    return refined


def _single_of_rank(histogram: Histogram, refined: Histogram, bins: Int32, rank: int) -> NDArray[np.float64]:
    """(U,) float32 value of this rank, from its coarse bin and the refined counts inside."""
    place = _bin_of_rank(histogram, rank)
    before = histogram.running
    inside = rank - (before[place] - before[histogram.offsets[:-1]])
    coarse = histogram.keys[place].astype(np.int64)
    row = 2 * np.arange(len(histogram)) + (coarse != bins[:, 0])
    fine = refined.running
    if (refined.totals()[row] != histogram.counts[place]).any():
        raise ShapeError("the second sweep did not see the values that the first one counted; delete the run's activations and run again.")
    position = np.searchsorted(fine, fine[refined.offsets[row]] + inside, side="right") - 1
    keys = (coarse << 16) | refined.keys[position].astype(np.int64)
    return single_values(keys.astype(np.uint32)).astype(np.float64)


def _count_above(histogram: Histogram, row: Int64, key: Int64) -> Int64:
    """How many values of each row lie in bins above `key`, both (X,)."""
    before = histogram.running
    first, stop = histogram.offsets[row], histogram.offsets[row + 1]
    # Row by row: one search in keys that are made different by row would first have to write a number for every bin of the layer.
    inside = [
        np.searchsorted(histogram.keys[begin:end], wanted, side="right")
        for begin, end, wanted in zip(first, stop, key.astype(np.uint16), strict=True)
    ]
    above: Int64 = before[stop] - before[first + np.array(inside, np.int64)]
    return above


def _above_half(histogram: Histogram, cut: NDArray[np.float32]) -> Int64:
    """Positions above the cut; a half is above a float32 cut exactly where it is above the cut rounded down to a half."""
    half = cut.astype(np.float16)
    return _count_above(histogram, np.arange(len(cut)), half_keys(half).astype(np.int64) - (half > cut))


def _above_single(histogram: Histogram, cut: NDArray[np.float32], bins: Int32, refined: Histogram | None) -> Int64:
    """Positions above the cut: all of the coarse bins above its own, and what the second sweep saw above it in its own.

    Between the two values that T lies between there are no others, so a bin that was not resolved is empty or T is not in it.
    """
    units = np.arange(len(histogram))
    key = single_keys(np.where(np.isinf(cut), np.float32(0), cut)).astype(np.int64)
    coarse, low = key >> 16, key & 0xFFFF
    above = _count_above(histogram, units, coarse)
    for column in (0, 1):
        resolved = bins[:, column] == coarse
        if refined is not None and resolved.any():
            above[resolved] += _count_above(refined, 2 * units[resolved] + column, low[resolved])
    above[np.isinf(cut)] = 0
    return above
