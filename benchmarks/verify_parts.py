"""Cost of held-out scores and intervals of one layer at the scale of a large run.

    python -m benchmarks.verify_parts [--images 10000] [--units 512]

Synthetic maps of 7 x 7 in float16 and label maps of 112 x 112 with 1,200 concepts (`benchmarks.score`), recorded in shards of 1,000 as a
probe records them; the maps are read from disk.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import machine
from benchmarks.score import MAP, QUANTILE, SIZE, STANDARD, activation_maps, label_maps, vocabulary
from dissect.network.model import LayerInfo
from dissect.probe.cache import Cache
from dissect.probe.counting import TallySource, tally
from dissect.probe.labelling import LabelSource
from dissect.probe.ledger import MemoryLedger, Stage
from dissect.probe.levels import RecordedLayer, measured_units
from dissect.probe.passes import LayerPlan
from dissect.probe.progress import Quiet
from dissect.probe.recording import ShardRecorder
from dissect.probe.shardfile import write_shard
from dissect.probe.tables import Int64
from dissect.probe.upsample import grid
from dissect.probe.work import Work, Written
from dissect.score.best import best_concept
from dissect.score.count import scores
from dissect.verify.by_image import concepts_by_image
from dissect.verify.crossfit import concept_held_out
from dissect.verify.crossfit_formulas import FormulaSearch, formula_held_out
from dissect.verify.fold_counts import FoldCounts, Rules, count_folds, held_categories
from dissect.verify.folds import split_folds
from dissect.verify.intervals import bootstrap

SHARD = 1000


@dataclass(frozen=True)
class Layer:
    """A recorded layer with its labels, counts and best concepts (U,)."""

    recorded: RecordedLayer
    labels: LabelSource
    tallies: TallySource
    rules: Rules
    best: Int64
    image_index: NDArray[np.int32]


def synthetic_layer(folder: Path, images: int, units: int) -> Layer:
    """Draw and record it. 10,000 images of 512 units take about two minutes and 0.6 GB."""
    words = vocabulary()
    ranges = list(pairwise([*range(0, images, SHARD), images]))
    work = Work(Cache(folder), MemoryLedger(), Quiet())
    plan = LayerPlan(LayerInfo("layer", units, MAP, "conv"), "float16", Stage("a" * 64, "activations", "layer", {}), ranges)
    labels = LabelSource(work, Stage("b" * 64, "labels", None, {}), ranges)
    work.open(plan.stage, ranges)
    work.open(labels.stage, ranges)
    for index, (first, stop) in enumerate(ranges):
        _record(work, plan, index, activation_maps(stop - first, units, first + 2))
        with work.claimed(labels.stage, index) as claim:
            assert claim is not None
            path = work.cache.shard_path(labels.stage, index)
            arrays = label_maps(stop - first, words, first + 1)[0].to_arrays()
            work.check_in(labels.stage, claim, path, Written(*write_shard(path, arrays, {}), {}))
    recorded = RecordedLayer(work, plan)
    rules = Rules(words, STANDARD, QUANTILE, grid(MAP, SIZE, "half_pixel"))
    found, _ = measured_units(recorded, QUANTILE, STANDARD)
    tallies = TallySource(work, Stage("c" * 64, "tally", "layer", {}), ranges)
    tables = tally(recorded, labels, found, rules.over, words, STANDARD, tallies.stage, True)
    best = best_concept(scores(tables, words, STANDARD), found.state, STANDARD).concept[:, 0]
    return Layer(recorded, labels, tallies, rules, best, np.arange(images, dtype=np.int32))


def _record(work: Work, plan: LayerPlan, index: int, maps: NDArray[np.float16]) -> None:
    with work.claimed(plan.stage, index) as claim:
        assert claim is not None
        path = work.cache.shard_path(plan.stage, index)
        recorder = ShardRecorder(plan.layer, plan.dtype, None, claim, path)
        for first in range(0, len(maps), 256):
            piece = maps[first : first + 256]
            recorder.add(piece, np.ones(len(piece), np.bool_), np.abs(piece).max(axis=(0, 2)).astype(np.float32))
        work.check_in(plan.stage, claim, path, recorder.finish())


def seconds(work: Callable[[], object]) -> float:
    """On the clock."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def shown(name: str, work: Callable[[], float]) -> None:
    """Print seconds on the clock, and of all threads: the latter hardly depend on what else the machine does."""
    before = time.process_time()
    clock = work()
    print(f"{name}: {clock:.1f} s ({time.process_time() - before:.1f} s of processor time)")


def fold_counts(layer: Layer) -> FoldCounts:
    """Split, thresholds of both folds, four counts."""
    held = held_categories(layer.labels, layer.rules.vocabulary, layer.image_index)
    names = [f"{index:06d}" for index in layer.image_index.tolist()]
    folds = split_folds(names, [None] * len(names), held=held)
    return count_folds(layer.recorded, layer.labels, layer.rules, folds, layer.image_index)


def crossfit_seconds(layer: Layer) -> float:
    """Seconds of the whole cross-fit of concept labels, one call of which has gone before to compile."""
    return seconds(lambda: concept_held_out(fold_counts(layer), layer.rules, layer.best))


def bootstrap_seconds(layer: Layer) -> float:
    """Seconds of the intervals of all units: counts by image, and 1,000 draws."""
    parts = layer.tallies, layer.labels, layer.rules.vocabulary, layer.rules.profile, layer.best, layer.image_index
    return seconds(lambda: bootstrap(concepts_by_image(*parts)))


def formula_seconds(layer: Layer, counts: FoldCounts) -> float:
    """Seconds that formulas of up to three concepts add to a cross-fit whose counts are there."""
    return seconds(lambda: formula_held_out(counts, layer.rules, FormulaSearch(), [None] * len(layer.best)))


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--units", type=int, default=512)
    options = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        small = synthetic_layer(Path(folder) / "small", 60, 8)
        crossfit_seconds(small)
        bootstrap_seconds(small)
        formula_seconds(small, fold_counts(small))
        layer = synthetic_layer(Path(folder) / "large", options.images, options.units)
        print(f"data: {options.images} synthetic images, {options.units} units of 7 x 7, label maps 112 x 112, 1,200 concepts")
        shown("cross-fit of concept labels", lambda: crossfit_seconds(layer))
        shown("bootstrap intervals, 1,000 draws", lambda: bootstrap_seconds(layer))
        counts = fold_counts(layer)
        shown("cross-fit of formulas, counts given", lambda: formula_seconds(layer, counts))


if __name__ == "__main__":
    main()
