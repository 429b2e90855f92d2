"""Weights changed such that units of a layer give a constant: the ablation, built into the checkpoint.

    at the source   the last layer that makes the unit gets a filter (or scale) of 0 and the constant as its bias
    at the reader   the layer that alone reads the unit gets a weight of 0 for it, and what the constant gave is added to its bias

Which of them holds is not argued but tried: after the change the network must answer as it does with the units switched off by hooks.
What cannot be written so is refused: a unit that a skip connection adds to, or a bias that is not there.

Letters: U units, B pictures of a pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dissect.errors import NotSupportedError
from dissect.network.ablate import TOLERANCE, Ablation, Ablator, Means, look
from dissect.network.discover import base_name
from dissect.network.loaded import LoadedNetwork
from dissect.network.model import LayerInfo
from dissect.network.outgoing import consumer

SOURCES = (nn.Conv2d, nn.Linear, nn.BatchNorm2d, nn.LayerNorm)
NEAREST = 3
"""Layers at or before the units' own that are tried as their source, nearest first."""
Place = Literal["source", "reader"]


@dataclass(frozen=True, slots=True)
class Edit:
    """What was changed for one layer. module: whose weights. place: before the units or behind them. difference: of the outputs from those
    with the units switched off by hooks, the largest, as a share of the largest output."""

    layer: str
    units: tuple[int, ...]
    module: str
    place: Place
    difference: float


def edit(network: LoadedNetwork, layer: LayerInfo, units: Sequence[int], values: NDArray[np.float64], batch: NDArray[np.float32]) -> Edit:
    """Change the network's weights in place such that `units` give `values` (U,) everywhere.

    The network must be loaded without its fast path. batch: a whole pass of real pictures, on which the change is checked.

    Raises:
        NotSupportedError: the architecture has no weights that do this; nothing is changed then.
    """
    means = Means(values, np.repeat(values[None], layer.prefix, axis=0))
    expected = Ablator(network, layer, "mean", means).whole(batch, Ablation(tuple(units)))[0]
    scale = max(float(np.abs(expected).max()), 1e-30)
    chosen = torch.tensor(list(units), device=network.device)
    reader = consumer(network, layer, batch)
    tried: list[tuple[str, Place]] = [(name, "source") for name in _sources(network, layer)]
    readers: list[tuple[str, Place]] = [(reader, "reader")] if reader is not None else []
    for name, place in [*tried, *readers]:
        module: Any = network.module.get_submodule(name)
        before = {key: tensor.clone() for key, tensor in module.state_dict().items()}
        constants = torch.from_numpy(values).to(device=network.device, dtype=module.weight.dtype)[chosen]
        done = _at_source(module, chosen, constants) if place == "source" else _at_reader(module, layer, chosen, constants)
        if done:
            found, seen = look(network, layer, batch)
            worst = float(np.abs(found - expected).max()) / scale
            silent = place == "reader" or np.allclose(seen.maximum[:, list(units)], values[list(units)], rtol=1e-3, atol=1e-4)
            if worst <= TOLERANCE and silent:
                return Edit(layer.name, tuple(units), name, place, worst)
        module.load_state_dict(before)
    raise NotSupportedError(
        f"units of {layer.name} cannot be written into the weights of {network.name}: neither the layers that make them "
        f"({', '.join(name for name, _ in tried) or 'none found'}) nor the one that reads them ({reader or 'no single one'}) can hold them "
        "constant. Choose the layer before a skip connection, or --how zero where a bias is missing."
    )


def _sources(network: LoadedNetwork, layer: LayerInfo) -> list[str]:
    """The nearest modules before the layer's output, or the layer itself, that give so many channels and run once."""
    order = network.found.order
    calls = [base_name(name) for name in order]
    before = sorted(((place, name) for name, place in order.items() if place <= order[layer.name]), reverse=True)
    found = [name for _, name in before if calls.count(base_name(name)) == 1 and _gives(network, name) == layer.units]
    return found[:NEAREST]


def _gives(network: LoadedNetwork, name: str) -> int | None:
    module: Any = network.module.get_submodule(base_name(name))
    if not isinstance(module, SOURCES) or module.weight is None:
        return None
    return int(module.weight.shape[-1] if isinstance(module, nn.LayerNorm) else module.weight.shape[0])


def _at_source(module: Any, units: torch.Tensor, constants: torch.Tensor) -> bool:
    if module.bias is None and bool(constants.any()):
        return False
    with torch.no_grad():
        module.weight[(..., units) if isinstance(module, nn.LayerNorm) else units] = 0
        if module.bias is not None:
            module.bias[units] = constants
    return True


def _at_reader(module: Any, layer: LayerInfo, units: torch.Tensor, constants: torch.Tensor) -> bool:
    if module.bias is None and bool(constants.any()):
        return False
    with torch.no_grad():
        by_unit = module.weight.view(module.weight.shape[0], layer.units, -1)
        if module.bias is not None:
            module.bias += (by_unit[:, units] * constants[None, :, None]).sum(dim=(1, 2))
        by_unit[:, units] = 0
    return True
