"""Pictures and label PNGs, read with Pillow. What is wrong with a file is found before it is decoded where the header tells it.

Pictures come out as upright 8-bit RGB. Content decides, never the suffix. Greyscale becomes equal channels; 16-bit grey keeps its
whole range (65,535 becomes 255), floating-point pixels have no range and are refused; CMYK goes through Pillow's plain conversion;
transparency is laid over white. Animations and multi-page files are refused, because no frame is *the* picture.
"""

from __future__ import annotations

import math
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from dissect.concepts.model import LabelMap
from dissect.errors import DataError, ImageError, LabelMapError

MOST_PIXELS = 100_000_000
"""A picture of more pixels is refused by its header."""

LOSSY = ("JPEG", "MPO", "JPEG2000", "AVIF", "WEBP")
"""Formats that change label ids when they are written, or may."""

_ORIENTATION = 0x0112


@dataclass(frozen=True, slots=True)
class Frame:
    """Size (width, height) of a picture as stored, and its EXIF orientation 1..8."""

    size: tuple[int, int]
    orientation: int

    @property
    def swaps(self) -> bool:
        """Whether turning upright exchanges width and height."""
        return self.orientation >= 5

    @property
    def upright(self) -> tuple[int, int]:
        """(width, height) after turning."""
        return (self.size[1], self.size[0]) if self.swaps else self.size


def open_image(path: Path) -> Image.Image:
    """A picture as upright 8-bit RGB.

    Raises:
        ImageError: missing, empty, truncated, not a picture, too large, animated, or of a kind nobody can show; the message names
            the file, the fault and the remedy.
    """
    with _opened(path, ImageError) as image:
        return _rgb(path, _upright(image))


def frame(path: Path) -> Frame:
    """Size and orientation from the header, without decoding.

    Raises:
        ImageError: as `open_image`, as far as the header tells.
    """
    with _opened(path, ImageError) as image:
        return Frame(image.size, _orientation(image))


def read_label_png(path: Path) -> NDArray[np.uint8 | np.uint16]:
    """A label map as it is stored: grey or palette *indices* (h, w) uint8, 16-bit grey (h, w) uint16, RGB (h, w, 3) uint8.

    An alpha channel beside RGB or grey is refused: nobody can tell what it means for ids.

    Raises:
        LabelMapError: missing, damaged, too large, animated, or stored in a lossy format; names the file, the fault and the remedy.
    """
    with _opened(path, LabelMapError) as image:
        if image.format in LOSSY or image.info.get("compression") == "jpeg":
            raise LabelMapError(f"{path} is a {image.format}, which changes label ids when it is written. Save label maps as PNG.")
        if image.mode in ("L", "P", "RGB"):
            return np.asarray(image)
        if image.mode == "1":
            return np.asarray(image).astype(np.uint8)
        if image.mode in ("I;16", "I;16B", "I;16L", "I"):
            return _sixteen_bit(path, np.asarray(image))
        raise LabelMapError(f"{path} has pixels of kind {image.mode}. Save label maps as PNG: grey, palette, 16-bit grey or RGB.")


def fit_labels(ids: LabelMap, shape: Frame, image: Path, *, any_aspect: bool = False) -> LabelMap:
    """A label map (h, w) turned as its picture is turned.

    A map of the stored size turns with the picture; one that already has the upright size is left. Of other sizes (half
    resolution, say) the nearer proportions decide, upright at a tie. Turns that keep the size (180 degrees, mirrors, square pictures)
    always turn the map.

    Raises:
        LabelMapError: the map has neither's proportions (unless any_aspect, where it is left as it is).
    """
    height, width = ids.shape
    if shape.orientation == 1:
        fits, turn = _alike((width, height), shape.size), False
    elif not shape.swaps or shape.size[0] == shape.size[1]:
        fits, turn = _alike((width, height), shape.size), True
    else:
        upright, stored = _alike((width, height), shape.upright), _alike((width, height), shape.size)
        turn = stored and _apart((width, height), shape.size) < _apart((width, height), shape.upright)
        fits = upright or stored
    if not fits and not any_aspect:
        raise LabelMapError(
            f"the label map of {image} has {width}x{height} pixels, the picture {shape.size[0]}x{shape.size[1]}: they cannot show the "
            "same area. Remove the image or mend its map."
        )
    return np.ascontiguousarray(turned(ids, shape.orientation)) if turn else ids


def turned(array: LabelMap, orientation: int) -> LabelMap:
    """An array (h, w) as stored, turned upright by an EXIF orientation 1..8. Source: EXIF 2.3, tag 0x0112."""
    steps = {
        1: array,
        2: array[:, ::-1],
        3: array[::-1, ::-1],
        4: array[::-1],
        5: array.T,
        6: array.T[:, ::-1],
        7: array[::-1, ::-1].T,
        8: array.T[::-1],
    }
    return steps[orientation]


def _alike(size: tuple[int, int], other: tuple[int, int]) -> bool:
    """Equal proportions: within 2 %, or within 10 % where rounding the sides to whole pixels explains it."""
    (width, height), (wide, high) = size, other
    rounding = (width - 1) * high < wide * (height + 1) and (width + 1) * high > wide * (height - 1)
    return _apart(size, other) <= (math.log(1.1) if rounding else math.log(1.02))


def _apart(size: tuple[int, int], other: tuple[int, int]) -> float:
    """How far two proportions are apart: |log| of their ratio."""
    return abs(math.log(size[0] * other[1] / (size[1] * other[0])))


_quiet_lock = threading.Lock()
_quiet_users: list[warnings.catch_warnings[None]] = []
_quiet_depth = [0]


@contextmanager
def _quiet() -> Iterator[None]:
    """No warnings of Pillow while any thread is inside. Filters belong to the process, so the first thread in sets them and the last
    one out puts them back; `warnings.catch_warnings` in each thread would let them restore each other's."""
    with _quiet_lock:
        _quiet_depth[0] += 1
        if _quiet_depth[0] == 1:
            _quiet_users.append(warnings.catch_warnings())
            _quiet_users[0].__enter__()
            warnings.filterwarnings("ignore", module=r"(PIL|dissect\.concepts)\b")
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet_depth[0] -= 1
            if _quiet_depth[0] == 0:
                _quiet_users.pop().__exit__(None, None, None)


@contextmanager
def _opened(path: Path, kind: type[DataError]) -> Iterator[Image.Image]:
    """Open a file with every failure turned into `kind`, and no warning let through."""
    try:
        with _quiet(), Image.open(path) as image:
            _refuse_by_header(path, image, kind)
            yield image
    except DataError:
        raise
    except FileNotFoundError as error:
        raise kind(f"there is no {path}. Put the file there, or take it out of the data set.") from error
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError, EOFError, MemoryError) as error:
        _explain(path, kind, error)
    except Exception as error:  # Pillow's parsers raise whatever a damaged header makes them raise
        raise kind(f"{path} cannot be decoded: {type(error).__name__}: {error}. Save the picture again, or remove it.") from error


def _refuse_by_header(path: Path, image: Image.Image, kind: type[DataError]) -> None:
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise kind(f"{path} has {width}x{height} pixels; at most {MOST_PIXELS:,} are read. Make it smaller, or remove it.")
    if width < 1 or height < 1:
        raise kind(f"{path} has {width}x{height} pixels. Remove it.")
    if image.format == "TIFF" and _orientation(image) >= 5:
        # Pillow 13 mixes up the rows of some of these while it turns them itself.
        raise kind(f"{path} is a TIFF that is to be turned by 90 degrees. Save it upright, as PNG.")
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
        raise kind(f"{path} is an animation of {getattr(image, 'n_frames', 0)} frames. Save the wanted frame as a picture of its own.")


def _explain(path: Path, kind: type[DataError], error: BaseException) -> NoReturn:
    try:
        empty = path.stat().st_size == 0
    except OSError:
        empty = False
    if isinstance(error, Image.DecompressionBombError):
        what, remedy = f"has more than {MOST_PIXELS:,} pixels", "Make it smaller, or remove it."
    elif empty:
        what, remedy = "is empty (0 bytes)", "Get the file again, or remove it."
    elif isinstance(error, UnidentifiedImageError):
        what, remedy = "is not a picture that can be read", "Save it as PNG or JPEG, or remove it."
    elif isinstance(error, PermissionError | IsADirectoryError):
        what, remedy = f"cannot be opened ({error.strerror})", "Check the file and its permissions."
    else:
        what, remedy = f"is damaged ({error})", "Get the file again, or remove it."
    raise kind(f"{path} {what}. {remedy}") from error


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # a damaged EXIF block is no reason to lose the picture
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _upright(image: Image.Image) -> Image.Image:
    image.load()
    orientation = _orientation(image)  # after loading: a TIFF is turned by then, and says so
    methods = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    return image.transpose(methods[orientation]) if orientation in methods else image


def _rgb(path: Path, image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise ImageError(f"{path} has floating-point pixels, whose range nobody knows. Save it with 8 bits a channel.")
    if image.mode.startswith("I"):
        grey = (_sixteen_bit(path, np.asarray(image), ImageError).astype(np.uint32) + 128) // 257
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        seen = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen).convert("RGB")
    return image.convert("RGB")


def _sixteen_bit(path: Path, values: NDArray[np.integer], kind: type[DataError] = LabelMapError) -> NDArray[np.uint16]:
    if values.size and (int(values.min()) < 0 or int(values.max()) > 65_535):
        raise kind(f"{path} holds values outside 0..65535. Save it with 8 or 16 bits a pixel.")
    return values.astype(np.uint16)
