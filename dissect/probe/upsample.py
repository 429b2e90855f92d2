"""Bilinear upsampling of activation maps to the label map's size, axis by axis.

A pixel is a convex combination of at most four neighbours: two along each axis. Arithmetic: the horizontal pass, then the vertical
one; sums in float64, each pass rounded to float32, as Pillow does it in mode F, so that masks agree with the published programs that
used it. Every value is then clamped to the range of its four neighbours, so that a cell whose neighbours are all below the threshold
may be skipped without being looked at. (Sums in float32 could lift a plateau just above itself; sums in float64 do not, so that the
clamp moves nothing here. It states what the skipping relies on.)

Sources: Bau et al. 2017, "Network Dissection" (receptive-field centres); half-pixel centres are `align_corners=False`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dissect.errors import NotSupportedError, ShapeError, UsageError
from dissect.probe.tables import Int32

Rule = Literal["half_pixel", "receptive_field"]


@dataclass(frozen=True)
class AxisWeights:
    """Where each of n_out pixels of one axis takes its value from.

    low, high (n_out,) int32: the two neighbours in the map, low <= high. low_weight, high_weight (n_out,) float64: they sum to 1.
    cell_start (cells+1,) int32: pixels cell_start[c]..cell_start[c+1] have the same two neighbours.
    """

    low: Int32
    high: Int32
    low_weight: NDArray[np.float64]
    high_weight: NDArray[np.float64]
    cell_start: Int32


@dataclass(frozen=True)
class Grid:
    """Both axes: from maps (h, w) to the label size (H, W)."""

    rows: AxisWeights
    columns: AxisWeights
    map_size: tuple[int, int]
    size: tuple[int, int]

    @property
    def pixels(self) -> int:
        """H * W."""
        return self.size[0] * self.size[1]


def axis_weights(n_in: int, n_out: int, rule: Rule, n_input: int | None = None) -> AxisWeights:
    """Weights of one axis of n_in map positions and n_out pixels.

    `half_pixel`: pixel x looks at position (x + 1/2) n_in / n_out - 1/2, clamped at the edges; also when n_out < n_in (no averaging).
    `receptive_field`: position k lies on pixel (s//2)//r + k (s//r) with s = n_input // n_in and r = n_input // n_out; clamped outside.

    Raises:
        UsageError: a size is not positive, or `receptive_field` was asked for without the network's input length `n_input`.
        NotSupportedError: neighbouring receptive-field centres would fall on one pixel.
    """
    if n_in < 1 or n_out < 1:
        raise UsageError(f"maps of {n_in} positions cannot be laid over {n_out} pixels; both must be at least 1.")
    low, high, low_weight, high_weight = (
        _half_pixel(n_in, n_out) if rule == "half_pixel" else _receptive_field(n_in, n_out, n_input)
    )  # fmt: skip
    changes = np.flatnonzero((np.diff(low) != 0) | (np.diff(high) != 0)) + 1
    cell_start = np.concatenate(([0], changes, [n_out])).astype(np.int32)
    return AxisWeights(low.astype(np.int32), high.astype(np.int32), low_weight, high_weight, cell_start)


def grid(map_size: tuple[int, int], size: tuple[int, int], rule: Rule, input_size: tuple[int, int] | None = None) -> Grid:
    """Both axes, from map_size (h, w) to size (H, W). `input_size`: the network's (height, width), needed by `receptive_field`."""
    inputs = input_size or (None, None)
    rows = axis_weights(map_size[0], size[0], rule, inputs[0])
    columns = axis_weights(map_size[1], size[1], rule, inputs[1])
    return Grid(rows, columns, map_size, size)


def upsample(maps: NDArray[np.float16] | NDArray[np.float32], over: Grid) -> NDArray[np.float32]:
    """Every value, without skipping: maps (..., h, w) to (..., H, W) float32. Halves are widened to float32 first.

    Raises:
        ShapeError: the maps are not of the grid's map size.
    """
    if maps.shape[-2:] != over.map_size:
        raise ShapeError(f"maps of shape {maps.shape} under a grid for maps of {over.map_size[0]} x {over.map_size[1]}.")
    values = maps.astype(np.float32)
    rows, columns = over.rows, over.columns
    left, right = values[..., columns.low], values[..., columns.high]  # ... h W
    across = (left * columns.low_weight + right * columns.high_weight).astype(np.float32)
    above, below = across[..., rows.low, :], across[..., rows.high, :]  # ... H W
    result = (above * rows.low_weight[:, None] + below * rows.high_weight[:, None]).astype(np.float32)
    least, most = np.minimum(left, right), np.maximum(left, right)
    least = np.minimum(least[..., rows.low, :], least[..., rows.high, :])
    most = np.maximum(most[..., rows.low, :], most[..., rows.high, :])
    clamped: NDArray[np.float32] = np.clip(result, least, most)
    return clamped


_Weights = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]


def _half_pixel(n_in: int, n_out: int) -> _Weights:
    """Pillow's own steps in float64 (centre, distance, division by the sum), since another order of them differs in the last bit."""
    centre = (np.arange(n_out) + 0.5) * (n_in / n_out)
    low = np.floor(centre - 0.5).astype(np.int64)
    high = low + 1
    low_weight = np.where(low < 0, 0.0, 1.0 - np.abs(low - centre + 0.5))
    high_weight = np.where(high > n_in - 1, 0.0, 1.0 - np.abs(high - centre + 0.5))
    total = low_weight + high_weight
    # At an edge both neighbours are the edge itself, with its weight on one of them.
    return np.maximum(low, 0), np.minimum(high, n_in - 1), low_weight / total, high_weight / total


def _receptive_field(n_in: int, n_out: int, n_input: int | None) -> _Weights:
    if n_input is None:
        raise UsageError("receptive-field centres need the network's input size.")
    stride = n_input // n_in
    reduction = n_input // n_out
    first, step = ((stride // 2) // reduction, stride // reduction) if reduction else (0, 0)
    if step == 0:
        raise NotSupportedError(
            f"receptive-field centres of {n_in} positions fall together on {n_out} pixels (input {n_input}). "
            "Choose a larger label size, or the profile standard."
        )
    place = np.clip((np.arange(n_out) - first) / step, 0, n_in - 1)
    low = np.floor(place).astype(np.int64)
    # Where the place is clamped at the first centre there is one neighbour, so that values are linear inside a cell.
    high = np.where(place > 0, np.minimum(low + 1, n_in - 1), 0)
    high_weight = place - low
    return low, high, 1.0 - high_weight, high_weight
