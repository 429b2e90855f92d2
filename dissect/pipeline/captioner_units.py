"""Units with exemplars, in memory: those of networks, and planted ones whose meaning is known.

Exemplars are the pictures of highest spatial maximum, their masks what exceeds the 0.99 quantile of the unit's raw activations
(methods: "Descriptions"); the detection threshold is that of every run, the 0.995 quantile. A planted unit's activation is the share of a
place's pixels on which its meaning holds, with noise where that is wanted. Letters: N pictures, U units, k exemplars, P label pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from dissect.caption.detection import Contents
from dissect.caption.features import RECIPES, Features, Keys, keys, pooled
from dissect.concepts.card import load_card
from dissect.concepts.images import open_image
from dissect.concepts.model import ProbeSet
from dissect.concepts.open import open_set
from dissect.concepts.procedural.canvas import LABEL
from dissect.concepts.procedural.describe import Regions, Said, Surfaces, holds_in, said
from dissect.concepts.procedural.describe_words import Meaning, phrasings
from dissect.concepts.procedural.names import CONCEPTS, NUMBER, SCENES
from dissect.network import LoadedNetwork
from dissect.pipeline.train_default import Pictures, load_pictures
from dissect.probe.exemplars import TopImages, exemplars, unpack_mask
from dissect.probe.histogram import measure
from dissect.probe.maps import MapShard
from dissect.probe.profile import profile
from dissect.probe.signatures import LabelShard, build_label_shard, label_image
from dissect.probe.threshold import thresholds
from dissect.probe.upsample import grid
from dissect.verify.planted import noise_fields

EXEMPLARS = 15
MASKED, ACTIVE = 0.01, 0.005
"""Shares of activations above the threshold of an exemplar's mask, and above that of the detection score."""
SIZE = (LABEL, LABEL)
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class World:
    """A drawn set in memory. scene (N,): concept number of each picture's scene, -1 for pictures of one texture."""

    data: ProbeSet
    pictures: Pictures
    labels: LabelShard
    surfaces: Surfaces
    scene: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.data.records)

    @property
    def contents(self) -> Contents:
        """What the detection score looks up."""
        return Contents.from_shards([self.labels])


@dataclass(frozen=True)
class Units:
    """U units with exemplars in one world. layer (U,): "NETWORK/LAYER", and unit (U,) its number there. image (U, k) int32, -1 for none;
    masks (U, k, P); maxima (N, U) float32; threshold (U,): that of the detection score."""

    layer: tuple[str, ...]
    unit: tuple[int, ...]
    image: NDArray[np.int32]
    masks: BoolArray
    maxima: NDArray[np.float32]
    threshold: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.unit)

    @property
    def network(self) -> NDArray[np.int64]:
        """(U,): number of each unit's network."""
        return np.unique([name.split("/")[0] for name in self.layer], return_inverse=True)[1].astype(np.int64)


def open_world(home: Path, network: LoadedNetwork, images: int, seed: int, say: Callable[[str], None]) -> World:
    """The drawn set of this size and seed, rendered below `home` unless it is there, as `network` sees it."""
    card = load_card("demo")
    say(f"{images} pictures with seed {seed}")
    data = open_set(replace(card, name="captioner", options={**card.options, "images": images, "seed": seed}), home=home)
    view, records = network.view((2 * LABEL, 2 * LABEL)), data.records
    read = [label_image(data.labels(record.index), view, SIZE, data.vocabulary) for record in records]
    labels = build_label_shard(read, SIZE, len(data.vocabulary.categories))
    scenes = np.array([NUMBER[name] for name in SCENES])
    shown = [np.intersect1d(each.whole, scenes) for each in read]
    scene = np.array([found[0] if len(found) else -1 for found in shown], np.int64)
    return World(data, load_pictures(data), labels, surfaces_of(labels), scene)


def surfaces_of(labels: LabelShard) -> Surfaces:
    """The label sets of a shard as the describer takes them."""
    kind = labels.local_signature[labels.local_offsets[:-1, None] + labels.signature_map]
    holds = np.zeros((len(labels.table), len(CONCEPTS) + 1), np.bool_)
    owner = np.repeat(np.arange(len(labels.table)), np.diff(labels.table.offsets))
    known = labels.table.members <= len(CONCEPTS)
    holds[owner[known], labels.table.members[known]] = True
    return Surfaces(kind.astype(np.int32), holds)


def units_of(layer: str, maps: NDArray[np.float16], world: World, most: int | None = None, seed: int = 0) -> Units:
    """Units of float16 maps (N, U, h, w), dead and constant ones left out; at most so many, drawn from the seed."""
    images, count = maps.shape[:2]
    flat = np.ascontiguousarray(maps.reshape(images, count, -1))
    alive = np.flatnonzero(flat.max(axis=(0, 2)) > flat.min(axis=(0, 2)))
    if most is not None and len(alive) > most:
        alive = np.sort(np.random.default_rng((seed, 0xA11)).permutation(alive)[:most])
    flat = np.ascontiguousarray(flat[:, alive])
    shard = MapShard.dense(flat, flat.max(axis=2).astype(np.float32), np.ones(images, np.bool_), (int(maps.shape[2]), int(maps.shape[3])))
    histogram = measure(flat, shard.included).histogram
    masked, active = (thresholds(histogram, share, profile("standard")) for share in (MASKED, ACTIVE))
    top = TopImages.empty(len(alive), EXEMPLARS)
    top.update(shard.maxima, 0)
    found = exemplars(top, lambda image, unit: flat[image, unit], masked, grid(shard.map_size, SIZE, "half_pixel"))
    masks = np.zeros((len(alive), EXEMPLARS, LABEL * LABEL), np.bool_)
    for unit, row in enumerate(found.masks):
        for rank, packed in enumerate(row):
            if packed:
                masks[unit, rank] = unpack_mask(packed, SIZE).ravel()
    cut = active.cut.astype(np.float64)  # of saturated units just below the maximum, so that they have positives
    return Units((layer,) * len(alive), tuple(alive.tolist()), found.image, masks, shard.maxima, cut)


def joined(parts: Sequence[Units]) -> Units:
    """The units of several layers of one world."""
    return Units(
        tuple(name for part in parts for name in part.layer),
        tuple(unit for part in parts for unit in part.unit),
        np.concatenate([part.image for part in parts]),
        np.concatenate([part.masks for part in parts]),
        np.concatenate([part.maxima for part in parts], axis=1),
        np.concatenate([part.threshold for part in parts]),
    )


def planted(
    meanings: Sequence[Meaning], world: World, map_size: tuple[int, int], *, noise: float = 0.0, shown: float = 1.0, seed: int = 0
) -> Units:
    """One unit a meaning. noise: standard deviation, where 1 is full cover of a place. shown: the share of pictures that each unit sees,
    drawn for each, so that units of one meaning have different exemplars; it is 0 in all others."""
    random = np.random.default_rng((seed, 0x91A))
    holds = np.stack([holds_in(meaning, world.surfaces.holds) for meaning in meanings], axis=1)
    share = (_cells(world, map_size) @ holds.astype(np.float32)).reshape(len(world), *map_size, len(meanings))
    maps = np.empty((len(world), len(meanings), *map_size), np.float16)
    for unit in range(len(meanings)):
        clean = share[..., unit]
        maps[:, unit] = clean + noise * noise_fields(random, clean.shape) if noise else clean
        maps[random.random(len(world)) >= shown, unit] = 0
    return units_of(f"planted/{map_size[0]}x{map_size[1]}", maps, world)


def _cells(world: World, map_size: tuple[int, int]) -> scipy.sparse.csr_array:
    """(N h w, S): the share of each place's pixels that have each label set."""
    kind, sets = world.surfaces.kind, len(world.surfaces.holds)
    grown = np.ones((LABEL // map_size[0], LABEL // map_size[1]), np.int64)
    place = np.kron(np.arange(np.prod(map_size)).reshape(map_size), grown).ravel()
    row = np.arange(len(kind))[:, None] * np.prod(map_size) + place
    known, count = np.unique(row * sets + kind, return_counts=True)
    share = (count * np.prod(map_size) / kind.shape[1]).astype(np.float32)
    shape = (len(kind) * int(np.prod(map_size)), sets)
    return scipy.sparse.csr_array((share, (known // sets, known % sets)), shape=shape)


def captioner_keys(units: Units, world: World, network: LoadedNetwork, advance: Callable[[int], None] = lambda _: None) -> Keys:
    """What the captioner attends to: features of the embedded network under each exemplar's mask."""
    unit, rank = np.nonzero(units.image >= 0)
    masks = units.masks[unit, rank].reshape(-1, *SIZE)
    records = world.data.records
    found: Features = pooled(
        network,
        RECIPES["demo"],
        lambda number: open_image(records[number].path),
        masks,
        units.image[unit, rank].tolist(),
        together=64,
        advance=advance,
    )
    place = np.full(units.image.shape, -1, np.int64)
    place[unit, rank] = np.arange(len(unit))
    return keys(found, place)


def annotated(
    units: Units,
    world: World,
    *,
    seed: int = 0,
    without: frozenset[frozenset[str]] = frozenset(),
    advance: Callable[[int], None] = lambda _: None,
) -> list[tuple[Said, ...]]:
    """What three annotators say of each unit's exemplars; nothing where they share nothing."""
    found = []
    for unit in range(len(units)):
        random = np.random.default_rng((seed, unit))
        there = units.image[unit] >= 0
        background = random.choice(len(world), 32, replace=False)
        regions = Regions(world.surfaces, units.image[unit][there].tolist(), units.masks[unit][there], background.tolist(), seed)
        found.append(said(regions, random, 3, without))
        advance(1)
    return found


def phrased(meaning: Meaning, random: np.random.Generator, count: int = 3) -> tuple[str, ...]:
    """What annotators say of a planted unit: its meaning, in several phrasings."""
    phrases = phrasings(meaning)
    return tuple(phrases[place % len(phrases)] for place in random.permutation(max(count, len(phrases)))[:count])
