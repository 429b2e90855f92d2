"""The files of one picture, and what of it is counted for label.csv and the category tables."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dissect import atomic
from dissect.concepts.procedural.canvas import LABEL, PLANES, SIDE
from dissect.concepts.procedural.names import CATEGORIES, CONCEPTS, NUMBER, TEXTURES
from dissect.concepts.procedural.pictures import Picture, picture

QUALITY = 92
A_FOLDER = 500
"""Pictures a sub-folder."""


@dataclass
class Tally:
    """Counts over pictures. images, pixels: (categories, C + 1) pictures with, and label pixels of, each concept by category.

    rows: picture number to its lines of index.csv and attributes.csv.
    """

    images: NDArray[np.int64] = field(default_factory=lambda: np.zeros((len(CATEGORIES), len(CONCEPTS) + 1), dtype=np.int64))
    pixels: NDArray[np.int64] = field(default_factory=lambda: np.zeros((len(CATEGORIES), len(CONCEPTS) + 1), dtype=np.int64))
    rows: dict[int, tuple[list[str], dict[str, str]]] = field(default_factory=dict)

    def add(self, other: Tally) -> None:
        """Take in the counts of other pictures."""
        self.images += other.images
        self.pixels += other.pixels
        self.rows |= other.rows


def image_key(index: int) -> str:
    """Name of a picture below images/."""
    return f"{index // A_FOLDER:02d}/{index:05d}.jpg"


def write_pictures(folder: Path, seed: int, indices: range, split: str) -> Tally:
    """Draw and write these pictures with their planes below `folder`/images, which must be there."""
    tally = Tally()
    for index in indices:
        drawn = picture(seed, index)
        name = folder / "images" / image_key(index)
        atomic.write_inside(name, jpeg(drawn.image))
        cells = _write_planes(name, drawn, tally)
        tally.rows[index] = ([image_key(index), split, *map(str, (SIDE, SIDE, LABEL, LABEL)), *cells], dict(drawn.attributes))
    return tally


def jpeg(image: Image.Image) -> bytes:
    """The picture as a JPEG file."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY, subsampling=0)
    return buffer.getvalue()


def plane_png(ids: NDArray[np.uint16]) -> bytes:
    """A plane as Broden's PNG: R + 256 * G is the concept's number."""
    rgb = np.stack([ids & 255, ids >> 8, np.zeros_like(ids)], axis=-1).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _write_planes(name: Path, drawn: Picture, tally: Tally) -> list[str]:
    """Write the planes that are not empty; the cells of index.csv, in the order of the categories."""
    cells: dict[str, list[str]] = {category: [] for category in CATEGORIES}
    masks: dict[str, list[NDArray[np.uint16]]] = {category: [] for category in CATEGORIES}
    for category, ids in zip(PLANES, drawn.planes, strict=True):
        if ids.any():
            file = name.with_name(f"{name.stem}_{category}_{len(cells[category])}.png")
            atomic.write_inside(file, plane_png(ids))
            cells[category].append(f"{name.parent.name}/{file.name}")
            masks[category].append(ids)
    for concept in drawn.whole:
        category = "texture" if concept in TEXTURES else "scene"
        cells[category].append(str(NUMBER[concept]))
        masks[category] = [np.full((LABEL, LABEL), NUMBER[concept], dtype=np.uint16)]
    for place, category in enumerate(CATEGORIES):
        counts = np.zeros(len(CONCEPTS) + 1, dtype=np.int64)
        for ids in masks[category]:
            counts += np.bincount(ids.ravel(), minlength=len(CONCEPTS) + 1)
        counts[0] = 0
        tally.pixels[place] += counts
        tally.images[place] += counts > 0
    return [";".join(cells[category]) for category in CATEGORIES]
