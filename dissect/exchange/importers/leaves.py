"""The concepts of a published formula, `((water OR river) AND (NOT blue-c))`, with their signs; nothing is made of what cannot be read."""

from __future__ import annotations

import re

MOST_DEPTH = 50
OPERATORS = ("AND", "OR", "NOT")
_TOKEN = re.compile(r"[()]|[^\s()]+")

Leaf = tuple[str, int]
"""Name of a concept, +1 or -1 where the formula negates it."""


def leaves(text: str) -> tuple[Leaf, ...] | None:
    """Every concept of a formula in order, or None if the text is no formula of AND, OR and NOT."""
    reader = _Reader(_TOKEN.findall(text))
    try:
        found = reader.formula(1, 0)
    except ValueError:
        return None
    return tuple(found) if reader.place == len(reader.tokens) else None


def negations(text: str) -> int:
    """How many NOT a formula has."""
    return _TOKEN.findall(text).count("NOT")


def is_formula(text: str) -> bool:
    """Whether a text holds an operator."""
    return any(token in OPERATORS for token in _TOKEN.findall(text))


class _Reader:
    """formula: term, then any number of AND term or OR term. term: NOT term, a formula in brackets, or a name of one or more words."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.place = 0

    def formula(self, sign: int, depth: int) -> list[Leaf]:
        found = self._term(sign, depth)
        while self._next() in ("AND", "OR"):
            self.place += 1
            found += self._term(sign, depth)
        return found

    def _term(self, sign: int, depth: int) -> list[Leaf]:
        token = self._next()
        if token is None or depth > MOST_DEPTH or token in (")", "AND", "OR"):
            raise ValueError(token)
        self.place += 1
        if token == "NOT":
            return self._term(-sign, depth + 1)
        if token == "(":
            found = self.formula(sign, depth + 1)
            if self._next() != ")":
                raise ValueError(token)
            self.place += 1
            return found
        name = [token]
        while (word := self._next()) is not None and word not in ("(", ")", *OPERATORS):
            name.append(word)
            self.place += 1
        return [(" ".join(name), sign)]

    def _next(self) -> str | None:
        return self.tokens[self.place] if self.place < len(self.tokens) else None
