"""Connections: addresses, how SQLite and PostgreSQL are opened, transactions, and the databases' errors in our words.

SQLite. The write-ahead log can corrupt a database on versions before 3.44.6, 3.50.7 and 3.51.3 ("WAL-reset bug"), so it is used
only on versions with the fix, else the TRUNCATE journal. Python's own transactions are switched off: a writing transaction begins
with BEGIN IMMEDIATE, because two writers that begin as readers can only fail (57,679 lock errors in 5 s against none, measured).
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Hashable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Double, Engine, StaticPool, cast, create_engine, event, func, literal_column, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from dissect.errors import (
    MissingExtraError,
    NotSupportedError,
    StorageError,
    StoreError,
    TooSlowError,
    UnavailableError,
    UsageError,
)

T = TypeVar("T")

BUSY_SECONDS = 60.0
"""How long a SQLite connection waits for another writer before it gives up."""

_WRITE = "dissect_write"
_GUARD = "dissect_guard"
_STEPS = 20_000
"""Instructions of SQLite (about a millisecond) between two looks at the clock."""
_SLOW = "it takes too long to answer. Choose fewer or rarer words, one model, or one layer."
_REASONS = (
    ("interrupted", TooSlowError, _SLOW),
    ("statement timeout", TooSlowError, _SLOW),
    ("is locked", UnavailableError, "another program has held it for a minute. Wait for that program, or end it, then try again."),
    ("readonly", StorageError, "it is read-only. Make the file and its folder writable, or choose another with --db."),
    ("read-only", StorageError, "it is read-only. Make the database writable, or choose another with --db."),
    ("unable to open", StorageError, "it cannot be opened. Check that the folder exists and that you may write there, or choose --db."),
    ("not a database", StoreError, "the file is no SQLite database. Choose another file with --db."),
    ("malformed", StoreError, "it is damaged. Restore a backup (`dissect db backup` makes them), or move it away and run again."),
    ("disk is full", StorageError, "the disk is full. Free space, then run the same command again."),
    ("no space left", StorageError, "its disk is full. Free space, then run the same command again."),
    ("disk i/o error", StorageError, "the disk fails. Check the disk, or choose another place with --db."),
    ("connection refused", UnavailableError, "no server answers there. Start it, or check the address."),
    ("password", StoreError, "it refuses the user or the password. Check the URL in --db or DISSECT_DATABASE_URL."),
    ("does not exist", StoreError, "there is no such database, user or table. Check the URL in --db or DISSECT_DATABASE_URL."),
    ("connect", UnavailableError, "the connection failed. Check that the server runs and that the address is right."),
)


def parse_url(text: str) -> URL:
    """A SQLAlchemy URL of a kind that the store can use; `postgresql://` means psycopg 3.

    Raises:
        UsageError: malformed, or another kind of database. The text itself is not repeated: it may hold a password.
    """
    remedy = "Write sqlite:///FILE or postgresql://USER@HOST/NAME."
    try:
        url = _sqlite_url(text) or make_url(text)
    except (ArgumentError, ValueError):
        raise UsageError(f"the database URL is malformed. {remedy}") from None
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
        raise NotSupportedError(f"a database of kind {url.drivername!r} cannot be used. {remedy}")
    return url


def _sqlite_url(text: str) -> URL | None:
    """A SQLite file's URL with its path taken literally; SQLAlchemy's versions disagree whether `%20` in it is a blank."""
    start = "sqlite:///"
    if not text.startswith(start):
        return None
    path, mark, query = text.removeprefix(start).partition("?")
    return make_url(start + mark + query).set(database=path or None)


def redacted(url: str) -> str:
    """A database URL as it may be shown: without its password."""
    return shown(parse_url(url))


def shown(url: URL) -> str:
    """A database's address for people, without its password."""
    if url.get_backend_name() == "sqlite":
        return f"sqlite:///{url.database or ':memory:'}"
    hidden = {key: "***" for key in url.query if "pass" in key.lower()}
    return url.update_query_dict(hidden).render_as_string(hide_password=True)


def sqlite_file(url: URL) -> Path | None:
    """The file of a SQLite URL, None for one in memory or for PostgreSQL."""
    name = str(url.database or ":memory:")
    if url.get_backend_name() != "sqlite" or ":memory:" in name:
        return None
    return Path(name.removeprefix("file:"))


def make_folder(folder: Path) -> None:
    """The folder of a new database."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make the folder {folder} for the database: {error.strerror}. Choose another with --db.") from error


def wal_is_safe(version: tuple[int, int, int]) -> bool:
    """Whether this SQLite has the fix of the WAL-reset bug."""
    return version >= (3, 51, 3) or (version[:2] == (3, 50) and version[2] >= 7) or (version[:2] == (3, 44) and version[2] >= 6)


def make_engine(url: URL, query_seconds: float | None = None) -> Engine:
    """An engine with our rules; nothing is opened yet. query_seconds: how long a question may take."""
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(url, query_seconds)
    bound = {} if query_seconds is None else {"options": f"-c statement_timeout={max(1, round(1000 * query_seconds))}"}
    try:
        engine = create_engine(url, pool_pre_ping=True, isolation_level="READ COMMITTED", connect_args=bound)
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise MissingExtraError("a PostgreSQL database", "postgres") from error
    return engine


def _sqlite_engine(url: URL, query_seconds: float | None) -> Engine:
    file = sqlite_file(url)
    arguments: dict[str, Any] = {"timeout": BUSY_SECONDS, "check_same_thread": False}
    engine = create_engine(url, connect_args=arguments, **({} if file else {"poolclass": StaticPool}))
    journal = "WAL" if wal_is_safe(sqlite3.sqlite_version_info) else "TRUNCATE"

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys = ON")
        found = connection.execute("PRAGMA journal_mode").fetchone()[0].upper()
        if file and found != journal:
            connection.execute(f"PRAGMA journal_mode = {journal}").fetchone()
        connection.execute("PRAGMA synchronous = FULL")
        if journal != "WAL":  # a cache that overflows would shut out all readers until the transaction ends, not only while it commits
            connection.execute("PRAGMA cache_spill = OFF")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if query_seconds is not None:
            _end_after(connection, query_seconds)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get(_WRITE) else "BEGIN")

    return engine


def _end_after(connection: Connection, seconds: float) -> None:
    """Let SQLite give up a transaction's question that is still worked on after so many seconds."""
    end = time.monotonic() + seconds
    plain = connection.connection.dbapi_connection
    assert isinstance(plain, sqlite3.Connection)
    plain.set_progress_handler(lambda: time.monotonic() > end, _STEPS)


@contextlib.contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction that may write. On SQLite it holds the write lock from its start. A guard of the engine speaks first."""
    with translated(engine.url), connect_to_write(engine) as connection, connection.begin():
        guard: Callable[[Connection], None] | None = connection.get_execution_options().get(_GUARD)
        if guard is not None:
            guard(connection)
        yield connection


def guarded(engine: Engine, guard: Callable[[Connection], None]) -> Engine:
    """The same connections, but every writing transaction begins with `guard`, which may refuse it by an error of ours."""
    return engine.execution_options(**{_GUARD: guard})


def connect_to_write(engine: Engine) -> Connection:
    """A connection whose transactions may write; none is begun yet."""
    return engine.connect().execution_options(**{_WRITE: True})


_TOGETHER: ContextVar[Connection | None] = ContextVar("dissect_together", default=None)
_MEMO = "dissect_memo"


@contextlib.contextmanager
def together(engine: Engine) -> Iterator[None]:
    """Every `reading` of this engine inside, in this thread, is of one transaction, so all see the same state. Nothing may write there.

    Not on a SQLite without write-ahead log: there a reader holds up every writer, so its transactions are short.
    """
    if not _reads_beside_writers(engine):
        yield
        return
    with reading(engine) as connection:
        before = _TOGETHER.set(connection.execution_options(**{_MEMO: {}}))
        try:
            yield
        finally:
            _TOGETHER.reset(before)
            connection.execution_options(**{_MEMO: None})


def _reads_beside_writers(engine: Engine) -> bool:
    return engine.dialect.name != "sqlite" or wal_is_safe(sqlite3.sqlite_version_info)


def remembered(connection: Connection, key: Hashable, find: Callable[[], T]) -> T:
    """What `find` gives; inside `together`, where nothing changes, it is asked once for each key."""
    memo: dict[Hashable, T] | None = connection.get_execution_options().get(_MEMO)
    if memo is None:
        return find()
    if key not in memo:
        memo[key] = find()
    return memo[key]


@contextlib.contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One transaction that only reads; all its queries see the same state. Inside `together` it is that one."""
    shared = _TOGETHER.get()
    if shared is not None and shared.engine.pool is engine.pool:
        with translated(engine.url):
            yield shared
        return
    options: dict[str, Any] = {}
    if engine.dialect.name == "postgresql":
        options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with translated(engine.url), engine.connect().execution_options(**options) as connection, connection.begin():
        yield connection


def seconds(connection: Connection) -> float:
    """The database's own clock, in seconds since 1970: the only one that all its users share."""
    if connection.dialect.name == "postgresql":
        return float(connection.execute(select(cast(func.extract("epoch", func.clock_timestamp()), Double))).scalar_one())
    return float(connection.execute(select(literal_column("(julianday('now') - 2440587.5) * 86400.0"))).scalar_one())


@contextlib.contextmanager
def translated(url: URL) -> Iterator[None]:
    """Errors of the database become ours: which database, what is wrong, what to do; never a password."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise _ours(url, error) from error


def _ours(url: URL, error: SQLAlchemyError | sqlite3.Error) -> StoreError | StorageError:
    where = shown(url)
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    words = " ".join(str(cause).split())
    if url.password:
        words = words.replace(str(url.password), "***")
    if isinstance(error, IntegrityError | sqlite3.IntegrityError):
        return StoreError(f"the database {where} refuses a row: {words}. Nothing of this step was written. Please report this.")
    if isinstance(error, PoolTimeoutError):
        return UnavailableError(f"the database {where}: all connections are in use. Use fewer threads.")
    for mark, kind, remedy in _REASONS:
        if mark in words.lower():
            return kind(f"the database {where}: {remedy} ({words})")
    return StoreError(f"the database {where} failed: {words}. `dissect db check` tells whether it is sound.")
