"""Options and the things a test may need: shared photographs and weights, PostgreSQL, Chromium, a GPU."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parents[1]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=12, help="how often the kill tests kill")
    parser.addoption("--examples", type=int, default=200, help="inputs a property test tries")
    parser.addoption("--long", action="store_true", help="full figures of the reliability tests")


def pytest_configure(config: pytest.Config) -> None:
    hypothesis.settings.register_profile(
        "dissect", max_examples=config.getoption("--examples"), deadline=None, database=None, derandomize=True,
        suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.data_too_large],
    )  # fmt: skip
    hypothesis.settings.load_profile("dissect")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of photographs, masks and weights, or a skip that says where it was looked for."""
    folder = Path(os.environ.get("DISSECT_SHARED") or ROOT.parent / "shared")
    if not (folder / "MANIFEST.sha256").is_file():
        pytest.skip(f"no shared data at {folder}; set DISSECT_SHARED")
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium, or a skip."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    pytest.skip("no Chromium on the PATH")


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    """How often to kill."""
    return int(request.config.getoption("--kills"))
