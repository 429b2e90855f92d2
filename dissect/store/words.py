"""Words: how a text is cut for search, so that both databases give the same answers to the same question.

A text becomes ` word word ` (lower case by Unicode's folding, no punctuation), kept beside it. A question's word is looked for with
blanks around it, so that `car` does not find `carpet`; plural and singular find each other. What is looked for holds letters and
digits alone: no sign of a question can mean anything to SQL or to LIKE.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from dissect.errors import UsageError
from dissect.store.types import clean

MOST_LETTERS = 1_000
MOST_WORDS = 20
_WORD = re.compile(r"[^\W_]+")
_QUESTION = re.compile(r"[^\W_]+\*?")


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a question. `patterns` are LIKE patterns of its forms; one of them must match."""

    text: str
    patterns: tuple[str, ...]

    def found_in(self, words: str) -> bool:
        """Whether a cut text holds the word; the same test as the database's."""
        return any(pattern.strip("%") in words for pattern in self.patterns)


def fold(text: str) -> str:
    """`text` without differences of case, width and composition."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", clean(text)).casefold())


def cut(text: str) -> str:
    """` word word ` of a text; one blank if it holds no word."""
    return f" {' '.join(_WORD.findall(fold(text)))} "


def question(text: str) -> list[Word]:
    """The words of a question, each once. A word that ends in `*` stands for all that begin so.

    Raises:
        UsageError: more than 1,000 characters or 20 words.
    """
    found = list(dict.fromkeys(_QUESTION.findall(fold(text[: MOST_LETTERS + 1]))))
    if len(text) > MOST_LETTERS or len(found) > MOST_WORDS:
        raise UsageError(f"the search text is too long. Give at most {MOST_WORDS} words and {MOST_LETTERS} characters.")
    return [_word(word) for word in found]


def _word(word: str) -> Word:
    if word.endswith("*"):
        return Word(word, (f"% {word[:-1]}%",))
    return Word(word, tuple(f"% {form} %" for form in forms(word)))


def forms(word: str) -> tuple[str, ...]:
    """The word, its possible plurals and its possible singulars (English)."""
    found = [word, word + "s", word + "es"]
    if word.endswith("y"):
        found.append(word[:-1] + "ies")
    if word.endswith("ies") and len(word) > 4:
        found.append(word[:-3] + "y")
    if word.endswith("es") and len(word) > 4:
        found.append(word[:-2])
    if word.endswith("s") and not word.endswith("ss") and len(word) > 3:
        found.append(word[:-1])
    return tuple(dict.fromkeys(found))
