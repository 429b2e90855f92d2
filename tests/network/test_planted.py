"""Planted patterns: networks of every family whose weights are set so that unit 0 follows brightness, and nothing else happens.

A bright block in a dark picture must light exactly the cell it lies in, and the concept drawn on it must be sampled there, under every
geometry. An error of one token, one row or a swapped axis fails here.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from dissect.network import build
from dissect.network.load import load_network
from dissect.network.loaded import LoadedNetwork
from dissect.network.model import LayerInfo
from dissect.network.preprocess import Preprocessing
from dissect.network.source import NetworkSpec
from dissect.network.torchvision_guard import load_torchvision

NORMS = (nn.LayerNorm, nn.BatchNorm2d, nn.GroupNorm)


def plant(module: nn.Module, merging: tuple[str, ...] = ()) -> nn.Module:
    """All weights 0, but: norms scale by 1, convolutions pass channel 0 on (from RGB: the brightness), and linear layers whose name ends
    in one of `merging` add up channel 0 of the four patches that they merge. Residual branches then add nothing."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
        for name, part in module.named_modules():
            if isinstance(part, NORMS) or type(part).__name__.endswith("Norm"):
                assert isinstance(part.weight, torch.Tensor)
                part.weight.fill_(1)
            elif isinstance(part, nn.Conv2d):
                rows, columns = part.kernel_size
                if part.stride == part.kernel_size:
                    part.weight[0] = 1 / (rows * columns) if part.in_channels == 3 else 0
                    part.weight[0, 0] = 1 / (rows * columns)
                else:
                    part.weight[0, :, rows // 2, columns // 2] = 1
            elif isinstance(part, nn.Linear) and name.endswith(merging or ("\0",)):
                part.weight[0, :: part.in_features // 4] = 1
    return module.eval()


def torchvision_vit() -> nn.Module:
    kind = load_torchvision().models.VisionTransformer
    return plant(kind(image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=16, num_classes=4))


def torchvision_swin() -> nn.Module:
    kind = load_torchvision().models.SwinTransformer
    network = kind(patch_size=[4, 4], embed_dim=16, depths=[1, 1], num_heads=[2, 2], window_size=[4, 4], num_classes=4)
    return plant(network, merging=("reduction",))


def torchvision_convnext() -> nn.Module:
    models = load_torchvision().models.convnext
    setting = [models.CNBlockConfig(16, 24, 1), models.CNBlockConfig(24, None, 1)]
    return plant(models.ConvNeXt(setting, num_classes=4))


def mobilenet() -> nn.Module:
    network = load_torchvision().models.MobileNetV2(num_classes=4, width_mult=0.25)
    return plant(network)


def transformers_class(name: str, **config: Any) -> nn.Module:
    load_torchvision()
    transformers = importlib.import_module("transformers")
    kind = getattr(transformers, name)
    merging = ("reduction",) if "Swin" in name else ()
    return plant(kind(kind.config_class(**config)), merging)


SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16, "image_size": 32, "patch_size": 8}
REGISTERS = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "mlp_ratio": 2, "image_size": 32, "patch_size": 8}

Case = tuple[str, str, int, int]
"""Layer, form, prefix tokens, side of a cell in input pixels."""

# name, maker, input size, cases
FAMILIES: list[tuple[str, Callable[[], nn.Module], tuple[int, int], list[Case]]] = [
    ("torchvision ViT", torchvision_vit, (32, 32), [
        ("conv_proj", "conv", 0, 8), ("encoder.layers.encoder_layer_0", "tokens", 1, 8), ("encoder.layers.encoder_layer_1", "tokens", 1, 8),
    ]),
    ("torchvision Swin", torchvision_swin, (64, 64), [
        ("features.0", "channels_last", 0, 4), ("features.1.0", "channels_last", 0, 4), ("features.2", "channels_last", 0, 8),
        ("features.3", "channels_last", 0, 8),
    ]),
    ("torchvision Swin, not square", torchvision_swin, (32, 64), [
        ("features.1", "channels_last", 0, 4), ("features.3", "channels_last", 0, 8),
    ]),
    ("torchvision ConvNeXt", torchvision_convnext, (64, 64), [
        ("features.0", "conv", 0, 4), ("features.1", "conv", 0, 4), ("features.1.0.block.2", "channels_last", 0, 4),
    ]),
    ("torchvision MobileNetV2", mobilenet, (64, 64), [("features.0", "conv", 0, 2), ("features.0.2", "conv", 0, 2)]),
    ("CLIP", lambda: transformers_class("CLIPVisionModel", **SMALL), (32, 32), [
        ("embeddings", "tokens", 1, 8), ("encoder.layers.0", "tokens", 1, 8), ("encoder.layers.1", "tokens", 1, 8),
    ]),
    ("SigLIP", lambda: transformers_class("SiglipVisionModel", **SMALL), (32, 32), [("encoder.layers.1", "tokens", 0, 8)]),
    ("ViT, not square", lambda: transformers_class("ViTModel", **{**SMALL, "image_size": [32, 64]}), (32, 64), [
        ("layers.1", "tokens", 1, 8),
    ]),
    ("DeiT", lambda: transformers_class("DeiTModel", **SMALL), (32, 32), [("embeddings", "tokens", 2, 8), ("layers.1", "tokens", 2, 8)]),
    ("DINOv2", lambda: transformers_class("Dinov2Model", **REGISTERS), (32, 32), [("encoder.layer.1", "tokens", 1, 8)]),
    ("DINOv2 with registers", lambda: transformers_class("Dinov2WithRegistersModel", **REGISTERS, num_register_tokens=4), (32, 32), [
        ("embeddings.patch_embeddings", "tokens", 0, 8), ("embeddings", "tokens", 5, 8), ("encoder.layer.1", "tokens", 5, 8),
    ]),
    ("Swin of transformers", lambda: transformers_class(
        "SwinModel", image_size=64, patch_size=4, embed_dim=16, depths=[1, 1], num_heads=[2, 2], window_size=4), (64, 64), [
        ("embeddings", "tokens", 0, 4), ("encoder.layers.0.blocks.0", "tokens", 0, 4), ("encoder.layers.0", "tokens", 0, 8),
        ("encoder.layers.1", "tokens", 0, 8),
    ]),
    ("ConvNeXt of transformers", lambda: transformers_class(
        "ConvNextModel", hidden_sizes=[12, 24], depths=[1, 1], num_stages=2, image_size=64), (64, 64), [
        ("embeddings", "conv", 0, 4), ("encoder.stages.0", "conv", 0, 4), ("encoder.stages.1", "conv", 0, 8),
    ]),
]  # fmt: skip


def ready(maker: Callable[[], nn.Module], how: Preprocessing, monkeypatch: pytest.MonkeyPatch, geometry: Any = "squash") -> LoadedNetwork:
    """The planted module through the whole of loading, as if a factory had given it."""
    monkeypatch.setattr(build, "_factory", lambda _target: maker)
    return load_network(NetworkSpec("planted:network@random", preprocessing=how, geometry=geometry))


@pytest.mark.parametrize(("name", "maker", "size", "cases"), FAMILIES, ids=[family[0] for family in FAMILIES])
def test_a_bright_patch_lights_exactly_its_cell(
    name: str, maker: Callable[[], nn.Module], size: tuple[int, int], cases: list[Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = ready(maker, Preprocessing(size), monkeypatch)
    for layer_name, form, prefix, cell in cases:
        (layer,) = network.layers([layer_name])
        assert (layer.form, layer.prefix, layer.map_size) == (form, prefix, (size[0] // cell, size[1] // cell)), layer_name
        _lights_its_cell(network, layer, cell)


def _lights_its_cell(network: LoadedNetwork, layer: LayerInfo, cell: int) -> None:
    (rows, columns), size = layer.map_size, network.input_size
    for row, column in {(0, 0), (0, columns - 1), (rows - 1, 0), (1, columns // 2), (rows - 1, columns - 1), (rows // 2, 1)}:
        pixels = np.zeros((*size, 3), np.uint8)
        pixels[row * cell : (row + 1) * cell, column * cell : (column + 1) * cell] = 255
        batch = network.prepare(Image.fromarray(pixels))[None]
        unit = network.activations(batch, [layer])[layer.name][0, 0]
        lit = (unit > unit.max() / 2).nonzero().tolist()
        assert float(unit.max()) > 0 and lit == [[row, column]], layer.name


GEOMETRIES = [
    # geometry, preprocessing, picture (width, height), block in the picture (left, top, right, bottom)
    ("squash", Preprocessing((32, 32)), (64, 128), (0, 0, 16, 32)),
    ("squash", Preprocessing((32, 32), "shortest", (40,)), (128, 64), (96, 48, 128, 64)),
    ("model", Preprocessing((32, 32), "shortest", (32,)), (96, 64), (16, 0, 32, 16)),
    ("model", Preprocessing((32, 32), "shortest", (48,)), (48, 48), (8, 8, 16, 16)),
    ("model", Preprocessing((32, 32), "longest"), (64, 32), (0, 0, 16, 16)),
    ("model", Preprocessing((32, 32), "longest"), (32, 64), (16, 48, 32, 64)),
    ("model", Preprocessing((32, 32), "squash", (48, 48)), (96, 96), (64, 64, 80, 80)),
    ("model", Preprocessing((32, 32), "shortest", (16,)), (32, 32), (0, 16, 16, 32)),
]
MAKERS = {"ViT": (torchvision_vit, "encoder.layers.encoder_layer_1"), "DINOv2 with registers": (FAMILIES[10][1], "encoder.layer.1")}


@pytest.mark.parametrize("family", MAKERS)
@pytest.mark.parametrize(("geometry", "how", "size", "block"), GEOMETRIES, ids=str)
def test_a_planted_corner_unit_is_right_under_every_geometry(
    geometry: str,
    how: Preprocessing,
    size: tuple[int, int],
    block: tuple[int, int, int, int],
    family: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    maker, layer_name = MAKERS[family]
    network = ready(maker, how, monkeypatch, geometry)
    left, top, right, bottom = block
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[top:bottom, left:right] = 255
    ids = (pixels[:, :, 0] > 0).astype(np.uint16)
    maps = network.activations(network.prepare(Image.fromarray(pixels))[None], network.layers([layer_name]))[layer_name]
    for labels in (ids, ids[::2, ::2]):  # half-size label maps cover the same picture
        sampled = network.view(size).sample(labels, (4, 4), 65_535)
        assert sampled[sampled != 65_535].sum() == 1
        assert ((sampled == 1) == (maps[0, 0].numpy() > 0.4)).all()
    padded = network.view(size).sample(ids, (4, 4), 65_535) == 65_535
    assert (maps[0, 0].numpy()[padded] == 0).all()


def test_saturated_relu6_stops_at_six(monkeypatch: pytest.MonkeyPatch) -> None:
    network = ready(mobilenet, Preprocessing((64, 64), scale=1.0), monkeypatch)
    (layer,) = network.layers(["features.0.2"])
    maps = network.activations(network.prepare(Image.new("RGB", (64, 64), (255, 255, 255)))[None], [layer])[layer.name]
    assert float(maps.max()) == 6 and layer.signed is False
