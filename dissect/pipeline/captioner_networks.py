"""Networks whose units teach the captioner to describe: none of them is one that anybody wants described.

Small convolutional networks of several widths and depths, each trained shortly on drawn pictures from image-level labels, as the
embedded network is (`train_default`), and untrained ones, whose units answer to colours and edges. Letters: N pictures, U units.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dissect.concepts.procedural.names import CONCEPTS
from dissect.pipeline.train_default import BATCH, Pictures, prepared, teach


@dataclass(frozen=True)
class Shape:
    """widths: units of each layer. pooled: after which layers the map is halved; the first convolution halves it once more."""

    widths: tuple[int, ...]
    pooled: tuple[bool, ...]


SHAPES: Mapping[str, Shape] = {
    "narrow": Shape((16, 32, 48, 64, 96, 128), (True, True, False, True, False, False)),
    "shallow": Shape((24, 48, 96, 144), (True, True, True, False)),
    "deep": Shape((16, 32, 32, 64, 64, 96, 96, 128), (True, False, True, False, True, False, False, False)),
    "fine": Shape((24, 40, 64, 96, 128), (True, True, False, False, False)),
    "wide": Shape((32, 48, 96, 128, 192), (True, True, True, False, False)),
    "tapered": Shape((20, 48, 64, 96, 112, 144), (True, True, False, True, False, False)),
}
"""By name; the held-out shapes are used by no network that teaches."""
TEACHING = ("narrow", "shallow", "deep", "fine")
HELD_OUT = ("wide", "tapered")


@dataclass(frozen=True)
class Member:
    """A network by what it follows from. seed: of its weights and of the order of its pictures. epochs: 0 for an untrained one."""

    shape: str
    seed: int
    epochs: int

    @property
    def name(self) -> str:
        """For tables and groups."""
        return f"{self.shape}-{self.seed}" + ("" if self.epochs else "-untrained")


class SmallNet(nn.Module):
    """Convolution, batch norm and ReLU a layer; (B, 3, 128, 128) to a logit for each concept."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        before = 3
        for number, width in enumerate(shape.widths, start=1):
            size, stride = (5, 2) if number == 1 else (3, 1)
            conv = nn.Conv2d(before, width, size, stride=stride, padding=size // 2, bias=False)
            self.add_module(f"layer{number}", nn.Sequential(conv, nn.BatchNorm2d(width), nn.ReLU()))
            before = width
        self.shape = shape
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Linear(before, len(CONCEPTS))

    def maps(self, pictures: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
        """Name and output of each layer in order."""
        found = pictures
        for number, pooled in enumerate(self.shape.pooled, start=1):
            found = self.get_submodule(f"layer{number}")(found)
            yield f"layer{number}", found
            found = self.pool(found) if pooled else found

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Logits (B, C)."""
        *_, (_, last) = self.maps(pictures)
        logits: torch.Tensor = self.head((last.amax(dim=(2, 3)) + last.mean(dim=(2, 3))) / 2)
        return logits


def taught(member: Member, pictures: Pictures) -> SmallNet:
    """The network of a member, in evaluation mode; an untrained one has seen a batch, so that its norms fit the pictures."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(member.seed)
        network = SmallNet(SHAPES[member.shape])
    if member.epochs:
        return teach(network, pictures, epochs=member.epochs, seed=member.seed, say=lambda _: None)
    with torch.no_grad():
        network.train()(prepared(pictures.pixels[: 4 * BATCH]))
    return network.eval()


def recorded(network: SmallNet, pixels: torch.Tensor, layers: int) -> dict[str, NDArray[np.float16]]:
    """Maps (N, U, h, w) of the last `layers` layers for pixels (N, 3, 128, 128)."""
    names = [f"layer{number}" for number in range(1, len(network.shape.widths) + 1)][-layers:]
    found: dict[str, NDArray[np.float16]] = {}
    with torch.inference_mode():
        for first in range(0, len(pixels), BATCH):
            for name, maps in network.maps(prepared(pixels[first : first + BATCH])):
                if name in names:
                    kept = found.setdefault(name, np.empty((len(pixels), *maps.shape[1:]), np.float16))
                    kept[first : first + len(maps)] = maps.to(torch.float16).numpy()
    return found
