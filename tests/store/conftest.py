"""Both databases: every test that takes `url` or `store` runs on SQLite and on PostgreSQL."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from dissect.store import Store

SERVER = "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"


@pytest.fixture(scope="session")
def postgres_server() -> str:
    """URL of a PostgreSQL database in which databases may be made, or a skip that says where it was looked for."""
    import psycopg

    url = os.environ.get("DISSECT_TEST_POSTGRES") or SERVER
    try:
        psycopg.connect(url.replace("+psycopg", ""), connect_timeout=3).close()
    except psycopg.Error:
        pytest.skip(f"no PostgreSQL answers at {url.rpartition('@')[2]}; set DISSECT_TEST_POSTGRES")
    return url


@contextlib.contextmanager
def new_database(server: str, template: str = "template1") -> Iterator[str]:
    """A PostgreSQL database with a random name; it is dropped at the end."""
    import psycopg

    name = f"dissect_test_{secrets.token_hex(6)}"
    with psycopg.connect(server.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
        try:
            yield server.rpartition("/")[0] + "/" + name
        finally:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """An empty PostgreSQL database of this test alone."""
    with new_database(postgres_server) as url:
        yield url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """Address of a SQLite file that is not there yet."""
    return f"sqlite:///{tmp_path / 'dissect.db'}"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest) -> str:
    """Address of an empty database of either kind."""
    return str(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url"))


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database with all tables; tests copy it, which is quicker than migrating."""
    file = tmp_path_factory.mktemp("migrated") / "dissect.db"
    Store.open(f"sqlite:///{file}").close()
    return file


@pytest.fixture(scope="session")
def migrated_database(postgres_server: str) -> Iterator[str]:
    """A PostgreSQL database with all tables, by name; tests copy it."""
    with new_database(postgres_server) as url:
        Store.open(url).close()
        yield url.rpartition("/")[2]


@pytest.fixture
def sqlite_store(sqlite_url: str, migrated_file: Path) -> Iterator[Store]:
    """A new SQLite store, for what only concerns SQLite."""
    shutil.copyfile(migrated_file, sqlite_url.removeprefix("sqlite:///"))
    with Store.open(sqlite_url) as opened:
        yield opened


@pytest.fixture
def postgres_store(postgres_server: str, migrated_database: str) -> Iterator[Store]:
    """A new PostgreSQL store."""
    with new_database(postgres_server, migrated_database) as url, Store.open(url) as opened:
        yield opened


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest) -> Store:
    """A new store of either kind."""
    found = request.getfixturevalue("sqlite_store" if request.param == "sqlite" else "postgres_store")
    assert isinstance(found, Store)
    return found
