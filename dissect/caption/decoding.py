"""From a captioner to descriptions: `argmax_d log p(d | E) - lambda log p(d)`, and simpler rules to compare it with.

    greedy     the most probable next word, always
    sample     words drawn from p(next | prefix, E), from a seed and the unit's number, whatever else is described with it
    beam       the most probable descriptions found by a beam
    rerank     those of the beam, ordered by their PMI (the published rule: beam 50, lambda .2)
    stepwise   a beam whose words are chosen by log p(next | prefix, E) - lambda log p(next | prefix)

A description has at most `length` words; after the last the stop token is forced and its log-probability counted, so that every
description is whole and the log-probabilities are those of the models. (The published program lets a description end without stop.) Pad,
start and unknown are never chosen; their probability is not given to others. Equal scores keep the order of search: better
parent first, then smaller token number.

Units are searched together in batches; log-probabilities do not depend on the batch by more than 1e-5 nats (the matrix libraries sum in
another order for another number of rows). Letters: U units of a batch, K hypotheses of each, V vocabulary, L length.
Source: Hernandez et al. 2022, sections 3.3 and A.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from dissect.caption.scores import Captioner, LanguageModel, ModelPrior, Prior, State, Steps, as_prior, pmi, same_vocabulary
from dissect.caption.tokens import Vocabulary
from dissect.errors import UsageError

Strategy = Literal["greedy", "sample", "beam", "rerank", "stepwise"]
STRATEGIES: tuple[Strategy, ...] = ("greedy", "sample", "beam", "rerank", "stepwise")
NEVER = float("-inf")


@dataclass(frozen=True)
class Decoding:
    """How descriptions are searched.

    length: words at most, without the stop token. beam: hypotheses kept, or texts drawn by `sample`. weight: lambda. kept: descriptions
    given a unit. seed, temperature: of `sample` only. batch: units searched together.
    """

    strategy: Strategy = "rerank"
    length: int = 15
    beam: int = 50
    weight: float = 0.2
    kept: int = 5
    seed: int = 0
    temperature: float = 1.0
    batch: int = 16

    def __post_init__(self) -> None:
        if self.strategy not in STRATEGIES:
            raise UsageError(f"there is no decoding strategy {self.strategy!r}. Choose one of {', '.join(STRATEGIES)}.")
        for name in ("length", "beam", "kept", "batch"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}. Give 1 or more.")
        if not self.temperature > 0 or not np.isfinite(self.weight):
            raise UsageError(f"temperature is {self.temperature} and lambda {self.weight}. Give a positive and a finite number.")


@dataclass(frozen=True)
class Description:
    """One description of a unit. tokens: numbers of its words. log_p_given: log p(d | E). log_p: log p(d); pmi: log_p_given - lambda log_p;
    both None without a prior. All in nats."""

    text: str
    tokens: tuple[int, ...]
    log_p_given: float
    log_p: float | None = None
    pmi: float | None = None


@dataclass(frozen=True)
class Found:
    """Whole descriptions of U units. rows (U, K, L + 2): start, words, stop, pad. score (U, K) float64, what they were searched by,
    falling; -inf where there are fewer than K. log_p_given (U, K) float64."""

    rows: torch.Tensor
    score: torch.Tensor
    log_p_given: torch.Tensor


def describe(
    captioner: Captioner,
    prior: LanguageModel | Prior | None = None,
    how: Decoding | None = None,
    *,
    advance: Callable[[int], None] = lambda units: None,
) -> list[tuple[Description, ...]]:
    """Descriptions of every unit of the captioner, the best first, at most `how.kept` different ones each.

    prior: what gives log p(d): a language model of the same vocabulary, or for all but `stepwise` any prior. Needed for `rerank` and
    `stepwise`; else it only adds figures. advance: told how many units are done.
    Order: by PMI for `rerank` and `stepwise`, by log p(d | E) for `greedy` and `beam`, as drawn for `sample`.

    Raises:
        UsageError: the strategy needs a prior, or a language model, that is not there; or the vocabularies differ.
    """
    how = how or Decoding()
    model = _language_model(captioner, prior, how)
    sequences = None if prior is None else as_prior(prior)
    described: list[tuple[Description, ...]] = []
    with torch.inference_mode():
        for first in range(0, captioner.units, how.batch):
            units = torch.arange(first, min(first + how.batch, captioner.units))
            described += _finish(captioner.vocabulary, _search(captioner, model, units, how), sequences, how)
            advance(len(units))
    return described


def _language_model(captioner: Captioner, prior: LanguageModel | Prior | None, how: Decoding) -> LanguageModel | None:
    if how.strategy in ("rerank", "stepwise") and prior is None:
        raise UsageError(f"decoding by {how.strategy} needs log p(d). Give a language model, or decode by beam.")
    model = prior.model if isinstance(prior, ModelPrior) else prior
    if isinstance(model, LanguageModel):
        same_vocabulary(captioner, model)
        return model
    if how.strategy == "stepwise":
        raise UsageError("stepwise decoding needs log p of every next word, which this prior does not give. Decode by rerank.")
    return None


def _search(captioner: Captioner, model: LanguageModel | None, units: torch.Tensor, how: Decoding) -> Found:
    if how.strategy == "sample":
        return draw(captioner, units, how.beam, how.length, how.seed, how.temperature)
    width = 1 if how.strategy == "greedy" else how.beam
    if how.strategy == "stepwise":
        return beam_search(captioner, units, width, how.length, model, how.weight)
    return beam_search(captioner, units, width, how.length)


def _finish(vocabulary: Vocabulary, found: Found, prior: Prior | None, how: Decoding) -> list[tuple[Description, ...]]:
    """Log p(d), order and texts. Texts that several rows share (as `sample` gives) stand once."""
    units, width, length = found.rows.shape
    log_p = prior.log_p(found.rows.reshape(units * width, length)).reshape(units, width) if prior is not None else None
    score = found.score
    if log_p is not None and how.strategy in ("rerank", "stepwise"):
        score = torch.where(found.score == NEVER, found.score, pmi(found.log_p_given, log_p, how.weight))
    order = torch.argsort(score, dim=1, descending=True, stable=True)
    if how.strategy == "sample":
        order = torch.arange(width).expand(units, width)
    return [
        _descriptions(
            vocabulary, found.rows[u], found.log_p_given[u], None if log_p is None else log_p[u], score[u], order[u].tolist(), how
        )
        for u in range(units)
    ]


def _descriptions(
    vocabulary: Vocabulary,
    rows: torch.Tensor,
    given: torch.Tensor,
    log_p: torch.Tensor | None,
    score: torch.Tensor,
    order: Sequence[int],
    how: Decoding,
) -> tuple[Description, ...]:
    kept: dict[tuple[int, ...], Description] = {}
    special = (vocabulary.pad, vocabulary.start, vocabulary.stop)
    for k in order:
        tokens = tuple(token for token in rows[k].tolist() if token not in special)
        if score[k] == NEVER or tokens in kept:
            continue
        own = float(given[k])
        without = None if log_p is None else float(log_p[k])
        both = None if without is None else own - how.weight * without
        kept[tokens] = Description(vocabulary.decode(tokens), tokens, own, without, both)
        if len(kept) == how.kept:
            break
    return tuple(kept.values())


def beam_search(
    captioner: Captioner, units: torch.Tensor, width: int, length: int, model: LanguageModel | None = None, weight: float = 0.0
) -> Found:
    """The `width` best whole descriptions that a beam of that width finds, by log p(d | E), or by stepwise PMI with a language model.

    units (U,) int64. Each round extends every unfinished hypothesis by every word and by stop, and keeps the best `width` of these and
    of the finished ones. With a beam as wide as there are descriptions it is exhaustive.
    """
    words, several = captioner.vocabulary, len(units)
    rows = torch.full((several, width, length + 2), words.pad)
    rows[:, :, 0] = words.start
    score = torch.full((several, width), NEVER, dtype=torch.float64)
    score[:, 0] = 0
    given = score.clone()
    every = units.repeat_interleave(width)
    walks = [_Walk(captioner, captioner.begin(every))] + ([_Walk(model, model.begin(len(every)))] if model is not None else [])
    for place in range(1, length + 2):
        if bool(((rows == words.stop).any(dim=2) | (score == NEVER)).all()):
            break
        log_p = [walk.next(rows[:, :, place - 1].reshape(-1)).reshape(several, width, -1) for walk in walks]
        done = (rows == words.stop).any(dim=2)
        own = _allowed(log_p[0], words, done, place > length)
        value = own if model is None else own - weight * torch.where(own == NEVER, 0.0, log_p[1]) * ~done[:, :, None]
        parent, token, score = _best(score[:, :, None] + value, width)
        given = given.gather(1, parent) + _pick(own, parent, token)
        rows = rows.gather(1, parent[:, :, None].expand_as(rows)).clone()
        stopped = done.gather(1, parent)
        rows[:, :, place] = torch.where(stopped, words.pad, token)
        flat = (parent + torch.arange(several)[:, None] * width).reshape(-1)
        for walk in walks:
            walk.keep(flat)
    return Found(rows, score, given)


@dataclass
class _Walk:
    """A model on its way through B rows."""

    model: Steps
    state: State

    def next(self, tokens: torch.Tensor) -> torch.Tensor:
        log_p, self.state = self.model.step(tokens, self.state)
        return log_p.cpu()

    def keep(self, rows: torch.Tensor) -> None:
        self.state = tuple(part.index_select(0, rows.to(part.device)) for part in self.state)


def _allowed(log_p: torch.Tensor, words: Vocabulary, done: torch.Tensor, last: bool) -> torch.Tensor:
    """(U, K, V) float64: -inf where a token may not follow; a finished hypothesis has one continuation, at no cost."""
    own = log_p.to(torch.float64)
    if last:
        only = torch.full_like(own, NEVER)
        only[:, :, words.stop] = own[:, :, words.stop]
        own = only
    own[:, :, [words.pad, words.start, words.unknown]] = NEVER
    own[done] = NEVER
    own[:, :, words.stop] = torch.where(done, 0.0, own[:, :, words.stop])
    return own


def _best(total: torch.Tensor, width: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of (U, K, V) the best `width` of each unit: parent, token and score (U, width); equals by parent, then token."""
    few = min(width, total.shape[2])
    score, token = total.topk(few, dim=2)  # (U, K, few)
    by_token = token.argsort(dim=2, stable=True)  # so that the stable sort below takes equals in the order of tokens
    score, token = (part.gather(2, by_token).flatten(1) for part in (score, token))
    order = torch.argsort(score, dim=1, descending=True, stable=True)[:, :width]
    return order // few, token.gather(1, order), score.gather(1, order)


def _pick(own: torch.Tensor, parent: torch.Tensor, token: torch.Tensor) -> torch.Tensor:
    """(U, K) of (U, K, V) at parents and tokens."""
    return own.flatten(1).gather(1, parent * own.shape[2] + token)


def draw(captioner: Captioner, units: torch.Tensor, draws: int, length: int, seed: int, temperature: float = 1.0) -> Found:
    """`draws` descriptions of each unit, word by word from p(next | prefix, E)^(1 / temperature), normalised over what may follow.

    The uniform numbers of a unit follow from the seed and its number alone. log_p_given is that of the model, at temperature 1.
    """
    words, several = captioner.vocabulary, len(units)
    uniform = np.stack([np.random.default_rng((seed, unit)).random((draws, length)) for unit in units.tolist()])
    rows = torch.full((several, draws, length + 2), words.pad)
    rows[:, :, 0] = words.start
    given = torch.zeros((several, draws), dtype=torch.float64)
    walk = _Walk(captioner, captioner.begin(units.repeat_interleave(draws)))
    for place in range(1, length + 2):
        done = (rows == words.stop).any(dim=2)
        if bool(done.all()):
            break
        log_p = walk.next(rows[:, :, place - 1].reshape(-1)).reshape(several, draws, -1)
        own = _allowed(log_p, words, done, place > length)
        if place > length:
            token = torch.full((several, draws), words.stop)
        else:
            share = torch.softmax(own / temperature, dim=2).cumsum(dim=2)
            token = _place(share, torch.from_numpy(uniform[:, :, place - 1]))
        given += own.gather(2, token[:, :, None]).squeeze(2)
        rows[:, :, place] = torch.where(done, words.pad, token)
    return Found(rows, given, given)


def _place(share: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """(U, K): the first token whose cumulative share (U, K, V) exceeds the uniform number (U, K), times the last one's."""
    return torch.searchsorted(share, uniform[:, :, None] * share[:, :, -1:], right=True).squeeze(2).clamp_(max=share.shape[2] - 1)
