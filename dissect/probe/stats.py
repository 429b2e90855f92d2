"""Unit statistics from histograms. Stub: signatures of the functions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dissect.probe.histogram import Histogram
from dissect.probe.tables import Int32, Int64, UnitStats
from dissect.probe.threshold import Thresholds


def active_images(maxima: NDArray[np.float32], cut: NDArray[np.float32], included: NDArray[np.bool_]) -> Int64:
    """(U,) images of a shard with a position above the cut; add over shards."""
    raise NotImplementedError


def merge_hashes(hashes: Sequence[NDArray[np.uint64]]) -> NDArray[np.uint64]:
    """(U,) from the shards' unit hashes, in shard order."""
    raise NotImplementedError


def twins(unit_hash: NDArray[np.uint64], histogram: Histogram) -> Int32:
    """(U,) lowest unit with the same maps bit for bit, or -1."""
    raise NotImplementedError


def unit_stats(histogram: Histogram, thresholds: Thresholds, active: Int64, twin: Int32) -> UnitStats:
    """All of `tables.UnitStats`."""
    raise NotImplementedError
