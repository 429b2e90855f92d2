"""What every unit does over the whole data set, from its histogram: integers first, each float worked out once at the end."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dissect.errors import ShapeError
from dissect.probe.histogram import Histogram, coarse_floor, half_values
from dissect.probe.kernels import PRIME
from dissect.probe.tables import Int32, Int64, UnitStats
from dissect.probe.threshold import Thresholds

BINS = 64
"""Bins of the histogram that is drawn."""


def active_images(maxima: NDArray[np.float32], cut: NDArray[np.float32], included: NDArray[np.bool_]) -> Int64:
    """(U,) images of a shard with a position above the cut, from maxima (n, U); add them over shards."""
    above: Int64 = ((maxima > cut) & included[:, None]).sum(axis=0, dtype=np.int64)
    return above


def merge_hashes(hashes: Sequence[NDArray[np.uint64]]) -> NDArray[np.uint64]:
    """(U,) one hash per unit from those of its shards, given in shard order."""
    if not hashes:
        raise ShapeError("there is no hash to merge.")
    total = np.zeros_like(hashes[0])
    for part in hashes:
        total = (total ^ part) * PRIME
        total ^= total >> np.uint64(31)
    return total


def twins(unit_hash: NDArray[np.uint64], histogram: Histogram) -> Int32:
    """(U,) the lowest unit whose maps equal this unit's bit for bit, or -1.

    Two units are taken for equal when their 64-bit hashes over all maps agree and so do their histograms.
    """
    first: dict[tuple[int, bytes, bytes], int] = {}
    twin = np.full(len(histogram), -1, np.int32)
    order, counts = np.unique(unit_hash, return_counts=True)
    repeated = set(order[counts > 1].tolist())
    for unit, value in enumerate(unit_hash.tolist()):
        if value in repeated:
            bins = slice(histogram.offsets[unit], histogram.offsets[unit + 1])
            same = first.setdefault((value, histogram.keys[bins].tobytes(), histogram.counts[bins].tobytes()), unit)
            twin[unit] = same if same != unit else -1
    return twin


def means(histogram: Histogram) -> NDArray[np.float64]:
    """(U,) mean of all values: the exact sum, rounded once."""
    count, value = histogram.counts.astype(np.float64), _bin_values(histogram)
    sums = count * value
    if histogram.dtype == "float32":
        low = histogram.low_sums.astype(np.float64) * _steps(histogram)
    totals = histogram.totals()
    result = np.zeros(len(histogram), np.float64)
    for unit in range(len(histogram)):
        bins = slice(histogram.offsets[unit], histogram.offsets[unit + 1])
        terms = sums[bins].tolist() + (low[bins].tolist() if histogram.dtype == "float32" else [])
        result[unit] = math.fsum(terms) / max(int(totals[unit]), 1)
    return result


def drawing(histogram: Histogram) -> tuple[Int64, NDArray[np.float64]]:
    """Counts (U, 64) and edges (U, 65) between each unit's minimum and maximum, for drawing.

    The last edge belongs to the last bin. Of float32 values only the coarse bin is known (within 1/128 of the value); it goes where
    its mean value lies. A unit whose values are all equal has them in the first bin.
    """
    units = len(histogram)
    low, high = histogram.minimum.astype(np.float64), histogram.maximum.astype(np.float64)
    low, high = np.where(np.isfinite(low), low, 0.0), np.where(np.isfinite(high), high, 0.0)
    width = np.where(high > low, high - low, 1.0)
    owner = np.repeat(np.arange(units), np.diff(histogram.offsets))
    value = _bin_values(histogram)
    if histogram.dtype == "float32":
        value = value + histogram.low_sums * _steps(histogram) / histogram.counts
    place = np.clip(((value - low[owner]) / width[owner] * BINS).astype(np.int64), 0, BINS - 1)
    counts = np.zeros((units, BINS), np.int64)
    np.add.at(counts, (owner, place), histogram.counts)
    edges = low[:, None] + width[:, None] * np.arange(BINS + 1) / BINS
    return counts, edges


def unit_stats(histogram: Histogram, thresholds: Thresholds, active: Int64, twin: Int32) -> UnitStats:
    """All of `UnitStats`. `active` (U,): `active_images` summed over shards; `twin` (U,): `twins`."""
    counts, edges = drawing(histogram)
    return UnitStats(
        thresholds.value, thresholds.state, histogram.minimum.astype(np.float64), histogram.maximum.astype(np.float64), means(histogram),
        thresholds.active_positions / max(thresholds.positions, 1), active, twin, counts, edges,
    )  # fmt: skip


def _bin_values(histogram: Histogram) -> NDArray[np.float64]:
    """(B,) the value of a half's bin; for float32 the value of the bin whose low 16 bits are 0, the nearest to zero in the bin."""
    if histogram.dtype == "float16":
        return half_values(histogram.keys)
    keys = histogram.keys.astype(np.int64)
    negative = keys < 0x8000
    positive = np.where(negative, 0xFFFF - keys, keys)
    value = coarse_floor(positive).astype(np.float64)
    return np.where(negative, -value, value)


def _steps(histogram: Histogram) -> NDArray[np.float64]:
    """(B,) what one of the low 16 bits of a float32 in the bin is worth, with the bin's sign."""
    keys = histogram.keys.astype(np.int64)
    bits = np.where(keys >= 0x8000, keys ^ 0x8000, 0xFFFF - keys)
    exponent = np.maximum((bits & 0x7FFF) >> 7, 1)
    steps = np.ldexp(1.0, (exponent - 150).astype(np.int64))
    signed: NDArray[np.float64] = np.where(bits & 0x8000, -steps, steps)
    return signed
