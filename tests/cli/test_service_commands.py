"""The commands of the service: tokens, registered names, jobs, worker, reviews; what they print and how they end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from dissect.cli.main import call
from dissect.store import Store
from tests.pipeline.tiny import write_data, write_model

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a card of each kind, and a home in it."""
    write_data(tmp_path / "set")
    write_model(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISSECT_HOME", str(tmp_path / "home"))
    return tmp_path


def said(capfd: pytest.CaptureFixture[str], *words: str, code: int = 0) -> Any:
    """What a command prints as JSON."""
    assert call([*words, "--json"]) == code
    return json.loads(capfd.readouterr().out)


def test_a_secret_is_printed_once_and_alone(desk: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert call(["token", "create", "ci", "--scope", "jobs", "--scope", "review"]) == 0
    secret = capfd.readouterr().out.strip()
    with Store.open(f"sqlite:///{desk / 'home' / 'dissect.db'}") as store:
        found = store.tokens().check(secret)
    assert found is not None and found.scopes == ("jobs", "review")
    assert call(["token", "list"]) == 0
    assert secret not in capfd.readouterr().out
    assert said(capfd, "token", "revoke", "ci")["state"] == "revoked"
    assert call(["token", "create", "ci", "--scope", "jobs"]) == 2
    assert call(["token", "revoke", "nobody"]) == 4


def test_a_job_goes_from_its_names_to_a_reviewed_label(desk: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert call(["models", "register", "net", "tiny-net.toml"]) == 0
    assert call(["data", "register", "pictures", "set/tiny.toml"]) == 0
    assert call(["models", "register", "a/b", "tiny-net.toml"]) == 2
    assert call(["models", "register", "nothing", "nothing.toml"]) == 4
    assert call(["jobs", "submit", "tiny-net.toml", "--data", "pictures"]) == 4
    capfd.readouterr()
    assert {row["name"] for row in said(capfd, "models", "registered")} >= {"net", "demo"}
    job = said(capfd, "jobs", "submit", "net", "--data", "pictures", "--quantile", "0.05")
    os.chdir(desk / "set")  # a worker starts elsewhere
    done = said(capfd, "worker", "--once")
    assert (done["id"], done["state"], done["run_id"]) == (job["id"], "done", 1)
    assert said(capfd, "worker", "--once") is None
    assert said(capfd, "jobs", "show", "1")["stages"]
    (review,) = said(capfd, "review", "1/units/0", "--relabel", "scarlet", "--comment", "darker")
    assert review["reviewer"].endswith("@local") and review["relabel"] == "scarlet"
    assert call(["unit", "tiny/units/0"]) == 0
    assert "relabelled 'scarlet' by" in capfd.readouterr().out
    assert [row["unit"] for row in said(capfd, "search", "--reviewed", "relabelled")] == [0]
    assert said(capfd, "search", "--reviewed", "accepted") == []
    for words in (["review", "1/units/0"], ["review", "1/units/0", "--accept", "--reject"], ["review", "units/0", "--accept"]):
        assert call(words) == 2
    for words in (["review", "9/units/0", "--accept"], ["jobs", "show", "9"], ["jobs", "cancel", "9"]):
        assert call(words) == 4


def test_a_failed_job_is_said_in_the_exit_code(desk: Path, capfd: pytest.CaptureFixture[str]) -> None:
    call(["data", "register", "pictures", "set/tiny.toml"])
    call(["models", "register", "net", "tiny-net.toml"])
    (desk / "tiny-net.safetensors").unlink()
    call(["jobs", "submit", "net", "--data", "pictures"])
    capfd.readouterr()
    assert said(capfd, "worker", "--once", code=1)["state"] == "failed"
    assert said(capfd, "jobs", "resume", "1")["state"] == "queued"
    assert said(capfd, "jobs", "cancel", "1")["state"] == "cancelled"


def test_a_worker_ends_when_it_is_told_to(desk: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "dissect", "worker", "--poll", "0.1"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        cwd=desk,
    )
    deadline = time.monotonic() + 60
    while not (desk / "home" / "dissect.db").is_file() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(2)
    process.send_signal(signal.SIGTERM)
    _, words = process.communicate(timeout=60)
    assert process.returncode == 130 and b"interrupted" in words
