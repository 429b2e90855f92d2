"""Moving a database between schemas, all or nothing.

One transaction holds the whole way, also on SQLite (where it must be begun by hand, and where foreign keys must be off: a table that
is rebuilt with foreign keys on takes all rows that point to it along). Before the commit, every table's rows are counted
and every reference is checked; a migration that would lose rows is undone and refused.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Engine, func, inspect, select, table, text

from dissect.errors import NotSupportedError, SchemaError, StoreError
from dissect.paths import shipped
from dissect.store import listing, schema_version
from dissect.store.database import connect_to_write, reading, translated
from dissect.store.fulltext import is_index
from dissect.store.schema import metadata

_LOCK = 0x64697373
"""Key of the PostgreSQL advisory lock that makes two upgrades take turns."""


def upgrade(engine: Engine, revision: str = "head") -> str | None:
    """Bring the database up to a revision. Returns the revision it has then.

    Raises:
        StoreError: the database is of another program, newer than this one, or a migration would lose rows; nothing was changed.
    """
    found = _move(engine, "upgrade", revision)
    if found == schema_version.HEAD:
        listing.complete(engine)
    return found


def downgrade(engine: Engine, revision: str) -> str | None:
    """Bring the database down to an older revision (`base` removes every table). Returns the revision it has then.

    Columns and tables that the older schema lacks are gone with what they held; `dissect db backup` first.
    """
    return _move(engine, "downgrade", revision)


def current(engine: Engine) -> str | None:
    """The database's revision, None if it is empty."""
    with reading(engine) as connection:
        return schema_version.current(connection)


def differences(engine: Engine) -> list[str]:
    """Where the database's tables differ from the ones this program expects, in words (`alembic check`)."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with reading(engine) as connection:
        options = {"compare_type": True, "version_table": schema_version.VERSION_TABLE, "include_object": ours}
        context = MigrationContext.configure(connection, opts=options)
        return [str(item) for item in compare_metadata(context, metadata)]


def faults(engine: Engine) -> list[str]:
    """What is wrong inside: pages, indices and references of SQLite; references of PostgreSQL are its own care. Empty means sound."""
    if engine.dialect.name != "sqlite":
        return []
    with reading(engine) as connection:
        pages = [str(row[0]) for row in connection.execute(text("PRAGMA integrity_check")) if row[0] != "ok"]
        return pages + broken_references(connection)


def check(engine: Engine) -> list[str]:
    """All that is wrong with a database: revision, tables, integrity, references. Empty means sound."""
    try:
        schema_version.check(engine, current(engine))
    except SchemaError as error:
        return [str(error), *faults(engine)]
    return differences(engine) + faults(engine)


def broken_references(connection: Connection) -> list[str]:
    """Rows of a SQLite database that point to nothing, as text, at most 20."""
    rows = connection.execute(text("PRAGMA foreign_key_check")).fetchmany(20)
    return [f"table {row[0]}, row {row[1]}: points to a row of {row[2]} that is not there" for row in rows]


def row_counts(connection: Connection) -> dict[str, int]:
    """Number of rows of every table of ours that is there."""
    names = {name for name in inspect(connection).get_table_names() if name != schema_version.VERSION_TABLE and not is_index(name)}
    if connection.dialect.name != "sqlite":
        names &= set(metadata.tables)
    return {name: connection.execute(select(func.count()).select_from(table(name))).scalar_one() for name in sorted(names)}


def ours(item: object, name: str | None, kind: str, reflected: bool, other: object) -> bool:
    """Alembic's filter: in a shared PostgreSQL database, tables of other programs are none of our business."""
    return not (kind == "table" and reflected and other is None and name not in metadata.tables)


class Guard:
    """Watches one way from revision to revision: each step is checked inside the transaction, before it is committed."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.before = row_counts(connection)

    def after_step(self, *, ctx: Any, step: Any, heads: Any, run_args: Any) -> None:
        """Refuse a step that lost rows or left references to nothing (Alembic calls this after each step).

        Raises:
            StoreError: it did; the caller's transaction is undone by it.
        """
        after = row_counts(self.connection)
        for name, rows in self.before.items():
            gone = name not in after
            if (gone and rows and step.is_upgrade) or (not gone and after[name] < rows):
                raise StoreError(
                    f"the migration to {step.up_revision_id} would lose {rows - after.get(name, 0)} of {rows} rows of table {name}; "
                    "nothing was changed. Please report this."
                )
        if self.connection.dialect.name == "sqlite" and (broken := broken_references(self.connection)):
            name = step.up_revision_id
            raise StoreError(f"the migration to {name} would break references: {broken[0]}; nothing was changed. Please report this.")
        self.before = after


@contextlib.contextmanager
def guarded(engine: Engine) -> Iterator[tuple[Connection, Guard]]:
    """One writing transaction for migrations, with foreign keys off (SQLite) and one migrating process at a time."""
    with translated(engine.url), connect_to_write(engine) as connection:
        _foreign_keys(connection, "OFF")
        try:
            with connection.begin():
                if connection.dialect.name == "postgresql":
                    connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
                yield connection, Guard(connection)
        finally:
            _foreign_keys(connection, "ON")


def _foreign_keys(connection: Connection, value: str) -> None:
    """Straight through the driver: the pragma does nothing inside a transaction, and SQLAlchemy would begin one."""
    if connection.dialect.name == "sqlite" and connection.connection.driver_connection is not None:
        connection.connection.driver_connection.execute(f"PRAGMA foreign_keys = {value}")


def _move(engine: Engine, direction: str, revision: str) -> str | None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config(stdout=io.StringIO())
    config.set_main_option("script_location", str(shipped("migrations")).replace("%", "%%"))
    config.attributes["engine"] = engine
    found = current(engine)
    if found is not None and found not in schema_version.REVISIONS:
        schema_version.check(engine, found)
    try:
        getattr(command, direction)(config, revision)
    except CommandError as error:
        known = ", ".join(schema_version.REVISIONS)
        raise NotSupportedError(f"cannot {direction} to {revision!r}: {error}. Revisions: {known}.") from error
    return current(engine)
