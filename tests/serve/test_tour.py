"""The pictures of the tour are there and small, and the pages they show stay small in every database."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.pages import MOST_BYTES, addresses, measure
from benchmarks.search import fill, make_world
from benchmarks.tour import MOST_BYTES as MOST_PICTURE
from benchmarks.tour import shots, small
from dissect.store import Store

TOUR = Path(__file__).resolve().parents[2] / "docs" / "tour"


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def test_every_picture_of_the_tour_is_there_and_small(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path / 'few.db'}") as store:
        fill(store, make_world(), 1, 1, 1)
        wanted = {*(shot.name for shot in shots(store.units()[0])), "compare"}
    found = {path.stem: path.stat().st_size for path in TOUR.glob("*.webp")}
    assert set(found) == wanted and max(found.values()) <= MOST_PICTURE and sum(found.values()) < 500_000


def test_a_picture_that_is_too_large_is_made_smaller_or_refused() -> None:
    random = np.random.default_rng(0)
    plain, rough = np.full((900, 1280, 3), 240, np.uint8), random.integers(0, 256, (900, 1280, 3), dtype=np.uint8)
    half = plain.copy()
    half[:200, :500] = rough[:200, :500]
    assert len(small(png(plain))) < 10_000 and len(small(png(half))) <= MOST_PICTURE
    with pytest.raises(SystemExit, match="takes"):
        small(png(rough))


def test_pages_of_a_few_units_open_and_are_small(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "few.db"
    with Store.open(f"sqlite:///{file}") as store:
        fill(store, make_world(), 2, 1, 40)
        named = addresses(store)
    within, _ = measure(file, None, 2)
    shown = capsys.readouterr().out
    assert within and all(name in shown for name in named) and MOST_BYTES == 300_000
