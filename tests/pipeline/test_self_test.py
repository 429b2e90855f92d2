"""`dissect verify --self-test`: all parts, one verdict, and exit code 1 where one fails."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from dissect.cli.main import app
from dissect.errors import UsageError
from dissect.pipeline import self_test
from dissect.pipeline.self_test import ProductTest, product_test


@pytest.fixture(scope="module")
def measured() -> ProductTest:
    return product_test(1)


def test_every_test_of_the_product_is_measured_and_one_line_says_whether_all_passed(measured: ProductTest) -> None:
    names = [name for name, _ in measured.parts]
    assert list(dict.fromkeys(names)) == ["independence null", "held-out scores", "intervals", "effects of ablation", "audit"]
    assert measured.passed, "\n".join(measured.lines())
    assert measured.lines()[-1] == "self-test of every test with 1 repetitions: passed"
    plain = json.loads(json.dumps(measured.as_plain(), allow_nan=False))
    assert plain["passed"] is True and plain["failed"] == [] and plain["repetitions"] == 1
    assert {"calibration", "recovery", "power", "held_out", "intervals", "ablation", "audit"} <= set(plain)


def test_a_part_that_fails_is_named_and_the_command_exits_with_1(measured: ProductTest, monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = replace(measured.intervals[0], inside=measured.intervals[0].intervals // 2)
    broken = replace(measured, intervals=(narrow, *measured.intervals[1:]))
    assert broken.failed == ("intervals",) and broken.as_plain()["passed"] is False
    asked: list[int] = []

    def told_to(repetitions: int) -> ProductTest:
        asked.append(repetitions)
        return broken

    monkeypatch.setattr(self_test, "product_test", told_to)
    told = CliRunner().invoke(app, ["verify", "--self-test", "--repetitions", "2"])
    assert told.exit_code == 1 and asked == [2]
    assert told.stdout.splitlines()[-1].endswith("FAILED: not to be trusted on this installation: intervals")
    monkeypatch.setattr(self_test, "product_test", lambda repetitions: measured)
    assert CliRunner().invoke(app, ["verify", "--self-test"]).exit_code == 0


def test_less_than_one_repetition_is_refused() -> None:
    with pytest.raises(UsageError, match="at least one repetition"):
        product_test(0)
