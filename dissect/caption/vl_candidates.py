"""The texts among which descriptions are chosen: a list of phrases, the names of a data set's concepts, or what a captioner proposes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from dissect.errors import DataError, NotFoundError

LONGEST = 500
"""Characters of a phrase; what is longer is no phrase but a file of something else."""
LARGEST = 16 << 20
"""Bytes of a file of phrases."""

_PLACE = re.compile(r"-[sc]$")


def read_phrases(path: Path) -> tuple[str, ...]:
    """The phrases of a text file, one a line, each once, in order. Empty lines and lines that begin with # are left out.

    Raises:
        NotFoundError: there is no such file. DataError: it is no UTF-8 text, holds no phrase, or a line is too long for one.
    """
    if not path.is_file():
        raise NotFoundError(f"there is no file of candidates {path}. Give a text file with one phrase a line, captioner or vocabulary.")
    if path.stat().st_size > LARGEST:
        raise DataError(f"{path} has {path.stat().st_size:,} bytes: no list of phrases is that large. Give a text file, one phrase a line.")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text (byte {error.start}). Save it as UTF-8, one phrase a line.") from error
    for number, line in enumerate(lines, start=1):
        if len(line) > LONGEST or "\0" in line:
            raise DataError(f"{path}, line {number}: {len(line)} characters are no phrase (at most {LONGEST}). Give one phrase a line.")
    phrases = _once(" ".join(line.split()) for line in lines if not line.lstrip().startswith("#"))
    if not phrases:
        raise DataError(f"{path} holds no phrase. Give one a line.")
    return phrases


def concept_phrases(names: Iterable[str]) -> tuple[str, ...]:
    """Names of concepts as people write them, each once: lower case, no underscores, without Broden's -s of scenes and -c of colours."""
    return _once(" ".join(_PLACE.sub("", name.strip()).replace("_", " ").lower().split()) for name in names)


def pooled(proposed: Sequence[Sequence[str]], most: int) -> tuple[str, ...]:
    """At most `most` of the texts proposed for several pictures: those proposed for most pictures first, then by best rank, then as
    they come."""
    count: dict[str, int] = {}
    rank: dict[str, int] = {}
    for texts in proposed:
        for place, text in enumerate(dict.fromkeys(texts)):
            count[text] = count.get(text, 0) + 1
            rank[text] = min(rank.get(text, place), place)
    return tuple(sorted(count, key=lambda text: (-count[text], rank[text]))[:most])


def list_hash(phrases: Sequence[str]) -> str:
    """SHA-256 of phrases in their order."""
    return hashlib.sha256("\n".join(phrases).encode()).hexdigest()


def _once(phrases: Iterable[str]) -> tuple[str, ...]:
    return tuple(phrase for phrase in dict.fromkeys(phrases) if phrase)
