"""Models whose every next-word distribution is drawn from a seed and the words so far, and plain Python to search them with."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from dissect.caption.scores import State
from dissect.caption.tokens import SPECIAL, Vocabulary


def small(words: int) -> Vocabulary:
    """A vocabulary of a, b, c, ..."""
    return Vocabulary((*SPECIAL, *"abcdefgh"[:words]))


@functools.cache
def distribution(seed: int, unit: int, prefix: tuple[int, ...], size: int) -> torch.Tensor:
    """Log-probabilities (V,) float32 of the next token."""
    logits = np.random.default_rng((seed, unit, *prefix)).normal(0, 1.5, size)
    return torch.log_softmax(torch.from_numpy(logits).float(), dim=0)


@dataclass(frozen=True)
class Table:
    """A model without memory: its state is the unit of each row and the tokens so far. Captioner and language model in one."""

    vocabulary: Vocabulary
    seed: int
    units: int = 1

    def begin(self, units: torch.Tensor | int) -> State:
        """Rows of units, or so many rows of unit 0."""
        chosen = torch.zeros(units, dtype=torch.int64) if isinstance(units, int) else units
        return chosen[:, None], torch.empty((len(chosen), 0), dtype=torch.int64)

    def step(self, tokens: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        """See `Steps`."""
        unit, before = state
        prefix = torch.cat([before, tokens[:, None]], dim=1)
        pairs = zip(unit[:, 0].tolist(), prefix.tolist(), strict=True)
        rows = [distribution(self.seed, one, tuple(words), len(self.vocabulary)) for one, words in pairs]
        return torch.stack(rows), (unit, prefix)

    def log_p_of(self, words: tuple[int, ...], unit: int = 0) -> float:
        """Of a whole description, added up word by word."""
        prefix: tuple[int, ...] = (self.vocabulary.start,)
        total = 0.0
        for token in (*words, self.vocabulary.stop):
            total += float(distribution(self.seed, unit, prefix, len(self.vocabulary))[token])
            prefix = (*prefix, token)
        return total


def every_description(vocabulary: Vocabulary, length: int) -> Iterator[tuple[int, ...]]:
    """All descriptions of at most `length` words."""
    usable = [number for number, token in enumerate(vocabulary.tokens) if token not in SPECIAL]
    for words in range(length + 1):
        yield from itertools.product(usable, repeat=words)


def plain_beam(
    vocabulary: Vocabulary, value: Callable[[tuple[int, ...], int], float], width: int, length: int
) -> list[tuple[float, tuple[int, ...]]]:
    """A beam in plain Python. value(prefix, token): what the token adds. Gives (score, words), the best first."""
    beam: list[tuple[float, tuple[int, ...]]] = [(0.0, (vocabulary.start,))]
    for place in range(1, length + 2):
        following: list[tuple[float, tuple[int, ...]]] = []
        for score, prefix in beam:
            if prefix[-1] == vocabulary.stop:
                following.append((score, prefix))
                continue
            for token, name in enumerate(vocabulary.tokens):
                if token == vocabulary.stop or (name not in SPECIAL and place <= length):
                    following.append((score + value(prefix, token), (*prefix, token)))
        beam = sorted(following, key=lambda pair: -pair[0])[:width]
    return [(score, prefix[1:-1]) for score, prefix in beam]
