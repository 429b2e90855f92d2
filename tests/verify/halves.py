"""What the tests of cross-fits share: a data set cut to some of its pictures, and plain I, A, G image by image under `standard`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dissect.concepts.images import open_image
from dissect.concepts.model import VOID, ImageRecord, Labels, Plane, ProbeSet, Vocabulary
from dissect.fingerprint import fingerprint
from dissect.network.model import LayerInfo, Network
from dissect.probe.cache import Cache
from dissect.probe.counting import TallySource, tally
from dissect.probe.labelling import LabelSource
from dissect.probe.ledger import MemoryLedger, Stage
from dissect.probe.levels import RecordedLayer, measured_units
from dissect.probe.passes import LayerPlan
from dissect.probe.profile import profile
from dissect.probe.progress import Quiet
from dissect.probe.recording import ShardRecorder
from dissect.probe.settings import ProbeResult
from dissect.probe.shardfile import write_shard
from dissect.probe.signatures import build_label_shard, label_image
from dissect.probe.tables import CountTables
from dissect.probe.upsample import grid
from dissect.probe.work import Work, Written
from dissect.score.best import best_concept
from dissect.score.count import scores
from dissect.verify.fold_counts import FoldCounts, Rules, count_folds
from dissect.verify.folds import Folds
from tests.probe.oracles import Straight, vocabulary
from tests.probe.plain import bilinear, maps_of


@dataclass
class Some:
    """A few pictures of a set, as a set."""

    inner: ProbeSet
    order: Sequence[int]

    @property
    def name(self) -> str:
        return "some"

    @property
    def vocabulary(self) -> Vocabulary:
        return self.inner.vocabulary

    @property
    def records(self) -> Sequence[ImageRecord]:
        return [replace(self.inner.records[place], index=index) for index, place in enumerate(self.order)]

    @property
    def label_kind(self) -> str:
        return self.inner.label_kind

    @property
    def default_label_size(self) -> tuple[int, int] | None:
        return self.inner.default_label_size

    def labels(self, index: int) -> Labels:
        return self.inner.labels(self.order[index])

    def content_hash(self) -> str:
        return fingerprint({"of": self.inner.content_hash(), "order": [int(each) for each in self.order]})


def folds_of(fold: Sequence[int]) -> Folds:
    """A split that the test chose itself."""
    array = np.array(fold, np.int8)
    sizes = int((array == 0).sum()), int((array == 1).sum())
    return Folds(array, sizes, sizes, "0" * 64)


def rules_of(result: ProbeResult, layer: str, data: ProbeSet, inputs: tuple[int, int], name: str, quantile: float, least: int = 0) -> Rules:
    """The rules of a run, for one of its layers."""
    info = next(each.layer for each in result.layers if each.layer.name == layer)
    over = grid(info.map_size, result.label_size, profile(name).upsampling, inputs)
    return Rules(data.vocabulary, profile(name), quantile, over, least)


def counts_of(result: ProbeResult, layer: str, rules: Rules, folds: Folds) -> FoldCounts:
    """The counts of a cross-fit of one layer."""
    assert result.labels is not None
    return count_folds(result.recorded[layer], result.labels, rules, folds, result.image_index)


@dataclass
class PlainCounts:
    """intersection (n, U, C), unit_area (n, U, C), concept_area (n, C): image by image."""

    intersection: NDArray[np.int64]
    unit_area: NDArray[np.int64]
    concept_area: NDArray[np.int64]

    def iou(self, images: NDArray[np.bool_]) -> NDArray[np.float64]:
        """(U, C) over some images; NaN where no pixel holds the concept."""
        shared, area, covered = (each[images].sum(axis=0) for each in (self.intersection, self.unit_area, self.concept_area))
        union = area + covered - shared
        found = np.divide(shared, union, out=np.zeros(union.shape), where=union > 0)
        return np.where(covered > 0, found, np.nan)


def plain_threshold(maps: NDArray[np.float64], quantile: float) -> NDArray[np.float64]:
    """(U,) of maps (n, U, h, w): the (floor(q n) + 1)-th largest."""
    values = maps.transpose(1, 0, 2, 3).reshape(maps.shape[1], -1)
    return np.asarray(np.sort(values, axis=1)[:, ::-1][:, int(quantile * values.shape[1])])


def plain_counts(network: Network, data: ProbeSet, layer: LayerInfo, size: tuple[int, int], threshold: NDArray[np.float64]) -> PlainCounts:
    """Masks of every picture above thresholds (U,), against every concept, under `standard`."""
    used = list(range(len(data.records)))
    masks = bilinear(maps_of(network, data, layer, used, "float16"), size) > threshold[None, :, None, None]
    known = data.vocabulary
    primary = [known.category_index(concept.category) for concept in known.concepts]
    shape = (len(used), layer.units, len(known))
    found = PlainCounts(np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.zeros((len(used), len(known)), np.int64))
    for row in used:
        labels = data.labels(row)
        view = network.view(open_image(data.records[row].path).size)
        planes = [(plane.category, view.sample(plane.ids, size, VOID)) for plane in labels.planes]
        for c, concept in enumerate(known.concepts):
            void = np.any([np.zeros(size, bool), *(ids == VOID for name, ids in planes if name == known.categories[primary[c]])], axis=0)
            seen = np.any([ids == c + 1 for _, ids in planes] + [np.full(size, c + 1 in labels.whole)], axis=0) & ~void
            found.concept_area[row, c] = seen.sum()
            found.intersection[row, :, c] = (masks[row] & seen).sum(axis=(1, 2))
            if concept.category in labels.annotated or seen.any():
                found.unit_area[row, :, c] = (masks[row] & ~void).sum(axis=(1, 2))
    return found


@dataclass
class Made:
    """A layer recorded from given maps, with labels, counts, and the best concept (U,) of each unit with its score (U,)."""

    recorded: RecordedLayer
    labels: LabelSource
    tallies: TallySource
    tables: CountTables
    rules: Rules
    label: NDArray[np.int64]
    score: NDArray[np.float64]
    image_index: NDArray[np.int32]

    def counts(self, folds: Folds) -> FoldCounts:
        """Of a cross-fit."""
        return count_folds(self.recorded, self.labels, self.rules, folds, self.image_index)


def made(
    folder: Path, maps: NDArray[np.float16], ids: NDArray[np.uint16], words: int, quantile: float,
    *, floor: NDArray[np.float32] | None = None, shard: int = 16, least: int = 0,
) -> Made:  # fmt: skip
    """maps (n, U, h, w); ids (n, H, W) of one plane of category object; words: C."""
    (images, units, height, width), size = maps.shape, (ids.shape[1], ids.shape[2])
    known = vocabulary(words, ("object",))
    ranges = list(pairwise([*range(0, images, shard), images]))
    work = Work(Cache(folder), MemoryLedger(), Quiet())
    plan = LayerPlan(
        LayerInfo("layer", units, (height, width), "conv"), "float16", Stage("a" * 64, "activations", "layer", {}), ranges, floor
    )
    labels = LabelSource(work, Stage("b" * 64, "labels", None, {}), ranges)
    work.open(plan.stage, ranges)
    work.open(labels.stage, ranges)
    everything = frozenset(("object",))
    for index, (first, stop) in enumerate(ranges):
        with work.claimed(plan.stage, index) as claim:
            assert claim is not None
            path = work.cache.shard_path(plan.stage, index)
            recorder = ShardRecorder(plan.layer, "float16", floor, claim, path)
            flat = maps[first:stop].reshape(stop - first, units, -1)
            recorder.add(flat, np.ones(len(flat), np.bool_), np.abs(flat).max(axis=(0, 2)).astype(np.float32))
            work.check_in(plan.stage, claim, path, recorder.finish())
        with work.claimed(labels.stage, index) as claim:
            assert claim is not None
            path = work.cache.shard_path(labels.stage, index)
            rows = [label_image(Labels((Plane("object", plane),), (), everything), Straight(), size, known) for plane in ids[first:stop]]
            work.check_in(labels.stage, claim, path, Written(*write_shard(path, build_label_shard(rows, size, 1).to_arrays(), {}), {}))
    recorded = RecordedLayer(work, plan)
    rules = Rules(known, profile("standard"), quantile, grid((height, width), size, "half_pixel"), least)
    found, _ = measured_units(recorded, quantile, rules.profile)
    tallies = TallySource(work, Stage("c" * 64, "tally", "layer", {}), ranges)
    tables = tally(recorded, labels, found, rules.over, known, rules.profile, tallies.stage, floor is None)
    best = best_concept(scores(tables, known, rules.profile, min_images=least), found.state, rules.profile)
    used = np.arange(images, dtype=np.int32)
    return Made(recorded, labels, tallies, tables, rules, best.concept[:, 0], best.score[:, 0], used)
