"""Bilinear upsampling, axis by axis. Stub: signatures of the functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dissect.probe.tables import Int32

Rule = Literal["half_pixel", "receptive_field"]


@dataclass(frozen=True)
class AxisWeights:
    """For each of n_out pixels: low, high (n_out,) int32 neighbours and low_weight, high_weight (n_out,) float64.
    Cells: runs of pixels with the same neighbours, pixels cell_start[c]..cell_start[c+1]."""

    low: Int32
    high: Int32
    low_weight: NDArray[np.float64]
    high_weight: NDArray[np.float64]
    cell_start: Int32


@dataclass(frozen=True)
class Grid:
    """Both axes: from maps (h, w) to label size (H, W)."""

    rows: AxisWeights
    columns: AxisWeights
    map_size: tuple[int, int]
    size: tuple[int, int]


def axis_weights(n_in: int, n_out: int, rule: Rule, n_input: int | None = None) -> AxisWeights:
    """`n_input`: the network's input length along this axis, needed by `receptive_field`."""
    raise NotImplementedError


def grid(map_size: tuple[int, int], size: tuple[int, int], rule: Rule, input_size: tuple[int, int] | None = None) -> Grid:
    """Both axes."""
    raise NotImplementedError


def upsample(maps: NDArray[np.float16] | NDArray[np.float32], over: Grid) -> NDArray[np.float32]:
    """Plain version: maps (..., h, w) to (..., H, W) float32."""
    raise NotImplementedError
