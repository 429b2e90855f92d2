"""Top images of every unit. Stub: signatures of the functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dissect.probe.maps import MapArray
from dissect.probe.tables import Exemplars, Int32
from dissect.probe.threshold import Thresholds
from dissect.probe.upsample import Grid


@dataclass
class TopImages:
    """Running top K: image (U, K) int32 (-1 = none) and activation (U, K) float32 (-inf = none), best first; ties by image index."""

    image: Int32
    activation: NDArray[np.float32]

    @classmethod
    def empty(cls, units: int, count: int = 15) -> TopImages:
        """Nothing seen yet."""
        raise NotImplementedError

    def update(self, maxima: NDArray[np.float32], first: int, included: NDArray[np.bool_] | None = None) -> None:
        """Take in maxima (n, U) of images first..first+n-1, in any order of calls."""
        raise NotImplementedError

    def merge(self, other: TopImages) -> None:
        """Take in another running top K."""
        raise NotImplementedError


def pack_mask(mask: NDArray[np.bool_]) -> bytes:
    """zlib of packbits."""
    raise NotImplementedError


def unpack_mask(packed: bytes, size: tuple[int, int]) -> NDArray[np.bool_]:
    """The inverse."""
    raise NotImplementedError


def exemplars(top: TopImages, read_map: Callable[[int, int], MapArray], thresholds: Thresholds, over: Grid) -> Exemplars:
    """With masks. `read_map(image_index, unit)` gives a map (p,); it is asked only for maps whose maximum is above the cut."""
    raise NotImplementedError
