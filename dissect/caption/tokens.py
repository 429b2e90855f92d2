"""Words as numbers: a tokeniser without downloads, and a vocabulary made from the training text.

A token is a lower-case word (with its apostrophes), a number (with its points and commas), or one other sign. `join` writes tokens as
people do; cutting that text again gives the same tokens. Letters: V tokens of the vocabulary, B texts, L length of the longest.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from dissect.errors import DataError, UsageError

PAD, START, STOP, UNKNOWN = "<pad>", "<start>", "<stop>", "<unk>"
SPECIAL = (PAD, START, STOP, UNKNOWN)
SHOWN_UNKNOWN = "..."
"""How a token outside the vocabulary is written for people."""

_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+(?:'[^\W\d_]+)*|[^\w\s]|_")
_CLOSING = frozenset(",.;:!?)")
_OPENING = frozenset("(")
_TYING = frozenset("-/")


def split(text: str) -> list[str]:
    """The tokens of a text: lower case, compatibility forms of characters made plain (NFKC), white space dropped."""
    plain = unicodedata.normalize("NFKC", text).replace("’", "'").lower()
    return _TOKEN.findall(unicodedata.normalize("NFKC", plain).lower())


def join(tokens: Iterable[str]) -> str:
    """Tokens as a text: no space before closing signs, none around hyphens and strokes."""
    text, glued = "", True
    for token in tokens:
        text += token if glued or token in _CLOSING or token in _TYING else f" {token}"
        glued = token in _OPENING or token in _TYING
    return text


@dataclass(frozen=True)
class Vocabulary:
    """Tokens in the order of their numbers, the four special ones among them.

    tokens: V different strings. Numbers of the special ones: `pad`, `start`, `stop`, `unknown`.

    Raises:
        DataError: a token is there twice, is empty, or a special one is missing.
    """

    tokens: tuple[str, ...]
    _ids: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ids = {token: number for number, token in enumerate(self.tokens)}
        if len(ids) != len(self.tokens):
            twice = next(token for token, count in Counter(self.tokens).items() if count > 1)
            raise DataError(f"the vocabulary holds {twice!r} twice. Make it again from its training text.")
        if "" in ids or (missing := [token for token in SPECIAL if token not in ids]):
            what = "an empty token" if "" in ids else f"no {missing[0]}"
            raise DataError(f"the vocabulary holds {what}. Make it again from its training text.")
        object.__setattr__(self, "_ids", ids)

    @classmethod
    def from_texts(cls, texts: Iterable[str], least: int = 1) -> Vocabulary:
        """Every token that occurs at least `least` times, the most frequent first, equals in alphabetical order.

        Raises:
            UsageError: `least` is below 1. DataError: no token is that frequent.
        """
        if least < 1:
            raise UsageError(f"a token's least count is {least}. Give 1 or more.")
        counts = Counter(token for text in texts for token in split(text))
        words = sorted((token for token, count in counts.items() if count >= least), key=lambda token: (-counts[token], token))
        if not words:
            raise DataError(f"no word occurs {least} times in the training text. Give more text, or a smaller least count.")
        return cls((*SPECIAL, *words))

    @classmethod
    def from_plain(cls, plain: object) -> Vocabulary:
        """The vocabulary of `plain()`, as JSON gives it back.

        Raises:
            DataError: it is no list of different strings with the special ones.
        """
        if not isinstance(plain, list) or not all(isinstance(token, str) for token in plain):
            raise DataError("the vocabulary is no list of strings. Make it again from its training text.")
        return cls(tuple(plain))

    def plain(self) -> list[str]:
        """The tokens as a list for JSON."""
        return list(self.tokens)

    def __len__(self) -> int:
        return len(self.tokens)

    def __contains__(self, token: str) -> bool:
        return token in self._ids

    @property
    def pad(self) -> int:
        return self._ids[PAD]

    @property
    def start(self) -> int:
        return self._ids[START]

    @property
    def stop(self) -> int:
        return self._ids[STOP]

    @property
    def unknown(self) -> int:
        return self._ids[UNKNOWN]

    def encode(self, text: str, length: int | None = None) -> list[int]:
        """Numbers of a text's tokens without start and stop, at most `length` of them; a token outside becomes `unknown`."""
        tokens = split(text)
        return [self._ids.get(token, self.unknown) for token in (tokens if length is None else tokens[:length])]

    def decode(self, numbers: Iterable[int]) -> str:
        """The text of numbers up to the first stop. Start and pad are dropped, `unknown` is written as "...".

        Raises:
            UsageError: a number is outside the vocabulary.
        """
        words = []
        for number in numbers:
            if not 0 <= number < len(self.tokens):
                raise UsageError(f"token {number} is outside a vocabulary of {len(self.tokens)}. Use the vocabulary it was made with.")
            if number == self.stop:
                break
            if number not in (self.pad, self.start):
                words.append(SHOWN_UNKNOWN if number == self.unknown else self.tokens[number])
        return join(words)

    def batch(self, texts: Sequence[str], length: int | None = None) -> torch.Tensor:
        """(B, L + 2) int64: start, the tokens, stop, then pad."""
        return self.rows([self.encode(text, length) for text in texts])

    def rows(self, encoded: Sequence[Sequence[int]]) -> torch.Tensor:
        """(B, L + 2) int64 of texts that are already numbers, without their start and stop."""
        longest = max((len(numbers) for numbers in encoded), default=0)
        table = torch.full((len(encoded), longest + 2), self.pad, dtype=torch.int64)
        for row, numbers in zip(table, encoded, strict=True):
            row[: len(numbers) + 2] = torch.tensor([self.start, *numbers, self.stop])
        return table
