"""Which schemas this program knows. Kept apart from Alembic, so that opening a database that is up to date costs nothing."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, inspect, text

from dissect.errors import SchemaError, StoreError
from dissect.store.database import shown
from dissect.store.schema import metadata

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007")
"""Every revision in order; a test compares them with the scripts in migrations/."""
HEAD = REVISIONS[-1]
VERSION_TABLE = "dissect_version"
"""Our own name, because a team database may be shared with a program that has an `alembic_version`."""


def current(connection: Connection) -> str | None:
    """The database's revision, or None if it holds nothing of ours.

    Raises:
        StoreError: it holds tables of another program in our place.
    """
    names = set(inspect(connection).get_table_names())
    if VERSION_TABLE in names:
        row = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).first()
        if row is not None:
            return str(row[0])
        names.discard(VERSION_TABLE)
    foreign = names if connection.dialect.name == "sqlite" else names & set(metadata.tables)
    if foreign:
        raise StoreError(
            f"the database {shown(connection.engine.url)} holds tables of another program "
            f"({', '.join(sorted(foreign)[:5])}). Choose another file or database with --db."
        )
    return None


def check(engine: Engine, revision: str | None) -> None:
    """Refuse a database that this program cannot work with.

    Raises:
        SchemaError: it is older; the message gives the command.
        StoreError: it is newer, or of an unknown revision.
    """
    where = shown(engine.url)
    if revision == HEAD:
        return
    if revision is not None and revision not in REVISIONS:
        raise StoreError(
            f"the database {where} has schema {revision}, which this version of dissect does not know (it knows up to {HEAD}). "
            "Install a newer neuron-dissect."
        )
    raise SchemaError(
        f"the database {where} has schema {revision or 'none'}, this version of dissect needs {HEAD}. "
        "Back it up with `dissect db backup FILE`, then run `dissect db upgrade`."
    )
