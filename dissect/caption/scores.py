"""Log-probabilities of descriptions, and what a model must offer so that they can be asked of it.

    log p(d | E)   a `Captioner`: of a description d given a unit's exemplars E
    log p(d)       a `LanguageModel` (or any `Prior`): of the same words without exemplars
    PMI            log p(d | E) - lambda log p(d)

Every log-probability is in nats and sums the tokens and the stop token, without length normalisation. A model is walked word by word: it
gives a state to begin with, and for the last token and the state the log-probabilities of the next token. A state is a tuple of tensors
whose first axis is rows, so that a search can pick, repeat and reorder rows without knowing what is in them; a model without a memory of
its own keeps the tokens so far as its state. Letters: B rows, L tokens, V vocabulary, U units.
Source: Hernandez et al. 2022, "Natural Language Descriptions of Deep Visual Features", eq. 3 and 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

import torch

from dissect.caption.tokens import Vocabulary
from dissect.errors import UsageError

State: TypeAlias = tuple[torch.Tensor, ...]
"""Tensors with rows first: (B, ...)."""


class Steps(Protocol):
    """What captioners and language models have in common."""

    @property
    def vocabulary(self) -> Vocabulary: ...

    def step(self, tokens: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        """tokens (B,) int64: the last one of each row, `start` at first. Gives log-probabilities (B, V) of the next one, and the state
        after it. `exp` of each row sums to 1; the state that was given stays as it is."""
        ...


@runtime_checkable
class LanguageModel(Steps, Protocol):
    """log p(next | prefix)."""

    def begin(self, rows: int) -> State:
        """The state before the first word, for so many rows."""
        ...


class Captioner(Steps, Protocol):
    """log p(next | prefix, E), of the units whose exemplars it holds."""

    @property
    def units(self) -> int:
        """How many units it holds; they are numbered from 0."""
        ...

    def begin(self, units: torch.Tensor) -> State:
        """The state before the first word. units (B,) int64: the unit of each row."""
        ...


@runtime_checkable
class Prior(Protocol):
    """log p(d), of whole descriptions."""

    def log_p(self, rows: torch.Tensor) -> torch.Tensor:
        """rows (B, L) int64: start, words, stop, pad. Gives (B,) float64, in nats."""
        ...


def row_log_p(model: Steps, state: State, rows: torch.Tensor) -> torch.Tensor:
    """(B,) float64 nats of rows (B, L) int64 (start, words, stop, pad) from a state of B rows. Pad counts nothing."""
    total = torch.zeros(len(rows), dtype=torch.float64)
    pad = model.vocabulary.pad
    with torch.inference_mode():
        for place in range(1, rows.shape[1]):
            following = rows[:, place]
            if bool((following == pad).all()):
                break
            log_p, state = model.step(rows[:, place - 1], state)
            picked = log_p.gather(1, following[:, None]).squeeze(1).to(device="cpu", dtype=torch.float64)
            total += torch.where(following.cpu() == pad, 0.0, picked)
    return total


def parted(rows: torch.Tensor, size: int) -> list[torch.Tensor]:
    """Rows in parts of at most so many."""
    return [rows[first : first + size] for first in range(0, len(rows), size)]


@dataclass(frozen=True)
class ModelPrior:
    """log p(d) of a language model, for any search that takes a `Prior`. rows_together: rows a pass."""

    model: LanguageModel
    rows_together: int = 1024

    def log_p(self, rows: torch.Tensor) -> torch.Tensor:
        """See `Prior`."""
        parts = [row_log_p(self.model, self.model.begin(len(part)), part) for part in parted(rows, self.rows_together)]
        return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.float64)


def as_prior(model: LanguageModel | Prior) -> Prior:
    """What gives log p(d) of whole descriptions: the model itself if it does, else its words added up."""
    return model if isinstance(model, Prior) else ModelPrior(model)


@dataclass(frozen=True)
class Marginal:
    """log of the mean of p(d | E_u) over the units of a captioner, in place of a language model.

    Costs as many passes as there are units, so a captioner of a sample of units is a sensible argument.
    """

    captioner: Captioner
    rows_together: int = 1024

    def log_p(self, rows: torch.Tensor) -> torch.Tensor:
        """See `Prior`."""
        by_unit = [
            torch.cat([caption_log_p(self.captioner, torch.full((len(part),), unit), part) for part in parted(rows, self.rows_together)])
            for unit in range(self.captioner.units)
        ]
        return torch.logsumexp(torch.stack(by_unit), dim=0) - torch.log(torch.tensor(float(self.captioner.units), dtype=torch.float64))


def caption_log_p(captioner: Captioner, units: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """(B,) float64: log p(d | E) of rows (B, L), each for the unit of the same place in units (B,).

    Raises:
        UsageError: the captioner has no such unit, or there are not as many units as rows.
    """
    if len(units) != len(rows):
        raise UsageError(f"{len(units)} units for {len(rows)} descriptions. Give one unit a description.")
    if len(units) and not 0 <= int(units.min()) <= int(units.max()) < captioner.units:
        raise UsageError(f"unit {int(units.max())} asked of a captioner of {captioner.units} units.")
    return row_log_p(captioner, captioner.begin(units), rows)


def text_log_p(model: LanguageModel, texts: Sequence[str], length: int | None = None) -> torch.Tensor:
    """(B,) float64: log p of texts; words outside the vocabulary cost what the model gives `unknown`. length: cut longer texts."""
    return ModelPrior(model).log_p(model.vocabulary.batch(texts, length))


def pmi(log_p_given: torch.Tensor, log_p: torch.Tensor, weight: float) -> torch.Tensor:
    """log p(d | E) - weight * log p(d), in nats. Shapes agree; weight is the lambda of the formula."""
    return log_p_given - weight * log_p


def same_vocabulary(captioner: Steps, model: Steps) -> None:
    """Raise unless both number the same tokens alike.

    Raises:
        UsageError: they do not.
    """
    if captioner.vocabulary.tokens != model.vocabulary.tokens:
        raise UsageError(
            f"captioner and language model have different vocabularies ({len(captioner.vocabulary)} and {len(model.vocabulary)} tokens). "
            "Train the language model with the captioner's vocabulary."
        )
