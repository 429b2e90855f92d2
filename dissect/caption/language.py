"""p(d): an LSTM over words, as published, and plain counts to compare it with.

    LstmLanguageModel   embedding 128, two LSTM layers of 512 with dropout between them, log softmax
    NgramModel          interpolated Kneser-Ney; of order 1 the unigram model

All give log p(next | prefix) as `LanguageModel` asks. Letters: B rows, T steps, V vocabulary, n order.
Sources: Hernandez et al. 2022, section 3.3; Chen & Goodman 1998, "An Empirical Study of Smoothing Techniques", section 2.7.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from dissect.caption.scores import State
from dissect.caption.tokens import Vocabulary
from dissect.errors import UsageError

MOST_LAYERS = 64
"""A card with more would only cost time before its tensors are compared."""


@dataclass(frozen=True)
class LanguageSizes:
    """dropout: between the layers, as published."""

    embedding: int = 128
    hidden: int = 512
    layers: int = 2
    dropout: float = 0.5

    def __post_init__(self) -> None:
        if min(self.embedding, self.hidden, self.layers) < 1 or self.layers > MOST_LAYERS or not 0 <= self.dropout < 1:
            raise UsageError(f"{self} is no language model. Sizes are 1 or more, layers at most {MOST_LAYERS}, dropout is in [0, 1).")

    def plain(self) -> dict[str, object]:
        """The sizes for JSON."""
        return asdict(self)


class LstmLanguageModel(nn.Module):
    """See the module's text. It is a `LanguageModel`; `loss` is what training lowers."""

    def __init__(self, vocabulary: Vocabulary, sizes: LanguageSizes | None = None) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.sizes = sizes or LanguageSizes()
        between = self.sizes.dropout if self.sizes.layers > 1 else 0.0
        self.embedding = nn.Embedding(len(vocabulary), self.sizes.embedding, padding_idx=vocabulary.pad)
        self.lstm = nn.LSTM(self.sizes.embedding, self.sizes.hidden, self.sizes.layers, batch_first=True, dropout=between)
        self.output = nn.Linear(self.sizes.hidden, len(vocabulary))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Log-probabilities (B, T, V) of every next word of rows (B, T + 1) (start, words, stop, pad)."""
        hidden, _ = self.lstm(self.embedding(rows[:, :-1]))
        return functional.log_softmax(self.output(hidden), dim=2)

    def loss(self, rows: torch.Tensor) -> torch.Tensor:
        """Mean of -log p over all words and stops of rows (B, T + 1), in nats."""
        hidden, _ = self.lstm(self.embedding(rows[:, :-1]))
        real = rows[:, 1:] != self.vocabulary.pad  # the output layer is the dearest: not for pad
        return functional.cross_entropy(self.output(hidden[real]), rows[:, 1:][real])

    def begin(self, rows: int) -> State:
        """See `LanguageModel`. The state: h and c of each layer (B, layers, H)."""
        zeros = self.output.weight.new_zeros((rows, self.sizes.layers, self.sizes.hidden))
        return zeros, zeros

    def step(self, tokens: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        """See `Steps`. Always in evaluation mode: dropout would make it a chance."""
        training = self.training
        hidden, cell = (part.transpose(0, 1).contiguous() for part in state)
        try:
            self.eval()
            with torch.inference_mode():
                out, (hidden, cell) = self.lstm(self.embedding(tokens.to(hidden.device))[:, None], (hidden, cell))
                log_p = functional.log_softmax(self.output(out[:, 0]), dim=1)
        finally:
            self.train(training)
        return log_p, (hidden.transpose(0, 1), cell.transpose(0, 1))


class NgramModel:
    """Interpolated Kneser-Ney over the last n - 1 tokens, with one discount an order, D = n1 / (n1 + 2 n2) of its counts.

        p(w | h) = max(c(h w) - D, 0) / c(h) + D N(h) / c(h) p(w | h without its first)

    c: occurrences at the highest order; below it, of how many different tokens h w follows. N(h): different tokens after h. Below order 1
    every token that may follow is equally probable. Words, stop and unknown may follow; start and pad have probability 0.
    """

    def __init__(self, vocabulary: Vocabulary, texts: Iterable[str], order: int = 3) -> None:
        if order < 1:
            raise UsageError(f"an n-gram model of order {order}. Give 1 or more.")
        self.vocabulary = vocabulary
        self.order = order
        grams = self._grams(texts)
        self._after = [_after(grams[n]) for n in range(1, order + 1)]
        self._discount = [_discount(table) for table in self._after]
        self._possible = np.ones(len(vocabulary))
        self._possible[[vocabulary.start, vocabulary.pad]] = 0
        self._dense: dict[tuple[int, ...], torch.Tensor] = {}

    def _grams(self, texts: Iterable[str]) -> dict[int, Counter[tuple[int, ...]]]:
        """Occurrences of the n-grams of each order; below the highest, continuation counts."""
        words = self.vocabulary
        grams: dict[int, Counter[tuple[int, ...]]] = {n: Counter() for n in range(1, self.order + 1)}
        for text in texts:
            row = [words.start] * (self.order - 1) + words.encode(text) + [words.stop]
            grams[self.order].update(tuple(row[place : place + self.order]) for place in range(len(row) - self.order + 1))
        for n in range(self.order - 1, 0, -1):
            grams[n] = Counter(gram[1:] for gram in grams[n + 1])
        return grams

    def probability(self, token: int, context: Sequence[int]) -> float:
        """p(token | context) of one token, by the formula."""
        if not self._possible[token]:
            return 0.0
        if len(context) > self.order - 1:
            context = context[len(context) - self.order + 1 :]
        return self._probability(token, tuple(context))

    def _probability(self, token: int, context: tuple[int, ...]) -> float:
        table, discount = self._after[len(context)], self._discount[len(context)]
        following = table.get(context)
        lower = self._probability(token, context[1:]) if context else 1 / float(self._possible.sum())
        if following is None:
            return lower
        total = following[1].sum()
        seen = following[1][following[0] == token]
        own = max(float(seen[0]) - discount, 0.0) if len(seen) else 0.0
        return float((own + discount * len(following[0]) * lower) / total)

    def distribution(self, context: tuple[int, ...]) -> NDArray[np.float64]:
        """p(. | context) (V,)."""
        lower = self.distribution(context[1:]) if context else self._possible / self._possible.sum()
        following = self._after[len(context)].get(context)
        if following is None:
            return lower
        tokens, counts = following
        discount, total = self._discount[len(context)], counts.sum()
        found: NDArray[np.float64] = lower * (discount * len(tokens) / total)
        found[tokens] += np.maximum(counts - discount, 0) / total
        return found

    def begin(self, rows: int) -> State:
        """See `LanguageModel`. The state: the last n - 1 tokens (B, n - 1)."""
        return (torch.full((rows, self.order - 1), self.vocabulary.start),)

    def step(self, tokens: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        """See `Steps`."""
        last = torch.cat([state[0], tokens.cpu()[:, None]], dim=1)[:, 1:] if self.order > 1 else state[0]
        return torch.stack([self._row(tuple(row)) for row in last.tolist()]), (last,)

    def _row(self, context: tuple[int, ...]) -> torch.Tensor:
        if context not in self._dense:
            with np.errstate(divide="ignore"):
                self._dense[context] = torch.from_numpy(np.log(self.distribution(context))).float()
        return self._dense[context]

    def log_p(self, rows: torch.Tensor) -> torch.Tensor:
        """(B,) float64 nats of rows (B, L): what stepping through them gives, word by word and without whole distributions."""
        words, totals = self.vocabulary, []
        for row in rows.tolist():
            context = [words.start] * (self.order - 1)
            total = 0.0
            for token in row[1:]:
                if token == words.pad:
                    break
                probability = self.probability(token, context)
                total += math.log(probability) if probability > 0 else -math.inf
                context = [*context, token][1:] if self.order > 1 else context
            totals.append(total)
        return torch.tensor(totals, dtype=torch.float64)


_Table = dict[tuple[int, ...], tuple[NDArray[np.int64], NDArray[np.float64]]]


def _after(grams: Counter[tuple[int, ...]]) -> _Table:
    """For each context the tokens after it and their counts."""
    gathered: dict[tuple[int, ...], list[tuple[int, int]]] = defaultdict(list)
    for gram, count in grams.items():
        gathered[gram[:-1]].append((gram[-1], count))
    return {
        context: (np.array([token for token, _ in pairs]), np.array([count for _, count in pairs], np.float64))
        for context, pairs in gathered.items()
    }


def _discount(table: _Table) -> float:
    counts = np.concatenate([pairs[1] for pairs in table.values()]) if table else np.zeros(0)
    once, twice = int((counts == 1).sum()), int((counts == 2).sum())
    return once / (once + 2 * twice) if once else 0.5
