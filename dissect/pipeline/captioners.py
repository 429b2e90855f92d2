"""From a name to a describer: the shipped captioner, one of the user's own, or a saved model of transformers."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import torch

from dissect.caption.decoding import Decoding
from dissect.caption.describer import Describer
from dissect.caption.files import read_captioner
from dissect.caption.trained import TrainedDescriber
from dissect.caption.vision_language import CAPTIONER, LM_PENALISED, PMI, VOCABULARY, open_describer
from dissect.caption.vl_files import PREFIX
from dissect.config import Config
from dissect.errors import NotFoundError, UsageError
from dissect.network import load_network
from dissect.paths import shipped
from dissect.pipeline.names import network_spec
from dissect.pipeline.request import RunRequest

SHIPPED = "demo-captioner"
"""The captioner of the embedded world."""


MEASURES = {PMI: "pmi", LM_PENALISED: "lm_penalised"}
"""Kinds of scores in the database, by the name that a describer gives them; what is neither is log p(d|E) alone."""
LENGTH, WEIGHT = 15, 0.2
"""Of a model that says nothing of its own: those of the published captioner."""


class Checked(Describer, Protocol):
    """A describer that refuses early what it cannot do."""

    def check(self, decoding: Decoding) -> None:
        """Raise if it cannot decode like that."""
        ...


@dataclass(frozen=True)
class Opened:
    """describer: what describes. length, weight: words (of a model of transformers: its own tokens) at most and lambda, as chosen for it.
    world: what the captioner knows, in words; empty where its card does not say. measure: kind of its scores in the database."""

    describer: Checked
    length: int
    weight: float
    world: str = ""
    measure: str = "pmi"


@dataclass(frozen=True, slots=True)
class Asked:
    """Which captioner, and how a model of transformers is asked. captioner: a name, a card's path, or `transformers:FOLDER`. prior,
    view, candidates, prompt: see `vision_language.open_describer`; None where nothing is said."""

    captioner: str
    prior: str | None = None
    view: str | None = None
    candidates: str | None = None
    prompt: str | None = None

    @property
    def foreign(self) -> bool:
        """Whether a model of transformers is meant."""
        return self.captioner.startswith(PREFIX)

    @property
    def chosen_prior(self) -> str:
        """What gives log p(d): of our captioners their language model, of others nothing, unless told."""
        return self.prior or ("none" if self.foreign else "lm")


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


def open_captioner(
    asked: Asked, config: Config, device: str | None = None, concepts: Callable[[], Sequence[str]] = lambda: ()
) -> Opened:  # fmt: skip
    """A captioner, with the network of its features where it needs one. device: where it runs; None for that of the settings. concepts:
    names for `candidates` = `vocabulary`.

    Raises:
        NotFoundError: there is no such captioner, or no such network. CheckpointError: its files are damaged or do not fit together.
        LayerError, NetworkError: the network does not fit the captioner's recipe, or is no captioner. UsageError: an option does not
            belong to this captioner.
    """
    config = config if device is None else replace(config, device=device)
    if asked.foreign:
        return _foreign(asked, config, concepts)
    prior = asked.chosen_prior
    others = ("view", "candidates", "prompt")
    if (odd := next((name for name in others if getattr(asked, name) is not None), None)) is not None:
        raise UsageError(f"--{odd} belongs to --captioner {PREFIX}FOLDER. Leave it out with {asked.captioner}.")
    if prior not in ("lm", "marginal"):
        raise UsageError(f"--prior is {prior!r}. With captioner {asked.captioner} it is lm (its own language model) or marginal.")
    card = captioner_card(asked.captioner, config)
    saved = read_captioner(card)
    network = load_network(network_spec(RunRequest(model=saved.recipe.network, data=""), config))
    describer = TrainedDescriber(card.stem, saved, network, "lm" if prior == "lm" else "marginal", torch.device(network.device.type))
    world = saved.facts.get("world")
    return Opened(describer, saved.length, saved.weight, world if isinstance(world, str) else "")


def _foreign(asked: Asked, config: Config, concepts: Callable[[], Sequence[str]]) -> Opened:
    if asked.chosen_prior == "lm":
        raise UsageError(f"{asked.captioner} has no language model of its own. Write --prior lm:FOLDER, or --prior marginal.")
    candidates = asked.candidates or CAPTIONER
    describer = open_describer(
        asked.captioner, view=asked.view or "masked", prior=asked.chosen_prior, candidates=candidates, prompt=asked.prompt,
        vocabulary=concepts() if candidates == VOCABULARY else (), device=config.device,
    )  # fmt: skip
    return Opened(describer, LENGTH, WEIGHT, measure=MEASURES.get(describer.score, "log_p_given"))
