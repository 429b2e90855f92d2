"""Texts as tokens of somebody's model, and the log-probability of texts from its logits.

A text is cut as it stands after what comes before it (the prompt), since a tokeniser may cut it otherwise on its own; the prompt's tokens
are not counted. Rows are padded on the right: a causal model cannot see what comes after, so the padding changes nothing that is read.
Letters: B rows, L tokens of the longest, V vocabulary.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from dissect.errors import CheckpointError, UsageError

Row: TypeAlias = tuple[int, ...]
FloatArray = NDArray[np.float64]
ROWS = 32
"""Texts a pass."""
BROKEN = "\N{REPLACEMENT CHARACTER}"
"""Stands where a byte-level tokeniser's bytes are no character."""


@dataclass(frozen=True)
class TextSide:
    """How a model writes. name: for messages. tokenizer: of transformers. start: tokens before the prompt. ends: tokens of which any ends
    a text. limit: tokens it can take in, start and prompt among them, if it says so. vocabulary: V."""

    name: str
    tokenizer: Any
    start: Row
    ends: Row
    limit: int | None
    vocabulary: int
    _cut_before: dict[tuple[str, str], Row] = field(default_factory=dict, repr=False, compare=False)
    """Texts that were cut already: a list of candidates is asked about for every picture."""

    @property
    def pad(self) -> int:
        """The token to fill rows with; a model without one of its own takes its end."""
        own = self.tokenizer.pad_token_id
        return int(own) if own is not None and int(own) < self.vocabulary else self.ends[0]

    def cut(self, text: str) -> Row:
        """Tokens of a text without special ones.

        Raises:
            CheckpointError: the tokeniser knows more tokens than the model.
        """
        numbers = tuple(int(number) for number in self.tokenizer(text, add_special_tokens=False)["input_ids"])
        if numbers and max(numbers) >= self.vocabulary:
            raise CheckpointError(
                f"the tokenizer of {self.name} gives token {max(numbers)}, but its network knows {self.vocabulary}. "
                "Save the tokenizer that belongs to the network."
            )
        return numbers

    def after(self, before: str, text: str) -> Row:
        """Tokens of a text that follows `before`: a space stands between, unless nothing, white space or a special token comes before.

        Raises:
            UsageError: nothing is left of the text.
        """
        if (before, text) not in self._cut_before:
            self._cut_before[before, text] = self._after(before, text)
        return self._cut_before[before, text]

    def _after(self, before: str, text: str) -> Row:
        glue = "" if not before or before[-1].isspace() or before.endswith(tuple(self.tokenizer.all_special_tokens)) else " "
        first, whole = self.cut(before), self.cut(before + glue + text)
        row = whole[len(first) :] if whole[: len(first)] == first else self.cut(glue + text)
        if not row:
            raise UsageError(f"the candidate {text!r} has no token for {self.name}. Leave it out.")
        return row

    def rows(self, before: str, texts: Sequence[str], used: int) -> list[Row]:
        """Tokens of texts after `before`. used: tokens that come before them.

        Raises:
            UsageError: a text is too long for the model, or empty.
        """
        rows = [self.after(before, text) for text in texts]
        for text, row in zip(texts, rows, strict=True):
            if self.limit is not None and used + len(row) > self.limit:
                raise UsageError(
                    f"the candidate {text[:60]!r} has {len(row)} tokens after {used} others; {self.name} takes {self.limit}. Shorten it."
                )
        return rows

    def clean(self, numbers: Sequence[int]) -> str:
        """The text of generated tokens up to the first end: no special tokens, no broken or control characters, single spaces."""
        kept = list(numbers)
        place = next((place for place, number in enumerate(kept) if number in self.ends), len(kept))
        text = str(self.tokenizer.decode(kept[:place], skip_special_tokens=True))
        return " ".join("".join(" " if sign == BROKEN or unicodedata.category(sign) == "Cc" else sign for sign in text).split())

    def fits(self, before: str, text: str, used: int) -> bool:
        """Whether a text, cut again, finds room after `used` tokens."""
        return self.limit is None or used + len(self.after(before, text)) <= self.limit


def log_p_of_rows(
    score: Callable[[torch.Tensor], torch.Tensor], rows: Sequence[Row], ends: Row, pad: int, together: int = ROWS
) -> FloatArray:
    """(B,) float64 nats of texts: the sum over tokens and the end. Any of `ends` ends a text; their probabilities are added.

    score: takes tokens (b, l) int64, padded on the right, and gives logits (b, l + 1, V): of every token from those before, and after
    the last. Texts of similar length go together.
    """
    total = np.zeros(len(rows), np.float64)
    for places in _parted(rows, together):
        longest = max(len(rows[place]) for place in places)
        tokens = torch.tensor([[*rows[place], *[pad] * (longest - len(rows[place]))] for place in places])  # (b, l)
        log_p = torch.log_softmax(score(tokens).float().cpu(), dim=2)  # (b, l + 1, V)
        for b, place in enumerate(places):
            length = len(rows[place])
            picked = log_p[b, torch.arange(length), tokens[b, :length]].double().sum()
            total[place] = float(picked + torch.logsumexp(log_p[b, length, list(ends)].double(), dim=0))
    return total


def _parted(rows: Sequence[Row], together: int) -> Iterator[list[int]]:
    order = sorted(range(len(rows)), key=lambda place: (len(rows[place]), place))
    for first in range(0, len(order), together):
        yield order[first : first + together]
