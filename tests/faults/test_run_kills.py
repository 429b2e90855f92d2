"""R1: a run of the whole command, killed at random times and started again, ends in the same database and the same files."""

from __future__ import annotations

import hashlib
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.victims import Victims
from tests.pipeline.planted import write_data, write_model

IGNORED = {"created_at", "updated_at", "finished_at", "started_at", "lease_until", "lease_owner", "lease_token", "used_at", "message"}
"""Times and leases, and the words on an interruption."""
AIMED = ("compose", "report")


@pytest.fixture
def victims() -> Iterator[Victims]:
    started = Victims("tests.faults.run_victim")
    yield started
    started.close()


def rows(home: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every table, times and leases aside."""
    with sqlite3.connect(home / "dissect.db") as connection:
        tables = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table' order by name")]
        found = {}
        for table in tables:
            columns = [row[1] for row in connection.execute(f"pragma table_info({table})") if row[1] not in IGNORED]
            names = ", ".join(f'"{column}"' for column in columns)
            found[table] = sorted(connection.execute(f'select {names} from "{table}"').fetchall(), key=repr)
    connection.close()
    return found


def files(home: Path) -> dict[str, str]:
    """Hash of every file of the cache and of the report, whose first page tells the time and is left out."""
    return {
        str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest()
        for part in ("cache", "report")
        for path in sorted((home / part).rglob("*"))
        if path.is_file() and path != home / "report" / "index.html"
    }


def begun(home: Path) -> list[tuple[str, float]]:
    """The steps that were begun in a home, in order, and when by the clock of `time.monotonic`."""
    log = home / "steps"
    whole = log.read_text().rpartition("\n")[0].splitlines() if log.is_file() else []
    return [(line.rpartition(" ")[0], float(line.rpartition(" ")[2])) for line in whole]


def steps(home: Path) -> list[str]:
    """The steps that were begun in a home, in order."""
    return [step for step, _ in begun(home)]


def waiting(home: Path) -> Callable[[], None]:
    """Waits until the search of formulas begins once more in a home, or, where all of them are there, the report."""
    before = sum(map(steps(home).count, AIMED))

    def wait() -> None:
        deadline = time.monotonic() + 60
        while sum(map(steps(home).count, AIMED)) == before and time.monotonic() < deadline:
            time.sleep(0.002)

    return wait


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_killed_run_started_again_ends_the_same(tmp_path: Path, victims: Victims, kills: int) -> None:
    """Every second kill is aimed at the search of formulas and what follows it, the others fall anywhere."""
    write_data(tmp_path / "set", images=60)
    write_model(tmp_path)
    assert victims.run(tmp_path / "warm") == 0
    began = time.monotonic()
    whole = tmp_path / "whole"
    assert victims.run(whole) == 0
    ended = time.monotonic()
    expected_rows, expected_files = rows(whole), files(whole)
    assert expected_rows["run"] and expected_rows["label_mask"] and len(expected_files) > 3
    times = dict(begun(whole))
    length, tail, search = ended - began, ended - times["compose"], times["report"] - times["compose"]

    dice, home, struck, rounds, hit = random.Random(11), tmp_path / "round0", 0, 0, []
    while struck < kills or ("compose" not in hit and struck < kills + 40):  # the search is short, and may be missed by chance
        aimed = struck % 2 == 1 or struck >= kills
        wait = waiting(home) if aimed else lambda: None
        if victims.run(home, dice.uniform(0, (search if struck % 4 == 1 else tail) if aimed else length), wait) == 0:
            # It was through before it was struck: begin a new one, in a new home, so that kills keep falling into the work.
            assert rows(home) == expected_rows and files(home) == expected_files
            rounds += 1
            home = tmp_path / f"round{rounds}"
        else:
            struck += 1
            hit.append(steps(home)[-1] if steps(home) else "open")
    assert victims.run(home) == 0
    assert rows(home) == expected_rows
    assert files(home) == expected_files
    assert not list(home.rglob("*.tmp"))
    assert "compose" in hit, f"no kill fell into the search: {hit}"
    print(
        f"{kills} kills in {rounds + 1} rounds of {length:.2f} s: {', '.join(f'{hit.count(step)} {step}' for step in dict.fromkeys(hit))}"
    )
