"""Cost of the tests of labels, at the scale of 10,000 images, 512 units and 1,198 concepts, on synthetic worlds.

    python -m benchmarks.verify [--images 10000] [--units 512] [--permutations 200]

Independence null: seconds for all permutations of all units, from counts as the probe keeps them, reading them into spans included.
Baseline in the same process: one permutation of some units in plain NumPy (a histogram of local signatures a pair of image and unit, then
a product with the concepts), with the same integers. Cross-fit and bootstrap: of `benchmarks.verify_parts`, on recorded maps.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numba
import numpy as np
from numpy.typing import NDArray

from benchmarks.common import check, leave, machine
from benchmarks.verify_parts import bootstrap_seconds, crossfit_seconds, synthetic_layer
from benchmarks.worlds import CONCEPTS, SIDE, SIZES, layout, pictures
from dissect.concepts.model import Concept, ImageRecord, Vocabulary
from dissect.probe.profile import PROFILES
from dissect.probe.signatures import ImageLabels, LabelShard, build_label_shard
from dissect.score.count import iou
from dissect.verify.columns import columns
from dissect.verify.null import NullData, count_p, unit_counts, z_scores
from dissect.verify.shuffles import shuffles
from dissect.verify.spans import MaskSpans, join_labels, join_masks, shard_spans
from dissect.verify.tail import tail_p

STANDARD = PROFILES["standard"]
EDGE = 112
"""Pixels of a label map's side; the layouts are made of SIDE x SIDE blocks."""


@dataclass(frozen=True)
class World:
    """Label shards of 1,000 images, and what the probe keeps of each with them: image, unit and spans of its pairs."""

    vocabulary: Vocabulary
    shards: list[LabelShard]
    pairs: list[tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64], NDArray[np.uint16], NDArray[np.uint16]]]
    units: int


def words() -> Vocabulary:
    """The concepts of `worlds`."""
    kinds = [kind for kind, size in SIZES.items() for _ in range(size)]
    concepts = tuple(Concept(k, f"c{k}", kind, (kind,), str(k)) for k, kind in enumerate(kinds, start=1))
    return Vocabulary("synthetic", tuple(SIZES), concepts)


def synthetic(images: int, units: int, seed: int) -> World:
    """Pictures of `worlds` as label maps, and round masks: every unit in about 5 % of the images, half a percent of all pixels."""
    random = np.random.default_rng(seed)
    layouts = [layout(random) for _ in range(min(1500, images))]
    base, rows = pictures(random, images, layouts)
    blocks = [each.block.repeat(EDGE // SIDE, 0).repeat(EDGE // SIDE, 1).ravel() for each in layouts]
    discs = _discs(random)
    shards, pairs = [], []
    for first in range(0, images, 1000):
        here = range(first, min(first + 1000, images))
        labels = [_labelled(rows[i], blocks[base[i]]) for i in here]
        shards.append(build_label_shard(labels, (EDGE, EDGE), len(SIZES)))
        pairs.append(_fire(random, len(here), units, discs))
    return World(words(), shards, pairs, units)


def _labelled(row: NDArray[np.int64], blocks: NDArray[np.int64]) -> ImageLabels:
    """Signatures of one picture from the names of its blocks."""
    members = [np.sort(names[names >= 0] + 1).astype("<u2").tobytes() for names in row]
    local: dict[bytes, int] = {}
    number = np.array([local.setdefault(each, len(local)) for each in members], np.uint16)
    pixels = number[blocks]
    return ImageLabels(pixels, tuple(local), np.bincount(pixels, minlength=len(local)), np.ones(len(SIZES), np.bool_), ())


def _discs(random: np.random.Generator) -> list[tuple[NDArray[np.uint16], NDArray[np.uint16]]]:
    """First and last pixels of the spans of 300 round masks of 10 % of the pixels on average, with ragged rims."""
    y, x = np.mgrid[:EDGE, :EDGE]
    found = []
    for _ in range(300):
        cy, cx, radius = random.uniform(5, EDGE - 5), random.uniform(5, EDGE - 5), random.uniform(12, 30)
        rim = radius * (1 + 0.1 * np.sin(3 * np.arctan2(y - cy, x - cx) + random.uniform(0, 6)))
        inside = np.pad(((y - cy) ** 2 + (x - cx) ** 2 < rim**2).ravel(), 1)
        edges = np.flatnonzero(inside[1:] != inside[:-1])
        found.append((edges[::2].astype(np.uint16), (edges[1::2] - 1).astype(np.uint16)))
    return found


def _fire(
    random: np.random.Generator, images: int, units: int, discs: list[tuple[NDArray[np.uint16], NDArray[np.uint16]]]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64], NDArray[np.uint16], NDArray[np.uint16]]:  # fmt: skip
    image, unit = np.nonzero(random.random((images, units)) < 0.05)
    chosen = random.integers(0, len(discs), len(image))
    offsets = np.concatenate(([0], np.cumsum([len(discs[k][0]) for k in chosen]))).astype(np.int64)
    none = [np.zeros(0, np.uint16)]
    first, last = (np.concatenate([discs[k][end] for k in chosen] or none) for end in (0, 1))
    return image.astype(np.int32), unit.astype(np.int32), offsets, first, last


def prepared(world: World, permutations: int) -> tuple[MaskSpans, NullData]:
    """What a null needs, from what the probe keeps."""
    labels = join_labels(world.shards)
    records = [ImageRecord(k, str(k), None) for k in range(len(labels))]  # type: ignore[arg-type]
    drawn = shuffles(labels.annotated, records, count=permutations, seed=1)
    places = np.cumsum([0, *(len(shard.included) for shard in world.shards)])
    parts = [
        shard_spans(*pairs, np.arange(len(shard.included)) + start)
        for pairs, shard, start in zip(world.pairs, world.shards, places[:-1], strict=True)
    ]
    data = NullData(labels, columns(labels, world.vocabulary, STANDARD), drawn, world.vocabulary, STANDARD)
    return join_masks(parts, world.units), data


def null(world: World, permutations: int) -> float:
    """The independence null of one layer; prints the seconds and the ratio against plain NumPy."""
    prepared(World(world.vocabulary, world.shards[:1], world.pairs[:1], 2), 2)
    began = time.perf_counter()
    masks, data = prepared(world, permutations)
    read = time.perf_counter() - began
    size = sum(array.nbytes for each in (masks, data.labels) for array in vars(each).values() if isinstance(array, np.ndarray))
    print(f"reading {len(masks.image)} masks of {masks.area.sum() / 1e6:.0f} M pixels into spans: {read:.2f} s, {size / 2**20:.0f} MiB")
    concept = np.arange(1, CONCEPTS + 1)
    category = np.repeat(np.arange(len(SIZES)), list(SIZES.values()))
    truth = _truth(world)
    counted = np.zeros(world.units)
    unit_counts(masks, data, 0, concept, category)

    def work(unit: int) -> None:
        start = time.thread_time()
        intersection, area = unit_counts(masks, data, unit, concept, category)
        counted[unit] = time.thread_time() - start
        score = iou(intersection, area, truth)
        best, z = score.max(axis=1), z_scores(score).max(axis=1)
        count_p(best), count_p(z), tail_p(best[0], best[1:])

    began, spent = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(numba.get_num_threads()) as pool:
        list(pool.map(work, range(world.units)))
    seconds, spent = time.perf_counter() - began, time.process_time() - spent
    one = seconds / (permutations + 1)
    took = f"processor time {spent:.1f} s, {counted.sum():.1f} s of it counting"
    print(f"{permutations} permutations: {seconds:.1f} s, {1000 * one:.0f} ms each; {took}")
    few = min(world.units, 8)
    plain = _plain_seconds(world, masks, data, few, concept) * world.units / few
    print(f"one permutation in plain NumPy: {plain:.1f} s; ratio {plain / one:.0f} x")
    return read + seconds


def _truth(world: World) -> NDArray[np.int64]:
    """G (C,)."""
    total = np.zeros(CONCEPTS + 1, np.int64)
    for shard in world.shards:
        pixels = np.bincount(shard.local_signature, shard.local_pixels, len(shard.table)).astype(np.int64)
        np.add.at(total, shard.table.members, np.repeat(pixels, np.diff(shard.table.offsets)))
    return total[1:]


def _plain_seconds(world: World, masks: MaskSpans, data: NullData, units: int, concept: NDArray[np.int64]) -> float:
    """One permutation of the first units, pixel by pixel, without kernels; its counts must be the same."""
    source, spent = data.shuffles.source[1], 0.0
    total = np.zeros((units, CONCEPTS + 1), np.int64)
    for number, (image, unit, offsets, first, last) in enumerate(world.pairs):
        for pair in np.flatnonzero(unit < units).tolist():
            spans = range(offsets[pair], offsets[pair + 1])
            positions = np.concatenate([np.arange(first[span], int(last[span]) + 1) for span in spans])
            began = time.perf_counter()
            other = int(source[1000 * number + image[pair]])
            shard, own = world.shards[other // 1000], other % 1000
            counts = np.bincount(shard.signature_map[own][positions])
            for local in np.flatnonzero(counts).tolist():
                signature = shard.local_signature[shard.local_offsets[own] + local]
                members = shard.table.members[shard.table.offsets[signature] : shard.table.offsets[signature + 1]]
                total[unit[pair], members] += counts[local]
            spent += time.perf_counter() - began
    for number in range(units):
        if (unit_counts(masks, data, number, concept, np.zeros_like(concept))[0][1] != total[number, 1:]).any():
            raise SystemExit("plain NumPy counts other pixels: the kernels are wrong")
    return spent


def halves_and_intervals(images: int, units: int) -> float:
    """Cross-fit and bootstrap of one layer, on recorded maps of 7 x 7; prints the seconds of both."""
    with tempfile.TemporaryDirectory() as folder:
        small = synthetic_layer(Path(folder) / "small", 60, 8)
        crossfit_seconds(small)
        layer = synthetic_layer(Path(folder) / "whole", images, units)
        crossfit, intervals = crossfit_seconds(layer), bootstrap_seconds(layer)
    print(f"cross-fit of concept labels: {crossfit:.1f} s; 1,000 bootstrap draws: {intervals:.1f} s")
    return crossfit + intervals


def main() -> None:
    """Print the figures; exit 1 if the floor is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--units", type=int, default=512)
    parser.add_argument("--permutations", type=int, default=200)
    options = parser.parse_args()
    print(machine())
    world = synthetic(options.images, options.units, 1)
    spans = sum(len(shard.local_signature) for shard in world.shards) / options.images
    size = f"{options.images} synthetic images of {EDGE} x {EDGE}, {options.units} units, {CONCEPTS} concepts"
    print(f"data: {size}, {spans:.0f} signatures an image")
    total = null(world, options.permutations) + halves_and_intervals(options.images, options.units)
    leave([check(f"seconds of {options.permutations} permutations + cross-fit + bootstrap", total, 120, at_most=True)])


if __name__ == "__main__":
    main()
