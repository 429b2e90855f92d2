"""Picture files as people have them: whole ones of every kind, and broken ones made from them by rule."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

SIZE = (23, 17)


def picture(seed: int = 0, size: tuple[int, int] = SIZE) -> Image.Image:
    """A noisy RGB picture (noise keeps compressed files long, so that a cut really cuts)."""
    width, height = size
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The bytes of a picture file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def whole_files() -> dict[str, bytes]:
    """One good file of each kind."""
    image = picture()
    return {
        "png": saved(image, "PNG"),
        "jpg": saved(image, "JPEG", quality=95),
        "webp": saved(image, "WEBP", lossless=True),
        "bmp": saved(image, "BMP"),
        "tif": saved(image, "TIFF", compression="tiff_lzw"),
        "ppm": saved(image, "PPM"),
        "gif": saved(image.convert("L"), "GIF"),
    }


def chunk(name: bytes, data: bytes) -> bytes:
    """One chunk of a PNG, with its check sum."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_header(width: int, height: int, depth: int = 8, colour: int = 2) -> bytes:
    """A PNG that ends after a header promising `width` x `height` pixels."""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)) + chunk(b"IDAT", b"")


def animated(kind: str) -> bytes:
    """Three frames in one file."""
    frames = [picture(seed).convert("P" if kind == "GIF" else "RGB") for seed in (1, 2, 3)]
    return saved(frames[0], kind, save_all=True, append_images=frames[1:])


def cuts(parts: int = 16) -> Iterator[tuple[str, bytes]]:
    """Every kind of file, cut off at even steps of its length: never complete."""
    for suffix, data in whole_files().items():
        for step in range(parts):
            yield f"cut-{step}.{suffix}", data[: len(data) * step // (parts + 1)]


def hopeless() -> Iterator[tuple[str, bytes]]:
    """Files no picture can come out of."""
    yield "empty.jpg", b""
    yield "text.jpg", b"this is no picture\n" * 20
    yield "page.png", b"<!doctype html><title>404</title>"
    yield "zeros.png", bytes(5000)
    yield "ones.webp", b"\xff" * 5000
    yield "zip.png", b"PK\x03\x04" + bytes(100)
    yield "svg.png", b"<svg xmlns='http://www.w3.org/2000/svg'/>"
    yield "float.tif", saved(Image.fromarray(np.ones((4, 5), dtype=np.float32)), "TIFF")
    yield "negative.tif", saved(Image.fromarray(np.full((4, 5), -7, dtype=np.int32)), "TIFF")
    yield "huge-ints.tif", saved(Image.fromarray(np.full((4, 5), 70_000, dtype=np.int32)), "TIFF")
    for width, height in ((30_000, 30_000), (10_001, 10_000), (2**31 - 1, 2**31 - 1), (100_000_001, 1), (14_000, 14_000)):
        yield f"bomb-{width}.png", png_header(width, height)
        yield f"bomb-{width}.jpg", png_header(width, height)
    yield "bomb.bmp", b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 30_000, 30_000, 1, 24, 0, 0, 0, 0, 0, 0)
    yield "bomb.ppm", b"P6 30000 30000 255\n"
    yield "zero-wide.png", png_header(0, 5)
    yield "zero-high.ppm", b"P6 5 0 255\n"
    for kind in ("GIF", "PNG", "WEBP", "TIFF"):
        yield f"animated.{kind.lower()}", animated(kind)
        yield f"animated-{kind.lower()}.jpg", animated(kind)
    for orientation in (5, 6, 7, 8):
        exif = Image.Exif()
        exif[0x0112] = orientation
        yield f"turned-{orientation}.tif", saved(picture(), "TIFF", exif=exif)


def scrambled(count: int = 20) -> Iterator[tuple[str, bytes]]:
    """Every kind of file with a few bytes changed at random: some still show a picture, none may do worse than an ImageError."""
    random = np.random.default_rng(5)
    for suffix, data in whole_files().items():
        for number in range(count):
            changed = bytearray(data)
            for place in random.integers(0, min(len(data), 200 if number % 2 else len(data)), size=1 + number % 5):
                changed[int(place)] = int(random.integers(0, 256))
            yield f"scrambled-{number}.{suffix}", bytes(changed)
