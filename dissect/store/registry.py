"""Networks and data sets under names that a job may use. Only the command line writes here: who may start it can read any file anyway."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, Engine, RowMapping, delete, select

from dissect.errors import NotFoundError, UsageError
from dissect.fingerprint import Plain
from dissect.store import schema
from dissect.store.database import reading, writing
from dissect.store.types import now
from dissect.store.write import upsert

Kind = Literal["model", "data"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


@dataclass(frozen=True, slots=True)
class Registered:
    """One name. settings: fields of a run's request that it stands for, such as model, weights and trust, or data."""

    kind: str
    name: str
    settings: Mapping[str, Plain]
    registered_by: str
    created_at: datetime


class Registry:
    """The registered names of a database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def register(self, kind: Kind, name: str, settings: Mapping[str, Plain], by: str) -> Registered:
        """Give a network or a data set a name; one that is there already gets the new settings.

        Raises:
            UsageError: the name is malformed, or could be taken for a path.
        """
        if not is_name(name):
            raise UsageError(f"{name[:80]!r} is no name. Use up to 80 letters, digits, dots, dashes and underscores; .toml ends a path.")
        values = {"settings": dict(settings), "registered_by": by, "created_at": now()}
        with writing(self._engine) as connection:
            number = upsert(connection, schema.registered, {"kind": kind, "name": name}, values)
            return _record(connection.execute(select(schema.registered).where(schema.registered.c.id == number)).mappings().one())

    def registered(self, kind: Kind) -> list[Registered]:
        """Every name of a kind, in order."""
        table = schema.registered
        with reading(self._engine) as connection:
            rows = connection.execute(select(table).where(table.c.kind == kind).order_by(table.c.name)).mappings().all()
        return sorted((_record(row) for row in rows), key=lambda found: found.name)

    def find(self, kind: Kind, name: str) -> Registered | None:
        """What a name stands for."""
        table = schema.registered
        with reading(self._engine) as connection:
            row = connection.execute(select(table).where(table.c.kind == kind, table.c.name == name)).mappings().first()
        return None if row is None else _record(row)

    def unregister(self, kind: Kind, name: str) -> None:
        """Take a name away; runs that were made of it stay.

        Raises:
            NotFoundError: there is no such name.
        """
        table = schema.registered
        with writing(self._engine) as connection:
            if connection.execute(delete(table).where(table.c.kind == kind, table.c.name == name)).rowcount == 0:
                raise NotFoundError(f"no {kind} is registered as {name[:80]!r}. Names: {', '.join(_names(connection, kind)) or 'none'}.")


def _names(connection: Connection, kind: str) -> list[str]:
    table = schema.registered
    return list(connection.execute(select(table.c.name).where(table.c.kind == kind).order_by(table.c.name).limit(20)).scalars())


def is_name(text: str) -> bool:
    """Whether a text can be a registered name: no slash, no colon, nothing that is read as a path."""
    return _NAME.fullmatch(text) is not None and not text.endswith(".toml")


def _record(row: RowMapping) -> Registered:
    return Registered(row["kind"], row["name"], row["settings"], row["registered_by"], row["created_at"])
