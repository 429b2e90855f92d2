"""Connections: addresses, passwords, journal modes, the databases' errors in our words, and writers side by side (trust.md R6)."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text

from dissect.errors import (
    DissectError,
    MissingExtraError,
    NotFoundError,
    NotSupportedError,
    StorageError,
    StoreError,
    TooSlowError,
    UsageError,
)
from dissect.store import Store, connect, database, redacted, schema
from dissect.store.database import parse_url, reading, sqlite_file, wal_is_safe, writing
from dissect.store.members import most, one_of
from tests.store.made_up_runs import save_run, save_world, spec

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        ((3, 40, 1), False), ((3, 44, 5), False), ((3, 44, 6), True), ((3, 45, 0), False), ((3, 50, 6), False), ((3, 50, 7), True),
        ((3, 51, 2), False), ((3, 51, 3), True), ((3, 52, 0), True), ((4, 0, 0), True), ((3, 7, 17), False),
    ],
)  # fmt: skip
def test_the_write_ahead_log_is_used_only_where_it_is_sound(version: tuple[int, int, int], safe: bool) -> None:
    assert wal_is_safe(version) is safe


def test_a_sqlite_file_is_opened_with_our_rules(sqlite_store: Store) -> None:
    expected = "wal" if wal_is_safe(sqlite3.sqlite_version_info) else "truncate"
    with reading(sqlite_store.engine) as connection:
        names = ("journal_mode", "foreign_keys", "busy_timeout", "synchronous")
        found = {name: connection.execute(text(f"PRAGMA {name}")).scalar() for name in names}
    assert found == {"journal_mode": expected, "foreign_keys": 1, "busy_timeout": 60_000, "synchronous": 2}


def test_a_writing_transaction_holds_the_lock_from_its_start(sqlite_store: Store, sqlite_url: str) -> None:
    other = sqlite3.connect(str(sqlite_file(parse_url(sqlite_url))), timeout=0)
    with writing(sqlite_store.engine), pytest.raises(sqlite3.OperationalError, match=r"locked"):
        other.execute("BEGIN IMMEDIATE")
    with reading(sqlite_store.engine):
        other.execute("BEGIN IMMEDIATE")
    other.close()


@pytest.mark.postgres
def test_questions_asked_together_see_one_state(postgres_store: Store) -> None:
    run = postgres_store.begin_run(spec(save_world(postgres_store)))
    with Store.open(postgres_store.url) as other, postgres_store.together():
        assert postgres_store.run(run.id).state == "running"
        other.finish_run(run.id)
        assert postgres_store.run("latest").state == "running"
        with pytest.raises(NotFoundError):
            postgres_store.run(99)
    assert postgres_store.run(run.id).state == "done"


def test_nothing_is_held_together_where_a_reader_holds_up_writers(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "wal_is_safe", lambda version: False)
    run = sqlite_store.begin_run(spec(save_world(sqlite_store)))
    with sqlite_store.together():
        assert sqlite_store.run(run.id).state == "running"
        sqlite_store.finish_run(run.id)
        assert sqlite_store.run(run.id).state == "done"


def test_what_is_remembered_together_is_forgotten_after(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "wal_is_safe", lambda version: True)
    run = sqlite_store.begin_run(spec(save_world(sqlite_store)))
    for state in ("running", "done"):
        with sqlite_store.together():
            assert sqlite_store.run("latest") == sqlite_store.run(run.id)
            assert sqlite_store.run(run.id).state == state
        sqlite_store.finish_run(run.id)


@pytest.mark.parametrize("count", [0, 1, 400, 3_000])
def test_one_of_many_numbers_is_found_however_many_there_are(store: Store, count: int) -> None:
    save_world(store, images=5)
    wanted = list(range(2, 2 + count))
    with reading(store._engine) as connection:
        column = schema.image.c.id
        found = connection.execute(select(column).where(one_of(connection, column, wanted)).limit(most(4))).scalars().all()
    assert sorted(found) == list(range(2, min(2 + count, 6)))


def test_a_reader_sees_one_state(store: Store) -> None:
    """Two questions of one reading transaction agree, although a writer finished in between (PostgreSQL), or the writer waits (SQLite)."""
    with reading(store._engine) as connection:
        before = connection.execute(text("SELECT count(*) FROM model")).scalar()
        writer = threading.Thread(target=lambda: save_world(store))
        writer.start()
        writer.join(timeout=0.5)
        assert connection.execute(text("SELECT count(*) FROM model")).scalar() == before == 0
    writer.join()
    assert store.counts()["model"] == 1


@pytest.mark.postgres
def test_a_reading_transaction_cannot_write_on_postgresql(postgres_url: str) -> None:
    with Store.open(postgres_url) as store, pytest.raises(StorageError, match=r"read-only"), reading(store._engine) as connection:
        connection.execute(text("DELETE FROM run"))


@pytest.mark.parametrize(
    ("given_url", "shown"),
    [
        ("postgresql://anna:s3cret@host:5432/team", "postgresql+psycopg://anna:***@host:5432/team"),
        ("postgres://anna:s3cret@host/team?sslpassword=s3cret", "postgresql+psycopg://anna:***@host/team?sslpassword=%2A%2A%2A"),
        ("sqlite:///folder/dissect.db", "sqlite:///folder/dissect.db"),
    ],
)
def test_a_shown_address_has_no_password(given_url: str, shown: str) -> None:
    assert redacted(given_url).replace("***", "%2A%2A%2A") == shown.replace("***", "%2A%2A%2A")
    assert "s3cret" not in redacted(given_url)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=6, max_size=20))
def test_no_error_shows_a_password(password: str) -> None:
    from sqlalchemy import URL

    if password in "postgresql+psycopg://anna:***@127.0.0.1:1/team":
        return
    url = URL.create("postgresql", "anna", password, "127.0.0.1", 1, "team").render_as_string(hide_password=False)
    assert password not in redacted(url)
    cause = sqlite3.OperationalError(f"password {password!s} refused for {url}")
    assert password not in str(database._ours(parse_url(url), cause))


@pytest.mark.postgres
def test_a_server_that_does_not_answer_is_said_to_be_so(postgres_server: str) -> None:
    with pytest.raises(StoreError, match=r"no server answers|connection failed") as caught:
        Store.open("postgresql://anna:s3cret@127.0.0.1:1/team")
    assert "s3cret" not in str(caught.value)
    with pytest.raises(StoreError, match=r"no such database"):
        Store.open(postgres_server.rpartition("/")[0] + "/dissect_is_not_there")


@pytest.mark.parametrize("wrong", ["", "nonsense", "sqlite", "//x", "postgresql://anna:s3cret@host:port/x"])
def test_a_malformed_address_is_refused_without_repeating_it(wrong: str) -> None:
    with pytest.raises(UsageError, match=r"sqlite:///FILE") as caught:
        Store.open(wrong)
    assert "s3cret" not in str(caught.value)


def test_another_kind_of_database_is_not_offered() -> None:
    for url in ("mysql://root@localhost/x", "oracle://x", "postgresql+psycopg2://x/y"):
        with pytest.raises(NotSupportedError, match=r"cannot be used"):
            parse_url(url)


def test_a_missing_driver_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtraError, match=r"neuron-dissect\[postgres\]"):
        connect("postgresql://anna@127.0.0.1:1/team")


def test_the_folder_of_a_new_database_is_made(tmp_path: Path) -> None:
    file = tmp_path / "a b" / "c%20d" / "dissect.db"
    Store.open(f"sqlite:///{file}").close()
    assert file.is_file()


def test_a_database_that_is_not_there_is_not_made_for_readers(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"dissect run"):
        Store.open(f"sqlite:///{tmp_path / 'none' / 'dissect.db'}", create=False)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot make the folder"):
        Store.open(f"sqlite:///{tmp_path / 'file' / 'sub' / 'dissect.db'}")


def test_a_folder_or_a_foreign_file_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"cannot be opened"):
        Store.open(f"sqlite:///{tmp_path}")
    foreign = tmp_path / "picture.png"
    foreign.write_bytes(b"\x89PNG" + bytes(5000))
    with pytest.raises(StoreError, match=r"no SQLite database"):
        Store.open(f"sqlite:///{foreign}")
    assert foreign.read_bytes() == b"\x89PNG" + bytes(5000)


def test_an_empty_file_becomes_a_database(tmp_path: Path) -> None:
    (tmp_path / "dissect.db").touch()
    Store.open(f"sqlite:///{tmp_path / 'dissect.db'}").close()


def test_a_damaged_database_is_told(sqlite_url: str) -> None:
    with Store.open(sqlite_url) as store:
        save_run(store)
    file = Path(str(sqlite_file(parse_url(sqlite_url))))
    data = bytearray(file.read_bytes())
    for start in range(4096 * 3, len(data), 4096):
        data[start : start + 200] = b"\xff" * 200
    file.write_bytes(bytes(data))
    with pytest.raises(StoreError, match=r"damaged"), Store.open(sqlite_url) as store:
        store.units()


def test_a_database_that_stays_locked_is_told(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Store.open(sqlite_url).close()
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.1)
    other = sqlite3.connect(str(sqlite_file(parse_url(sqlite_url))))
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match=r"another program has held it"):
        Store.open(sqlite_url)
    other.rollback()
    other.close()


def test_a_read_only_database_can_be_read_and_says_why_it_cannot_be_written(sqlite_url: str) -> None:
    with Store.open(sqlite_url) as store:
        save_run(store)
    file = sqlite_file(parse_url(sqlite_url))
    with Store.open(f"sqlite:///file:{file}?mode=ro&uri=true", create=False) as store:
        assert store.unit("tiny", "conv1", 0).label is not None
        with pytest.raises(StorageError, match=r"read-only"):
            save_run(store, "0" * 64)


def test_a_full_disk_is_told_and_nothing_is_half_written(sqlite_store: Store) -> None:
    save_run(sqlite_store)
    before = sqlite_store.counts()
    with reading(sqlite_store.engine) as connection:
        pages = connection.execute(text("PRAGMA page_count")).scalar()
        connection.execute(text(f"PRAGMA max_page_count = {pages}"))
    with pytest.raises(StorageError, match=r"disk is full. Free space"):
        save_world(sqlite_store, data="more", images=5000)
    assert {name: rows for name, rows in sqlite_store.counts().items() if name != "dataset"} == {
        name: rows for name, rows in before.items() if name != "dataset"
    }


def test_every_reason_has_a_remedy() -> None:
    for _, kind, remedy in database._REASONS:
        assert issubclass(kind, DissectError)
        assert remedy.endswith(".") and any(verb in remedy for verb in ("Check", "Choose", "Free", "Make", "Restore", "Start", "Wait"))


@pytest.mark.slow
def test_two_writing_processes_never_meet_a_lock(url: str, request: pytest.FixtureRequest) -> None:
    seconds = "30" if request.config.getoption("--long") else "5"
    Store.open(url).close()
    command = [sys.executable, "-m", "tests.store.writer", url, seconds]
    pipe = subprocess.PIPE
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    processes = [subprocess.Popen([*command, name], stdout=pipe, stderr=pipe, cwd=ROOT, env=environment) for name in "ab"]
    answers = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], answers
    written = [int(answer[0]) for answer in answers]
    assert min(written) >= 4
    with Store.open(url) as store:
        counts = store.counts()
    assert (counts["run"], counts["stage"], counts["unit_stat"], counts["model"]) == (2, sum(written) // 4, 12, 1)


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_a_question_that_takes_too_long_is_given_up_and_the_next_one_is_answered(kind: str, request: pytest.FixtureRequest) -> None:
    url = str(request.getfixturevalue("sqlite_url" if kind == "sqlite" else "postgres_url"))
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000) SELECT count(*) FROM n"
    with Store.open(url, query_seconds=30.0) as patient:
        assert patient.counts()["run"] == 0
    with Store.open(url, query_seconds=0.3) as store:
        begun = time.monotonic()
        with pytest.raises(TooSlowError, match="takes too long"), reading(store._engine) as connection:
            connection.execute(text(endless)).scalar()
        assert 0.2 < time.monotonic() - begun < 5
        assert store.counts()["run"] == 0
