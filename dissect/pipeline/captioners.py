"""From a name to a describer: the shipped captioner, one of the user's own, or another model."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from dissect.caption.files import read_captioner
from dissect.caption.trained import PriorKind, TrainedDescriber
from dissect.config import Config
from dissect.errors import NotFoundError
from dissect.network import load_network
from dissect.paths import shipped
from dissect.pipeline.names import network_spec
from dissect.pipeline.request import RunRequest

SHIPPED = "demo-captioner"
"""The captioner of the embedded world."""


@dataclass(frozen=True)
class Opened:
    """describer: what describes. length, weight: words at most and lambda, as chosen for it. world: what the captioner knows, in words;
    empty where its card does not say."""

    describer: TrainedDescriber
    length: int
    weight: float
    world: str = ""


def captioner_card(name: str, config: Config) -> Path:
    """The card of a captioner: a path that ends in .json, or a name among the user's cards, then the shipped ones.

    Raises:
        NotFoundError: there is none; near names are listed.
    """
    path = Path(name).expanduser()
    if path.suffix == ".json":
        if not path.is_file():
            raise NotFoundError(f"there is no captioner card {path}. Check the path, or make one with: dissect captioner train.")
        return path
    there = {
        card.stem: card
        for folder in (shipped("models"), *reversed(config.cards))
        for card in sorted(Path(folder).glob("*.json"))
        if card.with_suffix(".safetensors").is_file()
    }
    if name not in there:
        near = difflib.get_close_matches(name, there, n=3)
        known = f"Did you mean {' or '.join(near)}?" if near else f"Captioners: {', '.join(sorted(there)) or 'none'}."
        raise NotFoundError(f"there is no captioner {name!r}. {known} Or give the path of its card (NAME.json).")
    return there[name]


def has_captioner(name: str, config: Config) -> bool:
    """Whether `captioner_card` finds it."""
    try:
        captioner_card(name, config)
    except NotFoundError:
        return False
    return True


def open_captioner(name: str, prior: PriorKind, config: Config, device: str | None = None) -> Opened:
    """A captioner with the network of its features. device: where both run; None for that of the settings.

    Raises:
        NotFoundError: there is no such captioner, or no such network. CheckpointError: its files are damaged or do not fit together.
        LayerError, NetworkError: the network does not fit the captioner's recipe.
    """
    config = config if device is None else replace(config, device=device)
    card = captioner_card(name, config)
    saved = read_captioner(card)
    network = load_network(network_spec(RunRequest(model=saved.recipe.network, data=""), config))
    describer = TrainedDescriber(card.stem, saved, network, prior, torch.device(network.device.type))
    world = saved.facts.get("world")
    return Opened(describer, saved.length, saved.weight, world if isinstance(world, str) else "")
