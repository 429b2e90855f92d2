"""From recorded activations and thresholds to counts by label signature, exemplars, and maxima."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dissect.concepts.model import Vocabulary
from dissect.probe.bands import BandShard, band_shard, find_bands, merge_bands
from dissect.probe.exemplars import TopImages, exemplars
from dissect.probe.labelling import LabelSource
from dissect.probe.ledger import Claim, Stage
from dissect.probe.levels import RecordedLayer
from dissect.probe.maps import MapArray
from dissect.probe.profile import Profile
from dissect.probe.shardfile import write_shard
from dissect.probe.stages import Ranges
from dissect.probe.tables import CountTables, Exemplars, RangeTables
from dissect.probe.tally import TallyShard, merge_tally, tally_shard
from dissect.probe.threshold import Thresholds
from dissect.probe.upsample import Grid
from dissect.probe.work import Work, Written


@dataclass(frozen=True)
class TallySource:
    """The recorded counts of one layer, shard by shard; readable while the cache keeps them."""

    work: Work
    stage: Stage
    ranges: Ranges

    def parts(self) -> Iterator[tuple[int, int, TallyShard]]:
        """(first, stop, counts) of each shard of images, one at a time."""
        for index, (first, stop) in enumerate(self.ranges):
            yield first, stop, TallyShard.from_arrays(self.work.read(self.stage, index).arrays)


def tally(
    recorded: RecordedLayer, labels: LabelSource, found: Thresholds, over: Grid, vocabulary: Vocabulary, profile: Profile, stage: Stage,
    spans: bool,
) -> CountTables:  # fmt: skip
    """Count every shard that is not counted yet, and merge."""
    work, plan = recorded.work, recorded.plan
    work.open(stage, plan.ranges)

    def compute(claim: Claim, path: Path) -> Written:
        part = labels.part(claim.first, claim.stop)
        shard = tally_shard(recorded.shard(claim.index).maps, found.cut, part, over, vocabulary, profile, keep_spans=spans)
        return Written(*write_shard(path, shard.to_arrays(), {}), {"images": int(shard.images)})

    work.run(stage, compute)
    shards = [TallyShard.from_arrays(work.read(stage, index).arrays) for index in range(len(plan.ranges))]
    tables = [labels.part(first, stop).table for first, stop in plan.ranges]
    return merge_tally(shards, tables, over.size)


def by_range(recorded: RecordedLayer, labels: LabelSource, over: Grid, vocabulary: Vocabulary, stage: Stage, count: int) -> RangeTables:
    """The ranges of every unit, and their counts: every shard that is not counted yet, then merged."""
    work, plan = recorded.work, recorded.plan
    found = find_bands(recorded, count)
    work.open(stage, plan.ranges)

    def compute(claim: Claim, path: Path) -> Written:
        part = labels.part(claim.first, claim.stop)
        shard = band_shard(recorded.shard(claim.index).maps, found, part, over, len(vocabulary))
        return Written(*write_shard(path, shard.to_arrays(), {}), {"images": int(shard.images)})

    work.run(stage, compute)
    shards = [BandShard.from_arrays(work.read(stage, index).arrays) for index in range(len(plan.ranges))]
    tables = [labels.part(first, stop).table for first, stop in plan.ranges]
    merged = merge_bands(shards, tables, found.low.size, len(vocabulary.categories), over.size)
    return RangeTables(found.low, found.high, found.share, merged)


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
