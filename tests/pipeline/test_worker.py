"""Jobs and their worker: what may be asked for, what comes of it on both databases, and every way in which an attempt ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissect.config import Config
from dissect.errors import DissectError, NotFoundError, UnavailableError, UsageError
from dissect.pipeline import run as runs
from dissect.pipeline.jobs import JobRequest, names, resolved
from dissect.pipeline.request import RunRequest
from dissect.pipeline.run import run_request
from dissect.pipeline.worker import Worker, may_pass
from dissect.probe.progress import Quiet
from dissect.store import Store
from dissect.store.jobs import MOST_ATTEMPTS
from tests.pipeline.desk import TIMES
from tests.pipeline.tiny import write_data, write_model
from tests.store.conftest import migrated_database, migrated_file, postgres_server, postgres_store, sqlite_store, sqlite_url, store
from tests.store.every_table import contents
from tests.store.test_ledger import Clock

__all__ = ["migrated_database", "migrated_file", "postgres_server", "postgres_store", "sqlite_store", "sqlite_url", "store"]


class When(Quiet):
    """Does something once, when a step begins, and gives the pulse time to notice."""

    def __init__(self, step: str, what: Callable[[], object]) -> None:
        self._step: str | None = step
        self._what = what

    def start(self, step: str, total: int, unit: str = "image") -> None:
        if step == self._step:
            self._step = None
            self._what()
            time.sleep(0.5)


@dataclass
class Shop:
    """A store with a registered network and data set, and its settings."""

    store: Store
    config: Config

    def submit(self, **changes: Any) -> int:
        return self.store.jobs().submit({"model": "net", "data": "set", "quantile": 0.05, **changes}, "ann@local").id

    def worker(self, progress: Quiet | None = None, **settings: Any) -> Worker:
        return Worker(self.store, self.config, self.store.jobs(**settings), progress or Quiet(), every=0.05)


@pytest.fixture
def shop(store: Store, tmp_path: Path) -> Shop:
    folder = tmp_path / "files"
    card = write_data(folder)
    store.registry().register("data", "set", {"data": str(card)}, "ann@local")
    store.registry().register("model", "net", {"model": str(write_model(folder))}, "ann@local")
    return Shop(store, Config(home=tmp_path / "home", database_url="", batch_size=8))


def rows(found: Store) -> dict[str, list[dict[str, Any]]]:
    """Every row of a run, times aside."""
    return {
        table: [{name: value for name, value in row.items() if name not in TIMES} for row in content]
        for table, content in contents(found.engine).items()
        if table not in ("job", "registered")
    }


def test_a_job_makes_the_rows_of_the_command_line(shop: Shop, tmp_path: Path) -> None:
    number = shop.submit()
    job = shop.worker().once()
    assert job is not None and (job.id, job.state, job.attempts, job.message) == (number, "done", 1, "")
    assert job.run_id is not None and shop.store.run(job.run_id).state == "done"
    assert shop.worker().once() is None
    request = RunRequest(str(tmp_path / "files" / "tiny-net.toml"), str(tmp_path / "files" / "tiny.toml"), quantile=0.05)
    with Store.open(f"sqlite:///{tmp_path / 'other.db'}") as other:
        run_request(request, Config(home=tmp_path / "other", database_url="", batch_size=8), other, Quiet())
        assert rows(shop.store) == rows(other)
    assert (shop.config.home / "reports" / f"run-{job.run_id}" / "index.html").is_file()
    again = shop.submit()
    assert shop.worker().once() is not None
    assert (shop.store.jobs().job(again).state, shop.store.jobs().job(again).run_id) == ("done", job.run_id)


def test_a_cancelled_job_stops_at_its_next_step_and_goes_on_when_it_is_resumed(shop: Shop) -> None:
    number = shop.submit()
    job = shop.worker(When("activations", lambda: shop.store.jobs().cancel(number))).once()
    assert job is not None and (job.state, job.step) == ("cancelled", "activations") and job.run_id is not None
    assert shop.store.run(job.run_id).state == "interrupted"
    assert shop.worker().once() is None
    shop.store.jobs().resume(number)
    done = shop.worker().once()
    assert done is not None and (done.state, done.run_id) == ("done", job.run_id)
    assert shop.store.run(job.run_id).state == "done"


def test_a_worker_that_lost_its_job_says_so_and_ends_nothing(shop: Shop) -> None:
    clock, said = Clock(), list[str]()
    number = shop.submit()

    def taken_over() -> None:
        clock.time += 61
        claim = shop.store.jobs(lease_seconds=60, clock=clock).claim()
        assert claim is not None

    one = shop.worker(When("score", taken_over), lease_seconds=60, clock=clock)
    Worker(one.store, one.config, one.queue, one.progress, said.append, every=0.05).once()
    job = shop.store.jobs().job(number)
    assert (job.attempts, job.over) == (2, False)
    assert any("taken over by another worker" in line for line in said)
    assert shop.store.run(1).state == "running" and shop.store.layers(1) == []


def test_a_job_that_cannot_succeed_fails_at_once_and_the_next_is_done(shop: Shop) -> None:
    bad = [shop.submit(model="nothing"), shop.submit(layers=["nothing"]), shop.submit(surprise=1)]
    shop.store.registry().register("data", "broken", {"data": "/nowhere/x.toml"}, "ann@local")
    bad.append(shop.submit(data="broken"))
    good = shop.submit()
    for number in bad:
        job = shop.worker().once()
        assert job is not None and (job.id, job.state, job.attempts) == (number, "failed", 1)
        assert job.message and "Traceback" not in job.message
    job = shop.worker().once()
    assert job is not None and (job.id, job.state) == (good, "done")


def test_what_may_pass_is_tried_again_and_a_fault_of_ours_is_not(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def raising(error: BaseException) -> None:
        def fail(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr(runs, "run_request", fail)

    number, clock = shop.submit(), Clock()
    raising(UnavailableError("the database is busy"))
    for attempt in range(1, MOST_ATTEMPTS + 1):
        job = shop.worker(clock=clock).once()
        assert job is not None and (job.attempts, job.message) == (attempt, "the database is busy")
        assert job.state == ("queued" if attempt < MOST_ATTEMPTS else "failed")
        clock.time += 1000
    other = shop.submit()
    raising(ZeroDivisionError("division by zero"))
    job = shop.worker().once()
    assert job is not None and (job.id, job.state) == (other, "failed") and "ZeroDivisionError" in job.message
    last = shop.submit()
    raising(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        shop.worker().once()
    assert (shop.store.jobs().job(last).state, shop.store.jobs().job(last).attempts) == ("queued", 0)
    assert shop.store.jobs().job(number).state == "failed"


def test_a_cause_that_may_pass_is_found_behind_another_error() -> None:
    try:
        try:
            raise ConnectionResetError("gone")
        except OSError as cause:
            raise DissectError("the weights could not be loaded.") from cause
    except DissectError as error:
        assert may_pass(error)
    assert not may_pass(DissectError("no")) and not may_pass(OSError("disk full"))


def test_names_are_those_registered_and_those_of_cards(shop: Shop, tmp_path: Path) -> None:
    write_data(tmp_path / "cards")
    cards = (tmp_path / "cards",)
    assert {"set", "demo", "tiny"} <= set(names("data", shop.store, cards))
    assert "tiny" not in names("data", shop.store, ())
    assert {"net", "demo"} <= set(names("model", shop.store, ()))
    request = resolved(JobRequest("net", "tiny", ("units",), limit=5), shop.store, cards)
    assert (request.model, request.data, request.layers, request.limit) == (
        str(tmp_path / "files" / "tiny-net.toml"),
        "tiny",
        ("units",),
        5,
    )
    shop.store.registry().register("model", "demo", {"model": "pkg:net", "trust": True, "weights": "/w.pt"}, "ann@local")
    mine = resolved(JobRequest("demo", "tiny"), shop.store, cards)
    assert (mine.model, mine.trust, mine.weights) == ("pkg:net", True, "/w.pt")
    for name in ("nett", str(tmp_path / "cards" / "tiny.toml"), "torchvision:resnet18", "../tiny"):
        with pytest.raises(NotFoundError, match="no data set is registered as"):
            resolved(JobRequest("net", name), shop.store, cards)


@pytest.mark.parametrize("change", [
    {"weights": "x"}, {"trust": True}, {"model": 1}, {"model": ""}, {"data": None}, {"layers": "layer1"}, {"layers": [1]},
    {"layers": [""]},
    {"layers": ["x"] * 201}, {"limit": True}, {"limit": 1.5}, {"limit": 2**40},
    {"quantile": "0.1"}, {"colour_naming": 1}, {"split": "a\0b"},
    {"model": "x" * 201}, {"methods": ["m" * 300]},
])  # fmt: skip
def test_what_is_no_request_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        JobRequest.from_plain({"model": "net", "data": "set", **change})


@given(st.builds(
    JobRequest, st.text("abc", min_size=1), st.text("abc", min_size=1), st.lists(st.text("ab.*", min_size=1), max_size=3).map(tuple),
    limit=st.none() | st.integers(1, 99), quantile=st.none() | st.floats(0.1, 0.9), colour_naming=st.none() | st.booleans(),
))  # fmt: skip
def test_a_request_survives_json(request_: JobRequest) -> None:
    assert JobRequest.from_plain(request_.as_plain()) == request_
