"""Homes in which the planted network was dissected once; tests that write get a copy."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipeline.desk import Desk, opened
from tests.pipeline.planted import write_data, write_model


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data and network, and two homes whose run is done: `probed` has no formulas yet, `composed` has."""
    folder = tmp_path_factory.mktemp("planted")
    write_data(folder / "set")
    write_model(folder)
    for desk in opened(folder, folder / "probed"):
        desk.run()
    shutil.copytree(folder / "probed", folder / "composed")
    for desk in opened(folder, folder / "composed"):
        desk.compose()
    return folder


@pytest.fixture
def probed(work: Path, tmp_path: Path) -> Iterator[Desk]:
    """A desk of one's own, whose run has no formulas yet."""
    yield from opened(work, Path(shutil.copytree(work / "probed", tmp_path / "probed")))


@pytest.fixture
def composed(work: Path, tmp_path: Path) -> Iterator[Desk]:
    """A desk of one's own, whose run has its formulas."""
    yield from opened(work, Path(shutil.copytree(work / "composed", tmp_path / "composed")))


@pytest.fixture(scope="module")
def read(work: Path) -> Iterator[Desk]:
    """The desk with formulas, to be read only."""
    yield from opened(work, work / "composed")
