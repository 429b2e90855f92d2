"""Names in addresses. A network, a layer or a concept may be called anything; an address must survive browsers and proxies.

Each name is one segment. ASCII letters, digits and `-_.:@,=+` stand for themselves, every other byte of its UTF-8 is `~` and two hex
digits, so that no slash, percent sign or blank is left that somebody on the way might decode: `a/b` is `a~2Fb`. The empty name is `~`.
A name of dots alone, or one that ends like a file (`.json`, `.csv`), has the dots that would mislead written out.
"""

from __future__ import annotations

import re
import string

from dissect.errors import NotFoundError

_PLAIN = frozenset(string.ascii_letters + string.digits + "-_.:@,=+")
_WRITTEN = re.compile(r"(?:[^~]|~[0-9A-Fa-f]{2})+")
_ENDINGS = (".json", ".csv")
_EMPTY = "~"


def segment(name: str) -> str:
    """The name as one segment of an address; `name_in` reads it back."""
    if not name:
        return _EMPTY
    text = "".join(letter if letter in _PLAIN else _escaped(letter) for letter in name)
    if not text.strip("."):
        return text.replace(".", "~2E")
    for ending in _ENDINGS:
        if text.lower().endswith(ending):
            return text[: -len(ending)] + "~2E" + text[1 - len(ending) :]
    return text


def name_in(text: str) -> str:
    """The name that a segment stands for.

    Raises:
        NotFoundError: it is no segment that `segment` could have written: a broken escape, no UTF-8, or a NUL.
    """
    if text == _EMPTY:
        return ""
    try:
        if _WRITTEN.fullmatch(text) is None:
            raise ValueError(text)
        name = re.sub(rb"~(..)", lambda found: bytes([int(found.group(1), 16)]), text.encode()).decode()
    except ValueError:
        raise NotFoundError("there is no such page: a name in its address is broken. Start at / and follow the links.") from None
    if "\0" in name:
        raise NotFoundError("there is no such page: a name in its address holds a NUL. Start at / and follow the links.")
    return name


def _escaped(letter: str) -> str:
    return "".join(f"~{byte:02X}" for byte in letter.encode())
