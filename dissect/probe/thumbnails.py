"""Small pictures of exemplars, written while the picture is in memory anyway.

An image that enters some unit's running top list gets a provisional thumbnail. At the end those of the final exemplars stay, the
others go, and missing ones are made from the image file. A thumbnail is a JPEG named by the SHA-256 of the image file, followed by the
SHA-256 of its own bytes (readers ignore what follows the picture), so that a damaged one is recognised and made again. JPEG and not
WebP: a third more bytes, but a tenth of the time, and this is done for nearly every image of a small data set.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dissect import atomic
from dissect.concepts.contents import MISSING, content_hash
from dissect.concepts.images import open_image
from dissect.concepts.model import ImageRecord
from dissect.errors import ImageError
from dissect.network.model import Network, View
from dissect.probe.cache import Cache
from dissect.probe.exemplars import TopImages
from dissect.probe.feed import Picture, Shrink

_DIGEST = 32
_QUALITY = 85
_SOFT = 1.5
"""How far above its final size a picture is when whole factors have reduced it and resampling begins; less is faster and coarser."""


class Nobody:
    """A watcher that looks at nothing."""

    @property
    def shrink(self) -> Shrink | None:
        return None

    def see(self, layer: str, first: int, maxima: NDArray[np.float32], included: NDArray[np.bool_]) -> None:
        pass

    def look(self, small: Sequence[Picture]) -> None:
        pass


class Gallery:
    """Watches a pass and keeps thumbnails of what may become an exemplar. `count`: exemplars a unit; `pixels`: the shorter side."""

    def __init__(self, cache: Cache, records: Sequence[ImageRecord], network: Network, count: int, pixels: int) -> None:
        self._cache = cache
        self._records = records
        self._network = network
        self._count = count
        self._pixels = pixels
        self._top: dict[str, TopImages] = {}
        self._entered: set[int] = set()
        self._hashes: dict[int, str] = {}
        self._provisional: set[Path] = set()

    @property
    def shrink(self) -> Shrink | None:
        """How a decoded picture becomes a small one."""
        return self._small

    def see(self, layer: str, first: int, maxima: NDArray[np.float32], included: NDArray[np.bool_]) -> None:
        """Maxima (n, U) of images first..first+n-1 of a layer."""
        top = self._top.setdefault(layer, TopImages.empty(maxima.shape[1], self._count))
        top.update(maxima, first, included)
        self._entered.update(np.unique(top.image[(top.image >= first) & (top.image < first + len(maxima))]).tolist())

    def look(self, small: Sequence[Picture]) -> None:
        """Keep the small pictures of images that entered a top list."""
        for picture in small:
            if picture.index in self._entered and picture.small is not None:
                path = self.path(picture.index)
                if path is not None and not sound(path):
                    atomic.provisional(path, encode(picture.small))
                    self._provisional.add(path)
        self._entered.clear()

    def path(self, index: int) -> Path | None:
        """Where the thumbnail of an image belongs, None if the image file is gone."""
        sha256 = self.file_hash(index)
        return None if sha256 is None else self._cache.thumbnail(sha256, self._pixels)

    def file_hash(self, index: int) -> str | None:
        """SHA-256 of an image's file, None if it is gone."""
        if index not in self._hashes:
            found = content_hash(self._records[index].path)
            if found == MISSING:
                return None
            self._hashes[index] = found
        return self._hashes[index]

    def settle(self, final: Iterable[int]) -> dict[int, str]:
        """Keep the thumbnails of these images, make the missing ones, drop the others. Returns SHA-256 of the image files by index."""
        kept = {}
        for index in sorted(final):
            path = self.path(index)
            if path is not None and (self._settled(path) or self._made(index, path)):
                kept[index] = self._hashes[index]
        self.drop()
        return kept

    def drop(self) -> None:
        """Remove provisional thumbnails."""
        for path in self._provisional:
            atomic.discard(path)
        self._provisional.clear()

    def _settled(self, path: Path) -> bool:
        if path in self._provisional:
            atomic.settle(path)
            self._provisional.discard(path)
            return True
        return sound(path)

    def _made(self, index: int, path: Path) -> bool:
        try:
            with open_image(self._records[index].path) as image:
                atomic.provisional(path, encode(self._small(image, self._network)))
        except ImageError:
            return False
        atomic.settle(path)
        return True

    def _small(self, image: Image.Image, network: Network) -> Image.Image:
        return reduced(image, network.view(image.size), self._pixels)


def reduced(image: Image.Image, view: View, pixels: int) -> Image.Image:
    """What the network sees of an upright RGB picture, its shorter side `pixels` long, the longer at most twice that."""
    width, height = view.right - view.left, view.bottom - view.top
    scale = min(pixels / min(width, height), 2 * pixels / max(width, height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    box = view.left, view.top, view.right, view.bottom
    if box[0] < 0 or box[1] < 0 or box[2] > image.width or box[3] > image.height:
        edges = [round(edge) for edge in box]
        image = image.crop((edges[0], edges[1], max(edges[2], edges[0] + 1), max(edges[3], edges[1] + 1)))
        box = 0.0, 0.0, float(image.width), float(image.height)
    return image.resize(size, Image.Resampling.BILINEAR, box, _SOFT)


def encode(image: Image.Image) -> bytes:
    """JPEG, then the SHA-256 of it."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY)
    data = buffer.getvalue()
    return data + hashlib.sha256(data).digest()


def sound(path: Path) -> bool:
    """Whether a thumbnail is there, whole and undamaged."""
    try:
        data = path.read_bytes()
    except OSError:
        return False
    return len(data) > _DIGEST and hashlib.sha256(data[:-_DIGEST]).digest() == data[-_DIGEST:]
