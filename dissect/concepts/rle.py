"""Run lengths as COCO writes them: columns first, off and on in turn, beginning with off.

Two spellings: a list of counts, and a compressed string. The string holds 6 bits a character (character code minus 48): five bits
of value, least significant group first, and a bit (32) that says that another group follows; the last group's bit 16 is the sign. From the
fourth number on, the difference to the number two places before is written (lengths of one kind of run resemble each other).
Source: Lin et al. 2014, "Microsoft COCO", and the data format its authors publish.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dissect.concepts.regions import Mask
from dissect.errors import LabelMapError

Counts = NDArray[np.int64]

MOST_PIXELS = 100_000_000
"""A picture larger than this is refused before memory is taken for it."""
_MOST_GROUPS = 7
"""Five bits each: 35 bits are more than any picture has pixels."""


def decode(counts: object, size: object, where: str) -> Mask:
    """The mask (H, W) that a run-length code stands for.

    counts: list of run lengths, or their compressed string. size: [H, W]. where: file and annotation, for messages.

    Raises:
        LabelMapError: the size is none, a count is not a whole number from 0 on, or the counts do not add up to H * W.
    """
    height, width = _size(size, where)
    if isinstance(counts, str | bytes):
        lengths = uncompress(counts, where)
    else:
        lengths = _lengths(counts, where)
    total = int(lengths.sum())
    if total != height * width:
        fault = "runs past the end of" if total > height * width else "does not fill"
        raise LabelMapError(
            f"{where}: its run-length code of {total} pixels {fault} a picture of {width} x {height}. "
            "Export the annotation again, or take it out of the file."
        )
    on = np.arange(len(lengths)) % 2 == 1
    return np.repeat(on, lengths).reshape(width, height).T


def encode(mask: Mask) -> list[int]:
    """The run lengths of a mask (H, W); `decode` undoes it."""
    flat = mask.T.reshape(-1)
    edges = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff(np.concatenate(([0], edges, [flat.size]))).tolist()
    return [0, *runs] if flat.size and flat[0] else runs


def uncompress(text: str | bytes, where: str) -> Counts:
    """Run lengths from their compressed string; `compress` undoes it.

    Raises:
        LabelMapError: a character that the code does not use, a number cut off, too long or negative.
    """
    codes = text if isinstance(text, bytes) else map(ord, text)
    counts: list[int] = []
    value = groups = 0
    for code in codes:
        bits = code - 48
        if not 0 <= bits < 64 or groups == _MOST_GROUPS:
            raise _damaged(where, f"character {chr(code)!r} at number {len(counts)} is not part of the code")
        value |= (bits & 31) << 5 * groups
        groups += 1
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << 5 * groups
        if len(counts) > 2:
            value += counts[-2]
        if not 0 <= value < 2**31:
            raise _damaged(where, f"number {len(counts)} is {value}")
        counts.append(value)
        value = groups = 0
    if groups:
        raise _damaged(where, "it ends inside a number")
    return np.array(counts, dtype=np.int64)


def compress(counts: Sequence[int]) -> str:
    """The compressed string of run lengths."""
    text = []
    for index, count in enumerate(counts):
        value = count - counts[index - 2] if index > 2 else count
        more = True
        while more:
            bits, value = value & 31, value >> 5
            more = value != (-1 if bits & 16 else 0)
            text.append(chr(48 + (bits | 32 if more else bits)))
    return "".join(text)


def _size(size: object, where: str) -> tuple[int, int]:
    whole = isinstance(size, list | tuple) and len(size) == 2 and all(type(side) is int and side > 0 for side in size)
    if isinstance(size, list | tuple) and whole and size[0] * size[1] <= MOST_PIXELS:
        return size[0], size[1]
    raise LabelMapError(f"{where}: the size of its run-length code is {str(size)[:60]}, not [height, width]. Export the annotation again.")


def _lengths(counts: object, where: str) -> Counts:
    if not isinstance(counts, list | np.ndarray):
        raise _damaged(where, f"its counts are a {type(counts).__name__}, neither a list nor a string")
    values = counts.tolist() if isinstance(counts, np.ndarray) else counts
    for index, count in enumerate(values):
        if type(count) is not int or not 0 <= count < 2**31:
            raise _damaged(where, f"number {index} is {str(count)[:40]}")
    return np.array(values, dtype=np.int64)


def _damaged(where: str, fault: str) -> LabelMapError:
    return LabelMapError(f"{where}: its run-length code is damaged: {fault}. Export the annotation again, or take it out of the file.")
