"""Miniature data sets of every label format, written the way their publishers lay them out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dissect.concepts.base import FileSet
from dissect.concepts.card import load_card
from dissect.concepts.model import Labels
from dissect.concepts.open import open_set
from dissect.concepts.voc import palette

SIZE = (6, 8)
"""Height and width of every miniature picture."""


def picture(path: Path, size: tuple[int, int] = SIZE) -> None:
    """A flat picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size[::-1], (90, 120, 30)).save(path)


def png(path: Path, array: NDArray[Any], mode: str | None = None) -> Path:
    """An array as PNG; mode "P" with the palette of VOC."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(array)
    if mode == "P":
        image = image.convert("L")
        image.putpalette(palette().reshape(-1).tolist())
    image.save(path)
    return path


def write_json(path: Path, content: object) -> Path:
    """JSON, NaN and Infinity allowed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def open_tree(root: Path, kind: str, options: str = "", more: str = "", **select: Any) -> FileSet:
    """Open a tree through a card written for it. `options` are lines of TOML below [options], `more` lines of the card."""
    card = root / "card.toml"
    card.parent.mkdir(parents=True, exist_ok=True)
    head = f'name = "tree"\nformat = "{kind}"\nroot = "."\nlicence = "ours"\nsource = "drawn"\n{more}\n'
    card.write_text(head + (f"[options]\n{options}\n" if options else ""), encoding="utf-8")
    opened = open_set(load_card(card), **select)
    assert isinstance(opened, FileSet)
    return opened


def square(x: float, y: float, side: float = 2.0) -> list[float]:
    """A square polygon as COCO writes it."""
    return [x, y, x + side, y, x + side, y + side, x, y + side]


CATEGORIES: list[dict[str, Any]] = [
    {"id": 1, "name": "person", "supercategory": "person"},
    {"id": 90, "name": "toothbrush", "supercategory": "indoor"},
    {"id": 18, "name": "dog", "supercategory": "animal"},
]


def instance(number: int, image: int, category: int, outline: object, **more: object) -> dict[str, Any]:
    """One COCO annotation."""
    return {"id": number, "image_id": image, "category_id": category, "segmentation": outline, "iscrowd": 0, **more}


def coco(root: Path, annotations: Sequence[object], images: int = 2, categories: Sequence[object] = CATEGORIES, **top: object) -> Path:
    """A COCO tree with pictures a1.png, a2.png ... of ids 1, 2 ..."""
    entries = [{"id": i, "file_name": f"a{i}.png", "height": SIZE[0], "width": SIZE[1]} for i in range(1, images + 1)]
    for entry in entries:
        picture(root / "images" / str(entry["file_name"]))
    return write_json(root / "instances.json", {"images": entries, "annotations": annotations, "categories": categories, **top})


def panoptic(root: Path, segments: Mapping[int, Sequence[object]], maps: Mapping[int, NDArray[np.int64]], **top: object) -> None:
    """A panoptic tree: segments and maps of segment numbers by picture id."""
    categories = [
        {"id": 1, "name": "person", "supercategory": "person", "isthing": 1},
        {"id": 200, "name": "sky", "supercategory": "sky-stuff", "isthing": 0},
    ]
    images = [{"id": i, "file_name": f"a{i}.png", "height": SIZE[0], "width": SIZE[1]} for i in maps]
    entries = [{"image_id": i, "file_name": f"s{i}.png", "segments_info": list(listed)} for i, listed in segments.items()]
    for i, numbers in maps.items():
        picture(root / "images" / f"a{i}.png")
        png(root / "panoptic" / f"s{i}.png", np.stack([numbers & 255, numbers >> 8 & 255, numbers >> 16], axis=-1).astype(np.uint8))
    write_json(root / "panoptic.json", {"images": images, "annotations": entries, "categories": categories, **top})


def numbers(*rows: str) -> NDArray[np.uint8]:
    """A map of class numbers from rows of digits and dots (0), padded with 0 to SIZE."""
    found = np.zeros(SIZE, dtype=np.uint8)
    for y, row in enumerate(rows):
        for x, sign in enumerate(row):
            found[y, x] = 0 if sign == "." else int(sign)
    return found


def names(opened: FileSet, labels: Labels, category: str) -> dict[str, int]:
    """Pixels of every concept over the planes of a category; void under `void`."""
    counts: dict[str, int] = {}
    for plane in labels.planes:
        if plane.category == category:
            for value, count in zip(*np.unique(plane.ids, return_counts=True), strict=True):
                if value:
                    name = "void" if value == 65_535 else opened.vocabulary.concepts[int(value) - 1].name
                    counts[name] = counts.get(name, 0) + int(count)
    return counts
