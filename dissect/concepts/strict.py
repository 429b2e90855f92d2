"""Typed values out of a table somebody wrote by hand, with every fault found before the first is told."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from dissect.errors import CardError

T = TypeVar("T")

REQUIRED: Any = object()
"""Default of a key that must be there."""


class Table:
    """Takes values out of a TOML table by key and type, and collects what is wrong with it.

    After a fault a harmless value of the right type is given back, so that reading goes on; `finish` then raises.
    """

    def __init__(self, values: Mapping[str, object], where: str) -> None:
        self.values = values
        self.where = where
        self.faults: list[str] = []
        self._asked: list[str] = []

    def fault(self, key: str, what: str) -> None:
        """Note that `key` is wrong."""
        self.faults.append(f"`{key}` {what}")

    def text(self, key: str, default: str = REQUIRED) -> str:
        """A string that is not empty."""
        return self._take(key, default, "", _is_text, "must be a text that is not empty")

    def optional_text(self, key: str) -> str | None:
        """A string that is not empty, or None where the key is missing."""
        return self._take(key, None, None, _is_text, "must be a text that is not empty")

    def flag(self, key: str, default: bool = REQUIRED) -> bool:
        """true or false."""
        return self._take(key, default, False, lambda value: isinstance(value, bool), "must be true or false")

    def whole(self, key: str, default: int = REQUIRED, least: int = 0) -> int:
        """A whole number of at least `least`."""
        return self._take(key, default, least, lambda value: _is_whole(value, least), f"must be a whole number of at least {least}")

    def number(self, key: str, default: float = REQUIRED, least: float = 0.0) -> float:
        """A finite number of at least `least`."""
        return float(self._take(key, default, least, lambda value: _is_number(value, least), f"must be a number of at least {least:g}"))

    def choice(self, key: str, choices: Sequence[str], default: str = REQUIRED) -> str:
        """One of `choices`."""
        return self._take(
            key, default, choices[0], lambda value: isinstance(value, str) and value in choices, f"must be one of {', '.join(choices)}"
        )

    def texts(self, key: str, default: Sequence[str] = REQUIRED) -> tuple[str, ...]:
        """A list of different strings that are not empty."""
        return tuple(self._take(key, default, (), _are_different_texts, "must be a list of different texts"))

    def wholes(self, key: str, default: Sequence[int] = REQUIRED, least: int = 0) -> tuple[int, ...]:
        """A list of whole numbers of at least `least`."""
        what = f"must be a list of whole numbers of at least {least}"
        return tuple(self._take(key, default, (), lambda value: isinstance(value, list) and all(_is_whole(i, least) for i in value), what))

    def table(self, key: str) -> Mapping[str, object] | None:
        """A sub-table, or None where the key is missing."""
        return self._take(key, None, None, lambda value: isinstance(value, Mapping), f"must be a table, [{key}]")

    def tables(self, key: str) -> tuple[Mapping[str, object], ...]:
        """A list of sub-tables (`[[key]]`); () where the key is missing."""
        return tuple(self._take(key, (), (), _are_tables, f"must be a list of tables, [[{key}]]"))

    def raw(self, key: str) -> object:
        """The value as it stands (None where missing); the caller checks it and reports by `fault`."""
        return self._take(key, None, None, lambda value: True, "")

    def finish(self) -> None:
        """Raise if anything was wrong.

        Raises:
            CardError: unknown keys, missing keys and wrong values, all in one message.
        """
        for key in self.values:
            if key not in self._asked:
                self.fault(key, f"is no key here; keys are {', '.join(sorted(set(self._asked)))}")
        if self.faults:
            raise CardError(f"{self.where}: {'; '.join(self.faults)}. Mend the card and run the command again.")

    def _take(self, key: str, default: T, harmless: T, accept: Callable[[Any], bool], what: str) -> T:
        self._asked.append(key)
        if key in self.values:
            value: Any = self.values[key]
            if accept(value):
                return value  # type: ignore[no-any-return]
            self.fault(key, f"is {_shortened(value)} and {what}")
            return harmless
        if default is REQUIRED:
            self.fault(key, "is missing")
            return harmless
        return default


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip()) and "\0" not in value


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_number(value: object, least: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= least


def _are_different_texts(value: object) -> bool:
    return isinstance(value, list) and all(_is_text(item) for item in value) and len(set(value)) == len(value)


def _are_tables(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, Mapping) for item in value)


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
