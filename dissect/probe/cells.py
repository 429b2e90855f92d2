"""The loops behind `active`: cells that can hold active pixels, the active ones of their pixels, and the signatures under them.

The value of a pixel row inside a cell changes linearly from left to right, but for rounding: interpolated values lie within
2**-22 of the largest neighbour from the straight line between the row's two ends. Where that line rises by more than twice as much from
pixel to pixel, the values are monotone, so that counting those above the cut says which they are. Everything is evaluated with the
arithmetic of `upsample`, so that the result is the same, bit for bit.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numba
import numpy as np
from numpy.typing import NDArray

from dissect.probe.kernels import compiled

AxisArrays: TypeAlias = tuple[
    NDArray[np.int32], NDArray[np.int32], NDArray[np.float64], NDArray[np.float64], NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]
]
"""low, high, low_weight, high_weight and cell_start of `AxisWeights`; first and last cell (w,) that a map position belongs to."""

TOLERANCE = 2.0**-21
SHORT = 4
"""Rows of a cell up to this many pixels are looked at one by one."""


@compiled(parallel=False)
def _rows_above(values: NDArray[np.float32], cut: float, width: int, above: NDArray[np.bool_]) -> None:
    """Which rows of a map (p,) hold a value above the cut."""
    for row in range(len(above)):
        found = False
        for column in range(row * width, row * width + width):
            found |= values[column] > cut
        above[row] = found


@compiled(parallel=False)
def _mark_cells(
    values: NDArray[np.float32], cut: float, width: int, above: NDArray[np.bool_], row: int, rows: AxisArrays, columns: AxisArrays,
    survivors: NDArray[np.int64],
) -> int:  # fmt: skip
    """Write the cells of cell row `row` that have a neighbour above the cut to `survivors`, ascending; returns how many."""
    pixel = rows[4][row]
    top, bottom = rows[0][pixel], rows[1][pixel]
    if not (above[top] or above[bottom]):
        return 0
    found = 0
    following = 0
    for column in range(len(columns[5])):
        if values[top * width + column] > cut or values[bottom * width + column] > cut:
            for cell in range(max(following, columns[5][column]), columns[6][column] + 1):
                survivors[found] = cell
                found += 1
            following = max(following, columns[6][column] + 1)
    return found


@compiled(parallel=True)
def surviving(
    values: NDArray[np.float32], cuts: NDArray[np.float32], width: int, rows: AxisArrays, columns: AxisArrays, bound: NDArray[np.int64]
) -> None:
    """Pixels in surviving cells of each of values (M, p): an upper bound (M,) on the active ones."""
    for pair in numba.prange(len(values)):
        above = np.empty(values.shape[1] // width, np.bool_)
        _rows_above(values[pair], cuts[pair], width, above)
        survivors = np.empty(len(columns[4]), np.int64)
        total = 0
        for row in range(len(rows[4]) - 1):
            across = 0
            for place in range(_mark_cells(values[pair], cuts[pair], width, above, row, rows, columns, survivors)):
                cell = survivors[place]
                across += columns[4][cell + 1] - columns[4][cell]
            total += across * (rows[4][row + 1] - rows[4][row])
        bound[pair] = total


@compiled(parallel=False)
def _add_run(runs: NDArray[np.int32], end: int, first: int, stop: int) -> int:
    """Append the run first..stop, nothing if that is empty, or lengthen the last one where they touch; returns the new end.

    runs[0] is -1, then follow start and stop of every run; `end` is the place of the last stop. No branch: which case it is can hardly
    be foretold. One place behind the end is written to.
    """
    there = stop > first
    new = there and runs[end] != first
    last = stop if there else runs[end]
    runs[end + 1] = first
    end += 2 if new else 0
    runs[end] = last
    return end


@compiled(parallel=False)
def _row_of_cell(
    first: NDArray[np.float64], second: NDArray[np.float64], upper: float, lower: float, cut: float, slack: float,
    begin: int, end: int, base: int, runs: NDArray[np.int32], found: int,
) -> int:  # fmt: skip
    """Append the active pixels base + x, x in begin..end, of one row of a cell; returns the new end of `runs`."""
    rise = (first[end - 1] * upper + second[end - 1] * lower) - (first[begin] * upper + second[begin] * lower)
    if end - begin > SHORT and abs(rise) > slack * (end - begin - 1):
        top, bottom = first[begin:end], second[begin:end]
        active = 0  # a sum without a branch, over slices, whose indices need no check: the compiler takes several pixels at a time
        for x in range(len(top)):
            active += 1 if np.float32(top[x] * upper + bottom[x] * lower) > cut else 0
        start = base + begin if rise < 0 else base + end - active
        return _add_run(runs, found, start, start + active)
    for x in range(begin, end):
        if np.float32(first[x] * upper + second[x] * lower) > cut:
            found = _add_run(runs, found, base + x, base + x + 1)
    return found


@compiled(parallel=False)
def _active_runs(
    values: NDArray[np.float32], cut: float, width: int, rows: AxisArrays, columns: AxisArrays, runs: NDArray[np.int32]
) -> int:
    """Write the runs of active positions of one map (p,), ascending, no two touching, as `_add_run` has them. Returns the end.

    Room for twice the pixels of the surviving cells, or for all pixels, and 3 more.
    """
    low, high, low_weight, high_weight, cells = columns[:5]
    across = len(low)
    above = np.empty(len(values) // width, np.bool_)
    _rows_above(values, cut, width, above)
    survivors = np.empty(len(cells), np.int64)
    first, second = np.empty(across, np.float64), np.empty(across, np.float64)
    least, slack = np.empty(len(cells), np.float32), np.empty(len(cells), np.float64)
    found = 0
    runs[0] = -1
    for row in range(len(rows[4]) - 1):
        alive = _mark_cells(values, cut, width, above, row, rows, columns, survivors)
        if alive == 0:
            continue
        top = rows[0][rows[4][row]] * width
        bottom = rows[1][rows[4][row]] * width
        for place in range(alive):
            begin, end = cells[survivors[place]], cells[survivors[place] + 1]
            a, b = low[begin], high[begin]
            left, right = values[top + a], values[top + b]
            left2, right2 = values[bottom + a], values[bottom + b]
            least[place] = min(min(left, right), min(left2, right2))
            slack[place] = TOLERANCE * max(max(abs(left), abs(right)), max(abs(left2), abs(right2)))
            for x in range(begin, end):
                first[x] = np.float32(np.float64(left) * low_weight[x] + np.float64(right) * high_weight[x])
                second[x] = np.float32(np.float64(left2) * low_weight[x] + np.float64(right2) * high_weight[x])
        for y in range(rows[4][row], rows[4][row + 1]):
            for place in range(alive):
                begin, end = cells[survivors[place]], cells[survivors[place] + 1]
                if least[place] > cut:
                    found = _add_run(runs, found, y * across + begin, y * across + end)
                else:
                    found = _row_of_cell(first, second, rows[2][y], rows[3][y], cut, slack[place], begin, end, y * across, runs, found)
    return found


@compiled(parallel=False)
def _write_positions(runs: NDArray[np.int32], end: int, positions: NDArray[Any]) -> int:
    """Write every position of the runs up to `end` to positions[0], [1], ...; returns how many."""
    written = 0
    for run in range(1, end, 2):
        first = runs[run]
        for place in range(runs[run + 1] - first):
            positions[written + place] = first + place
        written += runs[run + 1] - first
    return written


@compiled(parallel=True)
def evaluate(
    values: NDArray[np.float32], cuts: NDArray[np.float32], width: int, rows: AxisArrays, columns: AxisArrays,
    signature_map: NDArray[np.uint16], local_offsets: NDArray[np.int64], image: NDArray[np.int64], start: NDArray[np.int64],
    local_start: NDArray[np.int64], positions: NDArray[Any], local: NDArray[np.uint16], count: NDArray[np.int32],
    found: NDArray[np.int64],
) -> None:  # fmt: skip
    """Active positions of values (M, p), from positions[start[m]] on, ascending; the signatures under them, in order of appearance,
    and their counts from local_start[m] on. start (M+1,): room for pair m ends at start[m+1].

    found (2, M): how many positions, and how many different signatures.
    """
    for pair in numba.prange(len(values)):
        begin, here = start[pair], image[pair]
        runs = np.empty(2 * (start[pair + 1] - begin) + 3, np.int32)
        end = _active_runs(values[pair], cuts[pair], width, rows, columns, runs)
        found[0, pair] = _write_positions(runs, end, positions[begin:])
        found[1, pair] = _count_signatures(
            runs, end, signature_map[here], local_offsets[here + 1] - local_offsets[here],
            local[local_start[pair] :], count[local_start[pair] :],
        )  # fmt: skip


@compiled(parallel=True)
def packed_masks(
    values: NDArray[np.float32], cuts: NDArray[np.float32], width: int, rows: AxisArrays, columns: AxisArrays, packed: NDArray[np.uint8]
) -> None:
    """Set the bits of the active pixels of values (M, p) in packed (M, bytes), zero when given, in the order of `numpy.packbits`."""
    pixels = len(rows[0]) * len(columns[0])
    for pair in numba.prange(len(values)):
        runs = np.empty(pixels + 3, np.int32)
        end = _active_runs(values[pair], cuts[pair], width, rows, columns, runs)
        for run in range(1, end, 2):
            for position in range(runs[run], runs[run + 1]):
                packed[pair, position >> 3] |= np.uint8(128 >> (position & 7))


@compiled(parallel=False)
def _count_signatures(
    runs: NDArray[np.int32], end: int, signature_map: NDArray[np.uint16], signatures: int,
    local: NDArray[np.uint16], count: NDArray[np.int32],
) -> int:  # fmt: skip
    """Write the different signatures under the pixels of the runs up to `end` to `local`, in order of appearance, and their counts.

    Returns how many. Neighbours mostly carry the same one, so that equal stretches are counted at once.
    """
    counts = np.zeros(signatures + 1, np.int32)
    found = 0
    for run in range(1, end, 2):
        position, stop = runs[run], runs[run + 1]
        while position < stop:
            signature, begin = signature_map[position], position
            position += 1
            while position < stop and signature_map[position] == signature:
                position += 1
            if counts[signature] == 0:
                local[found] = signature
                found += 1
            counts[signature] += np.int32(position - begin)
    for place in range(found):
        count[place] = counts[local[place]]
    return found


@compiled(parallel=True)
def pack(
    start: NDArray[np.int64], offsets: NDArray[np.int64], local_start: NDArray[np.int64], triple_offsets: NDArray[np.int64],
    positions: NDArray[Any], local: NDArray[np.uint16], count: NDArray[np.int32],
    out: NDArray[Any], out_local: NDArray[np.uint16], out_count: NDArray[np.int64],
) -> None:  # fmt: skip
    """Close the gaps between the pairs' stretches."""
    for pair in numba.prange(len(start)):
        length = offsets[pair + 1] - offsets[pair]
        out[offsets[pair] : offsets[pair + 1]] = positions[start[pair] : start[pair] + length]
        triples = triple_offsets[pair + 1] - triple_offsets[pair]
        for place in range(triples):
            out_local[triple_offsets[pair] + place] = local[local_start[pair] + place]
            out_count[triple_offsets[pair] + place] = count[local_start[pair] + place]
