"""Synthetic worlds of the size and shape of Broden, straight as signatures: 1,198 concepts in six categories, label maps of 112 x 112.

A picture takes one of some base layouts (regions, parts inside them, patches of colour, on 28 x 28 blocks of 16 pixels) and names for
them: a scene (or a texture), objects that go with the scene, parts, materials and colours that go with the object, all Zipf. A unit is a
noisy blob: it fires in the pictures where a weighted sum over a few concepts plus noise is largest, mostly near such a concept, often
elsewhere. No unit is made from a formula. Everything follows from the seed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dissect.compose.world import World

SIDE, BLOCK, BLOBS = 28, 16, 49
SIZES = {"scene": 330, "object": 500, "part": 250, "material": 60, "texture": 47, "color": 11}
FIRST = dict(zip(SIZES, np.cumsum([0, *SIZES.values()])[:-1].tolist(), strict=True))
CONCEPTS = sum(SIZES.values())

Int64 = NDArray[np.int64]


@dataclass(frozen=True)
class Layout:
    """One base picture: its different blocks. region, part, patch (L,); pixels (L,); blob (BLOBS, L): pixels of each blob on them.

    block (SIDE, SIDE): which of them lies where.
    """

    region: Int64
    part: Int64
    patch: Int64
    pixels: Int64
    blob: Int64
    block: Int64


def layout(random: np.random.Generator) -> Layout:
    """Eight ellipses over a ground, parts in their middles, four patches of colour."""
    y, x = np.mgrid[:SIDE, :SIDE]
    region, part = np.zeros((SIDE, SIDE), np.int64), np.zeros((SIDE, SIDE), np.int64)
    for number in range(1, 9):
        cy, cx, ry, rx = random.uniform(0, SIDE, 2).tolist() + random.uniform(2, 11, 2).tolist()
        inside = ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2
        region[inside < 1] = number
        part[inside < 1] = 0
        part[inside < 0.25] = 1 + number % 2
    patch = (y > random.integers(4, SIDE - 4)) * 2 + (x > random.integers(4, SIDE - 4))
    code, inverse = np.unique((region * 3 + part) * 4 + patch, return_inverse=True)
    inverse = inverse.reshape(SIDE, SIDE)
    blob = np.zeros((BLOBS, len(code)), np.int64)
    for number in range(BLOBS):
        cy, cx, radius = 2 + 4 * (number // 7), 2 + 4 * (number % 7), random.uniform(2.5, 6.5)
        near = (y - cy) ** 2 + (x - cx) ** 2 < radius**2 * random.uniform(0.6, 1.4, y.shape)
        blob[number] = np.bincount(inverse[near], minlength=len(code)) * BLOCK
    return Layout(code // 12, code // 4 % 3, code % 4, np.bincount(inverse.ravel()) * BLOCK, blob, inverse)


def zipf(random: np.random.Generator, size: int, power: float, shape: tuple[int, ...]) -> Int64:
    """Numbers 0..size-1, the k-th with a chance of 1 / (k + 1)^power."""
    weight = np.cumsum(1 / np.arange(1, size + 1) ** power)
    drawn: Int64 = np.searchsorted(weight, random.random(shape) * weight[-1]).astype(np.int64)
    return drawn


def pictures(random: np.random.Generator, images: int, layouts: list[Layout]) -> tuple[Int64, list[Int64]]:
    """The base of each picture (N,), and the columns of its blocks (L, 5): scene or texture, object, part, material, colour; -1 none."""
    goes_with = zipf(random, SIZES["object"], 0.8, (SIZES["scene"], 30))
    kinds = SIZES["object"]
    parts, materials = zipf(random, SIZES["part"], 0.5, (kinds, 6)), zipf(random, SIZES["material"], 0.6, (kinds, 2))
    colours = zipf(random, SIZES["color"], 0.5, (kinds, 4))
    base, rows = random.integers(0, len(layouts), images), []
    for number in base.tolist():
        own = layouts[number]
        table = np.full((len(own.region), 5), -1, np.int64)
        if random.random() < 0.08:
            table[:, 0] = FIRST["texture"] + random.integers(0, SIZES["texture"])
            rows.append(table)
            continue
        scene = int(zipf(random, SIZES["scene"], 0.7, (1,))[0])
        objects = goes_with[scene, zipf(random, 30, 0.8, (9,))]
        objects[random.random(9) < 0.1] = -1
        names = objects[own.region]
        table[:, 0] = FIRST["scene"] + scene if random.random() < 0.6 else -1
        table[:, 1] = np.where(names >= 0, FIRST["object"] + names, -1)
        if random.random() < 0.5:
            chosen = parts[names, (own.part + 2 * random.integers(0, 3)) % 6]
            table[:, 2] = np.where((own.part > 0) & (names >= 0), FIRST["part"] + chosen, -1)
        if random.random() < 0.35:
            table[:, 3] = np.where(names >= 0, FIRST["material"] + materials[names, own.region % 2], -1)
        table[:, 4] = FIRST["color"] + colours[names, own.patch]
        rows.append(table)
    return base, rows


def fires(
    random: np.random.Generator, base: Int64, rows: list[Int64], layouts: list[Layout], units: int
) -> tuple[Int64, Int64, Int64]:  # fmt: skip
    """(unit, picture, blob) of every firing: each unit in 2 to 6 % of the pictures."""
    images = len(rows)
    present = np.zeros((images, CONCEPTS), np.bool_)
    for image, names in enumerate(rows):
        present[image, names[names >= 0]] = True
    share = present.mean(axis=0)
    eligible = np.flatnonzero((share > 0) & (share < 0.2))
    out: list[tuple[int, int, int]] = []
    for unit in range(units):
        likes = random.choice(eligible, random.integers(1, 5), replace=False, p=share[eligible] ** 0.5 / (share[eligible] ** 0.5).sum())
        strength = random.uniform(0.5, 4) * random.uniform(0.3, 1, len(likes))
        drive = present[:, likes] @ strength + 0.5 * random.normal(size=images)
        chosen = np.argsort(-drive)[: max(1, int(images * random.uniform(0.02, 0.06)))]
        aim = random.uniform(0.1, 1.0)
        for image in chosen.tolist():
            names, own = rows[image], layouts[base[image]]
            hit = np.isin(names, likes).any(axis=1)
            place = int(random.integers(0, BLOBS))
            if hit.any() and random.random() < aim:
                place = int(np.argmax((own.blob @ hit) / (own.blob.sum(axis=1) + 100.0) + 0.05 * random.random(BLOBS)))
            out.append((unit, image, place))
    table = np.array(out, np.int64).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]


def synthetic_world(images: int, units: int, seed: int, *, bases: int = 1500) -> World:
    """The whole world. 63,305 pictures and 512 units take two or three minutes."""
    random = np.random.default_rng(seed)
    layouts = [layout(random) for _ in range(min(bases, images))]
    base, rows = pictures(random, images, layouts)
    unit, image, blob = fires(random, base, rows, layouts, units)
    lengths = np.array([len(table) for table in rows])
    start = np.concatenate(([0], np.cumsum(lengths)))
    signature, offsets, members = _signatures(np.concatenate(rows))
    pixels = np.bincount(signature, np.concatenate([layouts[number].pixels for number in base])).astype(np.int64)
    keys, counts = [], []
    for u, i, k in zip(unit.tolist(), image.tolist(), blob.tolist(), strict=True):
        active = layouts[base[i]].blob[k]
        where = np.flatnonzero(active)
        keys.append(u * len(pixels) + signature[start[i] + where])
        counts.append(active[where])
    key, inverse = np.unique(np.concatenate(keys), return_inverse=True)
    count = np.bincount(inverse, np.concatenate(counts)).astype(np.int64)
    owner, own = np.divmod(key, len(pixels))
    per_unit = np.bincount(owner, minlength=units)
    presence = np.bincount(np.concatenate([np.unique(table[table >= 0]) for table in rows]), minlength=CONCEPTS)
    return World(
        np.arange(1, CONCEPTS + 1), np.repeat(np.arange(len(SIZES)), list(SIZES.values())), offsets, members, pixels,
        np.concatenate(([0], np.cumsum(per_unit))), own.astype(np.int32), count,
        np.bincount(owner, count, units).astype(np.int64), presence.astype(np.int64),
    )  # fmt: skip


def _signatures(table: Int64) -> tuple[Int64, Int64, NDArray[np.int32]]:
    """Number of each row's signature, and the signatures (CSR)."""
    key = np.zeros(len(table), np.int64)
    for column in table.T:
        key = key * (CONCEPTS + 1) + column + 1
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    kept = np.sort(table[first], axis=1)
    filled = kept >= 0
    return inverse, np.concatenate(([0], np.cumsum(filled.sum(axis=1)))), kept[filled].astype(np.int32)
