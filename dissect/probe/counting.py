"""From recorded activations to a probed layer: exact thresholds, tallies, statistics, exemplars."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dissect.concepts.model import Vocabulary
from dissect.errors import CacheError
from dissect.probe.exemplars import TopImages, exemplars
from dissect.probe.histogram import Histogram, coarse_floor, merge_histograms, refine
from dissect.probe.labelling import LabelSource
from dissect.probe.ledger import Claim, Stage
from dissect.probe.maps import MapArray
from dissect.probe.passes import LayerPlan
from dissect.probe.profile import Profile
from dissect.probe.recording import Recorded, read_recorded
from dissect.probe.shardfile import write_shard
from dissect.probe.stats import active_images, merge_hashes, twins, unit_stats
from dissect.probe.tables import CountTables, Exemplars, Int32, Int64, UnitStats
from dissect.probe.tally import TallyShard, merge_tally, tally_shard
from dissect.probe.threshold import Thresholds, coarse_bins, thresholds
from dissect.probe.upsample import Grid
from dissect.probe.work import Work, Written


@dataclass(frozen=True)
class RecordedLayer:
    """The finished shards of a plan."""

    work: Work
    plan: LayerPlan

    def shard(self, index: int) -> Recorded:
        """One of them; its maps stay on disk."""
        return read_recorded(self.work.read(self.plan.stage, index), self.plan.layer.map_size)

    def shards(self) -> Iterator[tuple[int, Recorded]]:
        """(first image, shard) of each, one at a time."""
        for index, (first, _) in enumerate(self.plan.ranges):
            yield first, self.shard(index)

    def histogram(self) -> Histogram:
        """Over all images."""
        total: Histogram | None = None
        for _, shard in self.shards():
            total = shard.histogram if total is None else merge_histograms([total, shard.histogram])
        if total is None:
            raise CacheError(f"no activations of layer {self.plan.layer.name} were recorded.")
        return total

    def underflows(self) -> bool:
        """Whether a unit looks dead in float16 that is alive in float32."""
        if self.plan.dtype != "float16":
            return False
        rounded, largest = np.zeros((2, self.plan.layer.units), np.float32)
        for _, shard in self.shards():
            if shard.maps.included.any():
                np.maximum(rounded, np.maximum(-shard.histogram.minimum, shard.histogram.maximum), out=rounded)
                np.maximum(largest, shard.largest, out=largest)
        return bool(((largest > 0) & (rounded == 0)).any())


@dataclass(frozen=True)
class Levels:
    """Thresholds, or, where maps that are needed were not kept, the floors (U,) above which they must be."""

    found: Thresholds | None
    lowered: NDArray[np.float32] | None

    def thresholds(self) -> Thresholds:
        """The thresholds of a layer whose floors are low enough."""
        if self.found is None:
            raise CacheError("maps that are needed were not kept. Remove the run's activations, or raise --cache-limit, and run again.")
        return self.found


def levels(recorded: RecordedLayer, histogram: Histogram, quantile: float, profile: Profile) -> Levels:
    """Exact thresholds of a recorded layer.

    A sparse layer serves a unit if every map with a value above its cut, and for float32 every map with a value in the bins that must be
    resolved, lies above the unit's floor.
    """
    floor = recorded.plan.floor
    refined = None
    if recorded.plan.dtype == "float32":
        bins, known = _open_bins(histogram, coarse_bins(histogram, quantile, profile))
        if floor is not None:
            needed = _below(coarse_floor(np.where(bins < 0, 0xFFFF, bins).min(axis=1)))
            short = (bins >= 0).any(axis=1) & (floor > needed)
            if short.any():
                return Levels(None, np.where(short, needed, floor).astype(np.float32))
        refined = merge_histograms([known, *(refine(shard.maps, bins) for _, shard in recorded.shards())])
    found = thresholds(histogram, quantile, profile, refined)
    if floor is not None and (found.cut < floor).any():
        return Levels(None, np.minimum(found.cut, floor).astype(np.float32))
    return Levels(found, None)


def _below(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.nextafter(values, np.float32(-np.inf)).astype(np.float32)


def _open_bins(histogram: Histogram, bins: Int32) -> tuple[Int32, Histogram]:
    """The bins that must be resolved by reading maps, and the counts of those that need not be.

    Where the low halves of all values in a bin sum to nought, every value is the bin's first; so it is with zeros after a ReLU.
    """
    owner = np.repeat(np.arange(len(histogram)), np.diff(histogram.offsets))
    rows = np.flatnonzero((histogram.low_sums == 0) & (histogram.keys[:, None] == bins[owner]).any(axis=1))
    place = {(int(owner[row]), int(histogram.keys[row])): int(row) for row in rows}
    left, sizes, counts = bins.copy(), np.zeros(bins.size, np.int64), []
    for unit, j in np.argwhere(bins >= 0).tolist():
        row = place.get((unit, int(bins[unit, j])))
        if row is not None:
            left[unit, j] = -1
            sizes[2 * unit + j] = 1
            counts.append(int(histogram.counts[row]))
    offsets = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
    ends = np.full(bins.size, np.inf, np.float32)
    keys = np.zeros(len(counts), np.uint16)
    return left, Histogram("float32", offsets, keys, np.array(counts, np.int64), np.zeros(0, np.int64), ends, -ends)


def tally(
    recorded: RecordedLayer, labels: LabelSource, found: Thresholds, over: Grid, vocabulary: Vocabulary, profile: Profile, stage: Stage,
    positions: bool,
) -> CountTables:  # fmt: skip
    """Count every shard that is not counted yet, and merge."""
    work, plan = recorded.work, recorded.plan
    work.open(stage, plan.ranges)

    def compute(claim: Claim, path: Path) -> Written:
        part = labels.part(claim.first, claim.stop)
        shard = tally_shard(recorded.shard(claim.index).maps, found.cut, part, over, vocabulary, profile, keep_positions=positions)
        return Written(*write_shard(path, shard.to_arrays(), {}), {"images": int(shard.images)})

    work.run(stage, compute)
    shards = [TallyShard.from_arrays(work.read(stage, index).arrays) for index in range(len(plan.ranges))]
    tables = [labels.part(first, stop).table for first, stop in plan.ranges]
    return merge_tally(shards, tables, over.size)


def statistics(recorded: RecordedLayer, histogram: Histogram, found: Thresholds) -> UnitStats:
    """What every unit does over the whole data set."""
    active: Int64 = np.zeros(recorded.plan.layer.units, np.int64)
    hashes = []
    for _, shard in recorded.shards():
        active += active_images(shard.maps.maxima, found.cut, shard.maps.included)
        hashes.append(np.array(shard.unit_hash))
    return unit_stats(histogram, found, active, twins(merge_hashes(hashes), histogram))


def best_images(recorded: RecordedLayer, found: Thresholds, over: Grid, count: int) -> Exemplars:
    """The top images of every unit with their masks."""
    top = TopImages.empty(recorded.plan.layer.units, count)
    for first, shard in recorded.shards():
        top.update(shard.maps.maxima, first, shard.maps.included)
    return exemplars(top, _reader(recorded, top, found), found, over)


def _reader(recorded: RecordedLayer, top: TopImages, found: Thresholds) -> Callable[[int, int], MapArray]:
    """The maps of exemplars that are above the cut, read shard by shard so that one shard is open at a time."""
    maps: dict[tuple[int, int], MapArray] = {}
    unit, rank = np.nonzero((top.image >= 0) & (top.activation > found.cut[:, None]))
    image = top.image[unit, rank].astype(np.int64)
    for (first, stop), index in zip(recorded.plan.ranges, range(len(recorded.plan.ranges)), strict=True):
        here = np.flatnonzero((image >= first) & (image < stop))
        if len(here):
            shard = recorded.shard(index).maps
            rows = shard.rows(image[here] - first, unit[here].astype(np.int64))
            for k, row in zip(here.tolist(), rows.tolist(), strict=True):
                maps[int(image[k]), int(unit[k])] = shard.values[row].copy()
    return lambda image_index, unit_index: maps[image_index, unit_index]


def all_maxima(recorded: RecordedLayer, used: Sequence[int]) -> NDArray[np.float32]:
    """Spatial maxima (n, U) of the used images, in order."""
    wanted = np.asarray(used, np.int64)
    parts = []
    for first, shard in recorded.shards():
        here = wanted[(wanted >= first) & (wanted < first + len(shard.maps.maxima))] - first
        parts.append(shard.maps.maxima[here])
    return np.concatenate(parts)
