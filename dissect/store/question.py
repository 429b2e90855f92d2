"""The language of questions: words that must all be found, OR, NOT or a leading minus, "phrases", word*, and parentheses.

A question becomes a small tree. NOT binds closest, then AND (which may be left out), then OR; the three are operators in capitals only,
so that `cats and dogs` are three words. A sign that has no meaning where it stands is passed over: no question is malformed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dissect.errors import UsageError
from dissect.store.types import clean
from dissect.store.words import fold, forms, words_of

MOST_LETTERS = 1_000
MOST_WORDS = 20
MOST_DEEP = 20
OPERATORS = ("AND", "OR", "NOT")
NEGATED = re.compile(r"\s*(?:-|not\s)\s*(.*)", re.IGNORECASE | re.DOTALL)
"""The name of a concept that a formula must exclude: `-wheel` or `NOT wheel`."""
_TOKEN = re.compile(
    r'(?P<phrase>"[^"]*"?\*?)|(?P<open>\()|(?P<close>\))|(?P<minus>(?<![^\s(])-(?=["(]|[^\W_]))|(?P<word>[^\W_]+\*?)',
)


@dataclass(frozen=True, slots=True)
class Term:
    """One word or phrase. patterns: what it looks for, each as words in a row; last_open: the last word may go on (`word*`)."""

    patterns: tuple[tuple[str, ...], ...]
    last_open: bool = False

    def found_in(self, text: str) -> bool:
        """Whether a cut text holds it."""
        end = "" if self.last_open else " "
        return any(f" {' '.join(pattern)}{end}" in text for pattern in self.patterns)


@dataclass(frozen=True, slots=True)
class Every:
    """All parts must hold."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """One of the parts must hold."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Without:
    """The part must not hold."""

    part: Node


Node = Term | Every | Some | Without
_Token = tuple[str, str]


def question(text: str) -> Node | None:
    """The tree of a question; None if it holds no word.

    Raises:
        UsageError: more than 1,000 characters, 20 words or 20 parentheses and NOTs inside each other.
    """
    if len(text) > MOST_LETTERS:
        raise UsageError(f"the search text is too long. Give at most {MOST_WORDS} words and {MOST_LETTERS} characters.")
    tokens = [_read(found) for found in _TOKEN.finditer(unicodedata.normalize("NFKC", clean(text)))]
    tree = _Reader([token for token in tokens if token[1] or token[0] != "word"]).either(0)
    if tree is not None and sum(1 for _ in _leaves(tree)) > MOST_WORDS:
        raise UsageError(f"the search text is too long. Give at most {MOST_WORDS} words and {MOST_LETTERS} characters.")
    return tree


def terms(tree: Node) -> list[Term]:
    """The words and phrases that a label must hold, not those it must not."""
    match tree:
        case Term():
            return [tree]
        case Without():
            return []
        case Every(parts) | Some(parts):
            return list(dict.fromkeys(term for part in parts for term in terms(part)))


def holds(tree: Node, texts: Sequence[str], every: Sequence[str]) -> bool:
    """Whether cut texts hold the question. every: the texts that must not hold what is negated."""
    match tree:
        case Term():
            return any(tree.found_in(text) for text in texts)
        case Without(part):
            return not holds(part, every, every)
        case Every(parts):
            return all(holds(part, texts, every) for part in parts)
        case Some(parts):
            return any(holds(part, texts, every) for part in parts)


def _leaves(tree: Node) -> Iterator[str]:
    match tree:
        case Term():
            yield from tree.patterns[0]
        case Without(part):
            yield from _leaves(part)
        case Every(parts) | Some(parts):
            for part in parts:
                yield from _leaves(part)


def _read(found: re.Match[str]) -> _Token:
    kind, text = str(found.lastgroup), found.group()
    if kind == "word" and text in OPERATORS:
        return text, text
    return kind, text


def _term(kind: str, text: str) -> Term | None:
    last_open = text.endswith("*")
    words = tuple(words_of(text))
    if not words:
        return None
    if kind == "phrase" or last_open or len(words) > 1:
        return Term((words,), last_open)
    return Term(tuple((form,) for form in forms(fold(words[0]))))


class _Reader:
    """Reads tokens from left to right; what is out of place is passed over."""

    def __init__(self, tokens: Sequence[_Token]) -> None:
        self.tokens = tokens
        self.place = 0

    def peek(self) -> str:
        return self.tokens[self.place][0] if self.place < len(self.tokens) else "end"

    def either(self, depth: int) -> Node | None:
        parts = [self.both(depth)]
        while self.peek() in ("OR", "close") and (self.peek() == "OR" or depth == 0):
            apart = self.peek() == "OR"
            self.place += 1
            following = self.both(depth)
            if apart:
                parts.append(following)
            else:
                parts[-1] = _joined(Every, [parts[-1], following])
        return _joined(Some, parts)

    def both(self, depth: int) -> Node | None:
        parts: list[Node | None] = []
        while self.peek() not in ("OR", "close", "end"):
            if self.peek() == "AND":
                self.place += 1
            else:
                parts.append(self.single(depth))
        return _joined(Every, parts)

    def single(self, depth: int) -> Node | None:
        if depth > MOST_DEEP:
            raise UsageError(f"the search text has more than {MOST_DEEP} parentheses or NOTs inside each other. Ask more simply.")
        kind, text = self.tokens[self.place]
        self.place += 1
        if kind in ("NOT", "minus"):
            part = self.single(depth + 1) if self.peek() not in ("OR", "AND", "close", "end") else None
            return None if part is None else Without(part)
        if kind == "open":
            inside = self.either(depth + 1)
            self.place += self.peek() == "close"
            return inside
        return _term(kind, text)


def _joined(kind: type[Every] | type[Some], parts: Sequence[Node | None]) -> Node | None:
    """One node of the parts that are there; each once."""
    there = tuple(dict.fromkeys(part for part in parts if part is not None))
    if len(there) < 2:
        return there[0] if there else None
    return kind(there)
