"""Access tokens: made, shown once, known again by their hash, revoked.

A secret is 32 random bytes. One round of SHA-256 is enough to keep it: slow hashes with salt exist because people's passwords can be
guessed, and 256 random bits cannot. The row is found by the hash, so that a search by time tells at most about hashes, from which no
secret follows; what is found is compared once more in constant time.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, insert, select, update

from dissect.errors import NotFoundError, UsageError
from dissect.store import schema
from dissect.store.database import reading, writing
from dissect.store.types import now

SCOPES = ("read", "review", "jobs", "admin")
"""What a token may do: look at pages that need one, review labels, submit and steer jobs, everything."""
PREFIX = "dissect_"
"""Begins every secret, so that it is recognised where it should not be."""
MOST_DAYS = 3650
USED_STEP = timedelta(seconds=60)
"""`used_at` is not written more often: a busy token must not be a busy writer."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """A token without its secret. Times are UTC; used_at and revoked_at are None where that never happened."""

    id: int
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None

    def state(self, at: datetime | None = None) -> str:
        """`valid`, `expired` or `revoked`, now or at a moment."""
        if self.revoked_at is not None:
            return "revoked"
        return "valid" if (at or now()) < self.expires_at else "expired"

    def allows(self, scope: str) -> bool:
        """Whether it has a scope; `admin` has all, and every token may read."""
        return scope == "read" or scope in self.scopes or "admin" in self.scopes


class TokenBook:
    """The tokens of a database. clock: this moment in UTC, for tests."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime] = now) -> None:
        self._engine = engine
        self._clock = clock

    def create(self, name: str, scopes: Iterable[str], days: float = 90) -> tuple[TokenRecord, str]:
        """A new token and its secret, which is nowhere kept and cannot be shown again.

        Raises:
            UsageError: the name is malformed or taken (also by a revoked token: names stand beside reviews for ever), a scope is
                unknown or missing, or days is not above 0 and at most 3,650.
        """
        given = tuple(dict.fromkeys(scopes))
        _check(name, given, days)
        secret = PREFIX + secrets.token_urlsafe(32)
        moment = self._clock()
        row = {
            "name": name, "hash": _hash(secret), "scopes": list(given), "created_at": moment, "expires_at": moment + timedelta(days=days),
            "used_at": None, "revoked_at": None,
        }  # fmt: skip
        with writing(self._engine) as connection:
            if _named(connection, name) is not None:
                raise UsageError(f"there is a token {name!r} already. Choose another name; names are not given twice.")
            connection.execute(insert(schema.token).values(**row))
            return _record(_row(connection, name)), secret

    def tokens(self) -> list[TokenRecord]:
        """Every token, newest first."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(schema.token).order_by(schema.token.c.id.desc())).mappings()
            return [_record(row) for row in rows]

    def revoke(self, name: str) -> TokenRecord:
        """End a token at once; one that was revoked before keeps its time.

        Raises:
            NotFoundError: there is none of that name; the message lists those there are.
        """
        table = schema.token
        with writing(self._engine) as connection:
            row = _row(connection, name)
            connection.execute(update(table).where(table.c.id == row["id"], table.c.revoked_at.is_(None)).values(revoked_at=self._clock()))
            return _record(_row(connection, name))

    def check(self, secret: str) -> TokenRecord | None:
        """The token of a secret, if it is valid now; None otherwise, whatever is wrong. Notes that it was used."""
        found = self._by_secret(secret)
        moment = self._clock()
        if found is None or found.state(moment) != "valid":
            return None
        if found.used_at is None or moment - found.used_at >= USED_STEP:
            with writing(self._engine) as connection:
                connection.execute(update(schema.token).where(schema.token.c.id == found.id).values(used_at=moment))
        return found

    def valid(self, number: int) -> TokenRecord | None:
        """A token by number (that of a session), if it is valid now."""
        with reading(self._engine) as connection:
            row = connection.execute(select(schema.token).where(schema.token.c.id == number)).mappings().first()
        found = None if row is None else _record(row)
        return found if found is not None and found.state(self._clock()) == "valid" else None

    def _by_secret(self, secret: str) -> TokenRecord | None:
        wanted = _hash(secret)
        with reading(self._engine) as connection:
            row = connection.execute(select(schema.token).where(schema.token.c.hash == wanted)).mappings().first()
        return _record(row) if row is not None and hmac.compare_digest(str(row["hash"]), wanted) else None


def _check(name: str, scopes: tuple[str, ...], days: float) -> None:
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name[:80]!r} is no name of a token. Use up to 80 letters, digits, dots, dashes and underscores.")
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        what = f"there is no scope {unknown[0]!r}" if unknown else "the token has no scope"
        raise UsageError(f"{what}. Scopes: {', '.join(SCOPES)}.")
    if not 0 < days <= MOST_DAYS:
        raise UsageError(f"--days is {days}. Give a number above 0 and at most {MOST_DAYS}.")


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _named(connection: Connection, name: str) -> RowMapping | None:
    return connection.execute(select(schema.token).where(schema.token.c.name == name)).mappings().first()


def _row(connection: Connection, name: str) -> RowMapping:
    found = _named(connection, name)
    if found is None:
        names = connection.execute(select(schema.token.c.name).order_by(schema.token.c.name).limit(20)).scalars().all()
        there = f"Tokens: {', '.join(names)}." if names else "There is none yet; `dissect token create` makes one."
        raise NotFoundError(f"there is no token {name[:80]!r}. {there}")
    return found


def _record(row: RowMapping) -> TokenRecord:
    values: dict[str, Any] = {key: row[key] for key in ("id", "name", "created_at", "expires_at", "used_at", "revoked_at")}
    return TokenRecord(scopes=tuple(row["scopes"]), **values)
