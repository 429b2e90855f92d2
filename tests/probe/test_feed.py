"""Pictures in order, bad ones as answers, threads that stop, and no running ahead."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from dissect.probe.feed import pictures
from tests.probe.fakes import FakeNetwork, FakeSet


def decoders() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("dissect-decode")]


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_pictures_come_in_order_and_bad_ones_with_their_reason(tmp_path: Path, workers: int) -> None:
    data, network = FakeSet(tmp_path, count=12, bad_images=frozenset((4,))), FakeNetwork()
    found = list(pictures(data.records, network, workers=workers, ahead=3))
    assert [picture.index for picture in found] == list(range(12))
    assert [picture.index for picture in found if picture.pixels is None] == [4]
    assert "0004.png" in found[4].reason
    for picture in found:
        if picture.pixels is not None:
            with Image.open(data.records[picture.index].path) as image:
                assert np.array_equal(picture.pixels, network.prepare(image.convert("RGB")))
    assert decoders() == []


class Counting(FakeNetwork):
    prepared = 0

    def prepare(self, image: Image.Image) -> NDArray[np.float32]:
        self.prepared += 1
        return super().prepare(image)


def test_never_more_than_asked_for_is_kept_ready(tmp_path: Path) -> None:
    data, network = FakeSet(tmp_path, count=20), Counting()
    feed = pictures(data.records, network, workers=2, ahead=4)
    next(feed)
    time.sleep(0.2)
    assert network.prepared <= 6
    feed.close()
    assert decoders() == []


class Failing(FakeNetwork):
    def prepare(self, image: Image.Image) -> NDArray[np.float32]:
        raise ZeroDivisionError("a fault of the program")


@pytest.mark.parametrize("workers", [0, 2])
def test_a_fault_in_a_thread_is_raised_where_the_pictures_are_taken(tmp_path: Path, workers: int) -> None:
    data = FakeSet(tmp_path, count=5)
    with pytest.raises(ZeroDivisionError, match="a fault of the program"):
        list(pictures(data.records, Failing(), workers=workers, ahead=2))
    assert decoders() == []


def test_a_picture_that_is_gone_is_an_answer(tmp_path: Path) -> None:
    data = FakeSet(tmp_path, count=2)
    data.records[1].path.unlink()
    found = list(pictures(data.records, FakeNetwork(), workers=1, ahead=2))
    assert found[1].pixels is None
    assert "0001.png" in found[1].reason
