"""The active pixels of many maps, without upsampling them: what has no neighbour above the threshold is skipped.

A pixel never exceeds its four neighbours in the map (it is clamped to their range), so that active ones lie inside the box of the pixels
that look at positions above the cut. Only that box is evaluated (`cells`), and the result is that of `upsample`, bit for bit.
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
_SPANS = 1 << 21
"""Bounds on what is worked on at a time: maps widened to float32, and spans that they could have."""
MOST_SPANS = 1 << 26
"""Spans of a shard beyond which they are not kept: 256 MB of them, where masks are ragged all over the pictures."""


@dataclass(frozen=True)
class Active:
    """Active pixels of M pairs, in the order of images, then units; pairs without one are left out.

    image, unit, area (M,) int64: area is how many. offsets (M+1,) int64, first and last (uint16, uint32 above 65,536 pixels): spans of
    consecutive active pixels y * W + x of each pair, ascending, no two touching. kept: False, and no span held, where there are more
    than MOST_SPANS of them or they were not wanted.
    triple_offsets (M+1,) int64, triple_local uint16 and triple_count int64: local signatures of the image under them.
    """

    image: Int64
    unit: Int64
    area: Int64
    offsets: Int64
    first: NDArray[Any]
    last: NDArray[Any]
    triple_offsets: Int64
    triple_local: NDArray[np.uint16]
    triple_count: Int64
    kept: bool


def active_pixels(maps: MapShard, cut: NDArray[np.float32], labels: LabelShard, over: Grid, *, keep: bool = True) -> Active:
    """Find the active pixels of every map whose maximum is above its unit's cut (U,), and count their local signatures.

    `keep`: whether spans are wanted at all.
    """
    image, unit = maps.pairs_above(cut)
    scratch = _Scratch(np.uint16 if over.pixels <= 65_536 else np.uint32)
    blocks = []
    for piece in _pieces(len(image), maps):
        values = np.asarray(maps.values).take(maps.rows(image[piece], unit[piece]), axis=0).astype(np.float32)
        for block in _blocks(values, cut[unit[piece]], labels, over, image[piece], scratch, keep):
            blocks.append(block)
            if keep and sum(len(each[1]) for each in blocks) > MOST_SPANS:
                keep, blocks = False, [(lengths * 0, first[:0], last[:0], *rest) for lengths, first, last, *rest in blocks]  # type: ignore[misc]
    if not blocks:
        none = np.zeros(0, np.int64)
        few = none.astype(scratch.first.dtype)
        return Active(none, none, none, _offsets(none), few, few, _offsets(none), none.astype(np.uint16), none, keep)
    lengths, first, last, triples, local, count, area = (np.concatenate(arrays) for arrays in zip(*blocks, strict=True))
    some = area > 0
    return Active(
        image[some], unit[some], area[some], _offsets(lengths[some]), first, last, _offsets(triples[some]), local, count, keep
    )  # fmt: skip


_Block = tuple[Int64, NDArray[Any], NDArray[Any], Int64, NDArray[np.uint16], Int64, Int64]
"""Spans per pair, their first and last pixels, triples per pair, local signatures and counts, active pixels per pair."""


def _pieces(pairs: int, maps: MapShard) -> Iterator[slice]:
    step = max(1, _MAP_BYTES // (4 * maps.values.shape[1]))
    return (slice(first, min(first + step, pairs)) for first in range(0, pairs, step))


class _Scratch:
    """Arrays that the pieces are evaluated in, one after the other: fresh ones would cost more than the arithmetic."""

    def __init__(self, position_type: type[Any]) -> None:
        self.first: NDArray[Any] = np.empty(0, position_type)
        self.last: NDArray[Any] = np.empty(0, position_type)
        self.local = np.empty(0, np.uint16)
        self.count = np.empty(0, np.int32)

    def fit(self, spans: int, triples: int) -> None:
        """Make room."""
        if len(self.first) < spans:
            self.first, self.last = (np.empty(max(spans, _SPANS), self.first.dtype) for _ in range(2))
        if len(self.local) < triples:
            self.local, self.count = np.empty(2 * triples, np.uint16), np.empty(2 * triples, np.int32)


def _blocks(
    values: NDArray[np.float32], cuts: NDArray[np.float32], labels: LabelShard, over: Grid, image: Int64, scratch: _Scratch, keep: bool
) -> Iterator[_Block]:
    """The active pixels of some pairs, in pieces of bounded size."""
    box = _boxes(values, cuts, over)
    bound = (box[:, 1] - box[:, 0]) * ((box[:, 3] - box[:, 2] + 1) // 2)
    most = np.minimum((box[:, 1] - box[:, 0]) * (box[:, 3] - box[:, 2]), np.diff(labels.local_offsets)[image])
    ends = np.cumsum(bound)
    first = 0
    while first < len(values):
        before = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, before + _SPANS, side="right")))
        piece = slice(first, last)
        scratch.fit(int(bound[piece].sum()), int(most[piece].sum()))
        place = _offsets(bound[piece])
        yield _evaluate(values[piece], cuts[piece], labels, over, image[piece], box[piece], place, most[piece], scratch, keep)
        first = last


def _evaluate(
    values: NDArray[np.float32], cuts: NDArray[np.float32], labels: LabelShard, over: Grid, image: Int64, box: Int64, place: Int64,
    most: Int64, scratch: _Scratch, keep: bool,
) -> _Block:  # fmt: skip
    """The active pixels of some pairs, packed. place (M+1,): where the spans of each have room. most (M,): its signatures at most."""
    found = np.zeros((3, len(values)), np.int64)
    local_place = _offsets(most)
    first, last = (scratch.first, scratch.last) if keep else (scratch.first[:0], scratch.last[:0])
    with threads_for(int(place[-1])):
        cells.evaluate(
            values, cuts, over.map_size[1], axis_arrays(over.rows), axis_arrays(over.columns), box,
            labels.signature_map, labels.local_offsets, image, place, local_place, first, last, scratch.local, scratch.count, found,
        )  # fmt: skip
        offsets, triple_offsets = _offsets(found[0]), _offsets(found[1])
        spans, triples = int(offsets[-1]), int(triple_offsets[-1])
        packed = np.empty(spans, first.dtype), np.empty(spans, first.dtype), np.empty(triples, np.uint16), np.empty(triples, np.int64)
        cells.pack(place[:-1], offsets, local_place, triple_offsets, first, last, scratch.local, scratch.count, *packed)
    return found[0], packed[0], packed[1], found[1], packed[2], packed[3], found[2]


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
