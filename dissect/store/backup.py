"""Copies of a database that is in use, and whether a copy and the cache can be relied on."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from sqlalchemy import URL, Engine, select

from dissect.atomic import sha256_file, write_with
from dissect.errors import NotFoundError, NotSupportedError, StoreError
from dissect.store import revisions, schema
from dissect.store.database import make_engine, reading, shown, sqlite_file, translated


def backup(engine: Engine, target: Path) -> int:
    """Copy a SQLite database, also while others write to it, to a file that is whole or not there. Returns its size in bytes.

    Raises:
        NotSupportedError: a PostgreSQL database (the message gives the command), or one in memory.
        StoreError: the copy is not sound; `target` is as it was.
        StorageError: the file cannot be written; `target` is as it was.
    """
    source = sqlite_file(engine.url)
    if engine.dialect.name != "sqlite":
        where = shown(engine.url)
        raise NotSupportedError(f"{where} is a PostgreSQL database. Back it up with: pg_dump --format=custom --file={target} DATABASE")
    if source is None:
        raise NotSupportedError("a database in memory has no file to back up. Choose a file with --db sqlite:///FILE.")
    if target.resolve() == source.resolve():
        raise NotSupportedError(f"{target} is the database itself. Choose another file for the copy.")
    with translated(engine.url):
        write_with(target, lambda temporary: _copy(source, temporary))
    return target.stat().st_size


def _copy(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    try:
        with contextlib.closing(_open(source)) as old, contextlib.closing(sqlite3.connect(target)) as new:
            old.backup(new, sleep=0.05)
            new.execute("PRAGMA journal_mode = DELETE")
            faults = [str(row[0]) for row in new.execute("PRAGMA integrity_check") if row[0] != "ok"]
        if faults:
            raise StoreError(f"the copy of {source} is damaged ({faults[0]}). Run `dissect db check`.")
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _open(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True, timeout=60)


def verify_backup(file: Path) -> list[str]:
    """Everything wrong with a copy: pages, indices, references, schema. Empty means that it can be relied on.

    Raises:
        NotFoundError: there is no such file.
        StoreError: it is no SQLite database.
    """
    if not file.is_file():
        raise NotFoundError(f"there is no file {file}.")
    engine = make_engine(URL.create("sqlite", database=str(file)))
    try:
        return revisions.check(engine)
    finally:
        engine.dispose()


def verify_cache(engine: Engine, cache: Path, *, content: bool = False) -> list[str]:
    """Finished shards whose file in the cache is missing, has another size or (with `content`) other bytes; as text."""
    shard, stage = schema.shard, schema.stage
    query = select(stage.c.step, shard.c.index, shard.c.file, shard.c.size, shard.c.sha256).join(stage, stage.c.id == shard.c.stage_id)
    with reading(engine) as connection:
        rows = connection.execute(query.where(shard.c.state == "done").order_by(stage.c.id, shard.c.index)).mappings().all()
    found = []
    for row in rows:
        file = cache / row["file"]
        if not file.is_file():
            found.append(f"{row['step']} shard {row['index']}: {file} is missing; the next run makes it again")
        elif file.stat().st_size != row["size"]:
            found.append(f"{row['step']} shard {row['index']}: {file} has {file.stat().st_size} bytes, expected {row['size']}")
        elif content and sha256_file(file) != row["sha256"]:
            found.append(f"{row['step']} shard {row['index']}: {file} has other content than was checked in")
    return found
