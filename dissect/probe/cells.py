"""The loops behind `active`: the box of a map that can hold active pixels, the active ones in it as bits, and the signatures under them.

A row of pixels is handled as words of 64 bits, bit k for the k-th pixel. Every pixel of a box is evaluated, with the arithmetic of
`upsample`, so that the result is the same, bit for bit: comparing 64 pixels takes a compiler's vector instructions fewer steps than finding
out which of them need it. Runs of active pixels, and the borders between signatures inside them, are then read off the words.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numba
import numpy as np
from numba.cpython.unsafe.numbers import trailing_zeros
from numpy.typing import NDArray

from dissect.probe.kernels import compiled

AxisArrays: TypeAlias = tuple[
    NDArray[np.int32], NDArray[np.int32], NDArray[np.float64], NDArray[np.float64], NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]
]
"""low, high, low_weight, high_weight and cell_start of `AxisWeights`; first and last cell (w,) that a map position belongs to."""
Words: TypeAlias = NDArray[np.uint64]

WORD = 64
TOGETHER = 64
"""Pairs that one thread takes at a time; they share its arrays, and the borders of an image's signatures."""
_ZERO, _ONE, _ALL = np.uint64(0), np.uint64(1), ~np.uint64(0)
_WIDE = np.uint64(WORD)
# Indices are unsigned wherever the time goes: a signed one is checked for counting from the end, and the loop is not vectorised.
_BIT = _ONE << np.arange(WORD, dtype=np.uint64)


@compiled(parallel=True)
def boxes(
    values: NDArray[np.float32], cuts: NDArray[np.float32], width: int, rows: AxisArrays, columns: AxisArrays, box: NDArray[np.int64]
) -> None:
    """First and stop row, first and stop column (M, 4) of the pixels that have a neighbour above the cut, of each of values (M, p)."""
    for pair in numba.prange(len(values)):
        first, last, left, right = len(rows[5]), -1, len(columns[5]), -1
        for row in range(len(rows[5])):
            for column in range(len(columns[5])):
                above = values[pair, np.uint64(row * width + column)] > cuts[pair]
                first = row if above and row < first else first
                last = row if above else last
                left = column if above and column < left else left
                right = column if above and column > right else right
        box[pair] = 0
        if last >= 0:
            box[pair, 0], box[pair, 1] = rows[4][rows[5][first]], rows[4][rows[6][last] + 1]
            box[pair, 2], box[pair, 3] = columns[4][columns[5][left]], columns[4][columns[6][right] + 1]
        if box[pair, 1] <= box[pair, 0] or box[pair, 3] <= box[pair, 2]:  # the pixels are fewer than the map's, and none looks there
            box[pair] = 0


@compiled(parallel=False)
def _across(
    values: NDArray[np.float32], row: int, begin: int, stop: int, columns: AxisArrays, wide: NDArray[np.float64], to: np.uint64
) -> None:
    """Widen a map's row, which begins at values[row], to pixels begin..stop, written from wide[to] on."""
    low, high, low_weight, high_weight = columns[:4]
    for x in range(np.uint64(begin), np.uint64(stop)):
        left, right = values[np.uint64(row) + np.uint64(low[x])], values[np.uint64(row) + np.uint64(high[x])]
        wide[to + x - np.uint64(begin)] = np.float32(np.float64(left) * low_weight[x] + np.float64(right) * high_weight[x])


@compiled(parallel=False)
def _word(wide: NDArray[np.float64], first: np.uint64, second: np.uint64, upper: float, lower: float, cut: float) -> np.uint64:
    """Which of the 64 pixels between wide[first..] and wide[second..] are above the cut."""
    word = _ZERO
    for k in range(_WIDE):
        word |= _BIT[k] if np.float32(wide[first + k] * upper + wide[second + k] * lower) > cut else _ZERO
    return word


@compiled(parallel=False)
def _mask(
    values: NDArray[np.float32], cut: float, width: int, rows: AxisArrays, columns: AxisArrays, box: NDArray[np.int64],
    wide: NDArray[np.float64], words: Words,
) -> int:  # fmt: skip
    """Write the active pixels of a map (p,) to the rows of its box in words (H, w), its first column first. Returns the words of a row.

    wide: room for two widened rows of the map, of w words each. The two neighbours of a pixel follow each other, so that one lies in an
    even and one in an odd row of the map.
    """
    line, many = np.uint64(WORD * words.shape[1]), int(box[3] - box[2] + WORD - 1) // WORD
    inside = _ALL >> np.uint64((box[2] - box[3]) % WORD)
    even, odd = -1, -1
    for y in range(box[0], box[1]):
        top, bottom = rows[0][y], rows[1][y]
        if top != (odd if top & 1 else even) or bottom != (odd if bottom & 1 else even):
            for row in range(top, bottom + 1):
                if row != (odd if row & 1 else even):
                    _across(values, row * width, box[2], box[3], columns, wide, line if row & 1 else _ZERO)
                even, odd = (even, row) if row & 1 else (row, odd)
        first, second = line if top & 1 else _ZERO, line if bottom & 1 else _ZERO
        for word in range(np.uint64(many)):
            words[y, word] = _word(wide, first + word * _WIDE, second + word * _WIDE, rows[2][y], rows[3][y], cut)
        words[y, many - 1] &= inside
    return many


@compiled(parallel=False)
def _borders(signature_map: NDArray[np.uint16], across: int, words: Words) -> None:
    """Set bit x of each row in words (H, w + 1) where a pixel has another signature than the one before; what lies outside is arbitrary."""
    for y in range(words.shape[0]):
        for place in range(words.shape[1] - 1):
            first = y * across + place * WORD
            begin, length, word = np.uint64(first), min(WORD, len(signature_map) - first), _ZERO
            for k in range(_ONE if first == 0 else _ZERO, np.uint64(length)):
                word |= _BIT[k] if signature_map[begin + k] != signature_map[begin + k - _ONE] else _ZERO
            words[y, place] = word


@compiled(parallel=False)
def _write_spans(
    words: Words, many: int, across: int, box: NDArray[np.int64], first: NDArray[Any], last: NDArray[Any], start: int
) -> int:  # fmt: skip
    """Write first and last position of the spans of active pixels from `start` on, ascending, no two touching; returns how many.

    No branch on whether a run of a word lengthens the last span: which it does can hardly be foretold.
    """
    place, begin, before = start - 1, np.int64(0), np.int64(-2)
    for y in range(box[0], box[1]):
        for column in range(many):
            word, base = words[y, column], y * across + box[2] + column * WORD
            starts, stops = word & ~(word << _ONE), word & ~(word >> _ONE)
            while starts:
                position = base + np.int64(trailing_zeros(starts))
                new = position != before + 1
                begin = position if new else begin
                before = base + np.int64(trailing_zeros(stops))
                starts, stops = starts & (starts - _ONE), stops & (stops - _ONE)
                place += new
                first[np.uint64(place)], last[np.uint64(place)] = begin, before
    return place + 1 - start


@compiled(parallel=False)
def _count_signatures(
    words: Words, many: int, borders: Words, across: int, box: NDArray[np.int64], signature_map: NDArray[np.uint16],
    seen: NDArray[np.uint16], counts: NDArray[np.int32],
) -> tuple[np.int64, int]:  # fmt: skip
    """Add the active pixels to the counts (L,) of their signatures, zero when given, and list these in `seen` in order of appearance.

    Returns how many pixels and how many signatures there are. Pixels between two borders are counted at once.
    """
    area, found = np.int64(0), 0
    place, shift = box[2] // WORD, np.uint64(box[2] % WORD)
    for y in range(box[0], box[1]):
        for column in range(many):
            word, base = words[y, column], y * across + box[2] + column * WORD
            border = borders[y, place + column] >> shift | borders[y, place + column + 1] << _ONE << (_WIDE - _ONE - shift)
            starts, stops = word & (border | ~(word << _ONE)), word & ((border >> _ONE) | ~(word >> _ONE))
            while starts:
                first, last = np.int64(trailing_zeros(starts)), np.int64(trailing_zeros(stops))
                starts, stops = starts & (starts - _ONE), stops & (stops - _ONE)
                signature = np.uint64(signature_map[np.uint64(base + first)])
                seen[np.uint64(found)] = signature
                found += counts[signature] == 0
                counts[signature] += np.int32(last - first + 1)
                area += last - first + 1
    return area, found


@compiled(parallel=True)
def evaluate(
    values: NDArray[np.float32], cuts: NDArray[np.float32], width: int, rows: AxisArrays, columns: AxisArrays, box: NDArray[np.int64],
    signature_map: NDArray[np.uint16], local_offsets: NDArray[np.int64], image: NDArray[np.int64], start: NDArray[np.int64],
    local_start: NDArray[np.int64], first: NDArray[Any], last: NDArray[Any], local: NDArray[np.uint16], count: NDArray[np.int32],
    found: NDArray[np.int64],
) -> None:  # fmt: skip
    """The spans of active pixels of values (M, p), from first[start[m]] and last[start[m]] on; the signatures under them, in order of
    appearance, and their counts from local_start[m] on. box (M, 4): from `boxes`. first, last: empty where spans are not wanted.

    found (3, M): how many spans, different signatures, and active pixels.
    """
    height, across = len(rows[0]), len(columns[0])
    line = (across + WORD - 1) // WORD
    most = np.diff(local_offsets).max()
    for part in numba.prange((len(values) + TOGETHER - 1) // TOGETHER):
        wide = np.zeros(2 * line * WORD)
        words, borders = np.empty((height, line), np.uint64), np.zeros((height, line + 1), np.uint64)
        seen, counts = np.empty(most + 1, np.uint16), np.zeros(most, np.int32)
        for pair in range(part * TOGETHER, min(len(values), (part + 1) * TOGETHER)):
            signatures = signature_map[image[pair]]
            if pair == part * TOGETHER or image[pair] != image[pair - 1]:
                _borders(signatures, across, borders)
            many = _mask(values[pair], cuts[pair], width, rows, columns, box[pair], wide, words)
            if len(first):
                found[0, pair] = _write_spans(words, many, across, box[pair], first, last, start[pair])
            area, kinds = _count_signatures(words, many, borders, across, box[pair], signatures, seen, counts)
            found[1, pair], found[2, pair] = kinds, area
            for place in range(kinds):
                local[local_start[pair] + place], count[local_start[pair] + place] = seen[place], counts[seen[place]]
                counts[seen[place]] = 0


@compiled(parallel=True)
def packed_masks(
    values: NDArray[np.float32], cuts: NDArray[np.float32], width: int, rows: AxisArrays, columns: AxisArrays, box: NDArray[np.int64],
    packed: NDArray[np.uint8],
) -> None:  # fmt: skip
    """Set the bits of the active pixels of values (M, p) in packed (M, bytes), zero when given, in the order of `numpy.packbits`."""
    height, across = len(rows[0]), len(columns[0])
    line = (across + WORD - 1) // WORD
    for pair in numba.prange(len(values)):
        wide, words = np.zeros(2 * line * WORD), np.empty((height, line), np.uint64)
        many = _mask(values[pair], cuts[pair], width, rows, columns, box[pair], wide, words)
        for y in range(box[pair, 0], box[pair, 1]):
            for column in range(many):
                word = words[y, column]
                while word:
                    position = y * across + box[pair, 2] + column * WORD + np.int64(trailing_zeros(word))
                    packed[pair, position >> 3] |= np.uint8(128 >> (position & 7))
                    word &= word - _ONE


@compiled(parallel=True)
def pack(
    start: NDArray[np.int64], offsets: NDArray[np.int64], local_start: NDArray[np.int64], triple_offsets: NDArray[np.int64],
    first: NDArray[Any], last: NDArray[Any], local: NDArray[np.uint16], count: NDArray[np.int32],
    out_first: NDArray[Any], out_last: NDArray[Any], out_local: NDArray[np.uint16], out_count: NDArray[np.int64],
) -> None:  # fmt: skip
    """Close the gaps between the pairs' stretches."""
    for pair in numba.prange(len(start)):
        begin, to = np.uint64(start[pair]), np.uint64(offsets[pair])
        for place in range(np.uint64(offsets[pair + 1] - offsets[pair])):
            out_first[to + place], out_last[to + place] = first[begin + place], last[begin + place]
        begin, to = np.uint64(local_start[pair]), np.uint64(triple_offsets[pair])
        for place in range(np.uint64(triple_offsets[pair + 1] - triple_offsets[pair])):
            out_local[to + place], out_count[to + place] = local[begin + place], count[begin + place]
