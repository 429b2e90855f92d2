"""Exact thresholds and statistics of a recorded layer, some units at a time.

Only a block of the histogram is ever held, since that of all units, with the floats worked out from it, would outweigh the maps of a
shard.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dissect.errors import CacheError
from dissect.probe.blocks import blocks, joined, part
from dissect.probe.histogram import Histogram, coarse_floor, merge_histograms, refine
from dissect.probe.passes import LayerPlan
from dissect.probe.profile import ActivationDtype, Profile
from dissect.probe.recording import Recorded, read_recorded
from dissect.probe.stats import active_images, merge_hashes, twins, unit_stats
from dissect.probe.tables import Int32, Int64, UnitStats
from dissect.probe.threshold import Thresholds, coarse_bins, thresholds
from dissect.probe.work import Work


class Counted(Protocol):
    """Activations whose thresholds can be taken: all of a layer (`RecordedLayer`), or those of some images."""

    @property
    def plan(self) -> LayerPlan: ...

    @property
    def units(self) -> int: ...

    def histogram(self, units: slice) -> Histogram:
        """Of some consecutive units."""
        ...

    def shards(self) -> Iterator[tuple[int, Recorded]]:
        """(first image, shard) of each."""
        ...


@dataclass(frozen=True)
class RecordedLayer:
    """The finished shards of a plan."""

    work: Work
    plan: LayerPlan

    @property
    def units(self) -> int:
        """Number of units U."""
        return self.plan.layer.units

    def shard(self, index: int) -> Recorded:
        """One of them; its maps stay on disk."""
        return read_recorded(self.work.read(self.plan.stage, index), self.plan.layer.map_size)

    def shards(self) -> Iterator[tuple[int, Recorded]]:
        """(first image, shard) of each, one at a time."""
        for index, (first, _) in enumerate(self.plan.ranges):
            yield first, self.shard(index)

    def histogram(self, units: slice) -> Histogram:
        """Of some consecutive units, over all images."""
        total: Histogram | None = None
        for _, shard in self.shards():
            found = shard.histogram(units)
            total = found if total is None else merge_histograms([total, found])
        if total is None:
            raise CacheError(f"no activations of layer {self.plan.layer.name} were recorded.")
        return total

    def underflows(self) -> bool:
        """Whether a unit looks dead in float16 that is alive in float32."""
        if self.plan.dtype != "float16":
            return False
        rounded, largest = np.zeros((2, self.units), np.float32)
        for _, shard in self.shards():
            if shard.maps.included.any():
                np.maximum(rounded, np.maximum(-shard.minimum, shard.maximum), out=rounded)
                np.maximum(largest, shard.largest, out=largest)
        return bool(((largest > 0) & (rounded == 0)).any())


@dataclass(frozen=True)
class Levels:
    """Thresholds, or, where maps that are needed were not kept, the floors (U,) above which they must be."""

    found: Thresholds | None
    lowered: NDArray[np.float32] | None


def levels(recorded: Counted, quantile: float, profile: Profile) -> Levels:
    """Whether a sparse layer serves, and its thresholds.

    It serves a unit if every map with a value above its cut, and for float32 every map with a value in the bins that must be resolved,
    lies above the unit's floor.
    """
    floor = recorded.plan.floor
    refined = None
    if recorded.plan.dtype == "float32":
        bins, known = _bins(recorded, quantile, profile)
        if floor is not None:
            needed = _below(coarse_floor(np.where(bins < 0, 0xFFFF, bins).min(axis=1)))
            short = (bins >= 0).any(axis=1) & (floor > needed)
            if short.any():
                return Levels(None, np.where(short, needed, floor).astype(np.float32))
        refined = _refined(recorded, bins, known)
    found = _join_thresholds([_threshold(recorded.histogram(units), units, quantile, profile, refined) for units in blocks(recorded.units)])
    if floor is not None and (found.cut < floor).any():
        return Levels(None, np.minimum(found.cut, floor).astype(np.float32))
    return Levels(found, None)


def measured_units(recorded: RecordedLayer, quantile: float, profile: Profile) -> tuple[Thresholds, UnitStats]:
    """Thresholds and statistics of a layer whose floors are low enough."""
    refined = None
    if recorded.plan.dtype == "float32":
        refined = _refined(recorded, *_bins(recorded, quantile, profile))
    parts, stats, digests = [], [], []
    for units in blocks(recorded.units):
        histogram = recorded.histogram(units)
        parts.append(_threshold(histogram, units, quantile, profile, refined))
        nothing = np.zeros(len(histogram), np.int64)
        stats.append(unit_stats(histogram, parts[-1], nothing, nothing.astype(np.int32)))
        digests += [_digest(histogram, unit) for unit in range(len(histogram))]
    found = _join_thresholds(parts)
    active: Int64 = np.zeros(recorded.units, np.int64)
    hashes = []
    for _, shard in recorded.shards():
        active += active_images(shard.maps.maxima, found.cut, shard.maps.included)
        hashes.append(np.array(shard.unit_hash))
    twin = twins(merge_hashes(hashes), _stand_in(digests, recorded.plan.dtype))
    return found, replace(_join_stats(stats), active_images=active, twin=twin)


def _threshold(histogram: Histogram, units: slice, quantile: float, profile: Profile, refined: Histogram | None) -> Thresholds:
    rows = None if refined is None else part(refined, slice(2 * units.start, 2 * units.stop))
    return thresholds(histogram, quantile, profile, rows)


def _refined(recorded: Counted, bins: Int32, known: Histogram) -> Histogram:
    return merge_histograms([known, *(refine(shard.maps, bins) for _, shard in recorded.shards())])


def _bins(recorded: Counted, quantile: float, profile: Profile) -> tuple[Int32, Histogram]:
    """float32: the coarse bins (U, 2) that must be resolved by reading maps, and the counts of those that need not be."""
    left, known = [], []
    for units in blocks(recorded.units):
        histogram = recorded.histogram(units)
        open_bins, counted = _open_bins(histogram, coarse_bins(histogram, quantile, profile))
        left.append(open_bins)
        known.append(counted)
    return np.concatenate(left), joined(known)


def _open_bins(histogram: Histogram, bins: Int32) -> tuple[Int32, Histogram]:
    """Where the low halves of all values in a bin sum to nought, every value is the bin's nearest to zero: so are zeros after a ReLU.

    The lower key bits of such a value are all 0 if it is positive, and all 1 if it is negative.
    """
    owner = np.repeat(np.arange(len(histogram)), np.diff(histogram.offsets))
    rows = np.flatnonzero((histogram.low_sums == 0) & (histogram.keys[:, None] == bins[owner]).any(axis=1))
    place = {(int(owner[row]), int(histogram.keys[row])): int(row) for row in rows}
    left, sizes, counts, keys = bins.copy(), np.zeros(bins.size, np.int64), [], []
    for unit, j in np.argwhere(bins >= 0).tolist():
        row = place.get((unit, int(bins[unit, j])))
        if row is not None:
            left[unit, j] = -1
            sizes[2 * unit + j] = 1
            counts.append(int(histogram.counts[row]))
            keys.append(0 if bins[unit, j] >= 0x8000 else 0xFFFF)
    offsets = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
    ends = np.full(bins.size, np.inf, np.float32)
    return left, Histogram("float32", offsets, np.array(keys, np.uint16), np.array(counts, np.int64), np.zeros(0, np.int64), ends, -ends)


def _below(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.nextafter(values, np.float32(-np.inf)).astype(np.float32)


def _digest(histogram: Histogram, unit: int) -> int:
    """One number for a unit's whole histogram."""
    bins = slice(histogram.offsets[unit], histogram.offsets[unit + 1])
    content = histogram.keys[bins].tobytes() + histogram.counts[bins].tobytes() + histogram.low_sums[bins].tobytes()
    return int.from_bytes(hashlib.blake2b(content, digest_size=7).digest(), "little")


def _stand_in(digests: Sequence[int], dtype: ActivationDtype) -> Histogram:
    """A histogram of one bin a unit, equal for two units exactly where their digests are."""
    units = len(digests)
    numbers, ends = np.array(digests, np.int64), np.zeros(units, np.float32)
    return Histogram(dtype, np.arange(units + 1), np.zeros(units, np.uint16), numbers, np.zeros(0, np.int64), ends, ends)


def _join_thresholds(parts: Sequence[Thresholds]) -> Thresholds:
    value, cut, active = (np.concatenate([getattr(each, name) for each in parts]) for name in ("value", "cut", "active_positions"))
    return Thresholds(value, cut, tuple(state for each in parts for state in each.state), active, parts[0].positions)


def _join_stats(parts: Sequence[UnitStats]) -> UnitStats:
    names = [each.name for each in fields(UnitStats) if each.name != "state"]
    arrays = {name: np.concatenate([getattr(each, name) for each in parts]) for name in names}
    return UnitStats(state=tuple(state for each in parts for state in each.state), **arrays)
