"""How an exemplar is shown to a model that sees whole pictures: with only the unit's region left, cut to it, or with a line around it.

    masked     everything outside the mask is mid grey
    cropped    the box around the mask, with a margin; never less than a quarter of the picture's width and height
    outlined   the whole picture, with a bright line just outside the mask and a dark one beside it

A mask may have another size than its picture: it is over the whole picture, and its nearest pixels are taken.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dissect.errors import ShapeError, UsageError

VlView = Literal["masked", "cropped", "outlined"]
VIEWS: tuple[VlView, ...] = ("masked", "cropped", "outlined")
GREY = 127
MARGIN = 0.1
"""Of the box's own width and height, on each side."""
LEAST = 0.25
"""Of the picture's width and height: a smaller piece shows texture and no thing."""
BRIGHT, DARK = (255, 255, 0), (0, 0, 0)

BoolArray = NDArray[np.bool_]


def shown(picture: Image.Image, mask: BoolArray, view: VlView) -> Image.Image:
    """The RGB picture as a model is shown it. mask (H, W): where the unit is active, over the whole picture.

    Raises:
        ShapeError: the mask is not flat, or empty. UsageError: there is no such view.
    """
    if mask.ndim != 2 or not mask.any():
        raise ShapeError(f"a mask of shape {mask.shape} with {int(mask.sum())} pixels; a flat one with a pixel is needed.")
    fitted = _fitted(mask, picture.size)
    if view == "masked":
        pixels = np.asarray(picture.convert("RGB"))
        return Image.fromarray(np.where(fitted[:, :, None], pixels, np.uint8(GREY)))
    if view == "cropped":
        return picture.convert("RGB").crop(box(fitted))
    if view == "outlined":
        return _outlined(picture.convert("RGB"), fitted)
    raise UsageError(f"there is no view {view!r}. Choose one of {', '.join(VIEWS)}.")


def box(mask: BoolArray) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) around a mask with a pixel, with the margin and at least the least size, inside the picture."""
    top, bottom = _span(np.atleast_1d(mask.any(axis=1)))
    left, right = _span(np.atleast_1d(mask.any(axis=0)))
    return left, top, right, bottom


def _span(on: BoolArray) -> tuple[int, int]:
    """First and last + 1 of the places that are on, widened by the margin and to the least size, inside 0..len."""
    places = np.flatnonzero(on)
    first, length = int(places[0]), int(places[-1]) + 1 - int(places[0])
    wanted = min(len(on), max(round(length * (1 + 2 * MARGIN)), round(len(on) * LEAST), 1))
    start = min(max(first - (wanted - length) // 2, 0), len(on) - wanted)
    return start, start + wanted


def _fitted(mask: BoolArray, size: tuple[int, int]) -> BoolArray:
    """The mask at a picture's (width, height). A mask that loses its last pixel on the way keeps its centre of gravity."""
    if mask.shape == size[::-1]:
        return mask
    fitted = np.asarray(Image.fromarray(mask.astype(np.uint8)).resize(size, Image.Resampling.NEAREST)).astype(np.bool_)
    if not fitted.any():
        rows, columns = np.nonzero(mask)
        row, column = (rows.mean() + 0.5) / mask.shape[0], (columns.mean() + 0.5) / mask.shape[1]
        fitted[int(row * size[1]), int(column * size[0])] = True
    return fitted


def _outlined(picture: Image.Image, mask: BoolArray) -> Image.Image:
    pixels = np.array(picture)
    thick = max(1, round(min(picture.size) / 100))
    bright = _grown(mask, thick)
    pixels[_grown(bright, thick) & ~bright] = DARK
    pixels[bright & ~mask] = BRIGHT
    return Image.fromarray(pixels)


def _grown(mask: BoolArray, by: int) -> BoolArray:
    """Every pixel within `by` rows and columns of the mask."""
    grown = mask.copy()
    for axis in (0, 1):
        part = grown.copy()
        for step in range(1, by + 1):
            ahead, behind = (slice(step, None), slice(None, -step)) if axis == 0 else (np.s_[:, step:], np.s_[:, :-step])
            part[ahead] |= grown[behind]
            part[behind] |= grown[ahead]
        grown = part
    return grown
