"""Access tokens: shown once, kept as a hash, valid until they expire or are revoked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissect.errors import NotFoundError, UsageError
from dissect.store import Store
from dissect.store.tokens import PREFIX, SCOPES, USED_STEP, TokenBook
from tests.store.every_table import contents


class Clock:
    """A moment that a test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def test_a_token_is_known_by_its_secret_and_by_nothing_else(store: Store) -> None:
    book = store.tokens()
    record, secret = book.create("ci", ["review", "jobs"])
    other, _ = book.create("other", ["read"])
    assert secret.startswith(PREFIX) and len(secret) == len(PREFIX) + 43
    assert book.check(secret) == record
    for wrong in ("", PREFIX, secret[:-1], secret + "x", secret.upper(), secret.removeprefix(PREFIX), "\udc80", "é" * 9):
        assert book.check(wrong) is None, wrong
    assert book.valid(record.id) is not None and book.valid(other.id) is not None and book.valid(999) is None


def test_the_database_does_not_hold_the_secret(store: Store) -> None:
    _, secret = store.tokens().create("ci", ["admin"])
    assert secret.removeprefix(PREFIX) not in repr(contents(store.engine))
    (row,) = contents(store.engine)["token"]
    assert len(row["hash"]) == 64


def test_secrets_differ(store: Store) -> None:
    book = store.tokens()
    assert len({book.create(f"t{number}", ["read"])[1] for number in range(20)}) == 20


def test_a_token_ends_when_it_expires_or_is_revoked(store: Store) -> None:
    clock = Clock()
    book = TokenBook(store.engine, clock)
    record, secret = book.create("short", ["review"], days=1)
    clock.now += timedelta(days=1) - timedelta(seconds=1)
    assert book.check(secret) is not None and book.valid(record.id) is not None
    clock.now += timedelta(seconds=1)
    assert book.check(secret) is None and book.valid(record.id) is None
    assert book.tokens()[0].state(clock.now) == "expired"
    long, secret = book.create("long", ["review"], days=9)
    revoked = book.revoke("long")
    assert book.check(secret) is None and book.valid(long.id) is None
    assert (revoked.state(clock.now), revoked.revoked_at) == ("revoked", clock.now)
    clock.now += timedelta(hours=1)
    assert book.revoke("long").revoked_at == revoked.revoked_at


def test_use_is_noted_but_not_more_than_once_a_minute(store: Store) -> None:
    clock = Clock()
    book = TokenBook(store.engine, clock)
    _, secret = book.create("ci", ["read"])
    assert book.tokens()[0].used_at is None
    began = clock.now
    book.check(secret)
    clock.now += USED_STEP / 2
    book.check(secret)
    assert book.tokens()[0].used_at == began
    clock.now += USED_STEP / 2
    book.check(secret)
    assert book.tokens()[0].used_at == clock.now


def test_scopes_say_what_is_allowed(store: Store) -> None:
    book = store.tokens()
    for scopes, allowed in ((["read"], {"read"}), (["review"], {"read", "review"}), (["jobs"], {"read", "jobs"}), (["admin"], set(SCOPES))):
        record, _ = book.create(f"with-{scopes[0]}", scopes)
        assert {scope for scope in SCOPES if record.allows(scope)} == allowed


REFUSED: tuple[tuple[str, list[str], float, str], ...] = (
    ("a b", ["read"], 1, "no name"), ("", ["read"], 1, "no name"), ("a" * 81, ["read"], 1, "no name"), ("u@local", ["read"], 1, "no name"),
    ("a", ["write"], 1, "no scope 'write'"), ("a", [], 1, "has no scope"), ("a", ["read"], 0, "--days"), ("a", ["read"], 3651, "--days"),
    ("a", ["read"], float("nan"), "--days"), ("taken", ["read"], 1, "already"),
)  # fmt: skip


def test_what_makes_no_token_is_refused(store: Store) -> None:
    store.tokens().create("taken", ["read"])
    store.tokens().revoke("taken")
    for name, scopes, days, message in REFUSED:
        with pytest.raises(UsageError, match=message):
            store.tokens().create(name, scopes, days)
    assert store.counts()["token"] == 1


def test_an_unknown_name_is_not_there(store: Store) -> None:
    store.tokens().create("ci", ["read"])
    with pytest.raises(NotFoundError, match=r"no token 'cd'. Tokens: ci"):
        store.tokens().revoke("cd")


@pytest.fixture(scope="module")
def embedded() -> Store:
    store = Store.open("sqlite://")
    store.tokens().create("ci", ["admin"])
    return store


@given(st.text())
def test_no_guess_is_a_token(embedded: Store, guess: str) -> None:
    assert embedded.tokens().check(guess) is None
