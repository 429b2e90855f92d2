"""A rendered set for the tests of the drawn pictures, and ways to look at it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dissect.concepts.broden import Broden
from dissect.concepts.card import DataCard, load_card
from dissect.concepts.procedural import open_procedural
from dissect.concepts.procedural.names import NUMBER
from dissect.concepts.procedural.pictures import Picture, picture

SOME = 360
"""Pictures of the demo set that most tests look at."""


def demo_card(home: Path | None, images: int, *, seed: int = 1, workers: int = 2) -> DataCard:
    """The shipped card with another number of pictures."""
    card = load_card("demo")
    return replace(card, home=home, options={"images": images, "seed": seed, "workers": workers})


def open_demo(home: Path, images: int, *, seed: int = 1, workers: int = 2) -> Broden:
    """The drawn set of this size, rendered below `home`."""
    return open_procedural(demo_card(home, images, seed=seed, workers=workers))


@cache
def some_pictures() -> tuple[Picture, ...]:
    """The first pictures of the demo set, drawn once for all tests."""
    return tuple(picture(1, index) for index in range(SOME))


def mask(drawn: Picture, name: str, planes: range = range(8)) -> NDArray[np.bool_]:
    """Where a concept is annotated in any of these planes, (64, 64)."""
    return np.asarray((drawn.planes[planes.start : planes.stop] == NUMBER[name]).any(axis=0), dtype=np.bool_)


def folder_hash(folder: Path) -> str:
    """SHA-256 over names and bytes of all files below a folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
