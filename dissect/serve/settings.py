"""What the service may do, and the limits that keep it standing when a client is careless or hostile."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
"""Names under which the service always answers."""
MOST_PATH = 2_048
MOST_QUERY = 8_192
MOST_HEADERS = 16_384
MOST_BODY = 65_536
"""Bytes of each part of a request."""
MOST_UNITS = 200
MOST_ROWS = 1_000
"""Units a page and rows a table in one answer; the rest is reached by `next`."""
QUERY_SECONDS = 5.0
"""How long the database may work on one question."""
THREADS = 10
"""Requests that are worked on at once, below the number of connections to the database (15)."""


@dataclass(frozen=True)
class Settings:
    """thumbnails: the cache's folder of small pictures, or None. hosts: names that a request's Host may have, beside `LOOPBACK`.

    allow_writes: whether routes that change the database answer at all. cards: folders of cards whose names a job may use.
    """

    thumbnails: Path | None = None
    hosts: tuple[str, ...] = ()
    allow_writes: bool = False
    cards: tuple[Path, ...] = ()

    @property
    def allowed(self) -> frozenset[str]:
        """Every Host the service answers to, in lower case, without port."""
        return frozenset(name.lower() for name in (*LOOPBACK, *self.hosts))
