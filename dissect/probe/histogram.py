"""Exact, mergeable histograms of activations. Stub: signatures of the functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dissect.probe.maps import MapArray, MapShard
from dissect.probe.tables import Int32, Int64


@dataclass(frozen=True)
class Histogram:
    """Occupied bins only. offsets (U+1,) int64; keys (B,) uint16 ascending per unit; counts (B,) int64; low_sums (B,) int64 (float32:
    sum of the low 16 bits of the values in a bin, else empty); minimum, maximum (U,) float32."""

    dtype: str
    offsets: Int64
    keys: NDArray[np.uint16]
    counts: Int64
    low_sums: Int64
    minimum: NDArray[np.float32]
    maximum: NDArray[np.float32]

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Flat named arrays (prefix `histogram_`) for a shard file."""
        raise NotImplementedError

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], dtype: str) -> Histogram:
        """The inverse of `to_arrays`."""
        raise NotImplementedError


@dataclass(frozen=True)
class Measured:
    """One sweep over maps. maxima (n, U) float32 (-inf where not included); unit_hash (U,) uint64; bad: the first (image, unit) of the
    included ones with a NaN or infinite value, or None."""

    histogram: Histogram
    maxima: NDArray[np.float32]
    unit_hash: NDArray[np.uint64]
    bad: tuple[int, int] | None


def measure(maps: MapArray, included: NDArray[np.bool_] | None = None, start_hash: NDArray[np.uint64] | None = None) -> Measured:
    """Maps (n, U, p) float16 or float32, memory-mapped or not: histogram, maxima, per-unit hash (continues `start_hash`), first bad value.
    Best called with 200 images or more at a time."""
    raise NotImplementedError


def merge_histograms(histograms: Sequence[Histogram]) -> Histogram:
    """Sum; any order, same result."""
    raise NotImplementedError


def refine(shard: MapShard, bins: Int32) -> Histogram:
    """float32 only: exact counts of the low 16 key bits of values whose coarse key is bins (U, 2) (-1 = none; `threshold.coarse_bins`).
    Row 2u+j of the result belongs to bins[u, j]. Reads only maps whose maximum reaches the bin."""
    raise NotImplementedError
