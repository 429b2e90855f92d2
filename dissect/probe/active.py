"""The active pixels of many maps, without upsampling them: cells whose neighbours are all below the threshold are skipped.

Bilinear upsampling splits the label map into cells of pixels with the same four neighbours. A pixel never exceeds them (it is clamped
to their range), so that a cell without a neighbour above the cut holds no active pixel, and one with all of them above it holds
nothing else. Only cells in between are evaluated, with the arithmetic of `upsample`, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from dissect.probe.kernels import compiled, threads_for
from dissect.probe.maps import MapShard
from dissect.probe.signatures import LabelShard
from dissect.probe.tables import Int64
from dissect.probe.upsample import AxisWeights, Grid

_MAP_BYTES = 32 << 20
_PIXELS = 1 << 24
"""Bounds on what is worked on at a time: maps widened to float32, and pixels of surviving cells."""

_AxisArrays = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64], NDArray[np.float64], NDArray[np.int32]]


@dataclass(frozen=True)
class Active:
    """Active pixels of M pairs, in the order of images, then units; pairs without one are left out.

    image, unit (M,) int64. offsets (M+1,) int64 and positions (uint16, uint32 above 65,536 pixels): pixel y * W + x, ascending.
    triple_offsets (M+1,) int64, triple_local uint16 and triple_count int64: local signatures of the image under them.
    """

    image: Int64
    unit: Int64
    offsets: Int64
    positions: NDArray[Any]
    triple_offsets: Int64
    triple_local: NDArray[np.uint16]
    triple_count: Int64


def active_pixels(maps: MapShard, cut: NDArray[np.float32], labels: LabelShard, over: Grid) -> Active:
    """Find the active pixels of every map whose maximum is above its unit's cut (U,), and count their local signatures."""
    image, unit = maps.pairs_above(cut)
    position_type = np.uint16 if over.pixels <= 65_536 else np.uint32
    parts = [_block(maps, cut, labels, over, image[piece], unit[piece], position_type) for piece in _pieces(len(image), maps)]
    blocks = [block for part in parts for block in part]
    if not blocks:
        none = np.zeros(0, np.int64)
        return Active(none, none, _offsets(none), none.astype(position_type), _offsets(none), none.astype(np.uint16), none)
    lengths, positions, triples, local, count = (np.concatenate(arrays) for arrays in zip(*blocks, strict=True))
    kept = lengths > 0
    return Active(image[kept], unit[kept], _offsets(lengths[kept]), positions, _offsets(triples[kept]), local, count)


_Block = tuple[Int64, NDArray[Any], Int64, NDArray[np.uint16], Int64]


def _pieces(pairs: int, maps: MapShard) -> Iterator[slice]:
    step = max(1, _MAP_BYTES // (4 * maps.values.shape[1]))
    return (slice(first, min(first + step, pairs)) for first in range(0, pairs, step))


def _block(
    maps: MapShard, cut: NDArray[np.float32], labels: LabelShard, over: Grid, image: Int64, unit: Int64, position_type: type[Any]
) -> list[_Block]:
    """Lengths, positions, triples per pair, local signatures and counts of some pairs, in pieces of bounded size."""
    values = maps.values[maps.rows(image, unit)].astype(np.float32)
    cuts = cut[unit]
    rows, columns = _arrays(over.rows), _arrays(over.columns)
    bound = np.zeros(len(values), np.int64)
    with threads_for(values.size):
        surviving(values, cuts, over.map_size[1], rows, columns, bound)
    ends = np.cumsum(bound)
    blocks, first = [], 0
    while first < len(values):
        before = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, before + _PIXELS, side="right")))
        piece, place = slice(first, last), ends[first:last] - bound[first:last] - before
        out = np.empty(int(ends[last - 1] - before), position_type)
        blocks.append(_evaluate(values[piece], cuts[piece], labels, over, image[piece], place, out))
        first = last
    return blocks


def _evaluate(
    values: NDArray[np.float32], cuts: NDArray[np.float32], labels: LabelShard, over: Grid, image: Int64, place: Int64,
    positions: NDArray[Any],
) -> _Block:  # fmt: skip
    """Active positions of some pairs, written to `positions` from `place` (M,) on and then packed."""
    found = np.zeros((2, len(values)), np.int64)
    local, count = np.empty(len(positions), np.uint16), np.empty(len(positions), np.int32)
    with threads_for(len(positions)):
        evaluate(
            values, cuts, over.map_size[1], _arrays(over.rows), _arrays(over.columns), labels.signature_map, labels.local_offsets, image,
            place, positions, local, count, found,
        )  # fmt: skip
    packed = np.empty(int(found[0].sum()), positions.dtype)
    packed_local, packed_count = np.empty(int(found[1].sum()), np.uint16), np.empty(int(found[1].sum()), np.int64)
    with threads_for(len(positions)):
        pack(place, _offsets(found[0]), _offsets(found[1]), positions, local, count, packed, packed_local, packed_count)
    return found[0], packed, found[1], packed_local, packed_count


def _arrays(axis: AxisWeights) -> _AxisArrays:
    return axis.low, axis.high, axis.low_weight, axis.high_weight, axis.cell_start


def _offsets(lengths: Int64) -> Int64:
    return np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)


@compiled(parallel=False)
def _mark_cells(
    values: NDArray[np.float32], cut: float, width: int, row: int, rows: _AxisArrays, columns: _AxisArrays,
    upper: NDArray[np.float32], survivors: NDArray[np.int64],
) -> int:  # fmt: skip
    """Write the cells of cell row `row` that have a neighbour above the cut to `survivors`; returns how many. upper (w,) is scratch."""
    top = rows[0][rows[4][row]] * width
    bottom = rows[1][rows[4][row]] * width
    highest = np.float32(-np.inf)
    for column in range(width):
        upper[column] = max(values[top + column], values[bottom + column])
        highest = max(highest, upper[column])
    if highest <= cut:
        return 0
    found = 0
    for cell in range(len(columns[4]) - 1):
        pixel = columns[4][cell]
        if upper[columns[0][pixel]] > cut or upper[columns[1][pixel]] > cut:
            survivors[found] = cell
            found += 1
    return found


@compiled(parallel=True)
def surviving(
    values: NDArray[np.float32], cuts: NDArray[np.float32], width: int, rows: _AxisArrays, columns: _AxisArrays, bound: NDArray[np.int64]
) -> None:
    """Pixels in surviving cells of each of values (M, p): an upper bound (M,) on the active ones."""
    for pair in numba.prange(len(values)):
        upper = np.empty(width, np.float32)
        survivors = np.empty(len(columns[4]), np.int64)
        total = 0
        for row in range(len(rows[4]) - 1):
            across = 0
            for place in range(_mark_cells(values[pair], cuts[pair], width, row, rows, columns, upper, survivors)):
                cell = survivors[place]
                across += columns[4][cell + 1] - columns[4][cell]
            total += across * (rows[4][row + 1] - rows[4][row])
        bound[pair] = total


@compiled(parallel=False)
def _count_signatures(
    positions: NDArray[Any], signature_map: NDArray[np.uint16], signatures: int, local: NDArray[np.uint16], count: NDArray[np.int32]
) -> int:
    """Write the different signatures under some positions to `local`, in order of appearance, and their counts. Returns how many."""
    counts = np.zeros(signatures + 1, np.int32)
    found = 0
    for place in range(len(positions)):
        signature = signature_map[positions[place]]
        if counts[signature] == 0:
            local[found] = signature
            found += 1
        counts[signature] += np.int32(1)
    for place in range(found):
        count[place] = counts[local[place]]
    return found


@compiled(parallel=True)
def evaluate(
    values: NDArray[np.float32], cuts: NDArray[np.float32], width: int, rows: _AxisArrays, columns: _AxisArrays,
    signature_map: NDArray[np.uint16], local_offsets: NDArray[np.int64], image: NDArray[np.int64], start: NDArray[np.int64],
    positions: NDArray[Any], local: NDArray[np.uint16], count: NDArray[np.int32], found: NDArray[np.int64],
) -> None:  # fmt: skip
    """Active positions of values (M, p), from positions[start[m]] on, ascending; the signatures under them, in order of appearance.

    found (2, M): how many positions, and how many different signatures.
    """
    low, high, low_weight, high_weight, cells = columns
    across = len(low)
    for pair in numba.prange(len(values)):
        cut = cuts[pair]
        upper = np.empty(width, np.float32)
        survivors = np.empty(len(cells), np.int64)
        first, second = np.empty(across, np.float32), np.empty(across, np.float32)
        least = np.empty(len(cells), np.float32)
        active = np.empty(across, np.uint8)
        written = start[pair]
        for row in range(len(rows[4]) - 1):
            alive = _mark_cells(values[pair], cut, width, row, rows, columns, upper, survivors)
            if alive == 0:
                continue
            top = rows[0][rows[4][row]] * width
            bottom = rows[1][rows[4][row]] * width
            for place in range(alive):
                begin, end = cells[survivors[place]], cells[survivors[place] + 1]
                a, b = low[begin], high[begin]
                left, right = values[pair, top + a], values[pair, top + b]
                left2, right2 = values[pair, bottom + a], values[pair, bottom + b]
                least[place] = min(min(left, right), min(left2, right2))
                for x in range(begin, end):
                    first[x] = np.float32(np.float64(left) * low_weight[x] + np.float64(right) * high_weight[x])
                    second[x] = np.float32(np.float64(left2) * low_weight[x] + np.float64(right2) * high_weight[x])
            for y in range(rows[4][row], rows[4][row + 1]):
                above, below = rows[2][y], rows[3][y]
                for place in range(alive):
                    begin, end = cells[survivors[place]], cells[survivors[place] + 1]
                    whole = least[place] > cut
                    # Without a branch, so that the compiler does several pixels at a time.
                    for x in range(begin, end):
                        value = np.float32(np.float64(first[x]) * above + np.float64(second[x]) * below)
                        active[x] = whole | (value > cut)
                    for x in range(begin, end):
                        positions[written] = y * across + x
                        written += active[x]
        found[0, pair] = written - start[pair]
        found[1, pair] = _count_signatures(
            positions[start[pair] : written], signature_map[image[pair]], local_offsets[image[pair] + 1] - local_offsets[image[pair]],
            local[start[pair] : written], count[start[pair] : written],
        )  # fmt: skip


@compiled(parallel=True)
def pack(
    start: NDArray[np.int64], offsets: NDArray[np.int64], triple_offsets: NDArray[np.int64],
    positions: NDArray[Any], local: NDArray[np.uint16], count: NDArray[np.int32],
    out: NDArray[Any], out_local: NDArray[np.uint16], out_count: NDArray[np.int64],
) -> None:  # fmt: skip
    """Close the gaps between the pairs' stretches."""
    for pair in numba.prange(len(start)):
        length = offsets[pair + 1] - offsets[pair]
        out[offsets[pair] : offsets[pair + 1]] = positions[start[pair] : start[pair] + length]
        triples = triple_offsets[pair + 1] - triple_offsets[pair]
        for place in range(triples):
            out_local[triple_offsets[pair] + place] = local[start[pair] + place]
            out_count[triple_offsets[pair] + place] = count[start[pair] + place]
