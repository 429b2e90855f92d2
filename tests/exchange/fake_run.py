"""A made-up run for the tests of the report and for looking at it: painted pictures, units that sit on painted things.

`python -m tests.exchange.fake_run FOLDER [UNITS]` writes the pictures and a report to look at.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from dissect.exchange.view import ReportExemplar, ReportImage, ReportLabel, ReportLayer, ReportRun, ReportUnit

CONCEPTS = (
    ("car", "object"), ("house", "object"), ("tree", "object"), ("ball", "object"), ("lamp", "object"), ("boat", "object"),
    ("wheel", "part"), ("window", "part"), ("door", "part"), ("roof", "part"), ("crown", "part"),
    ("street", "scene"), ("coast", "scene"), ("field", "scene"),
    ("striped", "texture"), ("dotted", "texture"), ("chequered", "texture"),
    ("red", "color"), ("blue", "color"), ("yellow", "color"),
)  # fmt: skip
MASK = (112, 112)
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Painted:
    """A picture and where its things are, in pixels of (width, height)."""

    picture: Image.Image
    things: dict[str, Box]


def paint(rng: np.random.Generator) -> Painted:
    """A scene with a sky, ground, and some things."""
    width, height = ((168, 112), (149, 112), (112, 112), (112, 149))[int(rng.choice(4, p=(0.35, 0.45, 0.12, 0.08)))]
    sky = tuple(int(v) for v in rng.integers((110, 150, 190), (190, 210, 250)))
    ground = tuple(int(v) for v in rng.integers((60, 80, 50), (150, 150, 110)))
    picture = Image.new("RGB", (width, height), sky)
    draw = ImageDraw.Draw(picture)
    horizon = int(height * rng.uniform(0.45, 0.65))
    draw.rectangle((0, horizon, width, height), fill=ground)
    scene = str(rng.choice(["street", "coast", "field"]))
    things: dict[str, Box] = {scene: (0, horizon, width, height)}
    if scene == "coast":
        draw.rectangle((0, horizon, width, horizon + 14), fill=(50, 100, 150))
    for name in rng.permutation(["car", "house", "tree", "ball", "lamp", "boat"])[: int(rng.integers(2, 5))]:
        _thing(draw, str(name), rng, width, horizon, things)
    noise = rng.normal(0, 9, (height, width, 3))
    pixels = np.clip(np.asarray(picture.filter(ImageFilter.GaussianBlur(0.6)), np.float64) + noise, 0, 255)
    return Painted(Image.fromarray(pixels.astype(np.uint8)), things)


def _thing(draw: ImageDraw.ImageDraw, name: str, rng: np.random.Generator, width: int, horizon: int, things: dict[str, Box]) -> None:
    size = int(rng.integers(26, 46))
    x, y = int(rng.integers(0, width - size)), horizon - size // 2 + int(rng.integers(-4, 20))
    hue, fill = [("red", (190, 50, 40)), ("blue", (50, 80, 170)), ("yellow", (220, 190, 60))][int(rng.integers(3))]
    box = (x, y, x + size, y + size)
    things[name], things[hue] = box, box
    if name == "car":
        draw.rounded_rectangle((x, y + size // 2, x + size, y + size - 5), 4, fill=fill)
        draw.rounded_rectangle((x + 6, y + size // 4, x + size - 6, y + size // 2 + 3), 4, fill=fill)
        draw.rectangle((x + 10, y + size // 4 + 3, x + size - 10, y + size // 2), fill=(200, 225, 235))
        for wheel in (x + 3, x + size - 12):
            draw.ellipse((wheel, y + size - 10, wheel + 10, y + size), fill=(25, 25, 25))
            things["wheel"] = (wheel, y + size - 10, wheel + 10, y + size)
        things["window"] = (x + 10, y + size // 4, x + size - 10, y + size // 2)
    elif name == "house":
        draw.rectangle((x, y + 14, x + size, y + size), fill=(215, 195, 165))
        draw.polygon(((x - 3, y + 14), (x + size // 2, y - 4), (x + size + 3, y + 14)), fill=(140, 60, 40))
        draw.rectangle((x + 5, y + size - 14, x + 13, y + size), fill=(90, 60, 30))
        draw.rectangle((x + size - 14, y + 18, x + size - 5, y + 27), fill=(120, 170, 200))
        things |= {"roof": (x, y - 4, x + size, y + 14), "door": (x + 5, y + size - 14, x + 13, y + size)}
    elif name == "tree":
        draw.rectangle((x + size // 2 - 3, y + size // 2, x + size // 2 + 3, y + size), fill=(90, 65, 40))
        draw.ellipse((x + 2, y - 8, x + size - 2, y + size // 2 + 8), fill=(45, 105, 50))
        things["crown"] = (x, y - 8, x + size, y + size // 2 + 8)
    elif name == "ball":
        draw.ellipse((x, y + 6, x + size - 8, y + size - 2), fill=fill)
        pattern = str(rng.choice(["striped", "dotted", "chequered"]))
        for step in range(4, size - 12, 7):
            draw.line((x + step, y + 10, x + step, y + size - 8), fill=(245, 245, 240), width=2)
        things[pattern] = box
    elif name == "lamp":
        draw.line((x + 8, y - 20, x + 8, y + size), fill=(60, 60, 60), width=3)
        draw.ellipse((x + 1, y - 28, x + 15, y - 16), fill=(250, 240, 190))
        things[name] = (x, y - 28, x + 16, y + size)
    else:
        draw.polygon(((x, y + size - 12), (x + size, y + size - 12), (x + size - 8, y + size), (x + 8, y + size)), fill=fill)
        draw.polygon(((x + size // 2, y), (x + size // 2, y + size - 14), (x + size - 6, y + size - 14)), fill=(245, 245, 240))


def blob(painted: Painted, name: str, rng: np.random.Generator, cells: int = 14) -> NDArray[np.bool_]:
    """A mask as a network would make it: a small noisy map with its top at the thing, enlarged, above a threshold."""
    width, height = painted.picture.size
    left, top, right, bottom = painted.things[name]
    yy, xx = np.mgrid[0:cells, 0:cells] + 0.5
    inside_x = np.exp(-(((xx / cells * width - (left + right) / 2) / max(right - left, 12) * 1.6) ** 2))
    inside_y = np.exp(-(((yy / cells * height - (top + bottom) / 2) / max(bottom - top, 12) * 1.6) ** 2))
    small = inside_x * inside_y + rng.normal(0, 0.05, (cells, cells))
    large = np.asarray(Image.fromarray(small.astype(np.float32)).resize(MASK[::-1], Image.Resampling.BILINEAR))
    return np.asarray(large > rng.uniform(0.3, 0.5))


def packed(mask: NDArray[np.bool_]) -> bytes:
    """As the store keeps a mask."""
    return zlib.compress(np.packbits(mask).tobytes())


def fake_run(
    folder: Path, units: int = 2048, pictures: int = 240, layers: Sequence[str] = ("stage3.block1", "stage4.conv2"), seed: int = 0
) -> ReportRun:
    """A run on painted pictures, whose thumbnails are written into `folder` (made if need be)."""
    rng = np.random.default_rng(seed)
    painted = [paint(rng) for _ in range(pictures)]
    folder.mkdir(parents=True, exist_ok=True)
    images = {}
    for index, one in enumerate(painted):
        path = folder / f"{index:05d}-112.webp"
        one.picture.save(path, "WEBP", method=0, quality=80)
        images[index] = ReportImage(f"val/painted_{index:05d}.jpg", path)
    made = tuple(
        ReportLayer(
            name=name, units=tuple(_unit(index, painted, rng) for index in range(units)), map_size=(14, 14), label_size=MASK,
            details={"form of the output": "conv", "activations kept as": "float16", "fingerprint of the counts": f"{position}" * 64},
        )
        for position, name in enumerate(layers)
    )  # fmt: skip
    return ReportRun(
        run="7", network="tiny-painter", dataset="painted-things", layers=made, images=images, image_count=pictures,
        categories=("object", "part", "scene", "texture", "color"), fingerprint="7c" * 32, created="2026-05-04 09:12 UTC", duration=187.0,
        skipped=(("val/painted_09999.jpg", "truncated after 1,024 bytes; replace the file"),),
        settings={"batch_size": 32, "device": "cpu", "label_size": [112, 112], "seed": seed},
        versions={"dissect": "0.1.0", "torch": "2.10.0"},
    )  # fmt: skip


def _unit(index: int, painted: Sequence[Painted], rng: np.random.Generator) -> ReportUnit:
    if rng.random() < 0.03:
        state = str(rng.choice(["dead", "constant"], p=[0.8, 0.2]))
        value = 0.0 if state == "dead" else 1.5
        return ReportUnit(index, state, threshold=value, minimum=value, maximum=value, mean=value, active_share=0.0, active_images=0)
    weights = 1.0 / np.arange(2, 2 + len(CONCEPTS))
    name, category = CONCEPTS[int(rng.choice(len(CONCEPTS), p=weights / weights.sum()))]
    holding = [position for position, one in enumerate(painted) if name in one.things]
    chosen = rng.choice(holding, size=min(15, len(holding)), replace=False)
    activations = np.sort(rng.gamma(8, 0.9, len(chosen)))[::-1]
    exemplars = tuple(
        ReportExemplar(rank + 1, int(image), float(activation), packed(blob(painted[image], name, rng)), (name,))
        for rank, (image, activation) in enumerate(zip(chosen, activations, strict=True))
    )
    score = float(rng.beta(1.2, 14))
    values = np.maximum(rng.normal(-0.5, 1.6, 4000), 0)
    histogram, edges = np.histogram(values, 64)
    saturated = rng.random() < 0.01
    return ReportUnit(
        index, "saturated" if saturated else "ok", threshold=float(values.max() if saturated else np.quantile(values, 0.995)),
        label=_label(name, category, score), runners=_runners(score, rng), exemplars=exemplars, mask_size=MASK,
        histogram=tuple(int(n) for n in histogram), edges=tuple(float(e) for e in edges), minimum=0.0, maximum=float(values.max()),
        mean=float(values.mean()), active_share=0.00498, active_images=int(rng.integers(15, 140)), twin=3 if index == 11 else None,
    )  # fmt: skip


def _label(name: str, category: str, score: float) -> ReportLabel:
    area = 61_000
    concept = int(area / min(0.9, 0.2 + 1.2 * score))
    both = int(score * (area + concept) / (1 + score))
    return ReportLabel(
        name, category=category, profile="standard", score=score, intersection=both, unit_area=area, concept_area=concept,
        reachable=area / concept, detector=score > 0.04,
    )  # fmt: skip


def _runners(best: float, rng: np.random.Generator) -> tuple[ReportLabel, ...]:
    scores = np.sort(rng.uniform(0, best, len(CONCEPTS)))[::-1]
    shuffled = rng.permutation(len(CONCEPTS))
    return tuple(_label(*CONCEPTS[int(which)], float(score)) for which, score in zip(shuffled, scores, strict=True))


if __name__ == "__main__":
    import time

    from dissect.exchange.report import write_report

    place = Path(sys.argv[1])
    view = fake_run(place / "cache", units=int(sys.argv[2]) if len(sys.argv) > 2 else 512)
    start = time.perf_counter()
    print(write_report(view, place / "report"), f"{time.perf_counter() - start:.2f} s")
