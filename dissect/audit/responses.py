"""What each unit answers to each image: its largest activation inside the face or person, from recorded activations and labels.

Label maps and activation maps cover the same part of the picture. A place of the activation map counts if its cell touches the mask.
Images without the face or person give their maximum over the whole image, and are marked. Shards are read one at a time.
Letters: n images, U units, (h, w) activation map, (H, W) label map, p = h * w.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dissect.concepts.model import Vocabulary
from dissect.errors import CacheError, NotFoundError
from dissect.probe.labelling import LabelSource
from dissect.probe.maps import MapShard
from dissect.probe.settings import ProbeResult
from dissect.probe.signatures import LabelShard

REGIONS = ("face", "head", "person")
"""Concepts that stand for somebody being there, the narrowest first."""
_BYTES = 64_000_000


@dataclass(frozen=True)
class Responses:
    """values (n, U) float32: rows are the used images, in order. present (n,): whether the region is in the image.

    region: the concept whose mask was used, "" where the data set has none: values are then maxima over whole images.
    """

    values: NDArray[np.float32]
    present: NDArray[np.bool_]
    region: str


def unit_responses(result: ProbeResult, layer: str, vocabulary: Vocabulary, region: str | None = None) -> Responses:
    """Responses of all units of a layer. region: a concept of the vocabulary; None takes the first of `REGIONS` that it has, "" none.

    Raises:
        NotFoundError: no such concept, or the layer was not probed.
        CacheError: the layer's maps were kept sparsely, and one of those left out is needed.
    """
    if layer not in result.recorded:
        raise NotFoundError(f"layer {layer} was not probed. Probed: {', '.join(result.recorded) or 'none'}.")
    name = region_of(vocabulary, result.labels, region)
    recorded = result.recorded[layer]
    used = result.image_index
    values = np.zeros((len(used), recorded.units), np.float32)
    present = np.zeros(len(used), np.bool_)
    for first, shard in recorded.shards():
        rows = np.flatnonzero((used >= first) & (used < first + len(shard.maps.included)))
        places = used[rows].astype(np.int64) - first
        masks = None
        if name and result.labels is not None:
            masks = region_masks(result.labels.part(first, first + len(shard.maps.included)), vocabulary, name)
            present[rows] = masks[places].any(axis=(1, 2))
        values[rows] = _shard_maxima(shard.maps, places, masks, layer)
    return Responses(values, present if name else np.ones(len(used), np.bool_), name)


def region_of(vocabulary: Vocabulary, labels: LabelSource | None, region: str | None) -> str:
    """Which concept's mask is used; "" for none."""
    names = {concept.name for concept in vocabulary.concepts}
    if region is None:
        return next((name for name in REGIONS if name in names), "") if labels is not None else ""
    if region and (region not in names or labels is None):
        what = "no label maps" if labels is None else f"no concept {region!r}"
        raise NotFoundError(f"the data set has {what}. Name a concept of it, or '' for whole images.")
    return region


def region_masks(labels: LabelShard, vocabulary: Vocabulary, region: str) -> NDArray[np.bool_]:
    """(n, H, W) where a concept of this name lies, in any category."""
    wanted = np.array([concept.index for concept in vocabulary.concepts if concept.name == region], np.uint16)
    hit = np.isin(labels.table.members, wanted)
    owner = np.repeat(np.arange(len(labels.table)), np.diff(labels.table.offsets))
    holds = np.zeros(len(labels.table) + 1, np.bool_)
    holds[owner[hit]] = True
    images = len(labels.included)
    masks = np.zeros((images, *labels.label_size), np.bool_)
    for image in np.flatnonzero(labels.included):
        local = labels.local_signature[labels.local_offsets[image] : labels.local_offsets[image + 1]]
        if len(local):
            masks[image] = holds[local][labels.signature_map[image]].reshape(labels.label_size)
    return masks


def touched(masks: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    """(n, h, w) from (n, H, W): whether the cell of each place of a map touches the mask.

    The cell of row i reaches from i * H / h to (i + 1) * H / h; a label pixel that it shares a part of belongs to it.
    """
    rows = _any(masks, size[0])
    return _any(rows.transpose(0, 2, 1), size[1]).transpose(0, 2, 1)


def _any(masks: NDArray[np.bool_], count: int) -> NDArray[np.bool_]:
    """Along the second axis."""
    length = masks.shape[1]
    sums = np.concatenate([np.zeros_like(masks[:, :1], np.int32), np.cumsum(masks, axis=1, dtype=np.int32)], axis=1)
    place = np.arange(count)
    start, stop = place * length // count, -(-(place + 1) * length // count)
    return np.asarray(sums[:, stop] > sums[:, start])


def _shard_maxima(maps: MapShard, places: NDArray[np.int64], masks: NDArray[np.bool_] | None, layer: str) -> NDArray[np.float32]:
    """(k, U) of the images `places` of a shard."""
    result = maps.maxima[places].copy()
    if masks is None or maps.map_size == (1, 1):
        return result
    inside = touched(masks[places], maps.map_size).reshape(len(places), -1)
    there = np.flatnonzero(inside.any(axis=1))
    _refuse_sparse(maps, places[there], layer)
    step = max(1, _BYTES // (4 * maps.units * inside.shape[1]))
    for first in range(0, len(there), step):
        part = there[first : first + step]
        stored = maps.values[_stored(maps, places[part])].astype(np.float32).reshape(len(part), maps.units, -1)
        result[part] = np.where(inside[part][:, None, :], stored, -np.inf).max(axis=2)
    return result


def _stored(maps: MapShard, places: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
    units = np.arange(maps.units)
    image = np.repeat(np.asarray(places, np.int64), maps.units)
    return maps.rows(image, np.tile(units, len(places)).astype(np.int64))


def _refuse_sparse(maps: MapShard, places: NDArray[np.int64], layer: str) -> None:
    if maps.row is not None and len(places) and (maps.row[places] < 0).any():
        raise CacheError(
            f"the maps of layer {layer} were kept sparsely, and what its units answer inside a mask needs all of them. "
            "Raise --cache-limit and run again, or audit whole images (no region)."
        )
