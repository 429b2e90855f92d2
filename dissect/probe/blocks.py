"""Histograms cut into blocks of units, joined again, and kept in few bytes.

The histogram of all units, with the temporary arrays of adding two of them, would outweigh the maps of a shard. Every unit stands for
itself, so working block by block gives the same bits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from dissect.probe.histogram import Histogram, merge_histograms

UNITS = 64
"""Units at a time."""


def blocks(units: int) -> Iterator[slice]:
    """Consecutive slices of at most UNITS units; one empty slice if there are none."""
    return (slice(first, min(first + UNITS, units)) for first in range(0, max(units, 1), UNITS))


def part(histogram: Histogram, rows: slice) -> Histogram:
    """Some consecutive rows (units) of a histogram, counts widened."""
    bins = slice(int(histogram.offsets[rows.start]), int(histogram.offsets[rows.stop]))
    return replace(
        histogram,
        offsets=histogram.offsets[rows.start : rows.stop + 1] - bins.start,
        keys=histogram.keys[bins],
        counts=histogram.counts[bins].astype(np.int64),
        low_sums=histogram.low_sums[bins] if len(histogram.low_sums) else histogram.low_sums,
        minimum=histogram.minimum[rows],
        maximum=histogram.maximum[rows],
    )


def joined(histograms: Sequence[Histogram]) -> Histogram:
    """Histograms of consecutive rows as one: the inverse of `part`. Counts take the widest type among them."""
    sizes = np.concatenate([np.diff(each.offsets) for each in histograms])
    names = ("keys", "counts", "low_sums", "minimum", "maximum")
    arrays = {name: np.concatenate([getattr(each, name) for each in histograms]) for name in names}
    return Histogram(histograms[0].dtype, offsets=np.concatenate(([0], np.cumsum(sizes))).astype(np.int64), **arrays)


def narrowed(histogram: Histogram) -> Histogram:
    """The same with counts in 2 or 4 bytes, for keeping; nothing but `part` may read them then. A shard has under 2**32 values a unit."""
    kind = np.uint16 if histogram.counts.max(initial=0) < 1 << 16 else np.uint32
    return replace(histogram, counts=histogram.counts.astype(kind))


def merged(histograms: Sequence[Histogram]) -> Histogram:
    """The sum of narrowed histograms of the same units, narrowed."""
    units = len(histograms[0])
    return narrowed(joined([narrowed(merge_histograms([part(each, rows) for each in histograms])) for rows in blocks(units)]))
