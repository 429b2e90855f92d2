"""Random weights for the same network: drawn, measured, and never mistaken for the trained one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import nn

from dissect.errors import NetworkError
from dissect.network import build
from dissect.network.load import load_network
from dissect.network.loaded import LoadedNetwork
from dissect.network.preprocess import Preprocessing
from dissect.network.randomise import load_random, measure_norms
from dissect.network.source import NetworkSpec
from tests.network import nets

SMALL = Preprocessing((32, 32))


def spec(factory: str, **more: object) -> NetworkSpec:
    return NetworkSpec(f"tests.network.nets:{factory}@random", preprocessing=SMALL, **more)  # type: ignore[arg-type]


def pictures(seed: int = 0) -> Iterator[NDArray[np.float32]]:
    random = np.random.default_rng(seed)
    yield from (random.random((8, 3, 32, 32), np.float32) for _ in range(2))


def none() -> Iterator[NDArray[np.float32]]:
    raise AssertionError("a network without batch norm needs no pictures")


def weights(network: LoadedNetwork) -> str:
    return str(network.describe()["weights"])


def planted(maker: Callable[[], nn.Module], monkeypatch: pytest.MonkeyPatch) -> NetworkSpec:
    monkeypatch.setattr(build, "_factory", lambda _target: maker)
    return NetworkSpec("planted:network@random", preprocessing=SMALL)


def test_weights_depend_on_the_seed_and_leave_the_callers_generators_alone() -> None:
    torch.manual_seed(11)
    wanted = torch.rand(1)
    torch.manual_seed(11)
    one, again, other = (load_random(spec("plain"), seed, none) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(1), wanted)
    assert weights(one) == weights(again) != weights(other)
    assert one.name == "nets.plain-random" and one.source == "tests.network.nets:plain@random"


def test_a_weights_file_is_left_out_and_its_fingerprint_with_it(tmp_path: Path) -> None:
    torch.manual_seed(99)
    save_file(nets.plain().state_dict(), tmp_path / "trained.safetensors")
    trained = NetworkSpec("tests.network.nets:plain", weights=tmp_path / "trained.safetensors", preprocessing=SMALL)
    known, random = load_network(trained), load_random(trained, 0, none)
    assert random.file_sha256 is None and known.file_sha256 is not None
    assert {key for key, value in random.describe().items() if value != known.describe()[key]} == {"weights"}


def test_what_a_constructor_fixes_is_drawn_by_its_own_parts() -> None:
    """`normed` seeds itself, so its weights are the same whatever the seed."""
    fixed = [weights(load_network(spec("normed", seed=seed))) for seed in (0, 1)]
    assert fixed[0] == fixed[1]
    one, two = (load_random(spec("normed"), seed, pictures) for seed in (0, 1))
    assert len({fixed[0], weights(one), weights(two)}) == 3
    assert any("4 parts whose weights the constructor fixes" in note for note in one.notes)


class Own(nn.Module):
    """Weights of its own, always the same, and no way to draw others."""

    def __init__(self) -> None:
        super().__init__()
        self.filters = nn.Parameter(torch.linspace(-1, 1, 24).reshape(8, 3, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.conv2d(x, self.filters)


def test_a_part_that_cannot_draw_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NetworkError, match=r"part 0 \(Own\).*reset_parameters"):
        load_random(planted(lambda: nn.Sequential(Own(), nn.ReLU()), monkeypatch), 0, none)


def test_constant_weights_are_no_sign_of_training(monkeypatch: pytest.MonkeyPatch) -> None:
    network = load_random(planted(lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4)), monkeypatch), 0, none)
    assert not any("constructor fixes" in note for note in network.notes)


def test_batch_norms_know_their_inputs_afterwards() -> None:
    network = nets.normed()
    assert measure_norms(network, pictures) == 16
    first, norm = network[0], network[1]  # type: ignore[index]
    inputs = [first(torch.from_numpy(batch)) for batch in pictures()]
    assert torch.allclose(norm.running_mean, torch.stack([x.mean(dim=(0, 2, 3)) for x in inputs]).mean(0), atol=1e-5)
    assert torch.allclose(norm.running_var, torch.stack([x.var(dim=(0, 2, 3)) for x in inputs]).mean(0), atol=1e-5)
    assert not any(part.training for part in network.modules()) and norm.momentum == 0.1


def test_activations_of_a_measured_network_are_normal() -> None:
    network = load_random(spec("normed"), 0, pictures)
    (layer,) = network.layers(["1"])
    maps = network.activations(next(iter(pictures(9))), [layer])["1"]
    assert maps.mean(dim=(0, 2, 3)).abs().max() < 0.15 and (maps.std(dim=(0, 2, 3)) - 1).abs().max() < 0.15
    assert network.describe()["folded"] == 2
    assert any("measured on 16 pictures" in note for note in network.notes)


def test_a_network_of_torchvision_keeps_its_trained_preprocessing() -> None:
    how = Preprocessing((64, 64), "shortest", (72,))
    network = load_random(NetworkSpec("torchvision:squeezenet1_1"), 3, none, how)
    assert network.preprocessing == how and network.source == "torchvision:squeezenet1_1@random"
    assert weights(network) == weights(load_network(NetworkSpec("torchvision:squeezenet1_1@random", seed=3, input_size=(64, 64))))
