"""Building the module of a network from its source, with the source's own preprocessing and class names. Weights files come later."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dissect.errors import NetworkError, NotFoundError, UsageError
from dissect.network.preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocessing
from dissect.network.source import RANDOM, ResolvedNetwork

NO_FACTORY = frozenset(sys.stdlib_module_names) | {
    "torch", "torchvision", "transformers", "timm", "huggingface_hub", "numpy", "scipy", "pandas", "PIL", "pip", "setuptools",
    "pkg_resources", "sqlalchemy", "typer", "click", "numba", "fsspec",
}  # fmt: skip
"""Top packages whose *functions* are no factories: `os:system` in a card must not run. Their nn.Module classes are welcome."""


@dataclass
class Built:
    """A module with what its source knows about it. `loaded`: its weights are in place already. `random`: they are meant to be random."""

    module: nn.Module
    preprocessing: Preprocessing | None = None
    classes: tuple[str, ...] = ()
    loaded: bool = False
    random: bool = False
    notes: tuple[str, ...] = ()


def build(resolved: ResolvedNetwork) -> Built:
    """The module of a spec. A source that has its own weights loads them here, unless a file replaces them.

    Raises:
        NetworkError: it cannot be built, or its weights cannot be had.
        MissingExtraError: the source needs a package that is not installed.
    """
    if resolved.kind == "factory":
        return _from_factory(resolved)
    if resolved.kind == "torchvision":
        from dissect.network.build_torchvision import build_torchvision

        return build_torchvision(resolved)
    if resolved.kind == "timm":
        from dissect.network.build_timm import build_timm

        return build_timm(resolved)
    from dissect.network.build_transformers import build_transformers

    return build_transformers(resolved)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Random weights that depend on the seed alone, and leave the caller's generators as they were."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def call_builder(name: str, builder: Callable[..., Any], arguments: Mapping[str, Any], seed: int) -> nn.Module:
    """Call a constructor of networks with seeded random weights.

    Raises:
        NetworkError: it fails, or gives no `torch.nn.Module`.
    """
    try:
        with seeded(seed):
            module = builder(**arguments)
    except Exception as error:  # anybody's code
        text = " ".join(str(error).split())[:200]
        raise NetworkError(f"{name} cannot be built ({type(error).__name__}: {text}). Check its arguments.") from error
    if not isinstance(module, nn.Module):
        raise NetworkError(f"{name} gives a {type(module).__name__}, not a torch.nn.Module. Name what makes the network itself.")
    return module


def _from_factory(resolved: ResolvedNetwork) -> Built:
    module = call_builder(resolved.target, _factory(resolved.target), resolved.arguments, resolved.spec.seed)
    random = resolved.variant == RANDOM
    if not random and resolved.weights is None and any(True for _ in module.parameters()):
        name = resolved.target
        raise UsageError(f"{name} has random weights. Give its checkpoint with --weights FILE, or write {name}@random.")
    notes: tuple[str, ...] = ()
    if resolved.preprocessing is None:
        notes = ("no preprocessing was given: pictures of 224 x 224 with the ImageNet mean and standard deviation are assumed",)
    return Built(module, Preprocessing((224, 224), mean=IMAGENET_MEAN, std=IMAGENET_STD), random=random, notes=notes)


def _factory(target: str) -> Callable[..., Any]:
    """The function or class behind `package.module:factory`; only what can be a factory of networks is ever called."""
    module_name, _, attribute = target.partition(":")
    if module_name.partition(".")[0] in sys.stdlib_module_names:
        raise UsageError(f"{target} is part of Python itself, not a factory of networks. Name your own package.module:factory.")
    with _current_folder():
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            raise NotFoundError(f"there is no module {error.name} for {target}. Install it, or run where it can be imported.") from error
        except Exception as error:  # importing runs anybody's code
            raise NetworkError(f"module {module_name} fails when imported ({type(error).__name__}: {error}). Mend it first.") from error
    factory = getattr(module, attribute, None)
    if factory is None:
        names = [name for name, item in vars(module).items() if callable(item) and not name.startswith("_")]
        raise NotFoundError(f"module {module_name} has no {attribute}. It has: {', '.join(names[:10])}.")
    if inspect.isclass(factory) and issubclass(factory, nn.Module):
        return factory
    owner = str(getattr(factory, "__module__", "")).partition(".")[0]
    if not inspect.isfunction(factory) or {owner, module_name.partition(".")[0]} & NO_FACTORY:
        raise UsageError(f"{target} is no factory of networks. Name a function of your own, or a class derived from torch.nn.Module.")
    found: Callable[..., Any] = factory
    return found


@contextmanager
def _current_folder() -> Iterator[None]:
    """A factory in the folder where the command is run is found, as with `python -m`; everything installed comes first."""
    folder = str(Path.cwd())
    added = folder not in sys.path and "" not in sys.path
    if added:
        sys.path.append(folder)
    try:
        yield
    finally:
        if added and folder in sys.path:
            sys.path.remove(folder)
