"""The same network with random weights: what its architecture gives without training.

Weights are drawn by the network's own constructor, as `MODEL@random` draws them. A constructor may also put fixed or trained weights in
place by itself; it is therefore called with two seeds, and what does not differ is drawn anew by the module's own `reset_parameters`.
Batch norms keep running statistics of their inputs, which fresh ones do not know: they would leave activations at whatever scale random
filters give, unlike any network that was trained. So they are measured in one pass over pictures of the probe set before anything is
read; the other settings of the norms (scale 1, shift 0) are as drawn.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dissect.errors import NetworkError
from dissect.network.build import Built, build, seeded
from dissect.network.build_torchvision import AUXILIARY
from dissect.network.load import assemble, chosen_preprocessing, pick_device
from dissect.network.loaded import LoadedNetwork
from dissect.network.preprocess import Preprocessing
from dissect.network.source import RANDOM, NetworkSpec, ResolvedNetwork, resolve

Batches = Callable[[], Iterable[NDArray[np.float32]]]
"""Gives prepared pictures (B, 3, height, width) to measure batch norms with; called only if the network has any."""
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def load_random(spec: NetworkSpec, seed: int, batches: Batches, preprocessing: Preprocessing | None = None) -> LoadedNetwork:
    """The network of a spec, its weights file left out, with random weights of this seed.

    `preprocessing`: that of the trained network, if it differs from what the source would choose. `describe()["weights"]` is the hash of
    the random weights and the measured statistics, so that nothing in the cache is shared with the trained network.

    Raises:
        NetworkError: it cannot be built, or a part of it keeps its weights whatever the seed and cannot draw others; it is named.
        NotFoundError, UsageError, MissingExtraError: what was named is not there.
    """
    resolved = _without_weights(resolve(dataclasses.replace(spec, seed=seed)))
    built = _built(resolved)
    fixed = same_weights(built.module, _built(dataclasses.replace(resolved, spec=dataclasses.replace(resolved.spec, seed=seed + 1))).module)
    redrawn = reset(built.module, fixed, seed, resolved.name)
    notes = [f"the weights are random (seed {seed}): labels describe the architecture, not a trained network"]
    if redrawn:
        notes.append(f"{redrawn} parts whose weights the constructor fixes drew others by their own reset_parameters")
    measured = measure_norms(built.module, batches)
    if measured:
        notes.append(f"the running statistics of batch norms were measured on {measured} pictures of the probe set")
    return assemble(resolved, built, preprocessing or chosen_preprocessing(resolved, built.preprocessing), pick_device(spec.device), notes)


def same_weights(one: nn.Module, two: nn.Module) -> set[str]:
    """Names of parameters that two networks share value for value, though not all their values are equal (as in a scale of 1)."""
    other = dict(two.named_parameters())
    return {
        name
        for name, parameter in one.named_parameters()
        if parameter.numel() and bool((parameter != parameter.reshape(-1)[0]).any()) and torch.equal(parameter, other[name])
    }


def reset(module: nn.Module, fixed: Iterable[str], seed: int, name: str) -> int:
    """Draw the parts that own these parameters anew, seeded, without touching the caller's generators. Returns how many.

    Raises:
        NetworkError: such a part has no `reset_parameters`.
    """
    parts = sorted({parameter.rpartition(".")[0] for parameter in fixed})
    with seeded(seed):
        for path in parts:
            part = module.get_submodule(path)
            draw = getattr(part, "reset_parameters", None)
            if not callable(draw):
                raise NetworkError(
                    f"part {path or 'at the top'} ({type(part).__name__}) of network {name} has the same weights whatever the seed, and no "
                    "reset_parameters to draw others. Give it one, or leave its weights to the constructor."
                )
            draw()
    return len(parts)


def measure_norms(module: nn.Module, batches: Batches) -> int:
    """Set the running statistics of all batch norms to the mean over some batches. Returns how many pictures were seen.

    Everything but the norms stays in evaluation mode, so dropout does nothing. Each norm uses its batch's own statistics meanwhile,
    so that those behind it see inputs of the right scale.
    """
    norms = [part for part in module.modules() if isinstance(part, NORMS) and part.track_running_stats]
    if not norms:
        return 0
    before = [norm.momentum for norm in norms]
    module.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over batches
        norm.train()
    seen = 0
    with torch.inference_mode():
        for batch in batches():
            module(torch.from_numpy(np.ascontiguousarray(batch, np.float32)))
            seen += len(batch)
    _restore(module, norms, before)
    return seen


def _restore(module: nn.Module, norms: Sequence[nn.Module], momentum: Sequence[float | None]) -> None:
    for norm, value in zip(norms, momentum, strict=True):
        norm.momentum = value  # type: ignore[assignment]
    module.eval()


def _without_weights(resolved: ResolvedNetwork) -> ResolvedNetwork:
    """The same source with random weights, under another name; torchvision's builders get the arguments their weights go with."""
    extra = AUXILIARY.get(resolved.target, {}) if resolved.kind == "torchvision" else {}
    return dataclasses.replace(
        resolved, variant=RANDOM, weights=None, sha256=None, name=f"{resolved.name}-random", arguments={**extra, **resolved.arguments},
        source=f"{'' if resolved.kind == 'factory' else resolved.kind + ':'}{resolved.target}@{RANDOM}",
    )  # fmt: skip


def _built(resolved: ResolvedNetwork) -> Built:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # libraries warn about their own affairs while building
        built = build(resolved)
    return dataclasses.replace(built, module=built.module.to(torch.float32))
