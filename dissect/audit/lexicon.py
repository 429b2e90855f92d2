"""Lexicons: which words stand for faces, for people and for groups of people; and where a description holds them.

A lexicon is a TOML file: `about` (text), `except` (phrases in which the words mean something else), and tables `[groups.NAME]` of
`lemma = [inflections]`. Words are compared in lower case without punctuation; a phrase is several words in a row.

Three rules are counted side by side, since published audits differ in them: the whole word as the lemma is written (loses plurals),
the lemma with its listed inflections (the one that counts), and the lemma anywhere in the text (finds "surface" for "face").
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from dissect.errors import CardError, NotFoundError
from dissect.paths import shipped

Words: TypeAlias = tuple[str, ...]
FOLDER = "lexicons"
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_APOSTROPHE = re.compile(r"['’](?:s$)?")


@dataclass(frozen=True, slots=True)
class Hit:
    """A lemma in a text: the group it stands for, the lemma, and the words as they stand there."""

    group: str
    lemma: str
    words: str


@dataclass(frozen=True)
class Lexicon:
    """Words for one subject. groups: group -> lemma -> its inflections, all as written. exceptions: phrases that are set aside."""

    name: str
    groups: Mapping[str, Mapping[str, tuple[str, ...]]]
    exceptions: tuple[str, ...] = ()
    about: str = ""

    @cached_property
    def forms(self) -> Mapping[Words, tuple[tuple[str, str], ...]]:
        """Every lemma and inflection, cut into words -> the (group, lemma) it stands for; several where groups share a word."""
        found: dict[Words, list[tuple[str, str]]] = {}
        for group, lemmas in self.groups.items():
            for lemma, inflections in lemmas.items():
                for form in (lemma, *inflections):
                    found.setdefault(cut(form), []).append((group, lemma))
        return {words: tuple(dict.fromkeys(owners)) for words, owners in found.items()}

    @cached_property
    def lemmas(self) -> tuple[str, ...]:
        """Every lemma once, in the order of the file."""
        return tuple(dict.fromkeys(lemma for lemmas in self.groups.values() for lemma in lemmas))

    def hits(self, text: str) -> list[Hit]:
        """Lemmas in a text, by listed forms; phrases of the exceptions are set aside first. A longer form wins over one inside it."""
        return self._found(text)[0]

    def set_aside(self, text: str) -> list[str]:
        """Exceptions that stand in the text."""
        return self._found(text)[1]

    def whole(self, text: str) -> bool:
        """Whether a lemma stands in the text as a whole word exactly as the lemma is written."""
        words = cut(text)
        return any(_at(words, place, form) for place in range(len(words)) for form in self._exact)

    def inside(self, text: str) -> list[str]:
        """Words of the text in which a lemma stands as any part (for a lemma of several words: the lemma, if the text holds it)."""
        whole = " ".join(cut(text))
        single = [word for word in cut(text) if any(lemma in word for lemma in self._parts)]
        return single + [lemma for lemma in self._phrases if lemma in whole]

    @cached_property
    def _exact(self) -> tuple[Words, ...]:
        return tuple(cut(lemma) for lemma in self.lemmas)

    @cached_property
    def _parts(self) -> tuple[str, ...]:
        return tuple(words[0] for words in self._exact if len(words) == 1)

    @cached_property
    def _phrases(self) -> tuple[str, ...]:
        return tuple(" ".join(words) for words in self._exact if len(words) > 1)

    @cached_property
    def _apart(self) -> tuple[Words, ...]:
        return tuple(cut(phrase) for phrase in self.exceptions)

    @cached_property
    def _longest(self) -> int:
        return max((len(words) for words in (*self.forms, *self._apart)), default=0)

    def _found(self, text: str) -> tuple[list[Hit], list[str]]:
        words, hits, apart, place = cut(text), list[Hit](), list[str](), 0
        while place < len(words):
            taken = 1
            for length in range(min(self._longest, len(words) - place), 0, -1):
                here = words[place : place + length]
                if here in self._apart:
                    apart.append(" ".join(here))
                elif here in self.forms:
                    hits += [Hit(group, lemma, " ".join(here)) for group, lemma in self.forms[here]]
                else:
                    continue
                taken = length
                break
            place += taken
        return hits, apart


def cut(text: str) -> Words:
    """The words of a text in lower case; hyphens and underscores part words, a possessive s is dropped: `Woman's-eye` is woman, eye."""
    return tuple(_APOSTROPHE.sub("", match.group()) for match in _WORD.finditer(text.casefold()))


def lexicon(name: str, folders: Sequence[Path] = ()) -> Lexicon:
    """A lexicon by the name of its file (in `folders`, then among the shipped ones) or by path.

    Raises:
        NotFoundError: there is none; the names there are, are listed.
        CardError: the file is malformed.
    """
    path = Path(name)
    if path.suffix == ".toml":
        if not path.is_file():
            raise NotFoundError(f"there is no lexicon file {path}. Check the path, or name one of: {', '.join(names(folders))}.")
        return read(path)
    for known in _files(folders):
        if known.stem == name:
            return read(known)
    raise NotFoundError(f"there is no lexicon {name!r}. There are: {', '.join(names(folders))}; or give the path of a TOML file.")


def names(folders: Sequence[Path] = ()) -> list[str]:
    """Names of the lexicons there are."""
    return sorted({path.stem for path in _files(folders)})


def read(path: Path) -> Lexicon:
    """A lexicon from its file.

    Raises:
        CardError: no TOML, an unknown key, no group, or a word that is none.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CardError(f"lexicon {path} cannot be read: {error}.") from error
    if unknown := sorted(set(table) - {"about", "except", "groups"}):
        raise CardError(f"lexicon {path}: unknown key {unknown[0]!r}. There are about, except and [groups.NAME].")
    groups = table.get("groups")
    if not isinstance(groups, dict) or not groups:
        raise CardError(f"lexicon {path} has no [groups.NAME] table, so there is nothing to look for.")
    read_groups = {group: _lemmas(path, group, lemmas) for group, lemmas in groups.items()}
    about = table.get("about", "")
    if not isinstance(about, str):
        raise CardError(f"lexicon {path}: about is no text.")
    return Lexicon(path.stem, read_groups, _texts(path, "except", table.get("except", [])), about)


def _files(folders: Sequence[Path]) -> Iterator[Path]:
    for folder in (*folders, shipped("datasets") / FOLDER):
        yield from sorted(folder.glob("*.toml"))


def _lemmas(path: Path, group: str, table: Any) -> dict[str, tuple[str, ...]]:
    if not isinstance(table, dict) or not table:
        raise CardError(f"lexicon {path}: [groups.{group}] holds no lemma.")
    return {_text(path, group, lemma): _texts(path, lemma, forms) for lemma, forms in table.items()}


def _texts(path: Path, where: str, values: Any) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise CardError(f"lexicon {path}: {where} is no list of texts.")
    return tuple(_text(path, where, value) for value in values)


def _text(path: Path, where: str, value: Any) -> str:
    if not isinstance(value, str) or not cut(value):
        raise CardError(f"lexicon {path}, {where}: {value!r} holds no word.")
    return value


def _at(words: Words, place: int, form: Words) -> bool:
    return words[place : place + len(form)] == form
