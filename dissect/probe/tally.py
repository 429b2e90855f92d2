"""Active pixels of a layer counted by label signature: everything the scores, formulas and nulls need, as integers that add.

Letters: n images, U units, C concepts, K categories, S signatures, M pairs of image and unit with an active pixel, T triples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dissect.concepts.model import Vocabulary
from dissect.errors import CacheError, ShapeError
from dissect.probe.active import active_pixels
from dissect.probe.areas import Pairs, add_up, category_areas, content, extra_areas
from dissect.probe.maps import MapArray, MapShard
from dissect.probe.profile import Profile
from dissect.probe.signatures import LabelShard, merge_tables
from dissect.probe.tables import CountTables, Int32, Int64, SignatureTable
from dissect.probe.upsample import Grid, upsample


@dataclass(frozen=True)
class TallyShard:
    """Counts of one shard of images. Signatures are numbered as in the label shard's own table.

    unit, signature, count (T,): active pixels of a unit with a signature, sorted by unit, then signature.
    unit_area (U,), unit_area_category (U, K), extra_unit, extra_concept, extra_area (E,): as in `CountTables`.
    signature_pixels (S,), presence (C,), images: over images whose labels *and* maps are included.
    pair_image (in the shard), pair_unit (M,) int32: pairs with an active pixel, by image, then unit.
    span_offsets (M+1,) int64, span_first, span_last: spans of consecutive active pixels y * W + x of each pair, ascending, no two
    touching; uint16, or uint32 where H * W > 65,536. Empty offsets where they were not kept, be it because there are too many
    (`active.MOST_SPANS`).
    triple_offsets (M+1,) int64, triple_signature int32, triple_count int64: the counts of each pair alone.
    """

    unit: Int32
    signature: Int32
    count: Int64
    signature_pixels: Int64
    unit_area: Int64
    unit_area_category: Int64
    extra_unit: Int32
    extra_concept: Int32
    extra_area: Int64
    presence: Int64
    images: int
    pair_image: Int32
    pair_unit: Int32
    span_offsets: Int64
    span_first: NDArray[np.uint16] | NDArray[np.uint32]
    span_last: NDArray[np.uint16] | NDArray[np.uint32]
    triple_offsets: Int64
    triple_signature: Int32
    triple_count: Int64

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Flat named arrays for a shard file."""
        return {field.name: np.atleast_1d(np.asarray(getattr(self, field.name))) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> TallyShard:
        """The inverse of `to_arrays`.

        Raises:
            CacheError: an array is missing.
        """
        try:
            values: dict[str, Any] = {field.name: arrays[field.name] for field in fields(cls)}
        except KeyError as error:
            raise CacheError(f"a shard of counts has no array {error}; delete its file and run again.") from error
        return cls(**{**values, "images": int(values["images"][0])})


def tally_shard(
    maps: MapShard, cut: NDArray[np.float32], labels: LabelShard, over: Grid, vocabulary: Vocabulary, profile: Profile,
    *, keep_spans: bool = True,
) -> TallyShard:  # fmt: skip
    """Count one shard of images.

    `cut` (U,): `Thresholds.cut`. `over`: `upsample.grid` with the profile's rule, from the map's to the labels' size. The same integers
    for any number of threads.

    Raises:
        ShapeError: maps, labels, cuts and grid do not fit together.
        CacheError: a map above its cut was not kept in a sparse shard.
    """
    _check(maps, cut, labels, over)
    included = maps.included & labels.included
    maps = MapShard(maps.values, maps.maxima, included, maps.map_size, maps.row)
    active = active_pixels(maps, cut, labels, over, keep=keep_spans)
    owner = np.repeat(active.image, np.diff(active.triple_offsets))
    signature = labels.local_signature[labels.local_offsets[owner] + active.triple_local].astype(np.int64)
    pairs = Pairs(active.image, active.unit, active.area, active.triple_offsets, signature, active.triple_count)
    inside = content(labels, vocabulary, profile)
    unit, sums, count = add_up(np.repeat(pairs.unit, np.diff(pairs.offsets)), signature, pairs.count)
    extra = extra_areas(pairs, inside, labels, vocabulary, profile)
    local = included[np.repeat(np.arange(len(included)), np.diff(labels.local_offsets))]
    pixels = np.zeros(len(labels.table), np.int64)
    np.add.at(pixels, labels.local_signature[local], labels.local_pixels[local])
    return TallyShard(
        unit.astype(np.int32), sums.astype(np.int32), count, pixels,
        np.bincount(pairs.unit, pairs.area, minlength=maps.units).astype(np.int64),
        category_areas(pairs, labels, inside, profile, maps.units),
        extra[0].astype(np.int32), extra[1].astype(np.int32), extra[2],
        inside.present[included, 1:].sum(axis=0, dtype=np.int64), int(included.sum()),
        pairs.image.astype(np.int32), pairs.unit.astype(np.int32),
        active.offsets if active.kept else active.offsets[:0], active.first, active.last,
        pairs.offsets, signature.astype(np.int32), pairs.count,
    )  # fmt: skip


def merge_tally(shards: Sequence[TallyShard], tables: Sequence[SignatureTable], label_size: tuple[int, int]) -> CountTables:
    """The sum of shards, in any order. `tables[k]`: signature table of the label shard that shards[k] was counted with.

    Raises:
        ShapeError: there is no shard, or shards and tables do not fit together.
    """
    if not shards or len(shards) != len(tables):
        raise ShapeError(f"{len(shards)} shards of counts with {len(tables)} signature tables.")
    if any(len(shard.signature_pixels) != len(table) for shard, table in zip(shards, tables, strict=True)):
        raise ShapeError("a shard of counts was made with another shard of labels; delete the run's counts and run again.")
    table, places = merge_tables(tables)
    pixels = np.zeros(len(table), np.int64)
    for shard, place in zip(shards, places, strict=True):
        pixels[place] += shard.signature_pixels
    parts = [(shard.unit, place[shard.signature], shard.count) for shard, place in zip(shards, places, strict=True)]
    unit, signature, count = _add_all(parts)
    extra_unit, extra_concept, extra_area = _add_all([(shard.extra_unit, shard.extra_concept, shard.extra_area) for shard in shards])
    zero = np.zeros((), np.int64)
    return CountTables(
        table, unit.astype(np.int32), signature.astype(np.int32), count, pixels,
        sum((shard.unit_area for shard in shards), zero), sum((shard.unit_area_category for shard in shards), zero),
        extra_unit.astype(np.int32), extra_concept.astype(np.int32), extra_area,
        sum((shard.presence for shard in shards), zero), sum(shard.images for shard in shards), label_size,
    )  # fmt: skip


def unit_mask(values: MapArray, cut: float, over: Grid) -> NDArray[np.bool_]:
    """Mask (H, W) of one map (h * w,) or (h, w): pixels whose upsampled value is above the cut."""
    mask: NDArray[np.bool_] = upsample(values.reshape(over.map_size), over) > np.float32(cut)
    return mask


_ROWS = 1 << 22


def _add_all(parts: Sequence[tuple[NDArray[Any], NDArray[Any], Int64]]) -> tuple[Int64, Int64, Int64]:
    """Sum triples of many shards, a few million rows at a time."""
    waiting: list[tuple[Int64, Int64, Int64]] = []
    for unit, other, amount in parts:
        waiting.append((unit.astype(np.int64), other.astype(np.int64), amount))
        if sum(len(row[0]) for row in waiting[1:]) > max(_ROWS, len(waiting[0][0])):
            waiting = [_added(waiting)]
    return _added(waiting)


def _added(waiting: Sequence[tuple[Int64, Int64, Int64]]) -> tuple[Int64, Int64, Int64]:
    unit, other, amount = (np.concatenate(arrays) for arrays in zip(*waiting, strict=True))
    return add_up(unit, other, amount)


def _check(maps: MapShard, cut: NDArray[np.float32], labels: LabelShard, over: Grid) -> None:
    if len(maps.included) != len(labels.included):
        raise ShapeError(f"maps of {len(maps.included)} images with labels of {len(labels.included)}.")
    if maps.map_size != over.map_size or labels.label_size != over.size:
        raise ShapeError(f"a grid from {over.map_size} to {over.size} for maps of {maps.map_size} and labels of {labels.label_size}.")
    if cut.shape != (maps.units,):
        raise ShapeError(f"{maps.units} units with cuts of shape {cut.shape}.")
