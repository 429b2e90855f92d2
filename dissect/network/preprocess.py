"""From a picture to a network's input, and which part of the picture that shows.

One chain covers the published habits: resize by a rule, then cut or pad to the input size about the centre, then
`(value * scale - mean) / std` per channel. The view is computed from the same placement as the pixels, so they cannot disagree.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dissect.errors import CardError, ImageError

if TYPE_CHECKING:
    from dissect.network.model import GeometryKind, View

Triple = tuple[float, float, float]

INTERPOLATIONS: Mapping[str, Image.Resampling] = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
IMAGENET_MEAN: Triple = (0.485, 0.456, 0.406)
IMAGENET_STD: Triple = (0.229, 0.224, 0.225)
LARGEST_RESIZE = 64_000_000
"""Most pixels a resized picture may have: a strip of 20,000 x 1 pixels must not become one of gigabytes."""


@dataclass(frozen=True)
class Preprocessing:
    """How a network wants its pictures.

    size: (height, width) of the input. resize: `squash` to `resize_to` whatever the aspect ratio, or keep the ratio and bring the
    `shortest` or `longest` side to it; `resize_to` is (height, width) for squash, (side,) otherwise, and None means the input size
    (its smaller side for `shortest`; for `longest` the picture is fitted into the input). What is then too large is cut about the
    centre, what is too small is padded with `fill` (red, green, blue, 0..255).
    scale, mean, std: a value v of 0..255 becomes (v * scale - mean) / std. channels: `RGB` or `BGR`, the order of the
    input's channels; mean and std are in the same order. odd_crop: where an odd number of pixels is cut, the half at the left and top
    is rounded to `even` (torchvision, timm) or is the `less` (transformers).
    """

    size: tuple[int, int]
    resize: Literal["squash", "shortest", "longest"] = "squash"
    resize_to: tuple[int, ...] | None = None
    interpolation: str = "bilinear"
    scale: float = 1 / 255
    mean: Triple = (0.0, 0.0, 0.0)
    std: Triple = (1.0, 1.0, 1.0)
    channels: Literal["RGB", "BGR"] = "RGB"
    fill: tuple[int, int, int] = (0, 0, 0)
    odd_crop: Literal["even", "less"] = "even"

    def __post_init__(self) -> None:
        faults = list(_faults(self))
        if faults:
            raise CardError("preprocessing: " + "; ".join(faults) + ".")

    def describe(self) -> str:
        """Everything that changes a bit of the input, as one line for the fingerprint."""
        return (
            f"{self.size[0]}x{self.size[1]} {self.resize} {self.resize_to} {self.interpolation} "
            f"*{self.scale!r} -{self.mean} /{self.std} {self.channels} fill {self.fill} {self.odd_crop}"
        )


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the picture lands: resized to (width, height), its left upper corner at (x, y) of the input."""

    width: int
    height: int
    x: int
    y: int


def placement(how: Preprocessing, image_size: tuple[int, int], geometry: GeometryKind) -> Placement:
    """Size and place of a picture of (width, height) on the input, under a geometry.

    Raises:
        ImageError: the picture is empty, or so narrow that the network's own resizing would blow it up beyond all memory.
    """
    width, height = image_size
    if width < 1 or height < 1:
        raise ImageError(f"a picture of {width} x {height} pixels shows nothing. Remove it from the data set.")
    if geometry == "squash":
        return Placement(how.size[1], how.size[0], 0, 0)
    new_width, new_height = _resized(how, width, height)
    if new_width * new_height > LARGEST_RESIZE:
        raise ImageError(
            f"a picture of {width} x {height} pixels is too narrow for this network's own resizing. Use --geometry squash or leave it out."
        )
    return Placement(new_width, new_height, _centred(how, how.size[1], new_width), _centred(how, how.size[0], new_height))


def view(how: Preprocessing, image_size: tuple[int, int], geometry: GeometryKind) -> View:
    """The part of a picture of (width, height) that the input shows, in source pixels; negative or beyond where it was padded."""
    from dissect.network.model import View

    width, height = image_size
    place = placement(how, image_size, geometry)
    across, down = width / place.width, height / place.height
    return View(
        left=-place.x * across,
        top=-place.y * down,
        right=(how.size[1] - place.x) * across,
        bottom=(how.size[0] - place.y) * down,
        width=width,
        height=height,
    )


def prepare(how: Preprocessing, image: Image.Image, geometry: GeometryKind) -> NDArray[np.float32]:
    """One upright picture to the network's input (3, height, width), float32."""
    picture = image if image.mode == "RGB" else image.convert("RGB")
    place = placement(how, picture.size, geometry)
    if (place.width, place.height) != picture.size:
        picture = picture.resize((place.width, place.height), INTERPOLATIONS[how.interpolation])
    height, width = how.size
    if picture.size != (width, height):
        canvas = Image.new("RGB", (width, height), how.fill)
        canvas.paste(picture, (place.x, place.y))
        picture = canvas
    pixels = np.asarray(picture)
    table = _table(how)
    values = np.empty((3, height, width), np.float32)
    for channel, source in enumerate((0, 1, 2) if how.channels == "RGB" else (2, 1, 0)):
        np.take(table[channel], pixels[:, :, source], out=values[channel], mode="clip")
    return values


@functools.lru_cache(maxsize=16)
def _table(how: Preprocessing) -> NDArray[np.float32]:
    """The input value of every pixel value: (3, 256). Computed in float32 in the usual order, so bits agree with per-pixel arithmetic."""
    grey = np.arange(256, dtype=np.float32)
    # 1/255 is nearly always meant as a division, and v / 255 is not v * (1/255) to the last bit
    scaled = grey / np.float32(255) if how.scale == 1 / 255 else grey * np.float32(how.scale)
    rows = [(scaled - np.float32(mean)) / np.float32(std) for mean, std in zip(how.mean, how.std, strict=True)]
    return np.stack(rows).astype(np.float32)


def _resized(how: Preprocessing, width: int, height: int) -> tuple[int, int]:
    if how.resize == "squash":
        target = how.resize_to or how.size
        return target[1], target[0]
    if how.resize == "shortest":
        side = how.resize_to[0] if how.resize_to else min(how.size)
        # the longer side is cut off, not rounded: so do torchvision and transformers
        return (side, max(1, int(side * height / width))) if width <= height else (max(1, int(side * width / height)), side)
    factor = how.resize_to[0] / max(width, height) if how.resize_to else min(how.size[1] / width, how.size[0] / height)
    return max(1, round(width * factor)), max(1, round(height * factor))


def _centred(how: Preprocessing, room: int, length: int) -> int:
    """Offset of a picture of `length` in `room`: negative where it is cut; padded with the smaller half first."""
    if length > room:
        return -round((length - room) / 2) if how.odd_crop == "even" else -((length - room) // 2)
    return (room - length) // 2


def _faults(how: Preprocessing) -> list[str]:
    faults = []
    if len(how.size) != 2 or any(not 1 <= side <= 8192 for side in how.size):
        faults.append(f"size {how.size} is not (height, width) of 1 to 8192")
    if how.resize not in ("squash", "shortest", "longest"):
        faults.append(f"resize {how.resize!r} is not squash, shortest or longest")
    wanted = 2 if how.resize == "squash" else 1
    if how.resize_to is not None and (len(how.resize_to) != wanted or any(not 1 <= side <= 8192 for side in how.resize_to)):
        faults.append(f"resize_to {how.resize_to} must be {wanted} number(s) of 1 to 8192 with resize {how.resize}")
    if how.interpolation not in INTERPOLATIONS:
        faults.append(f"interpolation {how.interpolation!r} is none of {', '.join(INTERPOLATIONS)}")
    if how.channels not in ("RGB", "BGR"):
        faults.append(f"channels {how.channels!r} is not RGB or BGR")
    if not all(np.isfinite(value) for value in (*how.mean, *how.std, how.scale)) or 0 in how.std or how.scale == 0:
        faults.append("mean, std and scale must be finite, std and scale not 0")
    if len(how.fill) != 3 or any(not 0 <= value <= 255 for value in how.fill):
        faults.append(f"fill {how.fill} is not three values of 0 to 255")
    return faults
