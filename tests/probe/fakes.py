"""A network and a data set small enough to probe in a fraction of a second, with faults on request. Any batches give the same bits."""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from dissect.concepts.model import VOID, Concept, ImageRecord, Labels, Plane, Vocabulary
from dissect.errors import LabelMapError, LayerError
from dissect.network.model import LayerInfo, View

Tweak = Callable[[str, NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32]]


def vocabulary(things: int = 6, parts: int = 4) -> Vocabulary:
    """Concepts 1..things of category object, then those of part."""
    names = [("object", k) for k in range(things)] + [("part", k) for k in range(parts)]
    concepts = [Concept(i, f"{category}{k}", category, (category,), str(i)) for i, (category, k) in enumerate(names, start=1)]
    return Vocabulary("fake", ("object", "part"), tuple(concepts))


@dataclass
class FakeSet:
    """Random pictures on disk; label maps of blocks, overlapping part planes, void edges, a whole-image label now and then."""

    folder: Path
    count: int = 20
    label_kind: str = "masks"
    seed: int = 1
    bad_images: frozenset[int] = frozenset()
    bad_labels: frozenset[int] = frozenset()
    size: tuple[int, int] = (24, 20)
    name: str = "fake"
    default_label_size: tuple[int, int] | None = None
    label_reads: int = 0
    vocabulary: Vocabulary = field(default_factory=vocabulary)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.records = tuple(ImageRecord(k, f"{k:04d}", self.folder / f"{k:04d}.png") for k in range(self.count))
        for record in self.records:
            if not record.path.is_file():
                self._draw(record)

    def labels(self, index: int) -> Labels:
        self.label_reads += 1
        if index in self.bad_labels:
            raise LabelMapError(f"label map {index} is broken. Mend it.")
        random = np.random.default_rng((self.seed, index, 1))
        ids = random.integers(0, 7, (3, 4), dtype=np.uint16).repeat(4, 0).repeat(5, 1)
        ids[:, 0] = VOID if index % 3 == 0 else ids[:, 0]
        parts = np.where(random.random(ids.shape) < 0.3, random.integers(7, 11, ids.shape), 0).astype(np.uint16)
        whole = (int(random.integers(1, 11)),) if index % 4 == 0 or self.label_kind == "image" else ()
        if self.label_kind == "image":
            return Labels((), whole, frozenset(("object", "part")))
        return Labels((Plane("object", ids), Plane("part", parts)), whole, frozenset(("object",) if index % 5 == 0 else ("object", "part")))

    def content_hash(self) -> str:
        digest = hashlib.sha256(repr((self.count, self.seed, self.label_kind, sorted(self.bad_labels))).encode())
        for record in self.records:
            digest.update(record.path.read_bytes())
        return digest.hexdigest()

    def _draw(self, record: ImageRecord) -> None:
        random = np.random.default_rng((self.seed, record.index))
        coarse = random.integers(0, 256, (3, 3, 3), dtype=np.uint8)
        with Image.fromarray(coarse).resize(self.size, Image.Resampling.BILINEAR) as image:
            image.save(record.path)
        if record.index in self.bad_images:
            record.path.write_bytes(record.path.read_bytes()[:40])


DEFAULT_LAYERS = (
    LayerInfo("first", 12, (6, 6), "conv"),
    LayerInfo("middle.conv", 16, (3, 3), "conv"),
    LayerInfo("head", 5, (1, 1), "linear"),
)


@dataclass
class FakeNetwork:
    """Each unit is a random colour filter over pooled patches, then ReLU in `first`. `tweak` may change maps (layer, (U, h, w), pixels)."""

    all_layers: tuple[LayerInfo, ...] = DEFAULT_LAYERS
    seed: int = 0
    input_size: tuple[int, int] = (24, 24)
    tweak: Tweak | None = None
    name: str = "fake"
    margin: float = 0.0
    images_seen: int = 0
    passes: int = 0

    def layers(self, patterns: Sequence[str] = ("*",)) -> tuple[LayerInfo, ...]:
        found = tuple(layer for layer in self.all_layers if any(fnmatch.fnmatch(layer.name, pattern) for pattern in patterns))
        if not found:
            raise LayerError(f"no layer {patterns}")
        return found

    def prepare(self, image: Image.Image) -> NDArray[np.float32]:
        view = self.view(image.size)
        seen = image.crop((int(view.left), int(view.top), int(view.right), int(view.bottom)))
        pixels = np.asarray(seen.resize(self.input_size[::-1], Image.Resampling.BILINEAR), np.float32)
        return np.ascontiguousarray(pixels.transpose(2, 0, 1) / 127.5 - 1)

    def view(self, image_size: tuple[int, int]) -> View:
        width, height = image_size
        return View(self.margin * width, self.margin * height, (1 - self.margin) * width, (1 - self.margin) * height, width, height)

    def activations(self, batch: NDArray[np.float32], layers: Sequence[LayerInfo]) -> Mapping[str, torch.Tensor]:
        self.images_seen += len(batch)
        self.passes += 1
        return {layer.name: torch.from_numpy(np.stack([self._maps(layer, pixels) for pixels in batch])) for layer in layers}

    def describe(self) -> Mapping[str, str | int | float | bool | None]:
        return {"weights": f"fake-{self.seed}", "geometry": f"margin {self.margin}", "input": str(self.input_size)}

    def _maps(self, layer: LayerInfo, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        (h, w), (height, width) = layer.map_size, self.input_size
        pooled = pixels.reshape(3, h, height // h, w, width // w).mean(axis=(2, 4), dtype=np.float32)
        random = np.random.default_rng((self.seed, layer.units))
        filters = random.standard_normal((layer.units, 3)).astype(np.float32)
        maps = sum(filters[:, c, None, None] * pooled[c] for c in range(3)) - np.float32(0.2)
        maps = np.asarray(np.maximum(maps, 0) if layer.name == "first" else maps, np.float32)
        return self.tweak(layer.name, maps, pixels).astype(np.float32) if self.tweak else maps
