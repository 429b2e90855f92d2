"""Networks of torchvision: architecture, weights by name, their own transforms and class names."""

from __future__ import annotations

import re
import urllib.error
from pathlib import Path
from typing import Any, cast

import torch

from dissect import atomic
from dissect.errors import CheckpointError, NetworkError, NotFoundError, UsageError
from dissect.network.build import Built, call_builder
from dissect.network.checkpoint import read_checkpoint
from dissect.network.fit import fit
from dissect.network.preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocessing, Triple
from dissect.network.source import RANDOM, ResolvedNetwork
from dissect.network.torchvision_guard import load_torchvision

AUXILIARY: dict[str, dict[str, Any]] = {
    "googlenet": {"transform_input": True, "aux_logits": True, "init_weights": False},
    "inception_v3": {"transform_input": True, "aux_logits": True, "init_weights": False},
}
"""What torchvision's own builders set when they load their weights; the tensors fit only then."""


def build_torchvision(resolved: ResolvedNetwork) -> Built:
    """The network of that name with its default weights, those named after `@`, or random ones.

    The weights file is looked for where torch.hub keeps it, fetched there if it is not, checked by its hash, and read as any checkpoint.
    """
    models = load_torchvision().models
    name = resolved.target
    try:
        entries = models.get_model_weights(name)
    except ValueError as error:
        near = [known for known in models.list_models() if name[:6].lower() in known][:5] or ["resnet18", "resnet50", "vgg16", "vit_b_16"]
        raise NotFoundError(f"torchvision has no network {name!r}. It has, among others: {', '.join(near)}.") from error
    random = resolved.variant == RANDOM
    entry = _entry(resolved, entries)
    own = random or resolved.weights is not None
    arguments = {**({} if own else AUXILIARY.get(name, {})), **resolved.arguments}
    module = call_builder(f"torchvision:{name}", models.get_model, {"name": name, "weights": None, **arguments}, resolved.spec.seed)
    built = Built(module, transforms(entry), tuple(entry.meta.get("categories", ())) if entry is not None else (), random=random)
    if not own and entry is not None:
        path = fetched(entry.url)
        report = fit(module, read_checkpoint(path), resolved.spec.partial)
        built.loaded = True
        built.notes = (f"weights {entry.name} of torchvision: {report.sentence()}",)
    return built


def transforms(entry: Any) -> Preprocessing:
    """The preprocessing of named weights: shortest side to `resize_size`, centre crop, ImageNet's mean and deviation or their own."""
    if entry is None:
        return Preprocessing((224, 224), "shortest", (256,), mean=IMAGENET_MEAN, std=IMAGENET_STD)
    preset = entry.transforms()
    crop, resize = _sides(getattr(preset, "crop_size", [224])), _sides(getattr(preset, "resize_size", [256]))
    interpolation = getattr(getattr(preset, "interpolation", None), "value", "bilinear")
    return Preprocessing(
        size=(crop[0], crop[-1]),
        resize="shortest" if len(resize) == 1 else "squash",
        resize_to=resize,
        interpolation=str(interpolation),
        mean=cast(Triple, tuple(getattr(preset, "mean", IMAGENET_MEAN))),
        std=cast(Triple, tuple(getattr(preset, "std", IMAGENET_STD))),
    )


def fetched(url: str) -> Path:
    """The local file of published weights, fetched once. Its name ends in the first hex digits of its SHA-256, which are checked.

    Raises:
        NetworkError: it is not here and cannot be fetched.
        CheckpointError: its content is not what its name says.
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if not path.is_file():
        try:
            atomic.write_with(path, lambda temporary: torch.hub.download_url_to_file(url, str(temporary), progress=False))
        except (urllib.error.URLError, TimeoutError, RuntimeError) as error:
            raise NetworkError(_unreachable(url, path, error)) from error
        except Exception as error:
            if isinstance(error.__cause__, urllib.error.URLError):  # it is an OSError too, so the writer took it for its own
                raise NetworkError(_unreachable(url, path, error.__cause__)) from error
            raise
    expected = path.stem.rpartition("-")[2]
    actual = atomic.sha256_file(path)
    if re.fullmatch("[0-9a-f]{8,}", expected) and not actual.startswith(expected):
        raise CheckpointError(f"{path} is not what its name says: its SHA-256 starts with {actual[:8]}. Remove it and run again.")
    return path


def _entry(resolved: ResolvedNetwork, entries: Any) -> Any:
    """The named weights, the default ones, or None where a network has none and needs none."""
    named = resolved.variant if resolved.variant not in (None, RANDOM) else None
    known = [entry.name for entry in entries]
    if named is not None:
        if named not in known and named != "DEFAULT":
            raise NotFoundError(f"torchvision:{resolved.target} has no weights {named!r}. It has: {', '.join(known) or 'none'}; or random.")
        return entries[named] if named in known else entries.DEFAULT
    if known:
        return entries.DEFAULT
    if resolved.variant == RANDOM or resolved.weights is not None:
        return None
    name = resolved.target
    raise UsageError(f"torchvision has no weights for {name}. Give --weights FILE, or write torchvision:{name}@random.")


def _sides(value: Any) -> tuple[int, ...]:
    return tuple(int(side) for side in value) if isinstance(value, list | tuple) else (int(value),)


def _unreachable(url: str, path: Path, error: Exception) -> str:
    return (
        f"the weights {url} are not here and cannot be fetched ({error}). Put the file at {path}, name another with --weights, "
        "or write @random after the network's name."
    )
