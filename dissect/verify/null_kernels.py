"""The loops of the independence null: spans of label maps, and masks laid over other images' labels.

Compiled as the probe's kernels are. Every call writes into arrays of its own unit, so the number of threads changes nothing.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from dissect.probe.kernels import compiled

Int64 = NDArray[np.int64]

STRIDE = 64
"""Pixels between two entries of the table that says which span of a label map holds a pixel."""


@compiled(parallel=True)
def gather(source: Int64, offsets: Int64, first: NDArray[Any], last: NDArray[Any], to_first: NDArray[Any], to_last: NDArray[Any]) -> None:
    """Copy the stretch of pair m, which begins at source[m], to offsets[m] .. offsets[m+1]."""
    for pair in numba.prange(len(source)):
        for place in range(offsets[pair + 1] - offsets[pair]):
            to_first[offsets[pair] + place] = first[source[pair] + place]
            to_last[offsets[pair] + place] = last[source[pair] + place]


@compiled(parallel=True)
def count_label_spans(maps: NDArray[np.uint16], lengths: Int64) -> None:
    """How many spans of one local signature each label map (n, P) has."""
    for image in numba.prange(len(maps)):
        found = 1
        for pixel in range(1, maps.shape[1]):
            found += maps[image, pixel] != maps[image, pixel - 1]
        lengths[image] = found


@compiled(parallel=True)
def write_label_spans(
    maps: NDArray[np.uint16], offsets: Int64, last: NDArray[Any], local: NDArray[np.uint16], jump: NDArray[Any]
) -> None:  # fmt: skip
    """Last pixel and local signature of each span, and the span of the image that holds each STRIDE-th pixel."""
    for image in numba.prange(len(maps)):
        span = offsets[image]
        pixels = maps.shape[1]
        for pixel in range(pixels):
            if pixel and maps[image, pixel] != maps[image, pixel - 1]:
                span += 1
            if pixel % STRIDE == 0:
                jump[image, pixel // STRIDE] = span - offsets[image]
            last[span] = pixel
            local[span] = maps[image, pixel]


@compiled(parallel=False)
def overlay(
    first: NDArray[Any], last: NDArray[Any], begin: int, end: int,
    label_last: NDArray[Any], label_local: NDArray[np.uint16], base: int, jump: NDArray[Any],
    counts: NDArray[np.int32], seen: NDArray[np.int32],
) -> int:  # fmt: skip
    """Count the local signatures under the spans begin .. end of one mask, on the label map whose spans begin at `base`.

    counts, all 0 before, holds the pixels of each local signature after; seen those that are not 0, in order of appearance. Returns how
    many there are.
    """
    found = 0
    for span in range(begin, end):
        pixel, stop = np.int64(first[span]), np.int64(last[span])
        under = base + np.int64(jump[pixel >> 6])
        while np.int64(label_last[under]) < pixel:
            under += 1
        while True:
            until = min(np.int64(label_last[under]), stop)
            local = label_local[under]
            if counts[local] == 0:
                seen[found] = local
                found += 1
            counts[local] += np.int32(until - pixel + 1)
            if until == stop:
                break
            pixel = until + 1
            under += 1
    return found


@compiled(parallel=False)
def columns_of_unit(
    source: NDArray[np.int32], image: NDArray[np.int32], area: Int64, offsets: Int64, first: NDArray[Any], last: NDArray[Any],
    label_offsets: Int64, label_last: NDArray[Any], label_local: NDArray[np.uint16], jump: NDArray[Any], local_offsets: Int64,
    row_offsets: Int64, row_columns: NDArray[np.int32], image_offsets: Int64, image_columns: NDArray[np.int32],
    touch_offsets: Int64, touches: NDArray[np.int32],
    counts: NDArray[np.int32], seen: NDArray[np.int32], mark: Int64, rows: Int64, images: Int64,
) -> None:  # fmt: skip
    """Column sums of one unit under every shuffle, into rows (B+1, X) and images (B+1, Y), zero when given.

    The pairs of the unit are image, area (M,) and spans offsets (M+1,). Under a shuffle, a pair adds the pixels that lie on a row of local
    signatures to each of that row's columns of `rows`, and its area to each of the other image's columns of `images`, as well as to
    those of `touches` of any row under it, once a pair. counts, seen, mark: scratch, zero when given and after, except mark.
    """
    turn = 0
    mark[:] = -1
    for shuffle in range(len(source)):
        for pair in range(len(image)):
            other = source[shuffle, image[pair]]
            found = overlay(
                first, last, offsets[pair], offsets[pair + 1], label_last, label_local, label_offsets[other], jump[other], counts, seen
            )  # fmt: skip
            turn += 1
            for place in range(found):
                row = local_offsets[other] + seen[place]
                pixels = counts[seen[place]]
                counts[seen[place]] = 0
                for entry in range(row_offsets[row], row_offsets[row + 1]):
                    rows[shuffle, row_columns[entry]] += pixels
                for entry in range(touch_offsets[row], touch_offsets[row + 1]):
                    if mark[touches[entry]] != turn:
                        mark[touches[entry]] = turn
                        images[shuffle, touches[entry]] += area[pair]
            for entry in range(image_offsets[other], image_offsets[other + 1]):
                images[shuffle, image_columns[entry]] += area[pair]


@compiled(parallel=False)
def signatures_of_unit(
    source: NDArray[np.int32], image: NDArray[np.int32], offsets: Int64, first: NDArray[Any], last: NDArray[Any],
    label_offsets: Int64, label_last: NDArray[Any], label_local: NDArray[np.uint16], jump: NDArray[Any], local_offsets: Int64,
    place: NDArray[np.int32], counts: NDArray[np.int32], seen: NDArray[np.int32], sums: Int64, touched: NDArray[np.int32],
) -> int:  # fmt: skip
    """Active pixels of one unit by place of the row under them, under one shuffle (n,).

    place (L,): where the pixels of each row of local signatures are added, -1 for nowhere. sums (S,): zero when given, the pixels after;
    touched (S,): the places that are not zero, ascending. Returns how many. counts, seen: scratch, zero when given and after.
    """
    known = 0
    for pair in range(len(image)):
        other = source[image[pair]]
        found = overlay(
            first, last, offsets[pair], offsets[pair + 1], label_last, label_local, label_offsets[other], jump[other], counts, seen
        )  # fmt: skip
        for k in range(found):
            where = place[local_offsets[other] + seen[k]]
            if where >= 0:
                if sums[where] == 0:
                    touched[known] = where
                    known += 1
                sums[where] += counts[seen[k]]
            counts[seen[k]] = 0
    touched[:known] = np.sort(touched[:known])
    return known
