"""Plain, slow versions of the probe's arithmetic, and random inputs for them. Written from the definitions, with loops."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dissect.concepts.model import VOID, Concept, Labels, Plane, Vocabulary
from dissect.probe.histogram import measure
from dissect.probe.maps import MapShard
from dissect.probe.profile import Profile
from dissect.probe.signatures import ImageLabels, LabelShard, build_label_shard, label_image
from dissect.probe.tally import TallyShard

CATEGORIES = ("object", "part", "texture")


class Straight:
    """A view that shows the whole label map; `pad` columns on the left of the grid lie outside it."""

    def __init__(self, pad: int = 0) -> None:
        self.pad = pad

    def sample(self, ids: NDArray[np.uint16], size: tuple[int, int], outside: int) -> NDArray[np.uint16]:
        rows = (np.arange(size[0]) * 2 + 1) * ids.shape[0] // (2 * size[0])
        columns = (np.arange(size[1]) * 2 + 1) * ids.shape[1] // (2 * size[1])
        result: NDArray[np.uint16] = ids[rows][:, columns].copy()
        result[:, : self.pad] = outside
        return result


def vocabulary(concepts: int, categories: tuple[str, ...] = CATEGORIES) -> Vocabulary:
    """Concept i belongs to category i modulo their number."""
    names = [categories[index % len(categories)] for index in range(concepts)]
    return Vocabulary("test", categories, tuple(Concept(i + 1, f"c{i + 1}", name, (name,), str(i + 1)) for i, name in enumerate(names)))


@dataclass(frozen=True)
class Scene:
    """Random annotated images with random maps (n, U, h, w) of one layer."""

    labels: list[Labels]
    pads: list[int]
    maps: NDArray[Any]
    size: tuple[int, int]
    vocabulary: Vocabulary

    def image_labels(self) -> list[ImageLabels | None]:
        return [label_image(labels, Straight(pad), self.size, self.vocabulary) for labels, pad in zip(self.labels, self.pads, strict=True)]

    def label_shard(self) -> LabelShard:
        return build_label_shard(self.image_labels(), self.size, len(self.vocabulary.categories))

    def map_shard(self) -> MapShard:
        images, units, height, width = self.maps.shape
        flat = self.maps.reshape(images, units, height * width)
        return MapShard.dense(flat, measure(flat).maxima, np.ones(images, np.bool_), (height, width))


def scene(seed: int, *, void: bool = True, dtype: type[Any] = np.float32, most: int = 9) -> Scene:
    """Small random images: several planes of one category, whole-image labels (0 too), void pixels, padding, unannotated categories."""
    rng = np.random.default_rng(seed)
    known = vocabulary(int(rng.integers(0, 7)))
    images, units = (int(rng.integers(1, 4)) for _ in range(2))
    map_size = tuple(int(length) for length in rng.integers(1, 6, 2))
    size = (int(rng.integers(1, most)), int(rng.integers(1, most)))
    labels = [_labels(rng, known, size, void) for _ in range(images)]
    pads = [int(rng.integers(0, size[1])) if void and rng.random() < 0.3 else 0 for _ in range(images)]
    maps = rng.integers(-2, 5, (images, units, *map_size)) * 0.5 + rng.integers(0, 2) * rng.normal(size=(images, units, *map_size))
    return Scene(labels, pads, maps.astype(dtype), size, known)


def _labels(rng: np.random.Generator, known: Vocabulary, size: tuple[int, int], void: bool) -> Labels:
    planes = []
    for _ in range(int(rng.integers(0, 4))):
        ids = rng.integers(0, len(known) + 1, size).astype(np.uint16)
        if void:
            ids[rng.random(size) < 0.15] = VOID
        planes.append(Plane(CATEGORIES[rng.integers(0, 3)], ids))
    whole = tuple(int(label) for label in rng.integers(0, len(known) + 1, rng.integers(0, 3)))
    return Labels(tuple(planes), whole, frozenset(name for name in CATEGORIES if rng.random() < 0.6))


def plain_axis(n_in: int, n_out: int, rule: str, n_input: int) -> list[tuple[int, int, float, float]]:
    """(low, high, low weight, high weight) of each pixel."""
    axis = []
    for pixel in range(n_out):
        if rule == "half_pixel":
            place = (pixel + 0.5) * (n_in / n_out) - 0.5
        else:
            stride, reduction = n_input // n_in, n_input // n_out
            place = (pixel - (stride // 2) // reduction) / (stride // reduction)
        place = min(max(place, 0.0), n_in - 1.0)
        low = math.floor(place)
        axis.append((low, min(low + 1, n_in - 1), 1.0 - (place - low), place - low))
    return axis


def plain_upsample(
    values: NDArray[Any], size: tuple[int, int], rule: str = "half_pixel", inputs: tuple[int, int] = (0, 0)
) -> NDArray[np.float64]:
    """Pixel by pixel, in float64, without rounding in between."""
    rows, columns = (plain_axis(values.shape[i], size[i], rule, inputs[i]) for i in (0, 1))
    result = np.zeros(size)
    for y, (r0, r1, w0, w1) in enumerate(rows):
        for x, (c0, c1, v0, v1) in enumerate(columns):
            a, b, c, d = (float(values[r, s]) for r, s in ((r0, c0), (r0, c1), (r1, c0), (r1, c1)))
            result[y, x] = (a * v0 + b * v1) * w0 + (c * v0 + d * v1) * w1
    return result


def plain_threshold(values: list[float], quantile: float, profile: Profile) -> float:
    """T from the sorted values, by the words of the definition."""
    ordered = sorted(values)
    if profile.quantile == "order":
        return ordered[::-1][math.floor(Fraction(str(quantile)) * len(values))]
    level = 999 - round(1000 * quantile) if profile.quantile == "netdissect" else int(1000 * (1 - quantile)) - 1
    place = Fraction(level, 999) * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    between = ordered[low] + (ordered[high] - ordered[low]) * float(place - low)
    return float(np.float32(between)) if profile.threshold_dtype == "float32" else between


def positions_of(tally: TallyShard) -> dict[tuple[int, int], list[int]]:
    """Active pixels of every (image, unit), from their spans."""
    found = {}
    for pair, (image, unit) in enumerate(zip(tally.pair_image.tolist(), tally.pair_unit.tolist(), strict=True)):
        spans = range(tally.span_offsets[pair], tally.span_offsets[pair + 1])
        found[image, unit] = [p for k in spans for p in range(int(tally.span_first[k]), int(tally.span_last[k]) + 1)]
    return found
