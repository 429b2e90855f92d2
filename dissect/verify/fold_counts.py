"""Counts of a layer under the threshold of each fold, over the images of each fold: all that a cross-fit needs.

Letters: U units, n images of a shard.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dissect.concepts.model import Vocabulary
from dissect.errors import ShapeError
from dissect.probe.areas import content
from dissect.probe.labelling import LabelSource
from dissect.probe.levels import RecordedLayer
from dissect.probe.profile import Profile, profile
from dissect.probe.signatures import LabelShard
from dissect.probe.tables import CountTables
from dissect.probe.tally import TallyShard, merge_tally, tally_shard
from dissect.probe.threshold import Thresholds
from dissect.probe.upsample import Grid
from dissect.verify.fold_layer import fold_thresholds, restricted
from dissect.verify.folds import Folds

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Rules:
    """How the run counted. quantile: q. over: `upsample.grid` of the layer with the profile's rule. min_images: of a concept that may be
    a label, here within a fold."""

    vocabulary: Vocabulary
    profile: Profile
    quantile: float
    over: Grid
    min_images: int = 0


@dataclass(frozen=True)
class FoldCounts:
    """Counts of one layer. tables[f][g]: masks by the threshold of fold f, images of fold g. thresholds[f]: of fold f alone, as the run
    takes them of all images. hidden[f] (U,): units without one, because maps that it needs were not kept (a sparse cache)."""

    folds: Folds
    tables: tuple[tuple[CountTables, CountTables], tuple[CountTables, CountTables]]
    thresholds: tuple[Thresholds, Thresholds]
    hidden: tuple[Bools, Bools]


def count_folds(recorded: RecordedLayer, labels: LabelSource, rules: Rules, folds: Folds, image_index: NDArray[np.int32]) -> FoldCounts:
    """Thresholds of both folds, and the four counts. image_index: `ProbeResult.image_index`, the images that the folds split, in order.

    One shard of maps is worked on at a time; of its pairs of image and unit only sums stay.

    Raises:
        ShapeError: the folds are of other images, or there is no split.
    """
    if not folds.testable or len(folds.fold) != len(image_index):
        raise ShapeError(f"a split of {len(folds.fold)} images for a run of {len(image_index)}; split the images that the run used.")
    chosen = _chosen(recorded, folds, image_index)
    found = [fold_thresholds(recorded, each, rules.quantile, rules.profile) for each in chosen]
    sums: dict[tuple[int, int], list[TallyShard]] = {(f, g): [] for f in (0, 1) for g in (0, 1)}
    tables = []
    for (first, stop), (_, shard) in zip(recorded.plan.ranges, recorded.shards(), strict=True):
        part = labels.part(first, stop)
        tables.append(part.table)
        for g in (0, 1):
            maps = restricted(shard.maps, first, chosen[g])
            for f in (0, 1):
                counted = tally_shard(maps, found[f][0].cut, part, rules.over, rules.vocabulary, rules.profile, keep_spans=False)
                sums[f, g].append(without_pairs(counted))
    merged = {pair: merge_tally(shards, tables, rules.over.size) for pair, shards in sums.items()}
    return FoldCounts(
        folds, ((merged[0, 0], merged[0, 1]), (merged[1, 0], merged[1, 1])), (found[0][0], found[1][0]), (found[0][1], found[1][1])
    )


def without_pairs(shard: TallyShard) -> TallyShard:
    """A shard of counts without what it holds of single images."""
    nothing, one = np.zeros(0, np.int32), np.zeros(1, np.int64)
    return replace(
        shard, pair_image=nothing, pair_unit=nothing, span_offsets=one[:0], span_first=shard.span_first[:0].copy(),
        span_last=shard.span_last[:0].copy(),
        triple_offsets=one, triple_signature=nothing, triple_count=one[:0],
    )  # fmt: skip


def held_categories(labels: LabelSource, vocabulary: Vocabulary, image_index: NDArray[np.int32]) -> Bools:
    """(n, K) whether each used image holds a concept of a category, for `split_folds`."""
    parts = [_held(labels.part(first, stop), vocabulary) for first, stop in labels.ranges]
    return np.concatenate(parts)[image_index]


def _held(shard: LabelShard, vocabulary: Vocabulary) -> Bools:
    return content(shard, vocabulary, profile("standard")).held


def _chosen(recorded: RecordedLayer, folds: Folds, image_index: NDArray[np.int32]) -> tuple[Bools, Bools]:
    """By fold: (records,) which images are of it."""
    records = recorded.plan.ranges[-1][1]
    both = np.zeros((2, records), np.bool_)
    both[folds.fold, image_index] = True
    return both[0], both[1]
