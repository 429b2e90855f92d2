"""Golden: the published numbers of three real networks, through our own preprocessing, loading and fast path."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from dissect.network.load import load_network
from dissect.network.loaded import LoadedNetwork
from dissect.network.preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocessing
from dissect.network.source import NetworkSpec

RELATIVE = 1e-3
FACE = Preprocessing((112, 112), "longest", scale=1 / 256, mean=(122.782 / 256, 117.001 / 256, 104.298 / 256))


def network(shared: Path, factory: str, file: str, how: Preprocessing, fast: bool = True, geometry: Any = "squash") -> LoadedNetwork:
    weights = shared / "models" / file
    return load_network(NetworkSpec(f"tests.factories:{factory}", weights=weights, preprocessing=how, fast=fast, geometry=geometry))


@pytest.fixture(scope="module")
def reference(shared: Path) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads((shared / "models" / "reference_outputs.json").read_text())
    return found


@pytest.fixture(scope="module", params=[True, False], ids=["fast", "plain"])
def tiny_darknet(shared: Path, request: pytest.FixtureRequest) -> LoadedNetwork:
    return network(shared, "tiny_darknet", "tiny_darknet_imagenet.safetensors", Preprocessing((224, 224)), fast=request.param)


def pictures(shared: Path, names: Mapping[str, Any]) -> Iterator[tuple[Image.Image, Any]]:
    for name, expected in names.items():
        with Image.open(shared / "data" / name) as picture:
            yield picture.convert("RGB"), expected


def outputs(shared: Path, network: LoadedNetwork, names: Mapping[str, Any]) -> tuple[torch.Tensor, list[Any]]:
    """The network's output for every picture, and what was published for it."""
    every = list(pictures(shared, names))
    return network.outputs(np.stack([network.prepare(picture) for picture, _expected in every])), [expected for _picture, expected in every]


def near(value: float, expected: float, decimals: int) -> bool:
    """Within 1e-3 relative, or within the rounding of the reference's last printed digit."""
    return bool(abs(value - expected) <= max(RELATIVE * abs(expected), 0.51 * 10.0**-decimals))


def test_tiny_darknet_gives_the_published_classes(shared: Path, reference: Mapping[str, Any], tiny_darknet: LoadedNetwork) -> None:
    checked = 0
    found, published = outputs(shared, tiny_darknet, reference["tiny_darknet_imagenet"]["images"])
    for logits, expected in zip(found, published, strict=True):
        shares = logits.softmax(0)
        assert shares.argsort(descending=True)[:5].tolist() == [index for index, _name, _share in expected["top5"]]
        for index, _name, share in expected["top5"]:
            assert near(float(shares[index]), share, 4)
            checked += 1
        for value, number in zip(logits.tolist(), expected.get("logits_first5", ()), strict=False):
            assert near(value, number, 4)
    assert checked == 80


def test_tiny_darknet_gives_the_published_layers(shared: Path, reference: Mapping[str, Any], tiny_darknet: LoadedNetwork) -> None:
    checked = 0
    layers = tiny_darknet.layers(["act*"])
    assert len(layers) == 15
    for picture, expected in pictures(shared, reference["tiny_darknet_imagenet"]["images"]):
        published: Any = next((value for key, value in expected.items() if key.startswith("layers")), {})
        maps = tiny_darknet.activations(tiny_darknet.prepare(picture)[None], layers) if published else {}
        for name, numbers in published.items():
            found = maps["act" + name.removeprefix("conv")][0]
            assert list(found.shape) == numbers["shape"]
            values = {"mean": found.mean(), "std": found.std(), "min": found.min(), "max": found.max()}
            assert all(near(float(value), numbers[key], 5) for key, value in values.items()), name
            for value, mean in zip(found.mean((1, 2)), numbers["channel_means_first4"], strict=False):
                assert near(float(value), mean, 5)
            checked += 1
    assert checked == 15


def test_cifar_resnet_from_its_original_file_gives_the_published_logits(shared: Path, reference: Mapping[str, Any]) -> None:
    how = Preprocessing((32, 32), mean=IMAGENET_MEAN, std=IMAGENET_STD)
    resnet = network(shared, "cifar_resnet20", "resnet20-12fca82f.th", how)
    assert any("module." in note for note in resnet.notes)
    names = {f"cifar10_samples/{name}": numbers for name, numbers in reference["cifar_resnets"]["outputs"]["resnet20-12fca82f.th"].items()}
    assert len(names) == 20
    found, published = outputs(shared, resnet, names)
    for logits, expected in zip(found.tolist(), published, strict=True):
        assert len(logits) == 10
        assert all(near(value, number, 3) for value, number in zip(logits, expected["logits"], strict=True))


def test_the_face_network_gives_the_published_ages(shared: Path, reference: Mapping[str, Any]) -> None:
    faces = network(shared, "age_gender", "age_gender_tiny_xception.safetensors", FACE, geometry="model")
    heads = reference["age_gender_tiny_xception"]["heads_in_clothing_coparsing"]
    assert len(heads) >= 15
    crops = []
    for head in heads:
        with Image.open(shared / "data" / head["image"]) as picture:
            crops.append(faces.prepare(picture.convert("RGB").crop(head["crop_box"])))
    for head, (age, *gender) in zip(heads, faces.outputs(np.stack(crops)), strict=True):
        assert near(float(age), head["age"], 2)
        assert near(float((gender[0] - gender[1]).sigmoid()), head["p_male"], 4)
