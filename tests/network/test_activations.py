"""Hooks: what is kept, when the pass stops, and that nothing of it stays behind."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from torch import nn

from dissect.errors import LayerError, NetworkError
from dissect.network.loaded import LoadedNetwork
from tests.network.nets import loaded


def batch(n: int = 3, size: tuple[int, int] = (32, 32)) -> np.ndarray:
    return np.random.default_rng(n).normal(size=(n, 3, *size)).astype(np.float32)


def hooks(network: LoadedNetwork) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in network.module.modules())


def test_an_in_place_layer_does_not_overwrite_what_was_kept() -> None:
    network = loaded("plain")
    maps = network.activations(batch(), network.layers(["0", "1"]))
    assert float(maps["0"].min()) < 0
    assert torch.equal(maps["0"].clamp(min=0), maps["1"])


def test_maps_belong_to_the_caller() -> None:
    network = loaded("plain")
    layers = network.layers(["0"])
    first = network.activations(batch(), layers)["0"]
    kept = first.clone()
    network.activations(batch(4), layers)
    assert torch.equal(first, kept) and first.is_contiguous() and first.dtype == torch.float32
    assert torch.equal(network.activations(batch(), layers)["0"], kept)


def test_watching_a_layer_does_not_change_the_output() -> None:
    network = loaded("plain")
    expected = network.outputs(batch())
    seen = network.activations(batch(), network.layers())
    assert torch.equal(seen["4"][:, :, 0, 0], expected) and torch.equal(network.outputs(batch()), expected)


def test_the_pass_stops_after_the_last_wanted_layer() -> None:
    network = loaded("plain")
    reached = []
    network.module.get_submodule("4").register_forward_hook(lambda *_: reached.append(1))
    network.activations(batch(), network.layers(["0", "1"]))
    assert reached == []
    network.activations(batch(), network.layers(["4"]))
    assert reached == [1]


def test_a_network_that_swallows_exceptions_does_not_swallow_the_stop() -> None:
    network = loaded("fragile")
    reached = []
    network.module.get_submodule("after").register_forward_hook(lambda *_: reached.append(1))
    assert network.activations(batch(), network.layers(["conv"]))["conv"].shape == (3, 4, 30, 30)
    assert reached == []


def test_no_hook_stays_behind_after_an_error() -> None:
    network = loaded("fragile", fast=False)
    poisoned = batch()
    poisoned[0, 0, 0, 0] = 13
    with pytest.raises(ValueError, match="thirteen"):
        network.activations(poisoned, network.layers())
    assert hooks(network) == 0
    network.activations(batch(), network.layers())
    assert hooks(network) == 0


def test_a_module_that_fires_twice_has_two_layers() -> None:
    network = loaded("recalled")
    names = [layer.name for layer in network.layers()]
    assert names == ["conv@0", "norm@0", "conv@1", "norm@1", "last"]
    maps = network.activations(batch(), network.layers(["conv"]))
    assert list(maps) == ["conv@0", "conv@1"] and not torch.equal(maps["conv@0"], maps["conv@1"])
    conv, norm = network.module.get_submodule("conv"), network.module.get_submodule("norm")
    with torch.inference_mode():
        once = conv(torch.from_numpy(batch()))
        assert torch.allclose(maps["conv@0"], once, atol=1e-5) and torch.allclose(maps["conv@1"], conv(norm(once)), atol=1e-5)
    only = network.activations(batch(), network.layers(["conv@1"]))
    assert list(only) == ["conv@1"] and torch.equal(only["conv@1"], maps["conv@1"])


def test_the_first_tensor_of_tuples_and_mappings_is_read() -> None:
    network = loaded("tuples")
    maps = network.activations(batch(), network.layers(["conv", "pair"]))
    assert torch.equal(maps["pair"], 2 * maps["conv"])
    with pytest.raises(LayerError, match="nothing cannot be read as units: its output holds no tensor"):
        network.layers(["nothing"])


def test_linear_layers_are_maps_of_one_cell() -> None:
    network = loaded("plain")
    (layer,) = network.layers(["4"])
    assert (layer.form, layer.units, layer.map_size) == ("linear", 5, (1, 1))
    assert network.activations(batch(), [layer])["4"].shape == (3, 5, 1, 1)


def test_no_layers_need_no_pass() -> None:
    assert loaded("plain").activations(batch(), []) == {}


def test_a_picture_that_breaks_the_padding_harms_nobody() -> None:
    network = loaded("plain")
    images = batch(5)
    images[-1] = np.nan
    maps = network.activations(images, network.layers(["0"]))["0"]
    assert bool(torch.isfinite(maps[:4]).all()) and bool(torch.isnan(maps[4]).any())


@pytest.mark.parametrize("factory", ["plain", "normed", "patches"])
def test_bits_do_not_depend_on_batch_size_threads_or_other_layers(factory: str) -> None:
    network = loaded(factory)
    images = batch(32)
    layers = network.layers()
    expected = network.activations(images, layers)
    threads = torch.get_num_threads()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            for size, wanted in ((1, layers), (7, layers[-1:]), (20, layers[:1]), (32, layers[1:2])):
                starts = range(0, 32, size) if size > 1 else (0, 13, 31)
                for start in starts:
                    maps = network.activations(images[start : start + size], wanted)
                    for layer in wanted:
                        assert torch.equal(maps[layer.name], expected[layer.name][start : start + size]), (count, size, layer.name)
    finally:
        torch.set_num_threads(threads)


def test_two_threads_do_not_catch_each_others_maps() -> None:
    network = loaded("plain")
    layers = network.layers(["0"])
    images = [batch(n) for n in range(1, 9)]
    expected = [network.activations(image, layers)["0"] for image in images]
    found: dict[int, torch.Tensor] = {}

    def work(start: int) -> None:
        for index in range(start, 8, 2):
            found[index] = network.activations(images[index], layers)["0"]

    threads = [threading.Thread(target=work, args=(start,)) for start in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(found[index], expected[index]) for index in range(8))


def test_a_pictures_shape_may_not_change_a_layers() -> None:
    network = loaded("plain")
    with pytest.raises(LayerError, match="when the network was loaded"):
        network.activations(batch(2, (48, 48)), network.layers(["0"]))
    assert network.activations(batch(20), network.layers(["0"]))["0"].shape == (20, 8, 32, 32)
    assert hooks(network) == 0


def test_a_network_that_does_not_take_pictures_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.network.nets.plain", lambda: nn.Linear(7, 7))
    with pytest.raises(NetworkError, match=r"the network fails on a batch of \(2, 3, 32, 32\)"):
        loaded("plain")
