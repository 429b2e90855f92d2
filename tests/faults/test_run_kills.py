"""R1: a run of the whole command, killed at random times and started again, ends in the same database and the same files."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.pipeline.tiny import write_data, write_model

ROOT = Path(__file__).resolve().parents[2]
IGNORED = {"created_at", "updated_at", "finished_at", "started_at", "lease_until", "lease_owner", "lease_token", "used_at", "message"}
"""Times and leases, and the words on an interruption."""

SCRIPT = """
import sys
from pathlib import Path
from dissect.config import Config
from dissect.pipeline.request import RunRequest
from dissect.pipeline.run import run_request
from dissect.probe.progress import Quiet
from dissect.store import Store
home, model, data = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
print("ready", flush=True)
config = Config(home=home, database_url=f"sqlite:///{home / 'dissect.db'}", batch_size=4)
request = RunRequest(model=model, data=data, label_size=(32, 32), quantile=0.02)
with Store.open(config.database_url) as store:
    run_request(request, config, store, Quiet(), report=home / "report")
print("done", flush=True)
"""


def start(home: Path, model: Path, data: Path) -> subprocess.Popen[str]:
    """The run as a process of its own, ready to begin."""
    words = [sys.executable, "-c", SCRIPT, str(home), str(model), str(data)]
    process = subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


def finish(process: subprocess.Popen[str]) -> None:
    """Wait for the end of a run that is not killed."""
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0 and out == "done\n", err


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
    """Hash of every file of the cache."""
    cache = home / "cache"
    return {
        str(path.relative_to(cache)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(cache.rglob("*")) if path.is_file()
    }


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_killed_run_started_again_ends_the_same(tmp_path: Path, kills: int) -> None:
    data, model = write_data(tmp_path / "set", images=60), write_model(tmp_path)
    began = time.perf_counter()
    first = start(tmp_path / "whole", model, data)
    working = time.perf_counter()
    finish(first)
    length = time.perf_counter() - working
    assert working > began
    expected_rows, expected_files = rows(tmp_path / "whole"), files(tmp_path / "whole")
    assert expected_rows["run"] and expected_rows["label"] and len(expected_files) > 3

    dice, home, struck = random.Random(11), tmp_path / "killed", 0
    while struck < kills:
        process = start(home, model, data)
        time.sleep(dice.uniform(0, length))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            struck += 1
        process.communicate()
        if process.returncode == 0:
            # It was through before it was struck: begin a new one, in a new home, so that kills keep falling into the work.
            assert rows(home) == expected_rows and files(home) == expected_files
            home = tmp_path / f"killed-{struck}-{dice.random()}"
    finish(start(home, model, data))
    assert rows(home) == expected_rows
    assert files(home) == expected_files
    assert not list(home.rglob("*.tmp"))
