"""Burnt-in redaction: what must not be seen is black in the picture itself, not drawn over it."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

MARGIN = 0.03
"""How far the black reaches beyond the mask, as a share of the picture's longer side: label maps end a little inside of what they mean."""


def redact(picture: Image.Image, mask: NDArray[np.bool_] | None) -> Image.Image:
    """A copy with black where the mask is on, and a little beyond; wholly black where there is no mask or an empty one.

    mask: (h, w) of any size, laid over the whole picture. An empty mask counts as none, since a label map that misses a person is more
    likely than a picture that is worth the risk.
    """
    if mask is None or mask.ndim != 2 or not mask.any():
        return Image.new("RGB", picture.size)
    width, height = picture.size
    fine = (max(width, mask.shape[1]), max(height, mask.shape[0]))
    covered = Image.fromarray(mask.astype(np.uint8) * 255).resize(fine, Image.Resampling.NEAREST)
    covered = _reduced(covered, picture.size)
    reach = 2 * max(1, round(MARGIN * max(width, height))) + 1
    black = np.asarray(covered.filter(ImageFilter.MaxFilter(reach))) > 0
    pixels = np.asarray(picture.convert("RGB")).copy()
    pixels[black] = 0
    return Image.fromarray(pixels)


def encoded(picture: Image.Image) -> bytes:
    """The picture as a lossless WebP without any metadata: a lossy one would let what is black bleed, and what is beside it into it."""
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(picture.convert("RGB"))).save(buffer, "WEBP", lossless=True)
    return buffer.getvalue()


def _reduced(mask: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The mask at a smaller size, on wherever any part of a pixel is covered."""
    if mask.size == size:
        return mask
    shares = mask.resize(size, Image.Resampling.BOX)
    return Image.fromarray(((np.asarray(shares) > 0) * 255).astype(np.uint8))
