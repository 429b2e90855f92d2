"""Units whose truth is known: maps that compute a formula of concepts, with noise of a stated level; and maps that know nothing.

They are the ground truth against which the tests of this package are tested. The value of a noiseless planted unit at a place of its
map is the share of the place's pixels on which its formula holds, 0 to 1. Letters: n images, U units, (h, w) map, (H, W) label map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from dissect.compose.formula import Formula, concepts, on_masks
from dissect.concepts.model import Concept, Labels, Plane, Vocabulary
from dissect.errors import ShapeError, UsageError
from dissect.network.model import View
from dissect.probe.maps import MapShard
from dissect.probe.signatures import LabelShard, build_label_shard, label_image

SMOOTHNESS = 1.0
"""Standard deviation of the Gaussian that noise is smoothed with, in places of the map: activation maps are smooth."""


@dataclass(frozen=True)
class PlantedMaps:
    """maps: of U planted units. noise (U,): standard deviation of the noise, in units of full cover. signal_to_noise (U,): variance of
    the noiseless unit over all places of all images, divided by that of the noise; inf without noise."""

    maps: MapShard
    noise: NDArray[np.float64]
    signal_to_noise: NDArray[np.float64]


def planted_maps(
    labels: LabelShard, formulas: Sequence[Formula], map_size: tuple[int, int],
    *, noise: float | Sequence[float] = 0.0, seed: int = 0, smoothness: float = SMOOTHNESS,
) -> PlantedMaps:  # fmt: skip
    """One unit a formula, float32, with smooth Gaussian noise of the given standard deviation (one, or one a unit; 1 is full cover).

    Raises:
        ShapeError: the label size is no multiple of the map size, or there are not as many noise levels as formulas.
        UsageError: a negative or infinite noise level, or nothing to plant.
    """
    levels = np.broadcast_to(np.asarray(noise, np.float64), (len(formulas),)) if np.ndim(noise) == 0 else np.asarray(noise, np.float64)
    if levels.shape != (len(formulas),):
        raise ShapeError(f"{len(levels)} noise levels for {len(formulas)} planted units.")
    if not len(formulas) or not np.isfinite(levels).all() or (levels < 0).any():
        raise UsageError("planted units need at least one formula, and noise levels of 0 or more.")
    signal = np.stack([covered(holds(formula, labels), map_size) for formula in formulas], axis=1)
    random = np.random.default_rng(seed)
    maps = (signal + levels[:, None, None] * noise_fields(random, signal.shape, smoothness)).astype(np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(levels > 0, signal[labels.included].var(axis=(0, 2, 3)) / levels**2, np.inf)
    return PlantedMaps(as_shard(maps, labels.included), levels.copy(), ratio)


def noise_maps(
    images: int, units: int, map_size: tuple[int, int], *, seed: int = 0, smoothness: float = SMOOTHNESS
) -> MapShard:  # fmt: skip
    """Units that know nothing of the images: smooth Gaussian fields of mean 0 and variance 1, float32."""
    random = np.random.default_rng(seed)
    fields = noise_fields(random, (images, units, *map_size), smoothness).astype(np.float32)
    return as_shard(fields, np.ones(images, np.bool_))


def noise_fields(random: np.random.Generator, shape: tuple[int, ...], smoothness: float = SMOOTHNESS) -> NDArray[np.float64]:
    """Independent fields (..., h, w), smooth within a map, each place of variance 1 over fields."""
    white = random.standard_normal(shape)
    if smoothness <= 0:
        return white
    sigma = (0.0,) * (len(shape) - 2) + (smoothness, smoothness)
    single = np.zeros(shape[-2:])
    single[0, 0] = 1
    norm = np.sqrt((scipy.ndimage.gaussian_filter(single, smoothness, mode="wrap") ** 2).sum())
    smooth: NDArray[np.float64] = scipy.ndimage.gaussian_filter(white, sigma, mode="wrap") / norm
    return smooth


def holds(formula: Formula, labels: LabelShard) -> NDArray[np.bool_]:
    """(n, H, W) where a formula of concepts holds in the label maps; nowhere in images that are not included."""
    table = labels.table
    owner = np.repeat(np.arange(len(table)), np.diff(table.offsets))
    masks = {}
    for concept in concepts(formula):
        masks[concept] = np.zeros(len(table), np.bool_)
        masks[concept][owner[table.members == concept]] = True
    true = on_masks(formula, masks)
    found = np.zeros((len(labels.included), *labels.label_size), np.bool_)
    for image in np.flatnonzero(labels.included):
        local = labels.local_signature[labels.local_offsets[image] : labels.local_offsets[image + 1]]
        found[image] = true[local][labels.signature_map[image]].reshape(labels.label_size)
    return found


def covered(mask: NDArray[np.bool_], map_size: tuple[int, int]) -> NDArray[np.float64]:
    """(n, h, w) share of the pixels of every place that are on, from (n, H, W).

    Raises:
        ShapeError: H and W are no multiples of h and w.
    """
    images, height, width = mask.shape
    h, w = map_size
    if height % h or width % w:
        raise ShapeError(f"label maps of {height} x {width} cannot be cut into {h} x {w} equal places.")
    share: NDArray[np.float64] = mask.reshape(images, h, height // h, w, width // w).mean(axis=(2, 4))
    return share


def as_shard(maps: NDArray[np.float32], included: NDArray[np.bool_]) -> MapShard:
    """Maps (n, U, h, w) as the probe keeps them."""
    images, units, height, width = maps.shape
    flat = np.ascontiguousarray(maps.reshape(images, units, height * width))
    flat[~included] = 0
    return MapShard.dense(flat, flat.max(axis=2).astype(np.float32), included, (height, width))


def shuffled_labels(labels: LabelShard, order: NDArray[np.int64]) -> LabelShard:
    """The label maps of other images: image i gets all that is known of image order[i].

    Raises:
        ShapeError: `order` (n,) is no permutation of the images.
    """
    images = len(labels.included)
    if sorted(order.tolist()) != list(range(images)):
        raise ShapeError(f"the order of {images} label maps must be a permutation of 0..{images - 1}.")
    rows, local_offsets = _rows(labels.local_offsets, order)
    whole, whole_offsets = _rows(labels.whole_offsets, order)
    return replace(
        labels, signature_map=labels.signature_map[order], local_offsets=local_offsets, local_signature=labels.local_signature[rows],
        local_pixels=labels.local_pixels[rows], annotated=labels.annotated[order], whole_offsets=whole_offsets,
        whole_ids=labels.whole_ids[whole], included=labels.included[order],
    )  # fmt: skip


def drawn_labels(seed: int, images: int = 150, size: tuple[int, int] = (32, 32), things: int = 18) -> tuple[LabelShard, Vocabulary]:
    """A small labelled set without pictures: ellipses of `things` objects, each with a part in its middle, everything annotated.

    Every concept covers about 1 % of all pixels or less. No files are read or written.
    """
    names = [("object", f"thing {k + 1}") for k in range(things)] + [("part", f"middle {k + 1}") for k in range(things)]
    known = [Concept(number, name, category, (category,), name) for number, (category, name) in enumerate(names, start=1)]
    vocabulary = Vocabulary("drawn", ("object", "part"), tuple(known))
    random = np.random.default_rng((seed, 17))
    view = View(0, 0, size[1], size[0], size[1], size[0])
    drawn = [label_image(_scene(random, size, things), view, size, vocabulary) for _ in range(images)]
    return build_label_shard(drawn, size, 2), vocabulary


def _scene(random: np.random.Generator, size: tuple[int, int], things: int) -> Labels:
    objects, parts = np.zeros(size, np.uint16), np.zeros(size, np.uint16)
    y, x = np.mgrid[: size[0], : size[1]]
    for thing in random.choice(things, 3, replace=False).tolist():
        centre, radius = random.uniform(0, size), random.uniform(0.07, 0.16, 2) * size
        distance = ((y + 0.5 - centre[0]) / radius[0]) ** 2 + ((x + 0.5 - centre[1]) / radius[1]) ** 2
        parts[distance < 1] = 0
        objects[distance < 1], parts[distance < 0.3] = thing + 1, things + thing + 1
    return Labels((Plane("object", objects), Plane("part", parts)), (), frozenset(("object", "part")))


def _rows(offsets: NDArray[np.int64], order: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of a ragged array in another order, and their offsets."""
    parts = [np.arange(offsets[image], offsets[image + 1]) for image in order.tolist()]
    lengths = [len(part) for part in parts]
    rows = np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, np.int64)
    return rows, np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
