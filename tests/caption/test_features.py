"""Feature pooling against its formula, empty masks, and the named recipes on their networks."""

from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given
from PIL import Image
from torch.nn import functional

from dissect.caption.features import RECIPES, FeatureRecipe, Features, Keys, keys, pool, pooled
from dissect.errors import LayerError, NetworkError, ShapeError, UsageError
from dissect.network.load import load_network
from dissect.network.preprocess import Preprocessing
from dissect.network.source import NetworkSpec
from tests.network.nets import loaded


def pictures(count: int, size: tuple[int, int] = (32, 32), seed: int = 0) -> list[Image.Image]:
    noise = np.random.default_rng(seed).integers(0, 256, (count, *size, 3), np.uint8)
    return [Image.fromarray(each) for each in noise]


@hypothesis.settings(max_examples=50)
@given(st.integers(0, 999), st.sampled_from([(8, 8), (12, 9), (7, 5), (4, 4)]), st.floats(0.05, 1))
def test_pooling_equals_its_formula(seed: int, size: tuple[int, int], share: float) -> None:
    random = np.random.default_rng(seed)
    maps = [torch.from_numpy(random.normal(size=(units, *cells)).astype(np.float32)) for units, cells in ((3, (4, 4)), (2, (2, 3)))]
    masks = random.random((3, *size)) < share
    for resize in ("area", "bilinear"):
        mine = pool(maps, masks, resize)
        for m, mask in enumerate(masks):
            expected = []
            for layer in maps:
                weight = cells_of(mask, layer.shape[1:], resize)
                total = weight.sum()
                expected += [(layer[u].numpy() * weight).sum() / total if total > 0 else 0.0 for u in range(len(layer))]
            assert mine[m] == pytest.approx(expected, abs=1e-5)


def cells_of(mask: np.ndarray, size: tuple[int, ...], resize: str) -> np.ndarray:
    """The mask at (h, w): bilinear as torch has it, or by painting every cell in a common multiple of both sizes."""
    if resize == "bilinear":
        weight = functional.interpolate(torch.from_numpy(mask).float()[None, None], size=tuple(size), mode="bilinear", align_corners=False)
        return weight[0, 0].numpy()
    fine = np.repeat(np.repeat(mask.astype(float), size[0], axis=0), size[1], axis=1)
    return np.asarray(fine.reshape(size[0], mask.shape[0], size[1], mask.shape[1]).mean(axis=(1, 3)))


def test_a_mask_over_everything_gives_the_mean_and_one_pixel_its_cell() -> None:
    layer = torch.arange(8.0).reshape(2, 2, 2)
    masks = np.zeros((3, 8, 8), bool)
    masks[0] = True
    masks[1, 7, 0] = True
    assert pool([layer], masks, "area").tolist() == [[1.5, 5.5], [2, 6], [0, 0]]
    assert pool([layer], masks, "bilinear")[1].tolist() == [0, 0]  # bilinear loses what lies off the cell's centre


def test_a_picture_goes_through_once_and_its_place_does_not_matter() -> None:
    network, recipe = loaded("plain"), FeatureRecipe("mine", "plain", ("0", "4"), (8, 5))
    images = pictures(5)
    masks = np.random.default_rng(1).random((9, 16, 16)) < 0.3
    masks[4] = False
    of = [0, 3, 3, 4, 0, 2, 1, 1, 3]
    opened: list[int] = []
    told: list[int] = []

    def open_one(number: int) -> Image.Image:
        opened.append(number)
        return images[number]

    found = pooled(network, recipe, open_one, masks, of, together=2, advance=told.append)
    assert opened == [0, 1, 2, 3, 4] and told == [2, 2, 1]
    assert found.values.shape == (9, 13) and found.present.tolist() == [m != 4 for m in range(9)]
    assert not found.values[4].any()
    layers = network.layers(("0", "4"))
    for m, number in enumerate(of):
        maps = network.activations(network.prepare(images[number])[None], layers)
        alone = pool([maps[layer.name][0] for layer in layers], masks[m : m + 1], "area")[0]
        assert np.allclose(found.values[m], alone if m != 4 else 0, atol=1e-6)


def test_the_order_of_features_is_that_of_the_recipe() -> None:
    network, images, masks = loaded("plain"), pictures(1), np.ones((1, 4, 4), bool)
    forward = pooled(network, FeatureRecipe("a", "plain", ("0", "4")), images, masks, [0]).values[0]
    back = pooled(network, FeatureRecipe("b", "plain", ("4", "0")), images, masks, [0]).values[0]
    assert np.array_equal(np.concatenate([forward[8:], forward[:8]]), back)


def test_a_cropping_network_sees_the_cropped_mask() -> None:
    network = loaded("plain", preprocessing=Preprocessing((16, 16), "shortest"), geometry="model")
    image = pictures(1, (32, 64))[0]
    view = network.view(image.size)
    assert (view.left, view.right) == (16, 48)
    masks = np.zeros((1, 32, 64), bool)
    masks[0, 12:20, 28:36] = True
    found = pooled(network, FeatureRecipe("a", "plain", ("0",)), [image], masks, [0])
    maps = network.activations(network.prepare(image)[None], network.layers(("0",)))["0"][0]
    seen = view.sample(masks[0].astype(np.uint16), network.input_size, 0).astype(bool)
    assert np.allclose(found.values[0], pool([maps], seen[None], "area")[0], atol=1e-6)


def test_keys_of_units_leave_out_what_is_not_there() -> None:
    features = Features(np.arange(8, dtype=np.float32).reshape(4, 2) + 1, np.array([True, False, True, True]))
    found = keys(features, np.array([[0, 1, 2], [3, -1, -1]]))
    assert found.present.tolist() == [[True, False, True], [True, False, False]]
    assert found.values.tolist() == [[[1, 2], [0, 0], [5, 6]], [[7, 8], [0, 0], [0, 0]]]
    none = keys(Features(np.zeros((0, 2), np.float32), np.zeros(0, bool)), np.full((2, 3), -1))
    assert none.values.shape == (2, 3, 2) and not none.present.any()


def test_the_recipe_of_the_embedded_network_fits_it() -> None:
    network, recipe = load_network(NetworkSpec("demo", device="cpu")), RECIPES["demo"]
    found = pooled(network, recipe, pictures(2, (128, 128)), np.ones((2, 64, 64), bool), [0, 1])
    assert found.values.shape == (2, 640) and found.present.all() and (found.values >= 0).all()


def test_the_published_recipes_take_conv1_before_its_norm() -> None:
    recipe, image = RECIPES["resnet18"], pictures(1, (224, 224))[0]
    mask = np.zeros((1, 224, 224), bool)
    mask[0, 60:160, 30:200] = True
    plain = load_network(NetworkSpec(recipe.network.replace("IMAGENET1K_V1", "random"), device="cpu", fast=False, input_size=(64, 64)))
    found = pooled(plain, recipe, [image], mask, [0])
    assert found.values.shape == (1, 1024)
    with torch.inference_mode():
        raw = plain.module.conv1(torch.from_numpy(plain.prepare(image))[None])[0]  # type: ignore[operator]
    assert raw.min() < 0
    assert np.allclose(found.values[0, :64], pool([raw], mask, "bilinear")[0], atol=1e-4)


def test_the_published_recipe_gives_3904_numbers(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("--long"):
        pytest.skip("builds a ResNet-101; run with --long")
    recipe = RECIPES["resnet101"]
    network = load_network(NetworkSpec(recipe.network.replace("IMAGENET1K_V1", "random"), device="cpu", fast=False))
    assert sum(layer.units for layer in recipe.find(network)) == sum(recipe.units) == 3904


@pytest.mark.parametrize("name", list(RECIPES))
def test_recipes_go_to_json_and_back(name: str) -> None:
    assert FeatureRecipe.from_plain(RECIPES[name].plain()) == RECIPES[name]


def test_wrong_calls_are_refused() -> None:
    network, masks = loaded("plain"), np.ones((1, 4, 4), bool)
    with pytest.raises(LayerError, match="nowhere"):
        pooled(network, FeatureRecipe("a", "plain", ("nowhere",)), pictures(1), masks, [0])
    with pytest.raises(NetworkError, match="has 8 units, but feature recipe a was made for 9"):
        pooled(network, FeatureRecipe("a", "plain", ("0",), (9,)), pictures(1), masks, [0])
    with pytest.raises(ShapeError, match="1 masks, but 2 picture numbers"):
        pooled(network, FeatureRecipe("a", "plain", ("0",)), pictures(1), masks, [0, 0])
    with pytest.raises(ShapeError, match="a mask of shape"):
        pooled(network, FeatureRecipe("a", "plain", ("0",)), pictures(1), np.ones((1, 1, 4, 4), bool), [0])
    with pytest.raises(ShapeError, match="keys of shape"):
        Keys(np.zeros((2, 3, 4), np.float32), np.zeros((2, 4), bool))
    with pytest.raises(UsageError, match="one layer or more"):
        FeatureRecipe("a", "plain", ())
    with pytest.raises(UsageError, match="2 unit counts for 1"):
        FeatureRecipe("a", "plain", ("x",), (1, 2))
    with pytest.raises(UsageError, match="area or bilinear"):
        FeatureRecipe("a", "plain", ("x",), (), "nearest")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="exactly name"):
        FeatureRecipe.from_plain({"name": "x"})
    with pytest.raises(UsageError, match="are text"):
        FeatureRecipe.from_plain({**RECIPES["demo"].plain(), "layers": [1]})
