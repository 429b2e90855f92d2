"""Princeton WordNet's noun files (format: wndb(5WN) of its documentation): the senses of a word, and what is above each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dissect.errors import DataError, NotFoundError

FILES = ("top", "animal", "artifact", "body", "food", "object", "person", "plant")
"""Lexicographer files whose senses can be seen in a picture; `top` holds the most general kinds: animal, person, plant, food."""
_NUMBERS = {"03": "top", "05": "animal", "06": "artifact", "08": "body", "13": "food", "17": "object", "18": "person", "20": "plant"}


@dataclass(frozen=True, slots=True)
class Synset:
    """One sense: its words in WordNet's order, the lexicographer file (one of FILES, or "" for any other), and what is directly above.

    above is empty for single persons and places, such as a writer: they are instances, not kinds.
    """

    number: str
    words: tuple[str, ...]
    file: str
    above: tuple[str, ...]


@dataclass(frozen=True)
class WordNet:
    """synsets by number. senses: word -> its synsets, the most frequent first. others: words that are mostly no nouns."""

    synsets: Mapping[str, Synset]
    senses: Mapping[str, tuple[str, ...]]
    others: frozenset[str]

    def over(self, number: str) -> set[str]:
        """All synsets above one, at any height."""
        found: set[str] = set()
        waiting = list(self.synsets[number].above)
        while waiting:
            one = waiting.pop()
            if one not in found:
                found.add(one)
                waiting += self.synsets[one].above
        return found


def read_wordnet(folder: Path) -> WordNet:
    """Read the noun files of a folder (`dict` of any copy of WordNet 3).

    Raises:
        NotFoundError: a file is not there. DataError: a line cannot be read.
    """
    synsets = {one.number: one for one in map(_synset, _lines(folder / "data.noun"))}
    senses, weights = {}, {}
    for fields in map(str.split, _lines(folder / "index.noun")):
        pointers = int(fields[3])
        senses[_plain(fields[0])] = tuple(fields[6 + pointers :])
        weights[_plain(fields[0])] = int(fields[5 + pointers])
    return WordNet(synsets, senses, frozenset(_others(folder, weights)))


def _others(folder: Path, weights: Mapping[str, int]) -> Iterable[str]:
    """Words with more senses met in texts as another part of speech than as a noun."""
    for part in ("verb", "adj", "adv"):
        for fields in map(str.split, _lines(folder / f"index.{part}")):
            word = _plain(fields[0])
            if word in weights and int(fields[5 + int(fields[3])]) > weights[word]:
                yield word


def _lines(path: Path) -> Iterable[str]:
    try:
        text = path.read_text(encoding="ascii")
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no {path}. Name the folder `dict` of a copy of WordNet 3.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}. Take another copy of WordNet 3.") from error
    return [line for line in text.splitlines() if line and not line.startswith(" ")]


def _synset(line: str) -> Synset:
    fields = line.partition("|")[0].split()
    try:
        count = int(fields[3], 16)
        words = tuple(_plain(word) for word in fields[4 : 4 + 2 * count : 2])
        rest = fields[5 + 2 * count :]
        above = tuple(number for sign, number in zip(rest[::4], rest[1::4], strict=False) if sign == "@")
    except (IndexError, ValueError) as error:
        raise DataError(f"data.noun, {line[:40]!r}: not a line of WordNet 3. Take another copy.") from error
    return Synset(fields[0], words, _NUMBERS.get(fields[1], ""), above)


def _plain(word: str) -> str:
    return word.replace("_", " ")
