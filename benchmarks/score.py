"""Cost of scoring against the forward pass and against a dense matrix product; thresholds against sorted values.

    python benchmarks/score.py [--images 2000] [--units 512]

Scoring is everything from kept activations to IoU: exact thresholds, active pixels by label signature, merging, IoU of all concepts and
the best of them. Baseline on the same arrays: masks of all units by dense bilinear upsampling, times one-hot concept masks, as a float32
matrix product an image (torch, all threads); with the concepts present in the image only, and with all 1,200 columns.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.common import check, leave, machine, middle
from dissect.concepts.model import Concept, Labels, Plane, Vocabulary
from dissect.config import Config
from dissect.network.model import View
from dissect.pipeline.open import open_network
from dissect.pipeline.request import RunRequest
from dissect.probe.histogram import measure
from dissect.probe.maps import MapShard
from dissect.probe.profile import PROFILES
from dissect.probe.signatures import LabelShard, build_label_shard, label_image
from dissect.probe.tally import merge_tally, tally_shard
from dissect.probe.threshold import thresholds
from dissect.probe.upsample import grid
from dissect.score.best import best_concept
from dissect.score.count import scores

CONCEPTS, SIZE, MAP, QUANTILE = 1200, (112, 112), (7, 7), 0.005
STANDARD = PROFILES["standard"]


def vocabulary() -> Vocabulary:
    """1,200 concepts, two thirds objects."""
    kinds = ["object" if index <= 800 else "part" for index in range(1, CONCEPTS + 1)]
    concepts = tuple(Concept(index, f"c{index}", kind, (kind,), str(index)) for index, kind in enumerate(kinds, start=1))
    return Vocabulary("synthetic", ("object", "part"), concepts)


def label_maps(images: int, words: Vocabulary, seed: int) -> tuple[LabelShard, NDArray[np.uint16]]:
    """Two planes of ellipses with Zipf concepts; the shard, and the planes (n, 2, H, W)."""
    random = np.random.default_rng(seed)
    y, x = np.ogrid[: SIZE[0], : SIZE[1]]
    planes = np.zeros((images, 2, *SIZE), np.uint16)
    for image in range(images):
        for _ in range(16):
            cy, cx, ry, rx = random.uniform(0, 112, 2).tolist() + random.uniform(5, 40, 2).tolist()
            inside = ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1
            planes[image, 0][inside] = min(int(random.zipf(1.25)), 800)
            inner = ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 0.25
            planes[image, 1][inner] = 800 + min(int(random.zipf(1.25)), 400)
    view = View(0.0, 0.0, 112.0, 112.0, 112.0, 112.0)
    both = frozenset(("object", "part"))
    items = [label_image(Labels((Plane("object", p[0]), Plane("part", p[1])), (), both), view, SIZE, words) for p in planes]
    return build_label_shard(items, SIZE, 2), planes


def activation_maps(images: int, units: int, seed: int) -> NDArray[np.float16]:
    """Rectified maps (n, U, 49): one smooth bump each, its height drawn from a heavy tail, so that a unit fires in few images."""
    random = np.random.default_rng(seed)
    maps = np.empty((images, units, 49), np.float16)
    y, x = (axis.reshape(1, 49) for axis in np.mgrid[:7, :7].astype(np.float32))
    for image in range(images):
        cy, cx, height = random.uniform(0, 6, (units, 1)), random.uniform(0, 6, (units, 1)), random.gamma(0.3, 1.0, (units, 1))
        bump = np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 2)
        maps[image] = np.maximum(height * bump - 0.05, 0)
    return maps


def dense(maps: NDArray[np.float16], cut: NDArray[np.float32], planes: NDArray[np.uint16], columns: int | None) -> NDArray[np.int64]:
    """I (U, C) by upsampling everything and multiplying; `columns` None: only concepts present in each image."""
    total = torch.zeros((maps.shape[1], CONCEPTS + 1), dtype=torch.float64)
    for image in range(len(maps)):
        values = torch.from_numpy(maps[image].astype(np.float32)).reshape(1, -1, *MAP)
        masks = (
            torch.nn.functional.interpolate(values, SIZE, mode="bilinear", align_corners=False)[0].flatten(1)
            > torch.from_numpy(cut)[:, None]
        )
        flat = torch.from_numpy(planes[image].astype(np.int64)).flatten(1)
        present = torch.unique(flat) if columns is None else torch.arange(columns + 1)
        hot = torch.zeros((flat.shape[1], len(present)))
        for plane in flat:
            hot.scatter_(1, torch.searchsorted(present, plane)[:, None], 1.0)
        total[:, present] += (masks.float() @ hot).double()
    found: NDArray[np.int64] = total[:, 1:].round().long().numpy()
    return found


def ours(maps: NDArray[np.float16], labels: LabelShard, words: Vocabulary) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The product's way, from kept maps to the best concept. Gives I (U, C) and the cuts."""
    measured = measure(maps)
    limits = thresholds(measured.histogram, QUANTILE, STANDARD)
    shard = MapShard.dense(maps, measured.maxima, np.ones(len(maps), np.bool_), MAP)
    counted = tally_shard(shard, limits.cut, labels, grid(MAP, SIZE, "half_pixel"), words, STANDARD)
    tables = merge_tally([counted], [labels.table], SIZE)
    found = scores(tables, words, STANDARD)
    best_concept(found, limits.state, STANDARD)
    return found.intersection, limits.cut


def timed(work: Callable[[], object], repeats: int) -> list[float]:
    """Seconds of each repeat."""
    out = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        out.append(time.perf_counter() - began)
    return out


def main() -> None:
    """Print the figures; exit 1 if a floor is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--units", type=int, default=512)
    options = parser.parse_args()
    print(machine())
    words = vocabulary()
    labels, planes = label_maps(options.images, words, 1)
    maps = activation_maps(options.images, options.units, 2)
    print(
        f"data: {options.images} synthetic images, {options.units} units of 7 x 7, label maps 112 x 112, {CONCEPTS} concepts, "
        f"{len(labels.table)} signatures"
    )
    few = min(24, options.images)
    few_labels, _ = label_maps(few, words, 1)
    limits = thresholds(measure(maps).histogram, QUANTILE, STANDARD)
    above = float((maps.max(axis=2) > limits.cut.astype(np.float16)).mean())
    print(f"pairs of image and unit with an active position: {100 * above:.1f} %")
    counted, cut = ours(maps[:few], few_labels, words)
    equal = np.array_equal(counted, dense(maps[:few], cut, planes[:few], None))
    print(f"{'ok  ' if equal else 'MISS'}  intersections equal the dense baseline's to the last pixel on {few} images: {equal}")

    each = [seconds / options.images for seconds in timed(lambda: ours(maps, labels, words), 5)]
    present = [seconds / few for seconds in timed(lambda: dense(maps[:few], cut, planes[:few], None), 3)]
    every = [seconds / 6 for seconds in timed(lambda: dense(maps[:6], cut, planes[:6], CONCEPTS), 3)]
    forward = _forward()
    scale = 1000.0
    print(f"scoring: {middle([value * scale for value in each])} ms an image")
    print(
        f"dense, concepts present in the image: {middle([value * scale for value in present])} ms; "
        f"all: {middle([value * scale for value in every])} ms"
    )
    print(f"fast forward pass of ResNet-18 at 224: {middle([value * scale for value in forward])} ms an image")
    ours_ms, median = statistics.median(each), statistics.median
    held = [equal, check("dense (present) / scoring", median(present) / ours_ms, 100, at_most=False)]
    held.append(check("dense (all) / scoring", median(every) / ours_ms, 100, at_most=False))
    held.append(check("scoring / forward", ours_ms / median(forward), 0.01, at_most=True))
    held.append(check("rank error of thresholds", _rank_error(maps), 0, at_most=True))
    leave(held)


def _forward() -> list[float]:
    network = open_network(RunRequest(model="torchvision:resnet18@random", data=""), Config(home=Path(), database_url="sqlite://"))
    batch = np.random.default_rng(0).normal(size=(32, 3, 224, 224)).astype(np.float32)
    network.outputs(batch)
    return [seconds / 32 for seconds in timed(lambda: network.outputs(batch), 5)]


def _rank_error(maps: NDArray[np.float16]) -> float:
    """Largest difference of the exact thresholds from those of fully sorted values."""
    limits = thresholds(measure(maps).histogram, QUANTILE, STANDARD)
    flat = np.sort(maps.transpose(1, 0, 2).reshape(maps.shape[1], -1), axis=1)
    rank = flat.shape[1] - 1 - int(QUANTILE * flat.shape[1])
    return float(np.abs(limits.value - flat[:, rank].astype(np.float64)).max())


if __name__ == "__main__":
    main()
