"""Homes in which the planted network was dissected once; tests that write get a copy."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from dissect.pipeline.captioners import SHIPPED
from tests.pipeline.captioners import write_captioner
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


@pytest.fixture(scope="module")
def card(work: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A captioner of the planted network."""
    torch.set_num_threads(1)
    home = Path(shutil.copytree(work / "composed", tmp_path_factory.mktemp("trained") / "home"))
    (desk,) = opened(work, home)
    return write_captioner(desk, home.parent / f"{SHIPPED}.json")


@pytest.fixture(scope="module")
def work_described(work: Path, card: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose run is described from 3 exemplars a unit, so that images are left to test the descriptions on."""
    home = Path(shutil.copytree(work / "composed", tmp_path_factory.mktemp("described") / "home"))
    for desk in opened(work, home):
        desk.caption(captioner=str(card), exemplars=3)
    return home


@pytest.fixture
def described(work: Path, work_described: Path, tmp_path: Path) -> Iterator[Desk]:
    """A desk of one's own, whose run is described from 3 exemplars a unit."""
    yield from opened(work, Path(shutil.copytree(work_described, tmp_path / "described")))
