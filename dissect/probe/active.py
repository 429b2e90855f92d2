"""The active pixels of many maps, without upsampling them: cells whose neighbours are all below the threshold are skipped.

Bilinear upsampling splits the label map into cells of pixels with the same four neighbours. A pixel never exceeds them (it is clamped
to their range), so that a cell without a neighbour above the cut holds no active pixel, and one with all of them above it holds
nothing else. Only cells in between are evaluated (`cells`), and the result is that of `upsample`, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dissect.probe import cells
from dissect.probe.kernels import threads_for
from dissect.probe.maps import MapShard
from dissect.probe.signatures import LabelShard
from dissect.probe.tables import Int64
from dissect.probe.upsample import AxisWeights, Grid

_MAP_BYTES = 32 << 20
_PIXELS = 1 << 21
MOST_POSITIONS = 1 << 27
"""Active pixels of a shard beyond which their places are not kept: units that are saturated, or equal all over a picture, have nearly
all pixels active, and 1,000 pictures of 512 such units would fill 12 GB."""
"""Bounds on what is worked on at a time: maps widened to float32, and pixels of surviving cells."""


@dataclass(frozen=True)
class Active:
    """Active pixels of M pairs, in the order of images, then units; pairs without one are left out.

    image, unit (M,) int64. offsets (M+1,) int64 and positions (uint16, uint32 above 65,536 pixels): pixel y * W + x, ascending;
    kept: False where there are more than MOST_POSITIONS of them, and none is held.
    triple_offsets (M+1,) int64, triple_local uint16 and triple_count int64: local signatures of the image under them.
    """

    image: Int64
    unit: Int64
    offsets: Int64
    positions: NDArray[Any]
    triple_offsets: Int64
    triple_local: NDArray[np.uint16]
    triple_count: Int64
    kept: bool = True


def active_pixels(maps: MapShard, cut: NDArray[np.float32], labels: LabelShard, over: Grid) -> Active:
    """Find the active pixels of every map whose maximum is above its unit's cut (U,), and count their local signatures."""
    image, unit = maps.pairs_above(cut)
    position_type = np.uint16 if over.pixels <= 65_536 else np.uint32
    blocks: list[_Block] = []
    total = 0
    for piece in _pieces(len(image), maps):
        for block in _block(maps, cut, labels, over, image[piece], unit[piece], position_type):
            total += int(block[0].sum())
            blocks.append(block)
            if total > MOST_POSITIONS:
                blocks = [(lengths, positions[:0].copy(), *rest) for lengths, positions, *rest in blocks]  # type: ignore[misc]
    if not blocks:
        none = np.zeros(0, np.int64)
        return Active(none, none, _offsets(none), none.astype(position_type), _offsets(none), none.astype(np.uint16), none)
    lengths, positions, triples, local, count = (np.concatenate(arrays) for arrays in zip(*blocks, strict=True))
    kept = lengths > 0
    held = total <= MOST_POSITIONS
    return Active(image[kept], unit[kept], _offsets(lengths[kept]), positions, _offsets(triples[kept]), local, count, held)


_Block = tuple[Int64, NDArray[Any], Int64, NDArray[np.uint16], Int64]


def _pieces(pairs: int, maps: MapShard) -> Iterator[slice]:
    step = max(1, _MAP_BYTES // (4 * maps.values.shape[1]))
    return (slice(first, min(first + step, pairs)) for first in range(0, pairs, step))


def _block(
    maps: MapShard, cut: NDArray[np.float32], labels: LabelShard, over: Grid, image: Int64, unit: Int64, position_type: type[Any]
) -> Iterator[_Block]:
    """Lengths, positions, triples per pair, local signatures and counts of some pairs, in pieces of bounded size."""
    values = maps.values[maps.rows(image, unit)].astype(np.float32)
    cuts = cut[unit]
    rows, columns = axis_arrays(over.rows), axis_arrays(over.columns)
    bound = np.zeros(len(values), np.int64)
    with threads_for(values.size):
        cells.surviving(values, cuts, over.map_size[1], rows, columns, bound)
    most = np.minimum(bound, np.diff(labels.local_offsets)[image])
    ends = np.cumsum(bound)
    first = 0
    scratch = _Scratch(position_type)
    while first < len(values):
        before = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, before + _PIXELS, side="right")))
        piece = slice(first, last)
        scratch.fit(int(bound[piece].sum()), int(most[piece].sum()))
        yield _evaluate(values[piece], cuts[piece], labels, over, image[piece], bound[piece], most[piece], scratch)
        first = last


class _Scratch:
    """Arrays that the pieces of a block are evaluated in, one after the other: fresh ones would cost more than the arithmetic."""

    def __init__(self, position_type: type[Any]) -> None:
        self.positions: NDArray[Any] = np.empty(0, position_type)
        self.local = np.empty(0, np.uint16)
        self.count = np.empty(0, np.int32)

    def fit(self, pixels: int, triples: int) -> None:
        """Make room."""
        if len(self.positions) < pixels:
            self.positions = np.empty(max(pixels, _PIXELS), self.positions.dtype)
        if len(self.local) < triples:
            self.local, self.count = np.empty(2 * triples, np.uint16), np.empty(2 * triples, np.int32)


def _evaluate(
    values: NDArray[np.float32], cuts: NDArray[np.float32], labels: LabelShard, over: Grid, image: Int64, bound: Int64, most: Int64,
    scratch: _Scratch,
) -> _Block:  # fmt: skip
    """Active positions of some pairs with the signatures under them, packed. bound, most (M,): upper bounds on their numbers."""
    found = np.zeros((2, len(values)), np.int64)
    place, local_place = _offsets(bound), _offsets(most)[:-1]
    work = int(bound.sum())
    with threads_for(work):
        cells.evaluate(
            values, cuts, over.map_size[1], axis_arrays(over.rows), axis_arrays(over.columns),
            labels.signature_map, labels.local_offsets, image, place, local_place, scratch.positions, scratch.local, scratch.count, found,
        )  # fmt: skip
    packed = np.empty(int(found[0].sum()), scratch.positions.dtype)
    packed_local, packed_count = np.empty(int(found[1].sum()), np.uint16), np.empty(int(found[1].sum()), np.int64)
    with threads_for(work):
        cells.pack(
            place[:-1], _offsets(found[0]), local_place, _offsets(found[1]), scratch.positions, scratch.local, scratch.count,
            packed, packed_local, packed_count,
        )  # fmt: skip
    return found[0], packed, found[1], packed_local, packed_count


def packed_masks(values: NDArray[np.float32], cuts: NDArray[np.float32], over: Grid) -> NDArray[np.uint8]:
    """`numpy.packbits` of the masks of values (M, p) above cuts (M,), at the grid's size: (M, bytes)."""
    packed = np.zeros((len(values), (over.pixels + 7) // 8), np.uint8)
    with threads_for(len(values) * over.pixels):
        cells.packed_masks(values, cuts, over.map_size[1], axis_arrays(over.rows), axis_arrays(over.columns), packed)
    return packed


def axis_arrays(axis: AxisWeights) -> cells.AxisArrays:
    """What the kernels need of an axis, with the cells (first, last) that each map position belongs to."""
    first = axis.cell_start[:-1]
    positions = np.arange(int(axis.high[-1]) + 1)
    touch_first = np.searchsorted(axis.high[first], positions, side="left").astype(np.int32)
    touch_last = (np.searchsorted(axis.low[first], positions, side="right") - 1).astype(np.int32)
    return axis.low, axis.high, axis.low_weight, axis.high_weight, axis.cell_start, touch_first, touch_last


def _offsets(lengths: Int64) -> Int64:
    return np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
