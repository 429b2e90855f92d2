"""A job whose worker is killed, or stopped past its lease, ends in the same rows and files as the same run at the command line."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dissect.pipeline.jobs import JobRequest
from dissect.pipeline.request import RunRequest
from dissect.pipeline.run import run_request
from dissect.probe.progress import Quiet
from dissect.store import Store
from tests.faults.test_run_kills import rows
from tests.faults.victims import Victims
from tests.faults.worker_victim import LEASE, settings
from tests.pipeline.planted import QUANTILE, SIZE, write_data, write_model

OURS = {"job", "registered"}
METHODS = ("netdissect", "compositional")


@pytest.fixture
def victims() -> Iterator[Victims]:
    started = Victims("tests.faults.worker_victim")
    yield started
    started.close()


def results(home: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every table but those that only a job needs."""
    return {table: found for table, found in rows(home).items() if table not in OURS}


def by_command(folder: Path, home: Path) -> dict[str, list[tuple[object, ...]]]:
    """The rows that `dissect run` makes, in a home of its own."""
    config = settings(home)
    card, network = folder / "set" / "planted.toml", folder / "planted-net.toml"
    request = RunRequest(str(network), str(card), label_size=SIZE, quantile=QUANTILE, methods=METHODS)
    with Store.open(config.database_url) as store:
        run_request(request, config, store, Quiet())
    return results(home)


def submitted(folder: Path, home: Path) -> Path:
    """A home whose database has the same run as a queued job."""
    home.mkdir()
    with Store.open(settings(home).database_url) as store:
        store.registry().register("model", "net", {"model": str(folder / "planted-net.toml")}, "ann@local")
        store.registry().register("data", "set", {"data": str(folder / "set" / "planted.toml"), "label_size": list(SIZE)}, "ann@local")
        store.jobs().submit(JobRequest("net", "set", quantile=QUANTILE, methods=METHODS).as_plain(), "ann@local")
    return home


def state(home: Path) -> tuple[str, int]:
    """Of the job: its state, and how often it was taken up."""
    with Store.open(settings(home).database_url) as store:
        job = store.jobs().job(1)
    return job.state, job.attempts


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_job_survives_the_kills_of_its_workers(tmp_path: Path, victims: Victims, kills: int) -> None:
    write_data(tmp_path / "set", images=60)
    write_model(tmp_path)
    expected = by_command(tmp_path, tmp_path / "command")
    assert expected["label"] and expected["label_mask"] and expected["shard"]
    began = time.monotonic()
    assert victims.run(submitted(tmp_path, tmp_path / "whole")) == 0
    length = time.monotonic() - began
    assert state(tmp_path / "whole") == ("done", 1)
    assert results(tmp_path / "whole") == expected

    dice, struck, number = random.Random(5), 0, 0
    while struck < min(kills, 6) or number == 0:
        home, mine, number = submitted(tmp_path, tmp_path / f"home{number}"), 0, number + 1
        while mine < 3 and victims.run(home, dice.uniform(0.05, length)) != 0:
            mine += 1
        if mine == 3:
            assert victims.run(home) == 0
        struck += mine
        assert state(home)[0] == "done" and state(home)[1] <= 1 + mine
        assert results(home) == expected
        assert number < 40
    print(f"{struck} kills in {number} jobs of {length:.2f} s")


def stop(home: Path) -> int:
    """Stop the worker once its run is under way, but not while it holds the database's lock. Returns its number."""
    deadline = time.monotonic() + 60
    steps = home / "steps"
    while time.monotonic() < deadline:
        time.sleep(0.01)
        if not steps.is_file() or "activations" not in steps.read_text():
            continue
        number = int(steps.read_text().split()[0])
        os.kill(number, signal.SIGSTOP)
        with contextlib.closing(sqlite3.connect(home / "dissect.db", timeout=0.3, isolation_level=None)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("ROLLBACK")
                return number
            except sqlite3.OperationalError:
                os.kill(number, signal.SIGCONT)
    raise AssertionError("the worker never began")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_worker_stopped_past_its_lease_writes_nothing_when_it_wakes(tmp_path: Path, victims: Victims) -> None:
    write_data(tmp_path / "set", images=60)
    write_model(tmp_path)
    expected = by_command(tmp_path, tmp_path / "command")
    home = submitted(tmp_path, tmp_path / "home")
    ended: list[int] = []
    first = threading.Thread(target=lambda: ended.append(victims.run(home)))
    first.start()
    number = stop(home)
    try:
        time.sleep(LEASE + 0.2)
        second = Victims("tests.faults.worker_victim")
        try:
            assert second.run(home) == 0
        finally:
            second.close()
        assert state(home) == ("done", 2)
        before = rows(home)
    finally:
        os.kill(number, signal.SIGCONT)
    first.join()
    assert ended == [0]
    assert rows(home) == before
    assert results(home) == expected
