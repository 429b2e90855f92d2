"""From a spec to a network ready to be probed: build, weights, device, layers, fast path, description."""

from __future__ import annotations

import dataclasses
import hashlib
import sys
import warnings
from pathlib import Path

import torch
from torch import nn

from dissect.atomic import sha256_file
from dissect.errors import CheckpointError, NetworkError, UsageError
from dissect.network.build import Built, build
from dissect.network.checkpoint import read_checkpoint
from dissect.network.discover import discover
from dissect.network.fast import FastPath, make_fast
from dissect.network.fit import fit, refuse_unfinite
from dissect.network.loaded import PASS_SIZES, LoadedNetwork
from dissect.network.memory import keep_freed_blocks
from dissect.network.preprocess import Preprocessing
from dissect.network.source import NetworkSpec, ResolvedNetwork, resolve

VERSION = 1
"""Raised when a change here changes activations; part of the fingerprint."""
LIBRARIES = ("torch", "torchvision", "transformers", "timm")
"""Their versions stand for their source in the description; other code stands for itself."""


def load_network(spec: NetworkSpec) -> LoadedNetwork:
    """Build, fill, place and check a network.

    Raises:
        NetworkError: it cannot be built, or does not take pictures. CheckpointError: its weights cannot be read safely, or do not fit.
        NotFoundError, UsageError, MissingExtraError: what was named is not there.
    """
    resolved = resolve(spec)
    device = pick_device(spec.device)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # libraries warn about their own affairs while building
        built = build(resolved)
    notes = [*built.notes, *_fill(built.module, resolved, built.loaded)]
    if built.random and resolved.weights is None:
        notes.append(f"the weights are random (seed {spec.seed}): labels describe the architecture, not a trained network")
    return assemble(resolved, built, chosen_preprocessing(resolved, built.preprocessing), device, notes)


def assemble(
    resolved: ResolvedNetwork, built: Built, preprocessing: Preprocessing, device: torch.device, notes: list[str]
) -> LoadedNetwork:  # fmt: skip
    """A module whose weights are final, made ready: hashed, placed, its layers discovered, the fast path checked."""
    spec = resolved.spec
    if device.type == "cpu":
        keep_freed_blocks()
    module = built.module.eval().requires_grad_(False).to(torch.float32)
    weights, architecture = hash_weights(module), hash_architecture(module)
    module = _placed(module, device)
    found = discover(module, preprocessing.size, device, resolved.outputs)
    path = FastPath()
    if spec.fast:
        path, slow = make_fast(module, preprocessing.size, device)
        notes = [*notes, *slow]
    return LoadedNetwork(
        resolved=resolved,
        module=module,
        preprocessing=preprocessing,
        device=device,
        found=found,
        path=path,
        description=_description(spec, preprocessing, weights, architecture, device, path),
        classes=resolved.classes or built.classes,
        notes=notes,
    )


def pick_device(name: str) -> torch.device:
    """The device of that name; `auto` is CUDA, else Apple's, else the CPU.

    Raises:
        UsageError: this machine or this build of torch has none.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device("cuda" if there["cuda"] else "mps" if there["mps"] else "cpu")
    if name not in there:
        raise UsageError(f"--device is {name!r}. Choose one of auto, {', '.join(there)}.")
    if not there[name]:
        raise UsageError(f"--device {name}: torch {torch.__version__} finds no such device here. Use --device auto.")
    return torch.device(name)


def hash_weights(module: nn.Module) -> str:
    """SHA-256 over every named tensor of a module: sorted names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        if not isinstance(tensor, torch.Tensor):
            continue
        values = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}\n".encode())
        digest.update(values.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def hash_architecture(module: nn.Module) -> str:
    """SHA-256 over the modules' names, classes and settings, and over the source files of classes that belong to no known library."""
    lines = [repr(module)]
    files: set[str] = set()
    for name, part in module.named_modules():
        kind = type(part)
        package = kind.__module__.partition(".")[0]
        lines.append(f"{name} {kind.__module__}.{kind.__qualname__}")
        file = getattr(sys.modules.get(kind.__module__), "__file__", None)
        if package in LIBRARIES:
            files.add(f"{package} {getattr(sys.modules.get(package), '__version__', '')}")
        elif file and Path(file).is_file():
            files.add(sha256_file(Path(file)))
    return hashlib.sha256("\n".join([*lines, *sorted(files)]).encode()).hexdigest()


def _fill(module: nn.Module, resolved: ResolvedNetwork, loaded: bool) -> list[str]:
    """Put the weights file in, if there is one. Gives notes."""
    path = resolved.weights
    if path is None:
        if loaded:
            refuse_unfinite(dict(module.state_dict()), resolved.name)
        return []
    if resolved.sha256 is not None and path.is_file() and (actual := sha256_file(path)) != resolved.sha256:
        raise CheckpointError(
            f"{path} is not the file of the card: its SHA-256 is {actual[:12]}..., expected {resolved.sha256[:12]}.... Fetch it again."
        )
    checkpoint = read_checkpoint(path, resolved.spec.trust, resolved.spec.ema)
    report = fit(module, checkpoint, resolved.spec.partial)
    notes = list(checkpoint.notes)
    if report.prefix:
        notes.append(f"the prefix '{report.prefix}' was cut off the names of the weights")
    if not report.whole:
        notes.append(f"PARTIAL: {report.sentence()}")
    return notes


def chosen_preprocessing(resolved: ResolvedNetwork, own: Preprocessing | None) -> Preprocessing:
    """The spec's or card's, else the source's own, scaled to the wanted input size.

    Raises:
        NetworkError: there is none.
    """
    chosen, wanted = resolved.preprocessing or own, resolved.spec.input_size
    if chosen is None:
        raise NetworkError(f"nothing says how network {resolved.name} wants its pictures. Write a card with a [preprocessing] table.")
    if wanted is None or wanted == chosen.size:
        return chosen
    # the input keeps its share of the resized picture
    factor = min(wanted) / min(chosen.size)
    scaled = None if chosen.resize_to is None else tuple(max(1, round(side * factor)) for side in chosen.resize_to)
    return dataclasses.replace(chosen, size=wanted, resize_to=scaled)


def _placed(module: nn.Module, device: torch.device) -> nn.Module:
    try:
        return module.to(device)
    except Exception as error:  # out of memory, tensors without data
        raise NetworkError(f"the network cannot be moved to {device}: {error}. Use --device cpu, or check the checkpoint.") from error


def _description(
    spec: NetworkSpec, preprocessing: Preprocessing, weights: str, architecture: str, device: torch.device, path: FastPath
) -> dict[str, str | int | float | bool | None]:
    return {
        "version": VERSION,
        "weights": weights,
        "architecture": architecture,
        "preprocessing": preprocessing.describe(),
        "geometry": spec.geometry,
        "memory_format": "channels_last" if path.channels_last else "contiguous",
        "packed": path.packed > 0,
        "folded": len(path.plain),
        "dtype": "float32",
        "device": device.type,
        "torch": torch.__version__,
        "pass_size": PASS_SIZES.get(device.type, 32),
        "tf32": bool(device.type == "cuda" and torch.backends.cudnn.allow_tf32),
    }
