"""Compile every numba kernel once, so that the first run of a user does not wait: `python -m dissect.probe.warm`.

Kernels are compiled for the types they meet, read-only and memory-mapped ones among them. So the surest way to warm them all is a probe of
a few tiny pictures, in each type of activations and with each way of counting.
"""

from __future__ import annotations

import hashlib
import io
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from dissect.atomic import write_bytes
from dissect.concepts.model import Concept, ImageRecord, Labels, Plane, Vocabulary
from dissect.network.model import LayerInfo, View
from dissect.probe.cache import Cache
from dissect.probe.ledger import MemoryLedger
from dissect.probe.profile import ActivationDtype
from dissect.probe.progress import Quiet
from dissect.probe.runner import ProbeSettings, probe

_SIDE = 16
_LAYER = LayerInfo("tiny", 9, (4, 4), "conv")
_RUNS: tuple[tuple[str, ActivationDtype, tuple[int, int]], ...] = (
    ("standard", "float16", (8, 8)),
    ("standard", "float32", (8, 8)),
    ("netdissect", "float32", (8, 8)),
    ("lite", "float32", (8, 8)),
    ("compexp", "float32", (260, 260)),
)


@dataclass(frozen=True)
class _Pictures:
    """A few pictures of noise with label maps of noise."""

    folder: Path
    name: str = "warm"
    label_kind: str = "masks"
    default_label_size: tuple[int, int] | None = None

    @property
    def vocabulary(self) -> Vocabulary:
        return Vocabulary("warm", ("object",), tuple(Concept(k, str(k), "object", ("object",), str(k)) for k in (1, 2, 3)))

    @property
    def records(self) -> Sequence[ImageRecord]:
        return [ImageRecord(k, str(k), self.folder / f"{k}.png") for k in range(4)]

    def draw(self) -> None:
        for record in self.records:
            buffer = io.BytesIO()
            noise = np.random.default_rng(record.index).integers(0, 256, (_SIDE, _SIDE, 3), dtype=np.uint8)
            Image.fromarray(noise).save(buffer, "PNG")
            write_bytes(record.path, buffer.getvalue())

    def labels(self, index: int) -> Labels:
        random = np.random.default_rng((index, 1))
        planes = tuple(Plane("object", random.integers(0, 4, (_SIDE, _SIDE), dtype=np.uint16)) for _ in range(2))
        return Labels(planes, (0, 1), frozenset(("object",) if index else ()))

    def content_hash(self) -> str:
        return hashlib.sha256(b"warm").hexdigest()


@dataclass(frozen=True)
class _Tiny:
    """A network of pooled noise."""

    name: str = "warm"
    input_size: tuple[int, int] = (_SIDE, _SIDE)

    def layers(self, patterns: Sequence[str] = ("*",)) -> tuple[LayerInfo, ...]:
        return (_LAYER,)

    def prepare(self, image: Image.Image) -> NDArray[np.float32]:
        return (np.asarray(image, np.float32) / np.float32(255)).transpose(2, 0, 1)

    def view(self, image_size: tuple[int, int]) -> View:
        return View(0, 0, image_size[0], image_size[1], *image_size)

    def activations(self, batch: NDArray[np.float32], layers: Sequence[LayerInfo]) -> Mapping[str, torch.Tensor]:
        filters = np.random.default_rng(0).standard_normal((_LAYER.units, 3)).astype(np.float32)
        pooled = batch.reshape(len(batch), 3, 4, _SIDE // 4, 4, _SIDE // 4).mean(axis=(3, 5))
        return {_LAYER.name: torch.from_numpy(np.einsum("uc,bchw->buhw", filters, pooled))}

    def describe(self) -> Mapping[str, str | int | float | bool | None]:
        return {"weights": "warm"}


def warm() -> float:
    """Compile all kernels and keep them on disk. Returns the seconds it took; a second call takes next to none."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="dissect-warm-") as folder:
        data = _Pictures(Path(folder) / "pictures")
        data.draw()
        for name, dtype, size in _RUNS:
            settings = ProbeSettings(quantile=0.2, profile=name, activation_dtype=dtype, label_size=size, shard_images=2, batch_size=2)
            probe(_Tiny(), data, settings, Cache(Path(folder) / "cache"), MemoryLedger(), Quiet())
    return time.perf_counter() - began


if __name__ == "__main__":
    print(f"kernels are compiled ({warm():.1f} s)")
