"""Units switched off by hooks, whole or from a fork, answer as changed weights do; and checkpoints without units."""

from __future__ import annotations

import collections
import dataclasses

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from dissect.errors import LayerError, NotSupportedError, ShapeError
from dissect.network import ablate
from dissect.network.ablate import HOWS, Ablation, Ablator, Means, changed, look, mean_of
from dissect.network.edit import edit
from dissect.network.loaded import LoadedNetwork
from dissect.network.outgoing import consumer, outgoing_norm
from tests.network.nets import loaded

HERE = "tests.network.test_ablate"


class Skipping(nn.Module):
    """A block with a skip connection, its ReLU called twice, a head that reads channels one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.block = Block()
        self.head = nn.Linear(6, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.block(self.stem(x)).mean(dim=(2, 3)))  # type: ignore[no-any-return]


class Block(nn.Module):
    """relu(x + norm(conv(relu(x))))"""

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.conv = nn.Conv2d(6, 6, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(x + self.norm(self.conv(self.relu(x))))  # type: ignore[no-any-return]


def skipping() -> nn.Module:
    network = Skipping()
    nn.init.normal_(network.block.norm.running_mean)  # type: ignore[arg-type]
    nn.init.uniform_(network.block.norm.running_var, 0.3, 3.0)  # type: ignore[arg-type]
    return network


class Tokens(nn.Module):
    """A class token and 4 x 4 patches; the answer reads the class token and the patches."""

    def __init__(self) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.ones(1, 1, 6))
        self.patches = nn.Conv2d(3, 6, 8, stride=8)
        self.body = nn.Linear(6, 6)
        self.head = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        tokens = self.body(torch.cat([self.cls_token.expand(len(x), -1, -1), tokens], dim=1))
        return self.head(tokens[:, 0] + tokens[:, 1:].amax(dim=1))  # type: ignore[no-any-return]


def tokens() -> nn.Module:
    return Tokens()


class Last(nn.Module):
    """Channels last between two permutations."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, stride=4)
        self.norm = nn.LayerNorm(6)
        self.head = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.norm(self.conv(x).permute(0, 2, 3, 1)).relu().mean(dim=(1, 2)))  # type: ignore[no-any-return]


def last() -> nn.Module:
    return Last()


def network(factory: str, fast: bool = True) -> LoadedNetwork:
    from dissect.network.load import load_network
    from dissect.network.preprocess import Preprocessing
    from dissect.network.source import NetworkSpec

    return load_network(NetworkSpec(f"{HERE}:{factory}@random", fast=fast, preprocessing=Preprocessing((32, 32)), device="cpu"))


def batch(net: LoadedNetwork, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(net.pass_size, 3, 32, 32)).astype(np.float32)


LAYERS = [
    *(("skipping", name) for name in ("stem", "block.conv", "block.norm", "block.relu@0", "block.relu@1", "block", "head")),
    *(("tokens", name) for name in ("body", "patches")),
    *(("last", name) for name in ("norm", "conv")),
]


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize(("factory", "layer"), LAYERS)
def test_the_fork_answers_as_whole_passes_do_for_every_form_of_layer(factory: str, layer: str, fast: bool) -> None:
    net = network(factory, fast)
    info, pictures = net.layers((layer,))[0], batch(network(factory))
    plain, seen = look(net, info, pictures)
    choices = [Ablation((0,)), Ablation((1, 3)), Ablation((2,), 0.5), Ablation((2,), 1.0)]
    for how in HOWS:
        ablator = Ablator(net, info, how, mean_of(seen.average, seen.prefix))
        found = ablator.outputs(pictures, choices)
        assert (ablator.fork is None) == (layer == "patches")  # where the class token is copied for the batch as it was
        whole = np.concatenate([ablator.whole(pictures, choice) for choice in choices])
        np.testing.assert_allclose(found[1:], whole, atol=1e-5)
        np.testing.assert_allclose(found[[0, 4]], np.stack([plain, plain]), atol=1e-5)
        assert np.abs(found[1:4] - plain).max(axis=(1, 2)).min() > 1e-5, how


def test_a_layer_beside_a_skip_connection_forks_at_its_block() -> None:
    net = network("skipping")
    inner = Ablator(net, net.layers(("block.conv",))[0], "zero")
    inner.outputs(batch(net), [])
    outer = Ablator(net, net.layers(("block",))[0], "zero")
    outer.outputs(batch(net), [])
    assert (inner.fork, outer.fork) == ("block", "block")
    assert (inner.path, outer.path) == ("the network from block on", "what follows block")


@pytest.mark.parametrize("fast", [True, False])
def test_a_switched_off_unit_answers_as_a_network_with_edited_weights(fast: bool) -> None:
    net = loaded("normed", fast=fast)
    for name, constant in (("0", 0.7), ("1", -0.4), ("2", 0.3)):
        info, pictures = net.layers((name,))[0], batch(net)
        means = Means(np.full(info.units, constant), np.zeros((0, info.units)))
        found = Ablator(net, info, "mean", means).outputs(pictures, [Ablation((1, 4))])[1]
        module = loaded("normed", fast=False).module
        with torch.no_grad():
            values = torch.from_numpy(pictures)
            for place, part in enumerate(module.children()):
                values = part(values)
                if str(place) == name:
                    values = values.clone()
                    values[:, [1, 4]] = constant
        np.testing.assert_allclose(found, values.flatten(1).numpy(), atol=1e-4)


def test_resampling_takes_the_unit_of_the_next_picture_and_the_mean_is_over_places_and_pictures() -> None:
    net = network("skipping")
    info, pictures = net.layers(("stem",))[0], batch(net)
    maps = net.activations(pictures, [info])["stem"]
    seen = look(net, info, pictures)[1]
    np.testing.assert_allclose(seen.average.mean(axis=0), maps.mean(dim=(0, 2, 3)).numpy(), atol=1e-6)
    ablator = Ablator(net, info, "resample")
    for dose in (0.0, 0.25):
        expected = maps.clone()
        for row in range(len(maps)):
            expected[row, 2] = dose * maps[row, 2] + (1 - dose) * maps[(row + 1) % len(maps), 2]
        module = net.module
        with torch.inference_mode():
            answer = module.head(module.block(expected).mean(dim=(2, 3)))  # type: ignore[operator]
        np.testing.assert_allclose(ablator.outputs(pictures, [Ablation((2,), dose)])[1], answer.numpy(), atol=1e-5)


def test_prefix_tokens_get_means_of_their_own() -> None:
    net = network("tokens")
    info, pictures = net.layers(("body",))[0], batch(net)
    seen = look(net, info, pictures)[1]
    means = mean_of(seen.average, seen.prefix)
    assert means.prefix.shape == (1, 6)
    kept: list[torch.Tensor] = []
    ablator = Ablator(net, info, "mean", means)
    ablator.whole(pictures, Ablation((3,)), before={"head": lambda _module, given: kept.append(given[0])})
    wanted = torch.full((len(pictures),), float(means.prefix[0, 3] + means.patch[3]))
    torch.testing.assert_close(kept[0][:, 3], wanted, atol=1e-5, rtol=1e-5)


def test_hooks_are_gone_after_an_error_and_after_success() -> None:
    net = network("skipping")
    info = net.layers(("block",))[0]
    ablator = Ablator(net, info, "zero")

    def fail(_module: object, _given: object) -> None:
        raise RuntimeError("in the middle of the pass")

    ablator.outputs(batch(net), [Ablation((0,))])
    with pytest.raises(RuntimeError, match="in the middle"):
        ablator.whole(batch(net), Ablation((0,)), before={"head": fail})
    hooks = [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in net.module.modules()]
    assert sum(hooks) == 0


def test_many_choices_in_small_portions_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    net = network("skipping")
    ablator = Ablator(net, net.layers(("stem",))[0], "zero")
    choices = [Ablation((unit,)) for unit in range(6)]
    together = ablator.outputs(batch(net), choices)
    monkeypatch.setattr(ablate, "COPIES", 1)
    np.testing.assert_allclose(ablator.outputs(batch(net), choices), together, atol=1e-5)


def test_wrong_units_and_batches_are_named() -> None:
    net = network("skipping")
    info = net.layers(("stem",))[0]
    with pytest.raises(LayerError, match="stem has units 0 to 5; there is no unit 6"):
        Ablator(net, info, "zero").outputs(batch(net), [Ablation((6,))])
    with pytest.raises(ShapeError, match="a batch of 3 pictures"):
        Ablator(net, info, "zero").outputs(batch(net)[:3], [])
    with pytest.raises(ShapeError, match="needs the units' means"):
        Ablator(net, info, "mean")


def test_an_output_of_any_kind_keeps_its_kind() -> None:
    Pair = collections.namedtuple("Pair", "name value")
    Record = dataclasses.make_dataclass("Record", ["value", "rest"])
    one, two = torch.ones(2), torch.full((2,), 2.0)
    double = lambda tensor: tensor * 2  # noqa: E731
    assert torch.equal(changed((None, [one, two]), double)[1][0], two)  # type: ignore[index]
    assert torch.equal(changed(Pair("a", one), double).value, two)  # type: ignore[attr-defined]
    assert torch.equal(changed(Record(one, 3), double).value, two)  # type: ignore[attr-defined]
    mapping = {"words": "x", "value": one}
    assert torch.equal(changed(mapping, double)["value"], two)  # type: ignore[index]
    assert torch.equal(mapping["value"], one)  # type: ignore[arg-type]


def test_the_reader_of_a_layer_is_found_or_said_not_to_be() -> None:
    net = network("skipping")
    pictures = batch(net)
    assert consumer(net, net.layers(("block",))[0], pictures) == "head"
    norm = outgoing_norm(net, net.layers(("block",))[0], pictures)
    assert norm is not None
    weight: torch.Tensor = net.module.head.weight  # type: ignore[assignment, union-attr]
    np.testing.assert_allclose(norm, weight.detach().norm(dim=0).numpy(), rtol=1e-5)
    assert consumer(net, net.layers(("head",))[0], pictures) is None


@pytest.mark.parametrize(("factory", "layer", "place"), [
    ("skipping", "stem", "source"), ("skipping", "block.norm", "source"), ("skipping", "block", "reader"), ("last", "norm", "source"),
    ("tokens", "body", "source"),
])  # fmt: skip
def test_an_edited_network_answers_as_with_the_units_switched_off(factory: str, layer: str, place: str) -> None:
    net = network(factory, fast=False)
    info, pictures = net.layers((layer,))[0], batch(net)
    values = look(net, info, pictures)[1].average.mean(axis=0)
    means = Means(values, np.repeat(values[None], info.prefix, axis=0))
    expected = Ablator(net, info, "mean", means).outputs(batch(net, 5), [Ablation((1, 2))])[1]
    done = edit(net, info, (1, 2), values, pictures)
    assert done.place == place
    np.testing.assert_allclose(net.outputs(batch(net, 5)).numpy(), expected, atol=1e-4)


def test_what_cannot_be_written_into_weights_is_refused_and_nothing_is_changed() -> None:
    net = network("skipping", fast=False)
    info, pictures = net.layers(("block.conv",))[0], batch(net)
    before = net.outputs(pictures)
    with pytest.raises(NotSupportedError, match=r"units of block.conv cannot be written into the weights"):
        edit(net, info, (0,), np.full(6, 0.5), pictures)
    assert torch.equal(net.outputs(pictures), before)
