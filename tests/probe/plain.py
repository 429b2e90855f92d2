"""The probe written again from its definition: everything in memory, one loop a rule, nothing shared with the fast code."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dissect.concepts.images import open_image
from dissect.concepts.model import VOID, ProbeSet
from dissect.network.model import LayerInfo, Network
from dissect.probe.tables import VOID_MARK, ZERO_MARK, CountTables


@dataclass
class Plain:
    """threshold, minimum, maximum, mean (U,); maxima (n, U); masks (n, U, H, W); areas and intersections as the scores take them."""

    threshold: NDArray[np.float64]
    values: NDArray[np.float64]
    maxima: NDArray[np.float64]
    masks: NDArray[np.bool_]
    concept: NDArray[np.int64]
    intersection: NDArray[np.int64]
    unit_area: NDArray[np.int64]
    annotated_area: NDArray[np.int64]


def maps_of(network: Network, data: ProbeSet, layer: LayerInfo, used: list[int], dtype: str) -> NDArray[np.float64]:
    """(n, U, h, w), rounded to dtype."""
    rows = []
    for index in used:
        pixels = network.prepare(open_image(data.records[index].path))[None]
        rows.append(network.activations(pixels, [layer])[layer.name][0].numpy().astype(dtype).astype(np.float64))
    return np.stack(rows)


def bilinear(maps: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float64]:
    """Half-pixel centres, edges clamped."""
    for axis, length in ((-2, size[0]), (-1, size[1])):
        cells = maps.shape[axis]
        place = np.clip((np.arange(length) + 0.5) * cells / length - 0.5, 0, cells - 1)
        low = np.floor(place).astype(int)
        high = np.minimum(low + 1, cells - 1)
        share = (place - low).reshape((-1, 1) if axis == -2 else (-1,))
        maps = np.take(maps, low, axis) * (1 - share) + np.take(maps, high, axis) * share
    return maps


def plain_probe(
    network: Network, data: ProbeSet, layer: LayerInfo, used: list[int], size: tuple[int, int], quantile: float, dtype: str = "float16"
) -> Plain:
    """Profile `standard`."""
    maps = maps_of(network, data, layer, used, dtype)
    units, concepts = layer.units, len(data.vocabulary)
    values = maps.transpose(1, 0, 2, 3).reshape(units, -1)
    threshold = np.sort(values, axis=1)[:, ::-1][:, int(quantile * values.shape[1])]
    masks = bilinear(maps, size) > threshold[None, :, None, None]
    for unit in np.flatnonzero(threshold == values.max(axis=1)):
        masks[:, unit] = bilinear(maps, size)[:, unit] == threshold[unit]
    masks[:, values.min(axis=1) == values.max(axis=1)] = False
    area, shared = np.zeros((units, concepts), np.int64), np.zeros((units, concepts), np.int64)
    covered = np.zeros(concepts, np.int64)
    primary = [data.vocabulary.category_index(concept.category) for concept in data.vocabulary.concepts]
    for row, index in enumerate(used):
        labels = data.labels(index)
        view = network.view(open_image(data.records[index].path).size)
        planes = [(plane.category, view.sample(plane.ids, size, VOID)) for plane in labels.planes]
        nowhere = np.zeros(size, bool)
        void = [np.any([nowhere, *(ids == VOID for name, ids in planes if name == k)], axis=0) for k in data.vocabulary.categories]
        for c in range(concepts):
            seen = np.any([ids == c + 1 for _, ids in planes] + [np.full(size, c + 1 in labels.whole)], axis=0) & ~void[primary[c]]
            covered[c] += seen.sum()
            shared[:, c] += (masks[row] & seen).sum(axis=(1, 2))
            if data.vocabulary.concepts[c].category in labels.annotated or seen.any():
                area[:, c] += (masks[row] & ~void[primary[c]]).sum(axis=(1, 2))
    return Plain(threshold, values, maps.max(axis=(2, 3)), masks, covered, shared, masks.sum(axis=(0, 2, 3)), area)


def from_tables(tables: CountTables, concepts: int, primary: list[int]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """G (C,), I (U, C) and A (U, C) under `standard` from the counts by signature."""
    table = tables.signatures
    member = np.zeros((len(table), concepts), bool)
    for s in range(len(table)):
        ids = table.members[table.offsets[s] : table.offsets[s + 1]]
        member[s, [int(i) - 1 for i in ids if i < VOID_MARK and i not in (ZERO_MARK, VOID)]] = True
    shared = np.zeros((len(tables.unit_area), concepts), np.int64)
    for unit, signature, count in zip(tables.unit, tables.signature, tables.count, strict=True):
        shared[unit] += count * member[signature]
    area = tables.unit_area_category[:, primary].copy()
    np.add.at(area, (tables.extra_unit, tables.extra_concept - 1), tables.extra_area)
    return member.T.astype(np.int64) @ tables.signature_pixels, shared, area
