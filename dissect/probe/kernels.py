"""The loops that NumPy cannot do fast: counting keys, adding sorted lists, top images, active pixels, classes of label columns.

Compiled by numba at first use and kept on disk (`cache=True`); `python -m dissect.probe.warm` compiles them all. Every kernel writes
integers into places that belong to one unit, map or image alone, so the number of threads never changes a result. Plain versions of
each lie in the tests.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

_F = TypeVar("_F", bound=Callable[..., Any])

GROUP = 4
"""Units whose tables one thread fills at a time: their maps lie side by side in memory, and the tables fit the second-level cache."""
PRIME = np.uint64(0x100000001B3)
OFFSET = np.uint64(0xCBF29CE484222325)
_ZERO = np.uint64(0)


def compiled(parallel: bool) -> Callable[[_F], _F]:
    """`numba.njit` with the settings all kernels share, typed so that the checker keeps the function's signature."""
    return cast("Callable[[_F], _F]", numba.njit(cache=True, parallel=parallel, nogil=True))


@contextlib.contextmanager
def threads_for(work: int) -> Iterator[None]:
    """One thread while there is little to do (`work`: array elements): waking the others costs more, on a busy machine 5 ms a call."""
    before = numba.get_num_threads()
    numba.set_num_threads(before if work >= 1 << 18 else 1)
    try:
        yield
    finally:
        numba.set_num_threads(before)


@compiled(parallel=True)
def sweep(
    bits: NDArray[Any], first: int, stop: int, shift: int, sign: int, seen: NDArray[np.bool_],
    top: NDArray[np.int64], least: NDArray[np.int64], unit_hash: NDArray[np.uint64],
    table: NDArray[np.uint32], low_table: NDArray[np.int64],
    sizes: NDArray[np.int64], keys: NDArray[np.uint16], counts: NDArray[np.int64], low_sums: NDArray[np.int64],
) -> None:  # fmt: skip
    """Count the keys of units first..stop of bits (n, U, p), unsigned; `sign` is the sign bit, a bin is a key without its `shift` low bits.

    Fills top (n, U) with the highest key of each map and least (U,) with the lowest of the unit, unit_hash (U,); and for unit first+k
    the occupied bins keys[k, :sizes[k]], counts and low_sums (the last only where shift is 16). table and low_table (stop-first, 65,536)
    are scratch: zero when given, zero when given back.
    """
    images, _, positions = bits.shape
    groups = (stop - first + GROUP - 1) // GROUP
    for group in numba.prange(groups):
        start = first + group * GROUP
        end = min(stop, start + GROUP)
        most = np.full(GROUP, -1, np.int64)
        for image in range(images):
            if not seen[image]:
                continue
            for unit in range(start, end):
                here = bits[image, unit]
                unit_hash[unit] = _count_bits(here, shift, sign, table[unit - first], low_table[unit - first], unit_hash[unit])
                highest, lowest = np.int64(-1), least[unit]
                for position in range(np.uint64(positions)):
                    value = np.int64(here[position])
                    # Negative values count downwards from the sign bit, and -0.0 falls on +0.0.
                    key = np.int64(value + sign if value < sign else 2 * sign - 1 - value + np.int64(value == sign))
                    highest, lowest = max(highest, key), min(lowest, key)
                top[image, unit], least[unit] = highest, lowest
                most[unit - start] = max(most[unit - start], highest)
        for unit in range(start, end):
            k = unit - first
            bins, low_bins, half = table[k], low_table[k], sign >> shift
            size = _ZERO
            for occupied in range(least[unit] >> shift, (most[unit - start] >> shift) + 1):
                place = np.uint64(occupied - half if occupied >= half else 2 * half - 1 - occupied)
                # What an empty bin writes is overwritten: a branch that cannot be foretold would cost more.
                keys[k, size], counts[k, size] = occupied, bins[place]
                if shift:
                    low_sums[k, size] = low_bins[place]
                    low_bins[place] = 0
                size += np.uint64(bins[place] != 0)
                bins[place] = 0
            sizes[k] = size


@compiled(parallel=False)
def _count_bits(
    here: NDArray[Any], shift: int, sign: int, table: NDArray[np.uint32], low_table: NDArray[np.int64], value_hash: np.uint64
) -> np.uint64:
    """Count a map's values by their own bits, not by key, which is cheaper; -0.0 as +0.0. Returns the unit's hash, this map included.

    Unsigned indices, and no more than this in one loop: increments of one place wait for each other, and the hash fills that time.
    """
    zero, lower = np.uint64(sign), np.uint64(shift)
    for position in range(np.uint64(len(here))):
        value = np.uint64(here[position])
        value_hash = (value_hash ^ value) * PRIME
        value = value if value != zero else _ZERO
        table[value >> lower] += np.uint32(1)
        if shift:
            low_table[value >> lower] += np.int64(value & np.uint64(0xFFFF))
    return (value_hash ^ (value_hash >> np.uint64(29))) * PRIME


@compiled(parallel=True)
def sweep_low(
    bits: NDArray[np.uint32], rows: NDArray[np.int64], starts: NDArray[np.int64], bins: NDArray[np.int32], first: int, stop: int,
    sizes: NDArray[np.int64], keys: NDArray[np.uint16], counts: NDArray[np.int64],
) -> None:  # fmt: skip
    """Count the low 16 key bits of the values whose upper bits are one of bins (U, 2), over maps rows[starts[u]:starts[u+1]] of unit u.

    bits (R, p) uint32. Row 2k+j of the outputs belongs to bins[first+k, j].
    """
    sign = np.int64(0x80000000)
    positions = bits.shape[1]
    for k in numba.prange(stop - first):
        unit = first + k
        table = np.zeros((2, 65536), np.uint32)
        for place in range(starts[unit], starts[unit + 1]):
            row = rows[place]
            for position in range(positions):
                value = np.int64(bits[row, position])
                key = value + sign if value < sign else 2 * sign - 1 - value + np.int64(value == sign)
                upper = key >> 16
                if upper == bins[unit, 0]:
                    table[0, key & 0xFFFF] += np.uint32(1)
                elif upper == bins[unit, 1]:
                    table[1, key & 0xFFFF] += np.uint32(1)
        for j in range(2):
            size = 0
            for low in range(65536):
                if table[j, low]:
                    keys[2 * k + j, size] = low
                    counts[2 * k + j, size] = table[j, low]
                    size += 1
            sizes[2 * k + j] = size


@compiled(parallel=True)
def union_sizes(
    offsets: NDArray[np.int64], keys: NDArray[np.uint16], offsets2: NDArray[np.int64], keys2: NDArray[np.uint16]
) -> NDArray[np.int64]:
    """How many different keys each unit has in two lists of sorted keys."""
    units = len(offsets) - 1
    sizes = np.zeros(units, np.int64)
    for unit in numba.prange(units):
        a, b, size = offsets[unit], offsets2[unit], 0
        while a < offsets[unit + 1] or b < offsets2[unit + 1]:
            left = np.int64(keys[a]) if a < offsets[unit + 1] else 1 << 20
            right = np.int64(keys2[b]) if b < offsets2[unit + 1] else 1 << 20
            a += 1 if left <= right else 0
            b += 1 if right <= left else 0
            size += 1
        sizes[unit] = size
    return sizes


@compiled(parallel=True)
def union_fill(
    offsets: NDArray[np.int64], keys: NDArray[np.uint16], counts: NDArray[np.int64], low: NDArray[np.int64],
    offsets2: NDArray[np.int64], keys2: NDArray[np.uint16], counts2: NDArray[np.int64], low2: NDArray[np.int64],
    out: NDArray[np.int64], out_keys: NDArray[np.uint16], out_counts: NDArray[np.int64], out_low: NDArray[np.int64],
) -> None:  # fmt: skip
    """Add two lists of sorted keys, unit by unit, into the places that `out` offsets give. Low sums only where there are any."""
    with_low = len(low) > 0 or len(low2) > 0
    for unit in numba.prange(len(offsets) - 1):
        a, b, place = offsets[unit], offsets2[unit], out[unit]
        while place < out[unit + 1]:
            left = np.int64(keys[a]) if a < offsets[unit + 1] else 1 << 20
            right = np.int64(keys2[b]) if b < offsets2[unit + 1] else 1 << 20
            out_keys[place] = min(left, right)
            out_counts[place] = (counts[a] if left <= right else 0) + (counts2[b] if right <= left else 0)
            if with_low:
                out_low[place] = (low[a] if left <= right else 0) + (low2[b] if right <= left else 0)
            a += 1 if left <= right else 0
            b += 1 if right <= left else 0
            place += 1


@compiled(parallel=True)
def keep_top(
    maxima: NDArray[np.float32], seen: NDArray[np.bool_], image_index: NDArray[np.int64],
    image: NDArray[np.int32], activation: NDArray[np.float32],
) -> None:  # fmt: skip
    """Take maxima (n, U) of images image_index (n,) into the running lists image, activation (U, K), best first, ties by image index."""
    images, units = maxima.shape
    count = image.shape[1]
    blocks = (units + 63) // 64
    for block in numba.prange(blocks):
        for row in range(images):
            if not seen[row]:
                continue
            index = image_index[row]
            for unit in range(64 * block, min(units, 64 * block + 64)):
                value = maxima[row, unit]
                place = count
                while place > 0 and (
                    value > activation[unit, place - 1]
                    or image[unit, place - 1] < 0
                    or (value == activation[unit, place - 1] and index < image[unit, place - 1])
                ):
                    place -= 1
                if place == count:
                    continue
                for behind in range(count - 1, place, -1):
                    activation[unit, behind] = activation[unit, behind - 1]
                    image[unit, behind] = image[unit, behind - 1]
                activation[unit, place] = value
                image[unit, place] = index


@compiled(parallel=False)
def column_classes(
    stack: NDArray[np.uint16], classes: NDArray[np.uint32], first_pixel: NDArray[np.int64], pixels: NDArray[np.int64]
) -> int:
    """Give equal columns of stack (m, P) equal numbers 0.. in order of appearance. Returns how many there are.

    Fills classes (P,), first_pixel and pixels (P,): where a class appears first, and how often. Open addressing with full comparison;
    a column equal to its left neighbour, as most are, is not looked up.
    """
    planes, count = stack.shape
    size = 64
    while size < 2 * count:
        size *= 2
    slots = np.full(size, -1, np.int64)
    found = 0
    for pixel in range(count):
        if pixel > 0:
            same = True
            for plane in range(planes):
                if stack[plane, pixel] != stack[plane, pixel - 1]:
                    same = False
                    break
            if same:
                classes[pixel] = classes[pixel - 1]
                pixels[classes[pixel]] += 1
                continue
        value_hash = OFFSET
        for plane in range(planes):
            value_hash = (value_hash ^ np.uint64(stack[plane, pixel])) * PRIME
        value_hash ^= value_hash >> np.uint64(32)
        slot = np.int64(value_hash & np.uint64(size - 1))
        while True:
            known = slots[slot]
            if known < 0:
                slots[slot] = found
                classes[pixel] = found
                first_pixel[found] = pixel
                pixels[found] = 1
                found += 1
                break
            other = first_pixel[known]
            same = True
            for plane in range(planes):
                if stack[plane, pixel] != stack[plane, other]:
                    same = False
                    break
            if same:
                classes[pixel] = known
                pixels[known] += 1
                break
            slot = (slot + 1) & (size - 1)
    return found
