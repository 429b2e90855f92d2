"""A data set of 24 small pictures with label maps, and a network of four units whose answers are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

DATA = """
name = "tiny"
format = "png-csv"
root = "."
licence = "MIT"
source = "drawn by the tests"
[options]
images = "images/{name}.png"
[[options.planes]]
category = "object"
labels = "masks/{name}.png"
classes = "classes.csv"
"""

MODEL = """
name = "tiny"
source = "tests.pipeline.tiny:colour_network"
title = "Four planted units"
layers = ["units"]
weights = "tiny-net.safetensors"
[preprocessing]
size = 32
mean = [0, 0, 0]
std = [1, 1, 1]
"""

COLOURS = {"red": (230, 20, 20), "green": (20, 230, 20), "blue": (20, 20, 230)}
"""Ids 1, 2, 3 of the label maps."""


def colour_network() -> nn.Module:
    """Units 0-2 fire on red, green, blue; unit 3 is dead. Maps of 8 x 8 over an input of 32 x 32."""
    pool = nn.AvgPool2d(4)
    units = nn.Conv2d(3, 4, 1)
    with torch.no_grad():
        units.weight.copy_(torch.tensor([[1, -1, -1], [-1, 1, -1], [-1, -1, 1], [0, 0, 0]]).float()[:, :, None, None])
        assert units.bias is not None
        units.bias.copy_(torch.tensor([-0.3, -0.3, -0.3, 0.0]))
    layers = nn.Sequential()
    layers.add_module("pool", pool)
    layers.add_module("convolution", units)
    layers.add_module("units", nn.ReLU())
    return layers


def write_data(folder: Path, images: int = 24) -> Path:
    """Draw the pictures: one small square of a colour on grey. Returns the card's path."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    random = np.random.default_rng(7)
    for index in range(images):
        picture = np.full((32, 32, 3), 128, np.uint8)
        mask = np.zeros((32, 32), np.uint8)
        concept = index % 3
        top, left = (4 * random.integers(0, 7, 2)).tolist()
        picture[top : top + 8, left : left + 8] = list(COLOURS.values())[concept]
        mask[top : top + 8, left : left + 8] = concept + 1
        Image.fromarray(picture).save(folder / "images" / f"{index:03d}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{index:03d}.png")
    (folder / "classes.csv").write_text("id,name\n0,nothing\n1,red\n2,green\n3,blue\n")
    return write_text(folder / "tiny.toml", DATA)


def write_model(folder: Path) -> Path:
    """The network's card, with its weights beside it."""
    save_file(colour_network().state_dict(), folder / "tiny-net.safetensors")
    return write_text(folder / "tiny-net.toml", MODEL)


def write_text(path: Path, text: str) -> Path:
    """Write and give the path."""
    path.write_text(text)
    return path
