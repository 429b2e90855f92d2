"""Words: how a text is cut for search, so that both databases give the same answers to the same question.

A text becomes ` word word ` (lower case by Unicode's folding, no punctuation). A question's word is looked for as a whole, so that `car`
does not find `carpet`; plural and singular find each other. The full-text indices never see a word as it is: `coded` makes it plain
ASCII letters and digits, so that no sign of a text or of a question can mean anything to SQL, to FTS5 or to a tsquery, and so that no
database cuts it in its own way.
"""

from __future__ import annotations

import re
import unicodedata

from dissect.store.types import clean

MOST_IN_WORD = 64
"""Characters of a word that count; longer ones that begin alike are the same word."""
_WORD = re.compile(r"[^\W_]+")


def fold(text: str) -> str:
    """`text` without differences of case, width and composition."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", clean(text)).casefold())


def words_of(text: str) -> list[str]:
    """The words of a text, in order."""
    return _WORD.findall(fold(text))


def cut(text: str) -> str:
    """` word word ` of a text; one blank if it holds no word."""
    return f" {' '.join(words_of(text))} "


def coded(word: str) -> str:
    """A word in letters a-z and digits alone. Other words get other codes, and what a word begins with begins its code."""
    return "".join(_code(char) for char in word[:MOST_IN_WORD])


def _code(char: str) -> str:
    if char == "q":
        return "qq"
    return char if char.isascii() and char.isalnum() else f"q{ord(char):06x}"


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
