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


def active_pixels(maps: MapShard, cut: NDArray[np.float32], labels: LabelShard, over: Grid, *, keep: bool = True) -> Active:
    """Find the active pixels of every map whose maximum is above its unit's cut (U,), and count their local signatures.

    `keep`: whether positions are wanted at all.
    """
    image, unit = maps.pairs_above(cut)
    found = _Found(np.uint16 if over.pixels <= 65_536 else np.uint32, len(image) * over.pixels, keep)
    for piece in _pieces(len(image), maps):
        values = np.asarray(maps.values).take(maps.rows(image[piece], unit[piece]), axis=0).astype(np.float32)
        _evaluate(values, cut[unit[piece]], labels, over, image[piece], found)
    return found.joined(image, unit)


def _pieces(pairs: int, maps: MapShard) -> Iterator[slice]:
    step = max(1, _MAP_BYTES // (4 * maps.values.shape[1]))
    return (slice(first, min(first + step, pairs)) for first in range(0, pairs, step))


class _Found:
    """What was found so far, pair by pair, and the arrays that pieces are evaluated in, one after the other."""

    def __init__(self, position_type: type[Any], most: int, keep: bool) -> None:
        # Pages of memory that are never written to cost nothing, and joining the positions of the pieces would cost as much as finding them.
        self.positions: NDArray[Any] = np.empty(min(most, MOST_POSITIONS) if keep else 0, position_type)
        self.total = 0
        self.kept = keep
        self.lengths: list[Int64] = []
        self.triples: list[Int64] = []
        self.local: list[NDArray[np.uint16]] = []
        self.count: list[Int64] = []
        self._room: NDArray[Any] = np.empty(0, position_type)
        self._few = np.empty(0, np.uint16), np.empty(0, np.int32)

    def scratch(self, pixels: int, triples: int) -> tuple[NDArray[Any], NDArray[np.uint16], NDArray[np.int32]]:
        """Room for positions, none where they are no longer kept, for local signatures and for counts."""
        if self.kept and len(self._room) < pixels:
            self._room = np.empty(max(pixels, _PIXELS), self._room.dtype)
        if len(self._few[0]) < triples:
            self._few = np.empty(2 * triples, np.uint16), np.empty(2 * triples, np.int32)
        return self._room if self.kept else self._room[:0], *self._few

    def places(self, pixels: int) -> NDArray[Any]:
        """Where the next positions go; nowhere from the moment on at which there are too many."""
        before, self.total = self.total, self.total + pixels
        self.kept = self.kept and self.total <= MOST_POSITIONS
        return self.positions[before : self.total] if self.kept else self.positions[:0]

    def joined(self, image: Int64, unit: Int64) -> Active:
        """Everything, for these pairs."""
        if not len(image):
            none = np.zeros(0, np.int64)
            return Active(none, none, _offsets(none), self.positions, _offsets(none), none.astype(np.uint16), none, self.kept)
        lengths, triples, local, count = (np.concatenate(parts) for parts in (self.lengths, self.triples, self.local, self.count))
        some = lengths > 0
        positions = self.positions[: self.total] if self.kept else self.positions[:0].copy()
        return Active(image[some], unit[some], _offsets(lengths[some]), positions, _offsets(triples[some]), local, count, self.kept)


def _evaluate(
    values: NDArray[np.float32], cuts: NDArray[np.float32], labels: LabelShard, over: Grid, image: Int64, found: _Found
) -> None:  # fmt: skip
    """Add the active pixels of some pairs, in pieces of bounded size."""
    rows, columns = axis_arrays(over.rows), axis_arrays(over.columns)
    box = _boxes(values, cuts, over)
    bound = (box[:, 1] - box[:, 0]) * (box[:, 3] - box[:, 2])
    most = np.minimum(bound, np.diff(labels.local_offsets)[image])
    ends = np.cumsum(bound + cells.WORD)
    first = 0
    while first < len(values):
        before = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, before + _PIXELS, side="right")))
        piece = slice(first, last)
        place, local_place = ends[piece] - bound[piece] - cells.WORD - before, _offsets(most[piece])
        positions, local, count = found.scratch(int(ends[last - 1] - before), int(local_place[-1]))
        numbers = np.zeros((2, last - first), np.int64)
        with threads_for(int(bound[piece].sum())):
            cells.evaluate(
                values[piece], cuts[piece], over.map_size[1], rows, columns, box[piece], labels.signature_map, labels.local_offsets,
                image[piece], place, local_place, positions, local, count, numbers,
            )  # fmt: skip
            _pack(place, local_place, positions, local, count, numbers, found)
        first = last


def _pack(
    place: Int64, local_place: Int64, positions: NDArray[Any], local: NDArray[np.uint16], count: NDArray[np.int32], numbers: Int64,
    found: _Found,
) -> None:  # fmt: skip
    """Add what one call found, without gaps."""
    offsets, triple_offsets = _offsets(numbers[0]), _offsets(numbers[1])
    packed_local, packed_count = np.empty(int(triple_offsets[-1]), np.uint16), np.empty(int(triple_offsets[-1]), np.int64)
    cells.pack(
        place, offsets, local_place, triple_offsets, positions, local, count, found.places(int(offsets[-1])), packed_local, packed_count
    )  # fmt: skip
    found.lengths.append(numbers[0])
    found.triples.append(numbers[1])
    found.local.append(packed_local)
    found.count.append(packed_count)


def _boxes(values: NDArray[np.float32], cuts: NDArray[np.float32], over: Grid) -> Int64:
    """(M, 4) as `cells.boxes`."""
    box = np.empty((len(values), 4), np.int64)
    with threads_for(values.size):
        cells.boxes(values, cuts, over.map_size[1], axis_arrays(over.rows), axis_arrays(over.columns), box)
    return box


def packed_masks(values: NDArray[np.float32], cuts: NDArray[np.float32], over: Grid) -> NDArray[np.uint8]:
    """`numpy.packbits` of the masks of values (M, p) above cuts (M,), at the grid's size: (M, bytes)."""
    packed = np.zeros((len(values), (over.pixels + 7) // 8), np.uint8)
    box = _boxes(values, cuts, over)
    with threads_for(len(values) * over.pixels):
        cells.packed_masks(values, cuts, over.map_size[1], axis_arrays(over.rows), axis_arrays(over.columns), box, packed)
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
