"""Cards and small sets for tests, written to disk as a user would."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dissect.concepts.card import DataCard, load_card

HEAD = 'name = "tiny"\nformat = "{format}"\nroot = "{root}"\nlicence = "ours"\nsource = "this test"\n'


def write_card(folder: Path, kind: str, more: str = "", root: str = ".") -> Path:
    """A card for a data set in `folder`; `more` is TOML behind the needed keys."""
    path = folder / "tiny.toml"
    path.write_text(HEAD.format(format=kind, root=root) + more, encoding="utf-8")
    return path


def card_for(folder: Path, kind: str, more: str = "") -> DataCard:
    """The same, loaded."""
    return load_card(write_card(folder, kind, more))


def write_picture(path: Path, seed: int = 0, size: tuple[int, int] = (6, 4), orientation: int = 1) -> Path:
    """A small picture of (width, height) with an EXIF orientation; PNG whatever the suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(values).save(path, "PNG", exif=exif)
    return path


def write_map(path: Path, ids: NDArray[np.integer] | list[list[int]]) -> Path:
    """A label map as grey PNG: 8 bit where the ids fit, else 16 bit."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.asarray(ids)
    Image.fromarray(values.astype(np.uint8 if values.max() < 256 else np.uint16)).save(path)
    return path


def write_broden_plane(path: Path, numbers: NDArray[np.integer] | list[list[int]]) -> Path:
    """A plane as Broden stores it: R + 256 * G."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.asarray(numbers)
    Image.fromarray(np.stack([values % 256, values // 256, np.zeros_like(values)], -1).astype(np.uint8)).save(path)
    return path


def write_texts(folder: Path, files: Mapping[str, str]) -> None:
    """Text files by name."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
