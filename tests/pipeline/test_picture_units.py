"""One picture and a run: the units it drives hardest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dissect.api import Run
from dissect.cli.main import call
from dissect.config import Config, resolve
from dissect.errors import ImageError, NotFoundError
from dissect.pipeline.picture_units import drive, share_above, units_for
from dissect.pipeline.request import RunRequest
from dissect.pipeline.run import run_request
from dissect.probe.progress import Quiet
from dissect.store import StatsView, Store
from tests.pipeline.tiny import COLOURS, write_data, write_model

Opened = tuple[Store, Config, int]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    folder = tmp_path_factory.mktemp("picture")
    config = resolve({}, None, home=folder / "home", device="cpu")
    with Store.open(config.database_url) as store:
        request = RunRequest(model=str(write_model(folder)), data=str(write_data(folder / "set")), quantile=0.03)
        yield store, config, run_request(request, config, store, Quiet()).run.id


def picture(folder: Path, colour: tuple[int, int, int]) -> Path:
    array = np.full((32, 32, 3), 128, np.uint8)
    array[8:24, 8:24] = colour
    Image.fromarray(array).save(folder / "picture.png")
    return folder / "picture.png"


def test_a_picture_finds_the_unit_of_its_colour(opened: Opened, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, config, run = opened
    for index, name in enumerate(COLOURS):
        found = units_for(store, config, run, picture(tmp_path, COLOURS[name]), exemplars=2)
        assert [one.unit.index for one in found] == [index]
        label = found[0].unit.label
        assert label is not None and label.text == name and found[0].drive > 0.9
        assert len(found[0].unit.exemplars) == 2
    api = Run(store, store.run(run), config).units_for(picture(tmp_path, COLOURS["blue"]))
    assert [(one.unit.index, round(one.drive, 6)) for one in api] == [(2, round(found[0].drive, 6))]
    code = call(["--db", config.database_url, "--json", "search", "--image", str(tmp_path / "picture.png"), "--run", str(run)])
    assert code == 0 and '"label": "blue"' in capsys.readouterr().out


def test_a_brighter_picture_than_any_drives_a_unit_above_one(opened: Opened, tmp_path: Path) -> None:
    store, config, run = opened
    found = units_for(store, config, run, picture(tmp_path, (255, 0, 0)))
    assert found[0].unit.index == 0 and found[0].drive > 1 and found[0].share == 0.0
    assert units_for(store, config, run, picture(tmp_path, (128, 128, 128))) == []


def test_what_is_no_picture_or_no_layer_is_refused(opened: Opened, tmp_path: Path) -> None:
    store, config, run = opened
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(ImageError):
        units_for(store, config, run, tmp_path / "broken.png")
    with pytest.raises(NotFoundError, match=r"no layer 'other'"):
        units_for(store, config, run, picture(tmp_path, (1, 2, 3)), layers=("other",))


@pytest.mark.parametrize(
    ("value", "share"), [(-1.0, 1.0), (0.0, 1.0), (0.5, 0.75), (1.0, 0.5), (1.5, 0.4), (3.5, 0.1), (4.0, 0.0), (9.0, 0.0)]
)
def test_the_share_above_is_read_from_the_histogram(value: float, share: float) -> None:
    stats = StatsView(1.0, "ok", 0.0, 4.0, 1.0, 0.5, 3, None, (50, 20, 10, 20), (0.0, 1.0, 2.0, 3.0, 4.0))
    assert share_above(stats, value) == pytest.approx(share)
    assert drive(stats, value) == pytest.approx((value - 1) / 3)


def test_dead_and_constant_units_have_no_drive() -> None:
    for threshold, maximum in ((None, 1.0), (0.0, 0.0), (1.0, None)):
        stats = StatsView(threshold, "dead", 0.0, maximum, 0.0, 0.0, 0, None)
        assert drive(stats, 5.0) is None and share_above(stats, 5.0) is None
