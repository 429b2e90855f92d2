"""What the benchmarks share: the machine in one line, a synthetic picture set on disk, and how ratios are printed.

The pictures are 500 x 375 JPEGs of smooth random fields with noise (they cost a decoder what photographs cost); each has an object map of
overlapping ellipses with Zipf-distributed concepts and a part map inside it. Everything follows from the seed.
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIZE = (375, 500)
OBJECTS, PARTS = 150, 80

CARD = """
name = "synthetic-{images}"
title = "Synthetic pictures for benchmarks"
format = "png-csv"
root = "."
licence = "MIT"
source = "benchmarks/common.py"
[options]
images = "images/{{name}}.jpg"
[[options.planes]]
category = "object"
labels = "objects/{{name}}.png"
classes = "objects.csv"
drop = [0]
[[options.planes]]
category = "part"
labels = "parts/{{name}}.png"
classes = "parts.csv"
drop = [0]
"""


def machine() -> str:
    """One line: processor, cores, memory, versions."""
    model = platform.processor() or "unknown"
    info = Path("/proc/cpuinfo")
    if info.is_file():
        model = next((line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")), model)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("torch", "numpy", "numba"))
    return f"machine: {model}, {cores} cores, {memory:.0f} GiB; Python {platform.python_version()}, {versions}"


def picture_set(folder: Path, images: int, seed: int = 0) -> Path:
    """Draw the set (what is there already is kept) and return the path of its card."""
    for name in ("images", "objects", "parts"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name, count in (("objects", OBJECTS), ("parts", PARTS)):
        rows = "".join(f"{index},{name[:-1]} {index}\n" for index in range(1, count + 1))
        (folder / f"{name}.csv").write_text("id,name\n0,nothing\n" + rows)
    for index in range(images):
        stem = f"{index:06d}"
        if not (folder / "images" / f"{stem}.jpg").is_file():
            random = np.random.default_rng((seed, index))
            picture, objects, parts = draw(random)
            Image.fromarray(objects).save(folder / "objects" / f"{stem}.png", compress_level=1)
            Image.fromarray(parts).save(folder / "parts" / f"{stem}.png", compress_level=1)
            Image.fromarray(picture).save(folder / "images" / f"{stem}.jpg", quality=90)
    card = folder / "card.toml"
    card.write_text(CARD.format(images=images))
    return card


def draw(random: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """One picture (375, 500, 3), its object map and its part map (375, 500)."""
    height, width = SIZE
    coarse = random.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC), np.int16)
    picture = np.clip(smooth + random.integers(-12, 13, (height, width, 1), dtype=np.int16), 0, 255)
    objects, parts = np.zeros(SIZE, np.uint8), np.zeros(SIZE, np.uint8)
    y, x = np.ogrid[:height, :width]
    for _ in range(12):
        cy, cx = random.uniform(0, height), random.uniform(0, width)
        ry, rx = random.uniform(15, 110), random.uniform(15, 140)
        inside = ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1
        concept = min(int(random.zipf(1.3)), OBJECTS)
        objects[inside] = concept
        inner = ((y - cy) / (ry / 2)) ** 2 + ((x - cx) / (rx / 2)) ** 2 < 1
        parts[inside] = 0
        parts[inner] = min(int(random.zipf(1.3)), PARTS)
        picture[inside] = (picture[inside] + concept * np.array([37, 91, 53]) % 256) // 2
    return picture.astype(np.uint8), objects, parts


def check(name: str, value: float, floor: float, *, at_most: bool) -> bool:
    """Print one figure beside its floor. Returns whether it holds."""
    holds = value <= floor if at_most else value >= floor
    print(f"{'ok  ' if holds else 'MISS'}  {name}: {value:.4g} (floor: {'at most' if at_most else 'at least'} {floor:g})")
    return holds


def middle(values: Sequence[float]) -> str:
    """Median, with the smallest and the largest."""
    return f"{statistics.median(values):.4g} ({min(values):.4g} to {max(values):.4g})"


def leave(held: Sequence[bool]) -> None:
    """Exit 0 if every floor was held, else 1."""
    sys.exit(0 if all(held) else 1)
