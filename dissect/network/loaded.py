"""A network ready to be probed: the implementation of `model.Network` that every source ends in."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from dissect.atomic import sha256_file
from dissect.errors import LayerError, NetworkError
from dissect.network import preprocess
from dissect.network.discover import Found, base_name, matching, no_attention_shortcut
from dissect.network.fast import FastPath
from dissect.network.forms import first_tensor, to_maps
from dissect.network.model import GeometryKind, LayerInfo, View
from dissect.network.preprocess import Preprocessing
from dissect.network.source import ResolvedNetwork

PASS_SIZES = {"cpu": 16}
"""Images a forward pass: on a CPU the fewest whose bits one thread and two agree on; elsewhere 32."""


class _Enough(BaseException):
    """Stops a forward pass after the last wanted layer. No `Exception`, so that a network which catches those does not catch it."""


class LoadedNetwork:
    """See `model.Network` for what the methods promise.

    Further: `source`, `title`, `licence`, `citation` for rows and reports; `file_sha256` of the weights file, where there is one;
    `default_layers` (patterns of the card, perhaps none); `classes` (names of the outputs, if known); `notes` (what was decided when
    it was loaded, for people); `found` (all that the discovery pass saw); `module` (the network itself).
    """

    def __init__(
        self,
        *,
        resolved: ResolvedNetwork,
        module: nn.Module,
        preprocessing: Preprocessing,
        device: torch.device,
        found: Found,
        path: FastPath,
        description: Mapping[str, str | int | float | bool | None],
        classes: Sequence[str] = (),
        notes: Sequence[str] = (),
    ) -> None:
        self.module = module
        self.preprocessing = preprocessing
        self.geometry: GeometryKind = resolved.spec.geometry
        self.device = device
        self.found = found
        self.source = resolved.source
        self.title = resolved.title
        self.licence = resolved.licence or None
        self.citation = resolved.citation or None
        self.file_sha256 = sha256_file(resolved.weights) if resolved.weights is not None else None
        self.default_layers = resolved.layers
        self.classes = tuple(classes)
        self.notes = tuple(notes)
        self.pass_size = PASS_SIZES.get(device.type, 32)
        self._name = resolved.name
        self._path = path
        self._description = dict(description)
        self._modules: dict[str, nn.Module] = dict(module.named_modules(remove_duplicate=False))
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return self._name

    @property
    def input_size(self) -> tuple[int, int]:
        return self.preprocessing.size

    def layers(self, patterns: Sequence[str] = ("*",)) -> tuple[LayerInfo, ...]:
        return matching(self.found.layers, patterns, self.found.unreadable)

    def prepare(self, image: Image.Image) -> NDArray[np.float32]:
        return preprocess.prepare(self.preprocessing, image, self.geometry)

    def view(self, image_size: tuple[int, int]) -> View:
        return preprocess.view(self.preprocessing, image_size, self.geometry)

    def describe(self) -> Mapping[str, str | int | float | bool | None]:
        return dict(self._description)

    def activations(self, batch: NDArray[np.float32], layers: Sequence[LayerInfo]) -> Mapping[str, torch.Tensor]:
        """Maps (B, U, h, w) of each layer, contiguous float32, owned by the caller; a pass stops after the last layer.

        The batch goes through in passes of `pass_size` images, the last one filled up: the libraries choose other kernels for other
        batch sizes, so only equal passes give equal bits whatever the caller's batch size.

        Raises:
            LayerError: a layer is not of this network, or was not reached.
        """
        maps = {
            layer.name: torch.empty((len(batch), layer.units, *layer.map_size), dtype=torch.float32, device=self.device) for layer in layers
        }
        with self._lock:  # hooks belong to the module, so two threads would catch each other's batches
            for first, filled in self._passes(batch) if layers else ():
                catch = _Catch(layers, self._path.plain, {name: kept[first : first + self.pass_size] for name, kept in maps.items()})
                self._run(catch, filled)
                if catch.lacking:
                    raise LayerError(
                        f"layer {min(catch.lacking)} was not reached in this forward pass, though it was when the network was loaded. "
                        "Networks that take another path from picture to picture cannot be dissected."
                    )
        return maps

    def outputs(self, batch: NDArray[np.float32]) -> torch.Tensor:
        """The network's own output (its first tensor, such as logits) for a batch, float32, on its device.

        Raises:
            NetworkError: it has none.
        """
        parts = []
        with self._lock, torch.inference_mode(), no_attention_shortcut():
            for first, filled in self._passes(batch):
                tensor = first_tensor(self.module(self._input(filled)))
                if tensor is None:
                    raise NetworkError(f"network {self.name} gives no tensor. Name one of its layers instead.")
                parts.append(tensor[: len(batch) - first].to(torch.float32))
        return torch.cat(parts)

    def folded_norm(self, name: str) -> tuple[torch.Tensor, torch.Tensor] | None:
        """(scale, offset), each (U,) float64, that a module's output goes through before its hooks see it; None if nothing was folded."""
        return self._path.norms.get(name)

    def hooked(self, batch: NDArray[np.float32], *, before: Mapping[str, Any], after: Mapping[str, Any]) -> torch.Tensor:
        """One whole pass of exactly this batch with hooks on modules, by name: forward pre-hooks and forward hooks of torch.

        Gives the network's output, its first tensor, as it is. Hooks are gone when this returns or raises.

        Raises:
            NetworkError: the network gives no tensor. LayerError: it has no such module.
        """
        with self._lock, contextlib.ExitStack() as hooks, torch.inference_mode(), no_attention_shortcut():
            for name, hook in before.items():
                hooks.callback(self._module(name).register_forward_pre_hook(hook).remove)
            for name, hook in after.items():
                hooks.callback(self._module(name).register_forward_hook(hook).remove)
            tensor = first_tensor(self.module(self._input(batch)))
        if tensor is None:
            raise NetworkError(f"network {self.name} gives no tensor, so nothing can be said of its answers.")
        return tensor

    def _passes(self, batch: NDArray[np.float32]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        for first in range(0, len(batch), self.pass_size):
            part = batch[first : first + self.pass_size]
            lacking = self.pass_size - len(part)
            yield first, np.concatenate([part, np.repeat(part[-1:], lacking, axis=0)]) if lacking else part

    def _run(self, catch: _Catch, batch: NDArray[np.float32]) -> None:
        handles = [self._module(name).register_forward_hook(catch.hook(name)) for name in catch.names]
        try:
            with torch.inference_mode(), no_attention_shortcut():
                self.module(self._input(batch))
        except _Enough:
            pass
        finally:
            for handle in handles:
                handle.remove()

    def _module(self, name: str) -> nn.Module:
        try:
            return self._modules[name]
        except KeyError:
            raise LayerError(f"network {self.name} has no layer {name}. List them with: dissect models layers MODEL.") from None

    def _input(self, batch: NDArray[np.float32]) -> torch.Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(batch, np.float32)).to(self.device)
        return tensor.contiguous(memory_format=torch.channels_last) if self._path.channels_last else tensor


class _Catch:
    """Hooks that copy the wanted calls of each module to where they are kept, and stop the pass when all are there."""

    def __init__(self, layers: Sequence[LayerInfo], plain: Mapping[str, nn.Conv2d], kept: Mapping[str, torch.Tensor]) -> None:
        self.names = list(dict.fromkeys(base_name(layer.name) for layer in layers))
        self.lacking = {layer.name for layer in layers}
        self._wanted = {layer.name: layer for layer in layers}
        self._plain = plain
        self._kept = kept
        self._calls: dict[str, int] = {}

    def hook(self, name: str) -> Any:
        """A hook returns None, or its value would replace the layer's output; and it copies, or an in-place layer behind it would
        overwrite what was kept."""

        def keep(_module: nn.Module, arguments: tuple[Any, ...], output: object) -> None:
            number = self._calls.get(name, 0)
            self._calls[name] = number + 1
            layer = self._wanted.get(f"{name}@{number}") or (self._wanted.get(name) if number == 0 else None)
            if layer is None:
                return
            tensor = self._plain[name](arguments[0]) if name in self._plain else first_tensor(output)
            if tensor is None:
                raise LayerError(f"layer {layer.name} gave no tensor, though it did when the network was loaded.")
            kept = self._kept[layer.name]
            kept.copy_(to_maps(tensor, layer)[: len(kept)])
            self.lacking.discard(layer.name)
            if not self.lacking:
                raise _Enough

        return keep
