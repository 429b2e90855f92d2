"""A spurious feature, planted, found, taken out: does the edited network do without it?

    python -m benchmarks.spurious --home FOLDER [--train 600] [--test 300]

Drawn pictures of places indoors and outdoors. In training, every picture indoors has a bright square somewhere; held out, the square is on
pictures outdoors instead. A small network learns the place from labels of whole pictures alone, and so learns the square. The
dissection of pictures with annotated squares names the units that detect it; `dissect edit` takes them out.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from dissect import atomic
from dissect.concepts.procedural.pictures import picture
from dissect.config import Config, resolve
from dissect.network.load import load_network
from dissect.network.source import NetworkSpec
from dissect.pipeline.edit import EditRequest, edit_run
from dissect.pipeline.request import RunRequest
from dissect.pipeline.run import run_request
from dissect.probe.progress import Quiet
from dissect.store import Store

PLACES = ("indoors", "outdoors")
SIDE = 64
SQUARE = 14
COLOUR = (255, 0, 255)
LAYER = "features"
TRAINING, PROBE, HELD_OUT = 101, 202, 303
"""Seeds of the three sets of pictures."""
CARD = """name = "spurious"
source = "benchmarks.spurious:small_network"
weights = "spurious.safetensors"
layers = ["features"]
classes = ["indoors", "outdoors"]
[preprocessing]
size = 64
mean = [0.5, 0.5, 0.5]
std = [0.25, 0.25, 0.25]
"""
DATA = """name = "squares"
format = "png-csv"
root = "."
licence = "MIT"
source = "drawn"
[options]
images = "images/{name}.png"
[[options.planes]]
category = "object"
labels = "masks/{name}.png"
classes = "classes.csv"
drop = [0]
"""


@dataclass(frozen=True)
class Drawn:
    """pixels (N, 64, 64, 3) uint8, squares (N, 64, 64) bool, place (N,): place in PLACES."""

    pixels: NDArray[np.uint8]
    squares: NDArray[np.bool_]
    place: NDArray[np.int64]


@dataclass(frozen=True)
class Found:
    """units: that detect the square. rows: (what, before, after) accuracy; lines say them."""

    units: tuple[int, ...]
    iou: float
    rows: tuple[tuple[str, float, float], ...]

    def lines(self) -> list[str]:
        """The one table."""
        head = f"units {', '.join(map(str, self.units))} of {LAYER} detect the square (best IoU {self.iou:.2f})"
        return [head, f"{'accuracy of places':44}{'before':>8}{'after':>8}"] + [
            f"{what:44}{before:8.3f}{after:8.3f}" for what, before, after in self.rows
        ]


def small_network() -> nn.Module:
    """Three convolutions with batch norm, an average, a linear layer: (B, 3, 64, 64) to (B, 2)."""
    widths = (3, 16, 24, 32)
    layers = nn.Sequential()
    for before, width in itertools.pairwise(widths):
        layers.extend([nn.Conv2d(before, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2)])
    network = nn.Sequential()
    network.add_module("features", layers[:-1])
    network.add_module("pool", nn.AdaptiveAvgPool2d(1))
    network.add_module("flat", nn.Flatten())
    network.add_module("head", nn.Linear(widths[-1], len(PLACES)))
    return network


@functools.cache
def pictures(images: int, seed: int) -> tuple[tuple[NDArray[np.uint8], int], ...]:
    """Drawn pictures that show a place, each with its number."""
    made = (picture(seed, index) for index in itertools.count())
    shown = ((each.image, each.attributes["place"]) for each in made if each.attributes["place"] in PLACES)
    small = ((np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR)), PLACES.index(place)) for image, place in shown)
    return tuple(itertools.islice(small, images))


def drawn(images: int, seed: int, marked: set[int]) -> Drawn:
    """Pictures of which those whose place is in `marked` have a square."""
    random = np.random.default_rng(seed)
    pixels, squares = [], np.zeros((images, SIDE, SIDE), np.bool_)
    for index, (image, place) in enumerate(pictures(images, seed)):
        shown = image.copy()
        if place in marked:
            top, left = random.integers(0, SIDE - SQUARE, 2)
            squares[index, top : top + SQUARE, left : left + SQUARE] = True
            shown[squares[index]] = COLOUR
        pixels.append(shown)
    return Drawn(np.stack(pixels), squares, np.array([place for _, place in pictures(images, seed)], np.int64))


def prepared(pixels: NDArray[np.uint8]) -> torch.Tensor:
    """As the card's preprocessing does."""
    return (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.25


def train(data: Drawn, epochs: int = 14) -> nn.Module:
    """AdamW on cross-entropy; pictures are mirrored half of the time."""
    torch.manual_seed(0)
    network = small_network().train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=4e-3, weight_decay=0.01)
    inputs, targets = prepared(data.pixels), torch.from_numpy(data.place)
    for _ in range(epochs):
        for chosen in torch.split(torch.randperm(len(inputs)), 32):
            given = inputs[chosen]
            given = torch.where(torch.rand(len(chosen))[:, None, None, None] < 0.5, given.flip(3), given)
            loss = nn.functional.cross_entropy(network(given), targets[chosen])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return network.eval()


def right(network: nn.Module, data: Drawn) -> float:
    """Share of places named right."""
    with torch.inference_mode():
        return float((network(prepared(data.pixels)).argmax(dim=1).numpy() == data.place).mean())


def write_set(folder: Path, data: Drawn) -> Path:
    """The pictures as a data set with one concept, the square. Returns its card."""
    for index, (pixels, square) in enumerate(zip(data.pixels, data.squares, strict=True)):
        for name, values in (("images", pixels), ("masks", square.astype(np.uint8))):
            (folder / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(values).save(folder / name / f"{index:04d}.png")
    atomic.write_text(folder / "classes.csv", "id,name\n0,nothing\n1,square\n")
    atomic.write_text(folder / "squares.toml", DATA)
    return folder / "squares.toml"


def spurious(home: Path, *, training: int = 600, held_out: int = 300) -> Found:
    """The whole experiment."""
    home.mkdir(parents=True, exist_ok=True)
    learnt = drawn(training, TRAINING, {0})
    network = train(learnt)
    atomic.write_bytes(home / "spurious.safetensors", safetensors.torch.save(network.state_dict()))
    atomic.write_text(home / "spurious.toml", CARD)
    probe = drawn(held_out, PROBE, {0, 1})
    probe.squares[::2] = False
    probe.pixels[::2] = drawn(held_out, PROBE, set()).pixels[::2]
    card = write_set(home / "squares", probe)
    config: Config = resolve({}, None, home=home)
    with Store.open(config.database_url) as store:
        request = RunRequest(model=str(home / "spurious.toml"), data=str(card), quantile=0.02)
        run = run_request(request, config, store, Quiet()).run
        views = [view for view in store.units(limit=100, exemplars=0) if view.label is not None and view.label.detector]
        edited = edit_run(store, config, run.id, EditRequest(home / "edited.safetensors", concept="square"), Quiet())
    anew = load_network(NetworkSpec(request.model, weights=edited.output, fast=False)).module
    tests = (
        ("held out, squares indoors, as in training", drawn(held_out, HELD_OUT, {0})),
        ("held out, no squares", drawn(held_out, HELD_OUT, set())),
        ("held out, squares outdoors", drawn(held_out, HELD_OUT, {1})),
    )
    rows = tuple((what, right(network, data), right(anew, data)) for what, data in tests)
    return Found(edited.edits[0].units, max(view.label.score or 0.0 for view in views if view.label), rows)


def main() -> int:
    """The command of the module's text."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.spurious", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--home", type=Path, required=True, help="folder for pictures, weights and the database")
    parser.add_argument("--train", type=int, default=600)
    parser.add_argument("--test", type=int, default=300)
    options = parser.parse_args()
    print("\n".join(spurious(options.home, training=options.train, held_out=options.test).lines()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
