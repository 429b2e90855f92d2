"""The labels of a data set as signatures, once for every network that sees the same part of the pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dissect.concepts.images import frame
from dissect.concepts.model import ProbeSet
from dissect.errors import ImageError, LabelMapError
from dissect.fingerprint import Plain
from dissect.network.model import Network
from dissect.probe.ledger import Claim, Stage
from dissect.probe.shardfile import write_shard
from dissect.probe.signatures import ImageLabels, LabelShard, build_label_shard, label_image
from dissect.probe.stages import Ranges
from dissect.probe.work import Work, Written


@dataclass
class LabelSource:
    """The recorded label shards of one data set under one view. skipped: reason by index of images without usable labels."""

    work: Work
    stage: Stage
    ranges: Ranges
    skipped: dict[int, str] = field(default_factory=dict)
    _last: tuple[int, LabelShard] | None = None

    def part(self, first: int, stop: int) -> LabelShard:
        """Labels of images first..stop-1, which lie in one shard; its table is that of the whole shard."""
        index = next(k for k, (start, end) in enumerate(self.ranges) if start <= first and stop <= end)
        if self._last is None or self._last[0] != index:
            self._last = index, LabelShard.from_arrays(self.work.read(self.stage, index).arrays)
        start = self.ranges[index][0]
        return cut_labels(self._last[1], first - start, stop - start)


def record_labels(
    network: Network, data: ProbeSet, size: tuple[int, int], stage: Stage, ranges: Ranges, work: Work, workers: int
) -> LabelSource:
    """Read every label that is not recorded yet."""
    work.open(stage, ranges)

    def compute(claim: Claim, path: Path) -> Written:
        found = list(_read(network, data, size, range(claim.first, claim.stop), workers))
        good = [labels if isinstance(labels, ImageLabels) else None for labels in found]
        reasons: dict[str, Plain] = {str(claim.first + k): why for k, why in enumerate(found) if isinstance(why, str)}
        shard = build_label_shard(good, size, len(data.vocabulary.categories))
        return Written(*write_shard(path, shard.to_arrays(), {}), {"images": len(good) - len(reasons), "skipped": reasons})

    work.run(stage, compute)
    return LabelSource(work, stage, ranges, skipped_of(work, stage))


def skipped_of(work: Work, stage: Stage) -> dict[int, str]:
    """Why images were skipped in a stage, by index, from what was checked in."""
    found: dict[int, str] = {}
    for shard in work.done(stage):
        skipped = shard.counts.get("skipped")
        if isinstance(skipped, dict):
            found.update({int(index): str(reason) for index, reason in skipped.items()})
    return found


def whole_labels(data: ProbeSet) -> tuple[NDArray[np.bool_], dict[int, str]]:
    """For data sets with whole-image labels only: presence (N, C), and why images have none that can be used, by index."""
    presence = np.zeros((len(data.records), len(data.vocabulary)), np.bool_)
    skipped = {}
    for record in data.records:
        try:
            ids = [index for index in data.labels(record.index).whole if index > 0]
        except LabelMapError as error:
            skipped[record.index] = str(error)
            continue
        presence[record.index, np.asarray(ids, np.intp) - 1] = True
    return presence, skipped


def cut_labels(shard: LabelShard, first: int, stop: int) -> LabelShard:
    """Images first..stop-1 of a shard, with the table of the whole."""
    if (first, stop) == (0, len(shard.included)):
        return shard
    rows = slice(shard.local_offsets[first], shard.local_offsets[stop])
    whole = slice(shard.whole_offsets[first], shard.whole_offsets[stop])
    return replace(
        shard,
        signature_map=shard.signature_map[first:stop],
        local_offsets=shard.local_offsets[first : stop + 1] - shard.local_offsets[first],
        local_signature=shard.local_signature[rows],
        local_pixels=shard.local_pixels[rows],
        annotated=shard.annotated[first:stop],
        whole_offsets=shard.whole_offsets[first : stop + 1] - shard.whole_offsets[first],
        whole_ids=shard.whole_ids[whole],
        included=shard.included[first:stop],
    )


def _read(network: Network, data: ProbeSet, size: tuple[int, int], indices: Iterable[int], workers: int) -> Iterator[ImageLabels | str]:
    def one(index: int) -> ImageLabels | str:
        try:
            view = network.view(frame(data.records[index].path).upright)
            return label_image(data.labels(index), view, size, data.vocabulary)
        except (ImageError, LabelMapError) as error:
            return str(error)

    if workers < 2:
        yield from map(one, indices)
        return
    with ThreadPoolExecutor(workers, thread_name_prefix="dissect-labels") as pool:
        yield from pool.map(one, indices)
