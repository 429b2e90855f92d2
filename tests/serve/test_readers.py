"""Fifty readers and a writer at one service (trust.md R5): no error, and no answer in which two states of the database meet."""

from __future__ import annotations

import json

import pytest

from benchmarks.readers import UNITS, Seen, _look, measure

DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", DATABASES)
def test_fifty_readers_and_a_writer_meet_no_error_and_no_torn_read(kind: str, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue("sqlite_url") if kind == "sqlite" else request.getfixturevalue("postgres_url")
    seen = measure(url, 60.0 if request.config.getoption("--long") else 8.0)
    print("\n".join(seen.lines()))
    assert (seen.errors, seen.torn) == ([], [])
    assert len(seen.seconds) + len(seen.early) >= 50 and len(seen.generations) >= 2 and seen.writes >= 2


def test_a_torn_read_would_be_seen() -> None:
    seen = Seen()
    whole = [{"label": "generation 1"}] * UNITS
    for units in (whole, [*whole[1:], {"label": "generation 2"}], whole[1:], [{"label": None}, *whole[1:]]):
        _look(json.dumps({"units": units}).encode(), seen)
    assert len(seen.torn) == 3
