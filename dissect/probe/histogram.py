"""Exact, mergeable histograms of activations: how often every value occurs, by its bits.

The bits of a float, with the sign bit turned over (and all bits, for negative values), order like the values. A half has 65,536 such
keys, so counting keys describes the whole distribution of a unit exactly. A float32 has its key's upper 16 bits counted in the first
sweep; the few bins in which a threshold lies are resolved by a second one (`refine`). Counts are integers, so shards add in any order.
-0.0 is counted as +0.0. Letters: n images, U units, p positions of a map, B occupied bins.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import numba
import numpy as np
from numpy.typing import NDArray

from dissect.errors import CacheError, ShapeError, UsageError
from dissect.probe import kernels
from dissect.probe.maps import MapArray, MapShard
from dissect.probe.tables import Int32, Int64

Dtype = Literal["float16", "float32"]


@dataclass(frozen=True)
class Histogram:
    """How often each key occurs in each unit; occupied bins only.

    dtype: of the values. offsets (U+1,) int64: bins offsets[u]..offsets[u+1] belong to unit u. keys (B,) uint16: the whole key of a
    half, the upper 16 bits of a float32's, ascending inside a unit. counts (B,) int64. low_sums (B,) int64: for float32, the sum of
    the lower 16 bits of the values in the bin, which makes the mean exact; empty for float16.
    minimum, maximum (U,) float32: +inf and -inf where nothing was counted.
    """

    dtype: Dtype
    offsets: Int64
    keys: NDArray[np.uint16]
    counts: Int64
    low_sums: Int64
    minimum: NDArray[np.float32]
    maximum: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Flat named arrays for a shard file, names starting with `histogram_`."""
        return {f"histogram_{field.name}": getattr(self, field.name) for field in fields(self) if field.name != "dtype"}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], dtype: Dtype) -> Histogram:
        """The inverse of `to_arrays`.

        Raises:
            CacheError: an array is missing, or they do not fit together.
        """
        try:
            histogram = cls(dtype, *(arrays[f"histogram_{field.name}"] for field in fields(cls) if field.name != "dtype"))
        except KeyError as error:
            raise CacheError(f"a shard of activations has no array {error}; delete its file and run again.") from error
        bins = len(histogram.keys)
        if histogram.offsets[-1] != bins or len(histogram.counts) != bins or len(histogram.low_sums) not in (0, bins):
            raise CacheError("the histogram of a shard does not fit together; delete its file and run again.")
        return histogram

    def totals(self) -> Int64:
        """(U,) values counted per unit."""
        totals: Int64 = np.diff(self.running[self.offsets])
        return totals

    @functools.cached_property
    def running(self) -> Int64:
        """(B+1,) values counted in all bins before each."""
        sums = np.zeros(len(self.counts) + 1, np.int64)
        np.cumsum(self.counts, out=sums[1:])
        return sums


@dataclass(frozen=True)
class Measured:
    """What one sweep over maps finds.

    maxima (n, U) float32: spatial maximum of each map, -inf for images that are not included. unit_hash (U,) uint64: changes with any
    bit of any map of the unit. bad: the first (image, unit) with a NaN or infinite value, or None; then nothing else here is of use.
    """

    histogram: Histogram
    maxima: NDArray[np.float32]
    unit_hash: NDArray[np.uint64]
    bad: tuple[int, int] | None


def dtype_of(maps: MapArray) -> Dtype:
    """`float16` or `float32`.

    Raises:
        UsageError: it is neither.
    """
    if maps.dtype == np.float16:
        return "float16"
    if maps.dtype == np.float32:
        return "float32"
    raise UsageError(f"activations of type {maps.dtype}; only float16 and float32 can be counted exactly.")


def measure(maps: MapArray, included: NDArray[np.bool_] | None = None, start_hash: NDArray[np.uint64] | None = None) -> Measured:
    """One sweep over maps (n, U, p): histogram, maxima, a hash per unit, and the first value that is not finite.

    `included` (n,): images to look at, all by default. `start_hash` (U,) is the hash of the images before these, so that batches and
    whole shards give the same. Costs a fixed time per unit and call: give it 200 images or more at a time.

    Raises:
        ShapeError, UsageError: not (n, U, p), or another type than float16 and float32.
    """
    if maps.ndim != 3:
        raise ShapeError(f"maps of shape {maps.shape}; expected (images, units, positions).")
    images, units, _ = maps.shape
    dtype = dtype_of(maps)
    seen = np.ones(images, np.bool_) if included is None else included
    unit_hash = np.full(units, kernels.OFFSET, np.uint64) if start_hash is None else start_hash.copy()
    top, least = np.full((images, units), -1, np.int64), np.full(units, 1 << 40, np.int64)
    parts = _sweep(maps, dtype, seen, top, least, unit_hash)
    values = _values(dtype)
    maxima = np.where(seen[:, None], values(np.maximum(top, 0)), np.float32(-np.inf)).astype(np.float32)
    nothing = least == 1 << 40
    minimum = np.where(nothing, np.inf, values(np.where(nothing, 0, least))).astype(np.float32)
    histogram = Histogram(dtype, *parts, minimum, maxima.max(axis=0, initial=-np.inf))
    return Measured(histogram, maxima, unit_hash, _first_bad(histogram, maps, seen))


def merge_histograms(histograms: Sequence[Histogram]) -> Histogram:
    """The sum of histograms of the same units; any order gives the same result.

    Raises:
        ShapeError: there are none, or they differ in units or type.
    """
    if not histograms:
        raise ShapeError("there is no histogram to merge.")
    total = histograms[0]
    for other in histograms[1:]:
        if len(other) != len(total) or other.dtype != total.dtype:
            raise ShapeError(f"histograms of {len(total)} units of {total.dtype} and {len(other)} units of {other.dtype} cannot be added.")
        total = _add(total, other)
    return total


def refine(shard: MapShard, bins: Int32) -> Histogram:
    """Second sweep of float32 maps: resolve the coarse bins in which thresholds lie.

    `bins` (U, 2): upper 16 key bits, -1 for none (`threshold.coarse_bins` gives them). Row 2u+j of the result counts the lower 16 key
    bits of the values in bins[u, j]. Only maps whose maximum reaches the unit's lowest bin are read.

    Raises:
        CacheError: such a map was not kept in a sparse shard.
    """
    wanted = np.where(bins < 0, 1 << 16, bins).min(axis=1)
    cut = np.where(wanted > 0xFFFF, np.float32(np.inf), np.nextafter(coarse_floor(np.minimum(wanted, 0xFFFF)), np.float32(-np.inf)))
    image, unit = shard.pairs_above(cut.astype(np.float32))
    rows = shard.rows(image, unit)
    order = np.argsort(unit, kind="stable")
    starts = np.searchsorted(unit[order], np.arange(shard.units + 1)).astype(np.int64)
    wanted_bins = np.ascontiguousarray(bins, dtype=np.int32)
    pieces = []
    sizes, keys, counts, low = _buffers(2 * min(_UNITS, shard.units), 1)
    for first in range(0, shard.units, _UNITS):
        stop = min(first + _UNITS, shard.units)
        with kernels.threads_for(len(rows) * shard.values.shape[1]):
            kernels.sweep_low(shard.values.view(np.uint32), rows[order], starts, wanted_bins, first, stop, sizes, keys, counts)
        pieces.append(_compact(sizes[: 2 * (stop - first)], keys, counts, low))
    nothing = np.full(2 * shard.units, np.inf, np.float32)
    return Histogram("float32", *_join(pieces), nothing, -nothing)


def half_values(keys: NDArray[np.uint16]) -> NDArray[np.float64]:
    """The values of whole float16 keys."""
    bits = np.where(keys >= 0x8000, keys ^ np.uint16(0x8000), ~keys).astype(np.uint16)
    return bits.view(np.float16).astype(np.float64)


def half_keys(values: NDArray[np.float16]) -> NDArray[np.uint16]:
    """Whole keys of float16 values, -0.0 as +0.0; they order as the values do."""
    bits = (values + np.float16(0)).view(np.uint16)
    return np.where(bits >= 0x8000, ~bits, bits | np.uint16(0x8000)).astype(np.uint16)


def single_values(keys: NDArray[np.uint32]) -> NDArray[np.float32]:
    """The values of whole float32 keys."""
    bits = np.where(keys >= 0x80000000, keys ^ np.uint32(0x80000000), ~keys).astype(np.uint32)
    return bits.view(np.float32)


def single_keys(values: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Whole keys of float32 values, -0.0 as +0.0; they order as the values do."""
    bits = (values + np.float32(0)).view(np.uint32)
    return np.where(bits >= 0x80000000, ~bits, bits | np.uint32(0x80000000)).astype(np.uint32)


def coarse_floor(coarse: NDArray[Any]) -> NDArray[np.float32]:
    """The lowest float32 value in a coarse bin; -inf where the bin lies below all finite values."""
    lowest = single_values(coarse.astype(np.uint32) << np.uint32(16))
    return np.where(np.isnan(lowest), np.where(coarse < 0x8000, -np.inf, np.inf), lowest).astype(np.float32)


_UNITS = 64
"""Units counted per kernel call, at most: their uncompacted bins are 65,536 each, so this bounds the memory."""
_Parts = tuple[Int64, NDArray[np.uint16], Int64, Int64]


def _values(dtype: Dtype) -> Callable[[Int64], NDArray[Any]]:
    if dtype == "float16":
        return lambda keys: half_values(keys.astype(np.uint16))
    return lambda keys: single_values(keys.astype(np.uint32))


def _sweep(maps: MapArray, dtype: Dtype, seen: NDArray[np.bool_], top: Int64, least: Int64, unit_hash: NDArray[np.uint64]) -> _Parts:
    """Run the kernel over blocks of units; fills top, least and unit_hash."""
    bits, shift, sign = (maps.view(np.uint16), 0, 0x8000) if dtype == "float16" else (maps.view(np.uint32), 16, 0x80000000)
    pieces = []
    # No more than keep the threads busy: fresh memory for the bins of many units costs as much as counting some hundred images.
    rows, low_bins = min(2 * kernels.GROUP * numba.get_num_threads(), _UNITS, maps.shape[1]), 65_536 if shift else 1
    scratch = np.zeros((rows, 65_536), np.uint32), np.zeros((rows, low_bins), np.int64)
    sizes, keys, counts, low = _buffers(rows, low_bins)
    for first in range(0, maps.shape[1], max(rows, 1)):
        stop = min(first + rows, maps.shape[1])
        with kernels.threads_for(bits.size):
            kernels.sweep(bits, first, stop, shift, sign, seen, top, least, unit_hash, *scratch, sizes, keys, counts, low)
        pieces.append(_compact(sizes[: stop - first], keys, counts, low))
    return _join(pieces)


def _buffers(rows: int, low: int) -> _Parts:
    """Room for all bins of some rows; pages that are never written cost nothing."""
    shape = (rows, 65_536)
    return np.zeros(rows, np.int64), np.empty(shape, np.uint16), np.empty(shape, np.int64), np.empty((rows, low), np.int64)


def _compact(sizes: Int64, keys: NDArray[np.uint16], counts: Int64, low: Int64) -> _Parts:
    """Occupied bins one after the other."""

    def joined(table: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate([table[row, :size] for row, size in enumerate(sizes)])

    return sizes.copy(), joined(keys), joined(counts), joined(low) if low.shape[1] > 1 else np.zeros(0, np.int64)


def _join(pieces: Sequence[_Parts]) -> _Parts:
    """Offsets, keys, counts and low sums of consecutive blocks of units."""
    if not pieces:
        return np.zeros(1, np.int64), np.zeros(0, np.uint16), np.zeros(0, np.int64), np.zeros(0, np.int64)
    sizes, keys, counts, low = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    offsets = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
    return offsets, keys, counts, low


def _add(one: Histogram, two: Histogram) -> Histogram:
    with kernels.threads_for(len(one.keys) + len(two.keys)):
        sizes = kernels.union_sizes(one.offsets, one.keys, two.offsets, two.keys)
    offsets = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
    bins = int(offsets[-1])
    keys, counts = np.empty(bins, np.uint16), np.empty(bins, np.int64)
    low = np.empty(bins if len(one.low_sums) or len(two.low_sums) else 0, np.int64)
    with kernels.threads_for(bins):
        kernels.union_fill(
            one.offsets, one.keys, one.counts, one.low_sums, two.offsets, two.keys, two.counts, two.low_sums, offsets, keys, counts, low
        )  # fmt: skip
    return Histogram(one.dtype, offsets, keys, counts, low, np.minimum(one.minimum, two.minimum), np.maximum(one.maximum, two.maximum))


def _first_bad(histogram: Histogram, maps: MapArray, seen: NDArray[np.bool_]) -> tuple[int, int] | None:
    """The first included (image, unit) with a value that is not finite. The histogram's outermost bins say whether to look at all."""
    lowest, highest = (0x0400, 0xFBFF) if histogram.dtype == "float16" else (0x0080, 0xFF7F)
    if not len(histogram.keys) or not ((histogram.keys < lowest) | (histogram.keys > highest)).any():
        return None
    for image in np.flatnonzero(seen):
        wrong = np.flatnonzero(~np.isfinite(maps[image]).all(axis=1))
        if len(wrong):
            return int(image), int(wrong[0])
    return None
