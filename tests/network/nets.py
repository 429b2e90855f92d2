"""Small networks for the tests of this room, named by `tests.network.nets:NAME@random`, and what they have in common."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from dissect.network.load import load_network
from dissect.network.loaded import LoadedNetwork
from dissect.network.preprocess import Preprocessing
from dissect.network.source import NetworkSpec


def loaded(factory: str, size: tuple[int, int] = (32, 32), fast: bool = True, **options: object) -> LoadedNetwork:
    """A network of this module with random weights, ready to be probed."""
    how = options.pop("preprocessing", Preprocessing(size))
    spec = NetworkSpec(f"tests.network.nets:{factory}@random", fast=fast, preprocessing=how, **options)  # type: ignore[arg-type]
    return load_network(spec)


def plain() -> nn.Module:
    """Convolution, in-place ReLU, pooling, linear."""
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))


def normed() -> nn.Module:
    """Two convolutions with batch norms whose statistics are far from the identity."""
    torch.manual_seed(3)
    network = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Conv2d(8, 6, 3), nn.BatchNorm2d(6))
    return unsettle(network)


def unsettle(network: nn.Module) -> nn.Module:
    """Give every batch norm statistics of its own."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            nn.init.normal_(module.weight, 1.0, 0.5)
            nn.init.normal_(module.bias)
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.3, 3.0)
    return network


class Branching(nn.Module):
    """A convolution whose output is used a second time, past its batch norm: it must not be folded."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.second = nn.Conv2d(8, 8, 3, padding=1)
        self.second_norm = nn.BatchNorm2d(8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raw = self.first(x)
        return self.second_norm(self.second(functional.relu(self.norm(raw)))) + raw  # type: ignore[no-any-return]


def branching() -> nn.Module:
    """See the class."""
    return unsettle(Branching())


class Recalled(nn.Module):
    """One convolution and one norm that run twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(3)
        self.last = nn.Conv2d(3, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.norm(self.conv(self.norm(self.conv(x)))))  # type: ignore[no-any-return]


def recalled() -> nn.Module:
    """See the class."""
    return unsettle(Recalled())


class Peeking(nn.Module):
    """Looks at its own batch norm in the forward pass, which breaks when that is folded away."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.last = nn.Conv2d(4, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.norm(self.conv(x)) * self.norm.weight.mean())  # type: ignore[no-any-return]


def peeking() -> nn.Module:
    """See the class."""
    return unsettle(Peeking())


class Lying(nn.Module):
    """Behaves otherwise once its norm is an Identity: only a comparison of outputs can notice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.last = nn.Conv2d(4, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm(self.conv(x))
        return self.last(y if isinstance(self.norm, nn.BatchNorm2d) else 1.01 * y)  # type: ignore[no-any-return]


def lying() -> nn.Module:
    """See the class."""
    return unsettle(Lying())


class Fragile(nn.Module):
    """Fails on pictures whose first value is 13; swallows every ordinary exception of its body, and goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.after = nn.Conv2d(4, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if float(x.flatten()[0]) == 13:
            raise ValueError("thirteen")
        try:
            return self.after(self.conv(x))  # type: ignore[no-any-return]
        except Exception:
            return self.after(x[:, :1].expand(-1, 4, -1, -1))  # type: ignore[no-any-return]


def fragile() -> nn.Module:
    """See the class."""
    return Fragile()


class Tuples(nn.Module):
    """Modules that return tuples, mappings and nothing."""

    class Pair(nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[None, dict[str, list[torch.Tensor]]]:
            return None, {"maps": [x * 2]}

    class Nothing(nn.Module):
        def forward(self, x: torch.Tensor) -> str:
            return "nothing"

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.pair = Tuples.Pair()
        self.nothing = Tuples.Nothing()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(x)
        self.nothing(y)
        pair = self.pair(y)
        assert isinstance(pair[1], dict)
        result: torch.Tensor = pair[1]["maps"][0]
        return result


def tuples() -> nn.Module:
    """See the class."""
    return Tuples()


class Patches(nn.Module):
    """A transformer's skeleton: patches, extra tokens in front, one linear layer. `extra` is no parameter with a known name."""

    def __init__(self, patch: int = 8, extra: int = 0, named: int = 0, units: int = 6) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, units, patch, patch)
        self.extra = extra
        if named:
            self.cls_token = nn.Parameter(torch.zeros(1, named, units))
        self.named = named
        self.mix = nn.Linear(units, units)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.embed(x).flatten(2).transpose(1, 2)
        front = torch.zeros(len(x), self.extra + self.named, tokens.shape[2], dtype=x.dtype)
        return self.mix(torch.cat([front, tokens], 1))  # type: ignore[no-any-return]


def patches(patch: int = 8, extra: int = 0, named: int = 0) -> nn.Module:
    """See the class."""
    return Patches(patch, extra, named)
