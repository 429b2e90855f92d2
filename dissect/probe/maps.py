"""The activation maps of one shard of images, dense or sparse, as the later steps read them.

Letters: n images of the shard, U units, p = h * w positions of a map, R stored maps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dissect.errors import CacheError, ShapeError

MapArray = NDArray[np.float16] | NDArray[np.float32]


@dataclass(frozen=True)
class MapShard:
    """Maps of one layer for one shard.

    values (R, p): stored maps, float16 or float32, may be memory-mapped. maxima (n, U) float32: spatial maximum of every map, also
    of those that are not stored. included (n,) bool: False for images that were skipped; what their rows hold is never read.
    row (n, U) int32: which of `values` is the map of an image and unit, -1 where it is not stored; None for dense shards,
    where it is image * U + unit.
    """

    values: MapArray
    maxima: NDArray[np.float32]
    included: NDArray[np.bool_]
    map_size: tuple[int, int]
    row: NDArray[np.int32] | None = None

    def __post_init__(self) -> None:
        images, units = self.maxima.shape
        if self.values.ndim != 2 or self.values.shape[1] != self.map_size[0] * self.map_size[1]:
            raise ShapeError(f"maps of shape {self.values.shape} do not hold {self.map_size[0]} x {self.map_size[1]} positions each.")
        if self.included.shape != (images,):
            raise ShapeError(f"{images} images, but a mask of shape {self.included.shape} says which are included.")
        if self.row is None and len(self.values) != images * units:
            raise ShapeError(f"{len(self.values)} maps for {images} images of {units} units; a sparse shard needs its row table.")
        if self.row is not None and self.row.shape != (images, units):
            raise ShapeError(f"a row table of shape {self.row.shape} for {images} images of {units} units.")

    @classmethod
    def dense(cls, maps: MapArray, maxima: NDArray[np.float32], included: NDArray[np.bool_], map_size: tuple[int, int]) -> MapShard:
        """From maps (n, U, p)."""
        return cls(maps.reshape(-1, maps.shape[-1]), maxima, included, map_size)

    @property
    def units(self) -> int:
        """Number of units U."""
        return int(self.maxima.shape[1])

    def pairs_above(self, cut: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(image, unit) of every included map whose maximum is above the unit's `cut` (U,), images ascending, then units."""
        above = self.maxima > cut
        above &= self.included[:, None]
        image, unit = np.nonzero(above)
        return image, unit

    def rows(self, image: NDArray[np.int64], unit: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where the maps of these (image, unit) pairs lie in `values`.

        Raises:
            CacheError: one of them was not stored.
        """
        if self.row is None:
            return image * self.units + unit
        found = self.row[image, unit].astype(np.int64)
        if len(found) and found.min() < 0:
            missing = int(np.argmin(found))
            raise CacheError(
                f"the map of image {image[missing]} of this shard and unit {unit[missing]} was not kept, and it is needed. "
                "Delete the run's activations, or raise --cache-limit, and run again."
            )
        return found
