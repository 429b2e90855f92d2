"""Regions of a picture, and planes that hold overlapping regions without losing a pixel.

Pixel rule: pixel (row r, column c) belongs to a polygon if its centre (c + 0.5, r + 0.5) is inside by the even-odd rule; a centre
exactly on a left or upper edge belongs, on a right or lower edge it does not. So polygons that share an edge neither overlap nor gape.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dissect.concepts.model import LabelMap, Plane
from dissect.errors import ShapeError

Mask = NDArray[np.bool_]
Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Region:
    """A mask (h, w) whose upper left pixel lies at (top, left) of the picture; everything around it is off."""

    top: int
    left: int
    mask: Mask

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the picture that the mask covers."""
        height, width = self.mask.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)

    @property
    def pixels(self) -> int:
        """Number of pixels that are on."""
        return int(self.mask.sum())

    def full(self, size: tuple[int, int]) -> Mask:
        """The mask (H, W) over the whole picture."""
        whole = np.zeros(size, dtype=np.bool_)
        whole[self.window] = self.mask
        return whole


def from_mask(mask: Mask) -> Region:
    """The smallest region that holds every pixel of a mask (H, W) that is on."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return Region(0, 0, np.zeros((0, 0), dtype=np.bool_))
    top, left = int(rows[0]), int(columns[0])
    return Region(top, left, mask[top : int(rows[-1]) + 1, left : int(columns[-1]) + 1])


def from_polygon(points: Points, size: tuple[int, int]) -> Region:
    """The pixels of a picture of (H, W) whose centres lie inside one closed polygon.

    points: (P, 2) of finite x, y in pixels, the upper left corner of the picture at (0, 0); may reach outside. The last point
    is joined to the first. Fewer than three points enclose nothing.

    Raises:
        ShapeError: points is not (P, 2).
    """
    if points.ndim != 2 or points.shape[1] != 2:
        raise ShapeError(f"a polygon of shape {points.shape} is not a list of x, y points (P, 2).")
    if len(points) < 3:
        return Region(0, 0, np.zeros((0, 0), dtype=np.bool_))
    left, right = _clip(points[:, 0], size[1])
    top, bottom = _clip(points[:, 1], size[0])
    rows, columns = _crossings(points, top, bottom)
    columns = np.clip(columns, left, right) - left
    width = right - left + 1  # one column more, for edges at or beyond the right side
    crossed = np.bincount((rows - top) * width + columns, minlength=(bottom - top) * width).reshape(bottom - top, width)
    inside = np.bitwise_xor.accumulate((crossed & 1).astype(np.uint8), axis=1)[:, :-1]
    return Region(top, left, inside.astype(np.bool_))


def from_disc(x: float, y: float, radius: float, size: tuple[int, int]) -> Region:
    """The pixels whose centres lie within `radius` of (x, y), and always the pixel that holds (x, y) if it is in the picture."""
    left, right = _clip(np.array([x - radius - 1, x + radius + 1]), size[1])
    top, bottom = _clip(np.array([y - radius - 1, y + radius + 1]), size[0])
    rows, columns = np.arange(top, bottom) + 0.5, np.arange(left, right) + 0.5
    mask = (columns[None, :] - x) ** 2 + (rows[:, None] - y) ** 2 <= radius**2
    mask |= (np.floor(rows) == np.floor(y))[:, None] & (np.floor(columns) == np.floor(x))[None, :]
    return Region(top, left, mask)


def union(regions: list[Region]) -> Region:
    """The pixels that are on in any of the regions."""
    held = [region for region in regions if region.mask.size]
    if len(held) == 1:
        return held[0]
    if not held:
        return Region(0, 0, np.zeros((0, 0), dtype=np.bool_))
    top, left = min(region.top for region in held), min(region.left for region in held)
    bottom, right = max(region.window[0].stop for region in held), max(region.window[1].stop for region in held)
    mask = np.zeros((bottom - top, right - left), dtype=np.bool_)
    for region in held:
        height, width = region.mask.shape
        mask[region.top - top : region.top - top + height, region.left - left : region.left - left + width] |= region.mask
    return Region(top, left, mask)


@dataclass
class PlaneStack:
    """As many planes (H, W) of one category as overlapping regions need, so that every region keeps all its pixels.

    A region goes to the first plane where it covers no pixel of another concept; regions of one concept may share a plane.
    """

    category: str
    size: tuple[int, int]
    _maps: list[LabelMap] = field(default_factory=list)

    def add(self, concept: int, region: Region) -> None:
        """Paint `concept` over the region's pixels."""
        if not region.mask.any():
            return
        window = region.window
        for ids in self._maps:
            covered = ids[window][region.mask]
            if not ((covered != 0) & (covered != concept)).any():
                break
        else:
            ids = np.zeros(self.size, dtype=np.uint16)
            self._maps.append(ids)
        ids[window][region.mask] = concept

    def planes(self) -> tuple[Plane, ...]:
        """What was painted, first plane first; at least one plane, so that an empty picture has an empty map."""
        maps = self._maps or [np.zeros(self.size, dtype=np.uint16)]
        return tuple(Plane(self.category, ids) for ids in maps)


def _clip(values: Points, limit: int) -> tuple[int, int]:
    """First and last + 1 pixel whose centre may lie between the least and the largest value."""
    low, high = np.clip(np.ceil(np.array([values.min(), values.max()]) - 0.5), 0, limit)
    return int(low), int(high)


def _crossings(points: Points, top: int, bottom: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and first column right of the edge, for every crossing of an edge with a row of pixel centres.

    An edge is always followed downwards, so that two polygons that share it round it alike.
    """
    ends = np.roll(points, -1, axis=0)
    down = (points[:, 1] <= ends[:, 1])[:, None]
    upper, lower = np.where(down, points, ends), np.where(down, ends, points)
    first = np.clip(np.ceil(upper[:, 1] - 0.5), top, bottom).astype(np.int64)
    count = np.clip(np.ceil(lower[:, 1] - 0.5), top, bottom).astype(np.int64) - first
    edge = np.repeat(np.arange(len(points)), count)
    rows = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    height = lower[edge, 1] - upper[edge, 1]
    x = upper[edge, 0] + (rows + 0.5 - upper[edge, 1]) / height * (lower[edge, 0] - upper[edge, 0])
    return rows, np.ceil(x - 0.5).astype(np.int64)
