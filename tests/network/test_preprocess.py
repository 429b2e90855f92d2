"""Preprocessing against the libraries whose habits it follows, and against faults."""

from __future__ import annotations

import importlib

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from PIL import Image

from dissect.errors import CardError, ImageError
from dissect.network.build_timm import data_config
from dissect.network.build_torchvision import transforms
from dissect.network.build_transformers import processor
from dissect.network.preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocessing, placement, prepare, view
from dissect.network.torchvision_guard import load_torchvision

SIZES = [(64, 48), (37, 90), (224, 224), (500, 333), (31, 29)]


def picture(size: tuple[int, int]) -> Image.Image:
    noise = np.random.default_rng(size[0]).integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)
    return Image.fromarray(noise)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["resnet18", "resnet50", "swin_t", "inception_v3"])
def test_torchvision_weights_bring_their_own_transforms(name: str, size: tuple[int, int]) -> None:
    entry = load_torchvision().models.get_model_weights(name).DEFAULT
    theirs = entry.transforms()(picture(size)).numpy()
    ours = prepare(transforms(entry), picture(size), "model")
    assert theirs.shape == ours.shape and np.abs(theirs - ours).max() < 1e-5


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", ["center", "squash", "border"])
@pytest.mark.parametrize("share", [0.875, 1.0])
def test_timm_configurations_are_followed(mode: str, share: float, size: tuple[int, int]) -> None:
    load_torchvision()
    create = importlib.import_module("timm.data").create_transform
    colours = {"mean": IMAGENET_MEAN, "std": IMAGENET_STD}
    config = {"input_size": (3, 64, 64), "crop_pct": share, "crop_mode": mode, "interpolation": "bicubic", **colours}
    theirs = create(**{**config, "is_training": False})(picture(size)).numpy()
    how = data_config(config)
    ours = prepare(how, picture(size), "model")
    if mode == "border":  # timm pads with its mean colour, and leaves the padding to round; the picture itself must agree
        place = placement(how, size, "model")
        inside = np.zeros(how.size, bool)
        inside[max(place.y, 0) + 2 : place.y + place.height - 2, max(place.x, 0) + 2 : place.x + place.width - 2] = True
        assert np.median(np.abs(theirs - ours)[:, inside]) < 0.05 or place.width % 2 or place.height % 2
    else:
        assert np.abs(theirs - ours).max() < 1e-5


PROCESSORS = [
    ("CLIPImageProcessor", {"size": {"shortest_edge": 40}, "crop_size": {"height": 32, "width": 32}}),
    ("ViTImageProcessor", {"size": {"height": 32, "width": 48}}),
    ("DeiTImageProcessor", {"size": {"height": 40, "width": 40}, "crop_size": {"height": 32, "width": 32}}),
    ("BitImageProcessor", {"size": {"shortest_edge": 40}, "crop_size": {"height": 32, "width": 32}}),
    ("ConvNextImageProcessor", {"size": {"shortest_edge": 32}, "crop_pct": 0.875}),
    ("ConvNextImageProcessor", {"size": {"shortest_edge": 384}}),
    ("SiglipImageProcessor", {"size": {"height": 32, "width": 32}}),
]


@pytest.mark.parametrize("size", SIZES[:3])
@pytest.mark.parametrize(("name", "options"), PROCESSORS, ids=str)
def test_image_processors_of_transformers_are_followed(name: str, options: dict[str, object], size: tuple[int, int]) -> None:
    load_torchvision()
    transformers = importlib.import_module("transformers")
    kind = getattr(transformers, name + "Pil", None) or getattr(transformers, name)
    theirs = kind(**options)
    expected = np.asarray(theirs(picture(size), return_tensors="np")["pixel_values"][0])
    ours = prepare(processor(theirs.to_dict()), picture(size), "model")
    assert ours.shape == expected.shape
    assert np.abs(ours - expected).max() < (1e-4 if kind.__name__.endswith("Pil") else 0.08)


def test_an_empty_processor_takes_the_networks_own_size() -> None:
    assert processor({}, 48).size == (48, 48)
    assert processor({}, [32, 64]).size == (32, 64)


def test_squash_shows_the_whole_picture_whatever_the_network_does() -> None:
    how = Preprocessing((32, 32), "shortest", (40,))
    whole = view(how, (100, 50), "squash")
    assert (whole.left, whole.top, whole.right, whole.bottom) == (0, 0, 100, 50)
    expected = np.asarray(picture((100, 50)).resize((32, 32), Image.Resampling.BILINEAR)).transpose(2, 0, 1) / 255
    assert np.allclose(prepare(how, picture((100, 50)), "squash"), expected, atol=1e-6)


@hypothesis.given(st.integers(1, 300), st.integers(1, 300), st.sampled_from(["shortest", "longest", "squash"]), st.integers(8, 50))
def test_a_view_is_as_wide_as_the_input_in_resized_pixels(width: int, height: int, resize: str, side: int) -> None:
    how = Preprocessing((24, 32), resize, (side, side) if resize == "squash" else (side,))  # type: ignore[arg-type]
    place, seen = placement(how, (width, height), "model"), view(how, (width, height), "model")
    assert (seen.right - seen.left) * place.width / width == pytest.approx(32)
    assert (seen.bottom - seen.top) * place.height / height == pytest.approx(24)
    assert prepare(how, picture((width, height)), "model").shape == (3, 24, 32)


def test_padding_gets_the_fill_colour_and_the_mean_subtracted() -> None:
    how = Preprocessing((4, 4), "longest", scale=1.0, mean=(10, 20, 30), std=(2, 2, 2), fill=(10, 30, 30))
    values = prepare(how, Image.new("RGB", (4, 2), (12, 20, 30)), "model")
    assert values[:, 0, 0].tolist() == [0, 5, 0] and values[:, 1, 0].tolist() == [1, 0, 0]


def test_channels_can_be_in_the_old_order() -> None:
    values = prepare(Preprocessing((1, 1), scale=1.0, mean=(1, 2, 3), channels="BGR"), Image.new("RGB", (1, 1), (100, 150, 200)), "squash")
    assert values.ravel().tolist() == [199, 148, 97]


def test_values_are_those_of_arithmetic_per_pixel() -> None:
    how = Preprocessing((16, 16), mean=IMAGENET_MEAN, std=IMAGENET_STD)
    pixels = np.asarray(picture((16, 16))).astype(np.float32).transpose(2, 0, 1)
    mean, std = (np.array(values, np.float32)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
    values = prepare(how, picture((16, 16)), "squash")
    assert (values == (pixels / np.float32(255) - mean) / std).all() and values.dtype == np.float32 and values.flags.c_contiguous


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK"])
def test_other_modes_become_rgb(mode: str) -> None:
    assert prepare(Preprocessing((8, 8)), picture((8, 8)).convert(mode), "squash").shape == (3, 8, 8)


def test_a_strip_is_refused_and_not_blown_up() -> None:
    how = Preprocessing((224, 224), "shortest", (256,))
    with pytest.raises(ImageError, match="too narrow"):
        prepare(how, Image.new("RGB", (40_000, 1)), "model")
    assert prepare(how, Image.new("RGB", (40_000, 1)), "squash").shape == (3, 224, 224)
    with pytest.raises(ImageError, match="shows nothing"):
        placement(how, (0, 5), "squash")


FAULTS = [
    {"size": (0, 5)}, {"size": (5,)}, {"size": (5, 9000)}, {"resize": "stretch"}, {"resize_to": (5,)},
    {"resize": "shortest", "resize_to": (5, 5)}, {"interpolation": "magic"}, {"channels": "HSV"},
    {"mean": (float("nan"), 0, 0)}, {"std": (0, 1, 1)}, {"scale": 0.0}, {"fill": (0, 0, 300)},
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_nonsense_is_refused(fault: dict[str, object]) -> None:
    with pytest.raises(CardError, match="preprocessing"):
        Preprocessing(**{"size": (8, 8), **fault})  # type: ignore[arg-type]


def test_a_description_tells_settings_apart() -> None:
    base = Preprocessing((8, 8))
    others = [
        Preprocessing((8, 9)), Preprocessing((8, 8), "shortest"), Preprocessing((8, 8), resize_to=(9, 9)),
        Preprocessing((8, 8), mean=(0.1, 0, 0)),
        Preprocessing((8, 8), interpolation="bicubic"), Preprocessing((8, 8), channels="BGR"), Preprocessing((8, 8), fill=(1, 0, 0)),
    ]  # fmt: skip
    assert len({how.describe() for how in (base, *others)}) == 8
