"""Exact thresholds from histograms. Stub: signatures of the functions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dissect.probe.histogram import Histogram
from dissect.probe.profile import Profile
from dissect.probe.tables import Int32, Int64


@dataclass(frozen=True)
class Thresholds:
    """value (U,) float64: T. cut (U,) float32: a position or pixel is active where its float32 value is > cut (+inf for dead and constant
    units; just below T for saturated ones). state (U,): ok, dead, constant, saturated. active_positions (U,) int64 of raw positions > cut.
    positions: values per unit."""

    value: NDArray[np.float64]
    cut: NDArray[np.float32]
    state: tuple[str, ...]
    active_positions: Int64
    positions: int


def coarse_bins(histogram: Histogram, quantile: float, profile: Profile) -> Int32:
    """float32 only: the (U, 2) coarse keys that `histogram.refine` must resolve."""
    raise NotImplementedError


def thresholds(histogram: Histogram, quantile: float, profile: Profile, refined: Histogram | None = None) -> Thresholds:
    """T of every unit. float32 histograms need `refined`: the merged `refine` of all shards at `coarse_bins`."""
    raise NotImplementedError
