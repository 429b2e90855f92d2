"""Sessions of browsers: whose token a cookie stands for, without keeping anything.

A cookie holds the token's number, when it ends, and a code over both under a key that is drawn when the service starts and never
leaves it. So a copy of the database opens no session, a restart ends all, and a revoked token ends its own: the token is looked up
again at every request. The word against forged forms is a code over the cookie under the same key.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable

COOKIE = "dissect_session"
SECONDS = 12 * 3600
_FORM = re.compile(r"([0-9]{1,10})\.([0-9]{1,12})\.([0-9a-f]{32})\.([0-9a-f]{64})")


class Sessions:
    """Makes and reads cookies. clock: seconds since 1970."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._key = secrets.token_bytes(32)
        self._clock = clock

    def make(self, token_id: int) -> str:
        """A cookie's value for a token, good for `SECONDS`."""
        body = f"{token_id}.{int(self._clock()) + SECONDS}.{secrets.token_hex(16)}"
        return f"{body}.{self._code('session', body)}"

    def read(self, value: str) -> int | None:
        """The token's number; None for anything that this service did not make, or that has ended."""
        found = _FORM.fullmatch(value)
        if found is None:
            return None
        body = value.rpartition(".")[0]
        good = hmac.compare_digest(found.group(4), self._code("session", body))
        return int(found.group(1)) if good and self._clock() < int(found.group(2)) else None

    def form_word(self, value: str) -> str:
        """What every form of this session must carry."""
        return self._code("form", value)

    def is_form_word(self, value: str, word: str) -> bool:
        """Whether a form was made for this session."""
        return hmac.compare_digest(word.encode("utf-8", "replace"), self._code("form", value).encode())

    def _code(self, use: str, text: str) -> str:
        return hmac.new(self._key, f"{use}|{text}".encode(), hashlib.sha256).hexdigest()
