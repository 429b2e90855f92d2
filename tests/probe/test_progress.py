"""Progress: silent, a bar, or a line a minute; and the estimate before a run."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest

from dissect.errors import DataError, LayerError, UsageError
from dissect.probe.cache import Cache
from dissect.probe.estimate import estimate
from dissect.probe.ledger import MemoryLedger
from dissect.probe.progress import Bar, Lines, Quiet, duration, progress_for
from dissect.probe.runner import probe
from dissect.probe.warm import warm
from tests.probe.fakes import FakeNetwork, FakeSet
from tests.probe.helpers import SMALL, run


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_stream_decides() -> None:
    assert isinstance(progress_for(io.StringIO(), quiet=True), Quiet)
    assert isinstance(progress_for(io.StringIO()), Lines)
    assert isinstance(progress_for(Terminal()), Bar)


def test_lines_come_once_a_minute_with_rate_and_remaining_time() -> None:
    now = [0.0]
    stream = io.StringIO()
    lines = Lines(stream, clock=lambda: now[0])
    lines.start("activations", 1000)
    for _ in range(50):
        now[0] += 10
        lines.advance(10)
    found = stream.getvalue().splitlines()
    assert len(found) == 8
    assert found[0] == "activations: 60 of 1,000 images, 1.0 images/s, 16 min left"
    lines.done()
    assert len(stream.getvalue().splitlines()) == 9


def test_quick_steps_and_nothing_done_say_nothing() -> None:
    stream = io.StringIO()
    lines = Lines(stream)
    lines.advance(0)
    for _ in range(3):
        lines.start("labels", 10, "shard")
        lines.advance(10)
        lines.done()
    assert stream.getvalue() == ""


def test_a_bar_is_drawn_and_closed() -> None:
    stream = Terminal()
    bar = Bar(stream)
    bar.advance()
    bar.start("activations", 3)
    bar.advance(3)
    bar.start("tally", 2, "shard")
    bar.done()
    bar.done()
    assert "activations" in stream.getvalue()


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (89.4, "89 s"), (90, "2 min"), (600, "10 min"), (5400, "1 h 30 min"), (11_100, "3 h 05 min")]
)
def test_durations_are_said_as_people_say_them(seconds: float, words: str) -> None:
    assert duration(seconds) == words


class Recorder(Quiet):
    def __init__(self) -> None:
        self.steps: list[tuple[str, int, int]] = []

    def start(self, step: str, total: int, unit: str = "image") -> None:
        self.steps.append((step, total, 0))

    def advance(self, n: int = 1) -> None:
        step, total, count = self.steps[-1]
        self.steps[-1] = step, total, count + n


def test_a_probe_tells_every_image_once(tmp_path: Path) -> None:
    told = Recorder()
    data = FakeSet(tmp_path / "images", bad_images=frozenset((3,)), bad_labels=frozenset((4,)))
    probe(FakeNetwork(), data, SMALL, Cache(tmp_path / "cache"), MemoryLedger(), told)
    assert ("activations", 20, 20) in told.steps
    assert all(re.match(r"labels|activations|thresholds of|tally of|thumbnails", step) for step, _, _ in told.steps)


def test_the_estimate_bounds_what_the_cache_will_hold(tmp_path: Path) -> None:
    data = FakeSet(tmp_path / "images", count=40)
    found = estimate(FakeNetwork(), data, SMALL)
    assert (found.images, found.timed_images, found.keep, found.fits) == (40, 10, "dense", True)
    assert [layer.shards for layer in found.layers] == [5, 5, 5]
    assert found.seconds == pytest.approx(40 * found.seconds_per_image)
    assert list(tmp_path.iterdir()) == [tmp_path / "images"], "an estimate writes nothing"
    run(tmp_path, FakeNetwork(), data)
    there = sum(stage.bytes for stage in Cache(tmp_path / "cache").stages() if stage.step == "activations")
    headers = sum(layer.shards for layer in found.layers) * 20_000
    assert there - headers <= found.bytes <= 4 * there


def test_the_estimate_says_sparse_and_too_small(tmp_path: Path) -> None:
    data = FakeSet(tmp_path / "images", count=40)
    dense = estimate(FakeNetwork(), data, SMALL).bytes
    sparse = estimate(FakeNetwork(), data, replace(SMALL, cache_limit=dense - 1))
    assert (sparse.keep, sparse.fits) == ("sparse", True)
    assert sparse.bytes < dense
    assert not estimate(FakeNetwork(), data, replace(SMALL, cache_limit=100)).fits


def test_the_estimate_survives_some_bad_images_and_refuses_only_bad_ones(tmp_path: Path) -> None:
    some = FakeSet(tmp_path / "some", count=4, bad_images=frozenset((0, 2)), bad_labels=frozenset((1,)))
    assert estimate(FakeNetwork(), some, SMALL).timed_images == 2
    with pytest.raises(DataError, match="no images"):
        estimate(FakeNetwork(), FakeSet(tmp_path / "none", count=0), SMALL)
    with pytest.raises(DataError, match="none of those"):
        estimate(FakeNetwork(), FakeSet(tmp_path / "bad", count=2, bad_images=frozenset((0, 1))), SMALL)
    with pytest.raises(LayerError):
        estimate(FakeNetwork(), some, replace(SMALL, layers=("nothing",)))
    with pytest.raises(UsageError):
        estimate(FakeNetwork(), some, replace(SMALL, quantile=2.0))


def test_a_second_warming_takes_next_to_no_time() -> None:
    first, second = warm(), warm()
    assert second <= first + 20
