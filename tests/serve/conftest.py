"""The service over a small database, as a client sees it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from dissect.serve.app import create_app
from dissect.serve.settings import Settings
from dissect.store import Store
from tests.serve.world import fill, fill_unlabelled, write_thumbnails
from tests.store.conftest import migrated_database, migrated_file, postgres_server, postgres_store, postgres_url, sqlite_store, sqlite_url

__all__ = ["migrated_database", "migrated_file", "postgres_server", "postgres_store", "postgres_url", "sqlite_store", "sqlite_url"]
HOME = "http://127.0.0.1"


@pytest.fixture(scope="session")
def thumbnails(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache's folder of small pictures."""
    folder = tmp_path_factory.mktemp("cache") / "thumbs"
    write_thumbnails(folder)
    return folder


@pytest.fixture(scope="session")
def world_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with both runs; tests only read it."""
    file = tmp_path_factory.mktemp("world") / "dissect.db"
    with Store.open(f"sqlite:///{file}") as store:
        fill(store)
        fill_unlabelled(store)
    return file


def client_of(store: Store, folder: Path | None = None) -> Iterator[TestClient]:
    """A client of a service over a store."""
    with TestClient(create_app(store, Settings(folder)), base_url=HOME, follow_redirects=False) as client:
        yield client


@pytest.fixture(scope="session")
def client(world_file: Path, thumbnails: Path) -> Iterator[TestClient]:
    """A client of the service over the small database."""
    with Store.open(f"sqlite:///{world_file}", create=False) as store:
        yield from client_of(store, thumbnails)


@pytest.fixture
def empty(sqlite_store: Store) -> Iterator[TestClient]:
    """A client of the service over an empty database."""
    yield from client_of(sqlite_store)
