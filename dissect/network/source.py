"""From what a user writes to everything needed to build the network: MODEL, its card if it has one, and the options.

tiny-darknet, cards/mine.toml          a card, by name or path
torchvision:resnet18[@WEIGHTS|@random]
timm:vit_tiny_patch16_224[@random]
transformers:ORG/NAME or a folder[@random]
package.module:factory                 with --weights FILE, or @random
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from dissect.errors import UsageError
from dissect.network.card import ModelCard, load_card
from dissect.network.preprocess import Preprocessing
from dissect.network.rules import OutputRule

if TYPE_CHECKING:
    from dissect.network.model import GeometryKind

Kind = Literal["torchvision", "timm", "transformers", "factory"]
KINDS = ("torchvision", "timm", "transformers")
DEVICES = ("auto", "cpu", "cuda", "mps")
GEOMETRIES = ("squash", "model")
RANDOM = "random"


@dataclass(frozen=True)
class NetworkSpec:
    """What a user asks for: MODEL and the options.

    weights: a file that replaces the source's or the card's own. folders: searched for cards before the shipped ones. trust, partial,
    ema: how a checkpoint is read (see `checkpoint` and `fit`); never set by a card. geometry: `squash` the whole picture to the input,
    or `model` for the network's own resize, crop and pad. fast: channels_last, folded batch norm, packed filters. seed: of random weights.
    preprocessing replaces the network's own; input_size replaces only its (height, width). arguments: of a factory. outputs: rules for
    reading outputs by layer pattern, beside the card's; prefix_tokens holds for every layer.
    """

    model: str
    weights: Path | None = None
    folders: tuple[Path, ...] = ()
    trust: bool = False
    partial: bool = False
    ema: bool = False
    device: str = "auto"
    geometry: GeometryKind = "squash"
    fast: bool = True
    seed: int = 0
    preprocessing: Preprocessing | None = None
    input_size: tuple[int, int] | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, OutputRule] = field(default_factory=dict)
    prefix_tokens: int | None = None


@dataclass(frozen=True)
class ResolvedNetwork:
    """What a spec and its card come to: everything needed to build the network.

    kind, target, variant: where it comes from; variant is a name of weights, `random`, or None for the usual ones. name: short, for
    rows and messages. source: MODEL in its direct form, for rows. preprocessing: None takes the source's own.
    """

    spec: NetworkSpec
    kind: Kind
    target: str
    name: str
    source: str
    variant: str | None = None
    title: str = ""
    weights: Path | None = None
    sha256: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    layers: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    preprocessing: Preprocessing | None = None
    outputs: Mapping[str, OutputRule] = field(default_factory=dict)
    licence: str = ""
    citation: str = ""
    url: str = ""


def resolve(spec: NetworkSpec) -> ResolvedNetwork:
    """What a spec comes to. Reads the card, and nothing else; no network is built yet.

    Raises:
        UsageError: MODEL, the device or the geometry is not understood.
        NotFoundError, CardError: see `card.load_card`.
    """
    _choice("--device", spec.device, DEVICES)
    _choice("--geometry", spec.geometry, GEOMETRIES)
    if _is_direct(spec.model):
        found = _direct(spec.model, spec)
    else:
        found = _from_card(load_card(spec.model, spec.folders), spec)
    rules = {**found.outputs, **spec.outputs}
    if spec.prefix_tokens is not None:
        rules = {pattern: dataclasses.replace(rule, prefix_tokens=spec.prefix_tokens) for pattern, rule in rules.items()}
        rules = {"**": OutputRule(prefix_tokens=spec.prefix_tokens), **rules}  # the last that matches holds, so the rules of a card stay
    return dataclasses.replace(
        found,
        weights=spec.weights.expanduser() if spec.weights is not None else found.weights,
        sha256=found.sha256 if spec.weights is None else None,  # a card's checksum is of its own file
        arguments={**found.arguments, **spec.arguments},
        preprocessing=spec.preprocessing or found.preprocessing,
        outputs=rules,
    )


def _is_direct(model: str) -> bool:
    return ":" in model and not model.endswith(".toml")


def _direct(model: str, spec: NetworkSpec) -> ResolvedNetwork:
    kind, _, target = model.partition(":")
    if kind not in KINDS:
        kind, target = "factory", model
    target, variant = _variant(target)
    if not target:
        raise UsageError(f"{model!r} names no network after the colon. Write for example torchvision:resnet18.")
    if kind == "factory" and not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", target):
        raise UsageError(
            f"{model!r} is neither torchvision:NAME, timm:NAME, transformers:NAME nor package.module:factory. "
            "The part after the colon is the name of a function or class."
        )
    if kind == "factory" and variant not in (None, RANDOM):
        raise UsageError(f"{model!r}: a factory takes its weights from --weights FILE; only @random may follow it.")
    return ResolvedNetwork(spec, cast(Kind, kind), target, _short(target), model, variant)


def _variant(target: str) -> tuple[str, str | None]:
    """Cut `@WEIGHTS` off, unless the @ belongs to a folder's name."""
    name, mark, variant = target.rpartition("@")
    return (name, variant) if mark and re.fullmatch(r"\w+", variant) and not Path(target).exists() else (target, None)


def _from_card(card: ModelCard, spec: NetworkSpec) -> ResolvedNetwork:
    return dataclasses.replace(
        _direct(card.source, spec),
        name=card.name,
        title=card.title,
        weights=card.weights,
        sha256=card.sha256,
        arguments=card.arguments,
        layers=card.layers,
        classes=card.classes,
        preprocessing=card.preprocessing,
        outputs=card.outputs,
        licence=card.licence,
        citation=card.citation,
        url=card.url,
    )


def _short(target: str) -> str:
    """A name for rows: the factory's with its module's, the architecture's, or the last part of a hub name or folder.

    Two files may each have a `make`: their networks are not one.
    """
    module, _, last = target.rstrip("/\\").rpartition(":")
    last = f"{module.rpartition('.')[2]}.{last}" if module else last
    return re.sub(r"[^A-Za-z0-9._-]+", "-", re.split(r"[/\\]", last)[-1]).strip("-.") or "network"


def _choice(option: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise UsageError(f"{option} is {value!r}. Choose one of {', '.join(choices)}.")
