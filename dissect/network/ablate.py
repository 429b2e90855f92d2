"""The network's answers with units of one layer switched off, for many choices of units at the cost of few forward passes.

    plain   a
    dose    d * a + (1 - d) * r          r: 0 (`zero`), the unit's mean (`mean`), or its activation in another picture (`resample`)

Everything up to the layer is computed once for a batch and as many choices as have room (`COPIES`); the batch is then copied, one copy
a choice of units, and only the rest of the network runs on the copies. Where that fork may be is tried out on the first batch and
compared with whole passes: the layer's output, else the input of the innermost module around it (layers beside a skip connection), else
nowhere: every choice takes a whole pass.

Letters: B pictures of a pass, K choices, U units, O outputs, P prefix tokens.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from dissect.errors import LayerError, NetworkError, ShapeError
from dissect.network.discover import base_name
from dissect.network.forms import first_tensor, to_maps
from dissect.network.loaded import LoadedNetwork
from dissect.network.model import LayerInfo

How = Literal["mean", "zero", "resample"]
HOWS: tuple[How, ...] = ("mean", "zero", "resample")
COPIES = 96 * 2**20
"""Bytes of the layer's output that share a pass: so many choices are run at once as have room in it, and at least one."""
TOLERANCE = 1e-4
"""Largest difference from whole passes, relative to the largest output, that other batch sizes are allowed to make."""
Change = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True, slots=True)
class Ablation:
    """Units of one layer that are switched off together. dose: the share of their activation that is left."""

    units: tuple[int, ...]
    dose: float = 0.0


@dataclass(frozen=True)
class Means:
    """What `mean` puts in a unit's place: patch (U,) mean over positions and pictures, prefix (P, U) the same for each prefix token."""

    patch: NDArray[np.float64]
    prefix: NDArray[np.float64]


@dataclass(frozen=True)
class Seen:
    """Activations of a layer in one batch, for statistics.

    average (B, U) spatial mean; maximum (B, U); prefix (B, P, U) float64: prefix tokens as they are.
    """

    average: NDArray[np.float64]
    maximum: NDArray[np.float32]
    prefix: NDArray[np.float64]


class Ablator:
    """Runs a network with units of `layer` switched off.

    how, means: what is put in their place; `mean` needs `means` (see `Seen` and `mean_of`). Batches have exactly `network.pass_size`
    pictures; in `resample` each takes the units of the next one in its batch (the last one those of the first), so that the caller's
    order of pictures is the permutation.
    """

    def __init__(self, network: LoadedNetwork, layer: LayerInfo, how: How, means: Means | None = None) -> None:
        if how == "mean" and means is None:
            raise ShapeError(f"layer {layer.name}: mean ablation needs the units' means. Measure them first.")
        self.network, self.layer, self.how = network, layer, how
        self.fork: str | None = None
        self._tried = False
        self._values = _replacements(network, layer, how, means)

    @property
    def path(self) -> str:
        """Which part of the network is run for each choice, in words."""
        if self.fork is None:
            return "the whole network"
        return f"what follows {self.layer.name}" if self.fork == self.layer.name else f"the network from {self.fork} on"

    def outputs(self, batch: NDArray[np.float32], choices: Sequence[Ablation]) -> NDArray[np.float32]:
        """(1 + K, B, O): the plain output, then that of each choice. Outputs of more dimensions are flattened.

        Raises:
            LayerError: a unit is not of the layer, or the layer is not reached. ShapeError: the batch is no whole pass.
        """
        self._check(batch, choices)
        if not self._tried:
            self.fork, self._tried = self._found_fork(batch), True
        if self.fork is None:
            return np.concatenate([self.whole(batch, choice) for choice in (Ablation(()), *choices)])
        every = [Ablation(()), *choices]
        size = 4 * len(batch) * self.layer.units * (self.layer.map_size[0] * self.layer.map_size[1] + self.layer.prefix)
        most = max(1, COPIES // size)
        return np.concatenate([self._forked(batch, every[k : k + most], self.fork) for k in range(0, len(every), most)])

    def whole(self, batch: NDArray[np.float32], choice: Ablation, before: Mapping[str, Any] | None = None) -> NDArray[np.float32]:
        """(1, B, O): one choice by one whole pass, the plain way. before: further forward pre-hooks, by module."""
        return self._run(batch, [choice], before or {}, lambda tensor: tensor)

    def _check(self, batch: NDArray[np.float32], choices: Sequence[Ablation]) -> None:
        if len(batch) != self.network.pass_size:
            raise ShapeError(f"a batch of {len(batch)} pictures; ablation takes whole passes of {self.network.pass_size}.")
        for choice in choices:
            wrong = [unit for unit in choice.units if not 0 <= unit < self.layer.units]
            if wrong:
                raise LayerError(f"layer {self.layer.name} has units 0 to {self.layer.units - 1}; there is no unit {wrong[0]}.")

    def _found_fork(self, batch: NDArray[np.float32]) -> str | None:
        """The place nearest to the layer from which copies give what whole passes give."""
        half = tuple(range(0, self.layer.units, 2))
        tried = [Ablation(()), Ablation((self.layer.units - 1,)), Ablation(half)]
        expected = np.concatenate([self.whole(batch, choice) for choice in tried])
        scale = max(float(np.abs(expected).max()), 1e-30)
        parts = base_name(self.layer.name).split(".")
        for place in (self.layer.name, *(".".join(parts[:k]) for k in range(len(parts) - 1, 0, -1))):
            try:
                found = self._forked(batch, tried, place)
            except Exception:  # a network may break in any way where its tensors suddenly have more rows
                continue
            if found.shape == expected.shape and float(np.abs(found - expected).max()) <= TOLERANCE * scale:
                return place
        return None

    def _forked(self, batch: NDArray[np.float32], choices: Sequence[Ablation], place: str) -> NDArray[np.float32]:
        def copies(tensor: torch.Tensor) -> torch.Tensor:
            return tensor.repeat(len(choices), *(1 for _ in tensor.shape[1:]))

        if place == self.layer.name:
            return self._run(batch, choices, {}, copies)

        def widen(_module: object, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
            return tuple(copies(each) if isinstance(each, torch.Tensor) and len(each) == len(batch) else each for each in arguments)

        return self._run(batch, choices, {place: widen}, lambda tensor: tensor)

    def _run(
        self, batch: NDArray[np.float32], choices: Sequence[Ablation], before: Mapping[str, Any], copies: Change
    ) -> NDArray[np.float32]:
        """One pass; copies: makes one copy of the layer's output a choice, or leaves it where that was done before."""
        calls = _Calls(self.layer.name)

        def switch(_module: object, _arguments: object, output: object) -> object:
            if not calls.wanted():
                return None
            return changed(output, lambda tensor: self._switched(copies(tensor), choices))

        found = self.network.hooked(batch, before=before, after={calls.module: switch})
        if not calls.reached:
            raise LayerError(f"layer {self.layer.name} was not reached in this forward pass, though it was when the network was loaded.")
        rows = found.to(torch.float32).reshape(len(found), -1).cpu().numpy()
        if len(rows) != len(choices) * len(batch):
            raise NetworkError(f"network {self.network.name} gives {len(rows)} outputs for {len(choices) * len(batch)} pictures.")
        return rows.reshape(len(choices), len(batch), -1)

    def _switched(self, tensor: torch.Tensor, choices: Sequence[Ablation]) -> torch.Tensor:
        """The layer's output (K * B, ...), copy k with the units of choice k switched off; a new tensor."""
        tensor = tensor.clone()
        maps = to_maps(tensor, self.layer)  # for the check of its shape
        axis = 1 if self.layer.form in ("conv", "linear") else tensor.ndim - 1
        by_unit = tensor.movedim(axis, 1)
        size = len(maps) // len(choices)
        for k, choice in enumerate(choices):
            if choice.units:
                units = torch.tensor(choice.units, device=tensor.device)
                part = by_unit[k * size : (k + 1) * size]
                kept = part.index_select(1, units)
                part[:, units] = choice.dose * kept + (1 - choice.dose) * self._instead(kept, units)
        return tensor

    def _instead(self, kept: torch.Tensor, units: torch.Tensor) -> torch.Tensor:
        """What is put in the place of activations (B, k, ...)."""
        if self.how == "resample":
            return kept.roll(-1, 0)
        values = self._values.to(device=kept.device, dtype=kept.dtype)[:, units]
        if self.layer.form != "tokens":
            return values[0].reshape(1, -1, *(1 for _ in kept.shape[2:]))
        prefix = self.layer.prefix
        return torch.cat([values[1:], values[:1].expand(kept.shape[2] - prefix, -1)]).T[None]


def look(network: LoadedNetwork, layer: LayerInfo, batch: NDArray[np.float32]) -> tuple[NDArray[np.float32], Seen]:
    """The network's output (B, O) for one whole pass, and what the layer did in it."""
    calls, kept = _Calls(layer.name), []
    norm = network.folded_norm(calls.module)

    def keep(_module: object, _arguments: object, output: object) -> None:
        if calls.wanted():
            tensor = first_tensor(output)
            if tensor is None:
                raise LayerError(f"layer {layer.name} gave no tensor, though it did when the network was loaded.")
            kept.append(_seen(tensor, layer, norm))

    found = network.hooked(batch, before={}, after={calls.module: keep})
    if not kept:
        raise LayerError(f"layer {layer.name} was not reached in this forward pass, though it was when the network was loaded.")
    return found.to(torch.float32).reshape(len(found), -1).cpu().numpy(), kept[0]


def mean_of(average: NDArray[np.float64], prefix: NDArray[np.float64]) -> Means:
    """Means over pictures: average (N, U), prefix (N, P, U), as `Seen` gives them."""
    return Means(average.mean(axis=0), prefix.mean(axis=0))


def changed(output: object, change: Change) -> object:
    """A module's output with its first tensor changed; see `forms.first_tensor`. What it was made of is left as it is."""
    if isinstance(output, torch.Tensor):
        return change(output)
    if isinstance(output, Mapping):
        name = next(name for name, part in output.items() if first_tensor(part) is not None)
        made: Any = copy.copy(output)
        made[name] = changed(output[name], change)
        return made
    if isinstance(output, list | tuple):
        place = next(k for k, part in enumerate(output) if first_tensor(part) is not None)
        parts = [changed(part, change) if k == place else part for k, part in enumerate(output)]
        kind: Any = type(output)
        return kind(*parts) if hasattr(output, "_fields") else kind(parts)
    if dataclasses.is_dataclass(output) and not isinstance(output, type):
        name = next(item.name for item in dataclasses.fields(output) if first_tensor(getattr(output, item.name)) is not None)
        return dataclasses.replace(output, **{name: changed(getattr(output, name), change)})
    raise LayerError("a layer gave no tensor, though it did when the network was loaded.")


class _Calls:
    """Which call of a module is meant: `name@k` the k-th, `name` the first."""

    def __init__(self, name: str) -> None:
        self.module = base_name(name)
        number = name[len(self.module) + 1 :]
        self._number = int(number) if number else 0
        self._count = 0

    @property
    def reached(self) -> bool:
        return self._count > self._number

    def wanted(self) -> bool:
        self._count += 1
        return self._count == self._number + 1


def _seen(tensor: torch.Tensor, layer: LayerInfo, norm: tuple[torch.Tensor, torch.Tensor] | None) -> Seen:
    maps = to_maps(tensor, layer).double()
    if norm is not None:  # back to what the convolution itself gives
        scale, offset = (each.to(maps.device)[:, None, None] for each in norm)
        maps = (maps - offset) / scale
    prefix = tensor[:, : layer.prefix] if layer.form == "tokens" else tensor.new_zeros((len(tensor), 0, layer.units))
    return Seen(maps.mean(dim=(2, 3)).cpu().numpy(), maps.amax(dim=(2, 3)).float().cpu().numpy(), prefix.double().cpu().numpy())


def _replacements(network: LoadedNetwork, layer: LayerInfo, how: How, means: Means | None) -> torch.Tensor:
    """(1 + P, U): what stands in for the patches, then for each prefix token, as the module's hooks see it."""
    values = torch.zeros((1 + layer.prefix, layer.units), dtype=torch.float64)
    if how == "mean" and means is not None:
        values = torch.from_numpy(np.concatenate([means.patch[None], means.prefix]))
    norm = network.folded_norm(base_name(layer.name))
    if norm is not None:
        values = values * norm[0].cpu() + norm[1].cpu()
    return values
