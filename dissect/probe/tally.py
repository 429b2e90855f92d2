"""Active pixels counted by label signature. Stub: signatures of the functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dissect.concepts.model import Vocabulary
from dissect.probe.maps import MapArray, MapShard
from dissect.probe.profile import Profile
from dissect.probe.signatures import LabelShard
from dissect.probe.tables import CountTables, Int32, Int64, SignatureTable
from dissect.probe.upsample import Grid


@dataclass(frozen=True)
class TallyShard:
    """Counts of one shard; signature indices are those of the label shard's own table.

    unit, signature, count (T,): sorted by unit, then signature. unit_area (U,), unit_area_category (U, K), extra_* (E,) as in CountTables.
    signature_pixels (S,), presence (C,), images: over the images included by labels *and* maps. pair_image, pair_unit (M,) int32: pairs with
    an active pixel, by image, then unit; pair_offsets (M+1,) int64 and positions uint16 (uint32 if H*W > 65,536): their active pixels y*W+x,
    ascending inside a cell (empty when not kept).
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
    pair_offsets: Int64
    positions: NDArray[np.uint16] | NDArray[np.uint32]

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Flat named arrays for a shard file."""
        raise NotImplementedError

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> TallyShard:
        """The inverse of `to_arrays`."""
        raise NotImplementedError


def tally_shard(
    maps: MapShard, cut: NDArray[np.float32], labels: LabelShard, over: Grid, vocabulary: Vocabulary, profile: Profile, *, keep_positions: bool = True
) -> TallyShard:
    """Count one shard. `cut` is `Thresholds.cut`, `over` the `upsample.grid` of the profile."""
    raise NotImplementedError


def merge_tally(shards: Sequence[TallyShard], tables: Sequence[SignatureTable], label_size: tuple[int, int]) -> CountTables:
    """Sum of shards; `tables[k]` is the signature table of the label shard that shards[k] was counted with. Any order, same result."""
    raise NotImplementedError


def unit_mask(values: MapArray, cut: float, over: Grid) -> NDArray[np.bool_]:
    """Mask (H, W) of one map (h*w,) or (h, w)."""
    raise NotImplementedError
