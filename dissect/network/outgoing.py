"""Which convolution or linear layer reads the units of a layer, and how strongly it weighs each.

Found by trying: a layer's consumer is the first convolution or linear layer after it whose input changes in a unit's own channels, and in
no other, when that unit is switched off. Where several read the layer, or something between them mixes units, there is none.

Letters: U units, B pictures of a pass.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dissect.network.ablate import Ablation, Ablator
from dissect.network.discover import base_name
from dissect.network.loaded import LoadedNetwork
from dissect.network.model import LayerInfo

Readers = (nn.Conv2d, nn.Linear)


def consumer(network: LoadedNetwork, layer: LayerInfo, batch: NDArray[np.float32]) -> str | None:
    """Name of the module that alone reads the layer's units one by one; None where there is no such module. batch: a whole pass."""
    order = network.found.order
    calls: dict[str, int] = {}
    for name in order:
        calls[base_name(name)] = calls.get(base_name(name), 0) + 1
    later = sorted((place, name) for name, place in order.items() if place > order[layer.name])
    fitting = [name for _, name in later if calls[base_name(name)] == 1 and _reads(network.module.get_submodule(name), layer)]
    tried = {0, layer.units // 2, layer.units - 1}
    for name in fitting:
        touched = [_touched(network, layer, batch, name, unit) for unit in sorted(tried)]
        if all(each == {unit} for each, unit in zip(touched, sorted(tried), strict=True) if each):
            if any(touched):
                return name
        else:
            return None
    return None


def outgoing_norm(network: LoadedNetwork, layer: LayerInfo, batch: NDArray[np.float32]) -> NDArray[np.float64] | None:
    """(U,) root of the summed squared weights with which the next layer reads each unit; None where that layer was not found."""
    name = consumer(network, layer, batch)
    if name is None:
        return None
    weight: Any = network.module.get_submodule(name).weight
    by_unit = weight.detach().double().transpose(0, 1).reshape(layer.units, -1)
    found: NDArray[np.float64] = by_unit.norm(dim=1).cpu().numpy()
    return found


def _reads(module: nn.Module, layer: LayerInfo) -> bool:
    if isinstance(module, nn.Conv2d):
        return module.groups == 1 and module.in_channels == layer.units
    return isinstance(module, nn.Linear) and module.in_features % layer.units == 0


def _touched(network: LoadedNetwork, layer: LayerInfo, batch: NDArray[np.float32], name: str, unit: int) -> set[int]:
    """Units whose channels of the module's input change when `unit` is doubled."""
    kept: list[torch.Tensor] = []

    def keep(_module: object, arguments: tuple[Any, ...]) -> None:
        kept.append(arguments[0].detach().clone())

    ablator = Ablator(network, layer, "zero")
    for dose in (1.0, 2.0):
        ablator.whole(batch, Ablation((unit,), dose), before={name: keep})
    plain, other = kept
    axis = 1 if plain.ndim == 4 else plain.ndim - 1
    differs = (plain != other).movedim(axis, 0).flatten(1).any(dim=1)
    return set((torch.nonzero(differs)[:, 0] // (len(differs) // layer.units)).tolist())
