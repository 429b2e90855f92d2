"""A worker that is killed or stopped for the sake of a test: `python -m tests.faults.worker_victim`.

Each child takes its folder for home and works on one job of the home's database. It appends its number and every step to `steps`.
"""

from __future__ import annotations

import os
from pathlib import Path

from dissect.config import Config
from dissect.pipeline.worker import Worker
from dissect.probe.progress import Quiet
from dissect.store import Store
from tests.faults.victims import serve

LEASE = 1.5
"""Seconds."""


class Telling(Quiet):
    """Writes down every step as it begins."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def start(self, step: str, total: int, unit: str = "image") -> None:
        with self._path.open("a") as file:
            file.write(f"{os.getpid()} {step}\n")


def settings(home: Path) -> Config:
    """Of a home."""
    return Config(home=home, database_url=f"sqlite:///{home / 'dissect.db'}", batch_size=4)


def work(home: Path) -> None:
    """One job."""
    config = settings(home)
    with Store.open(config.database_url) as store:
        Worker(store, config, store.jobs(lease_seconds=LEASE), Telling(home / "steps"), every=0.1).once()


if __name__ == "__main__":
    serve(work)
