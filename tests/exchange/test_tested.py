"""What tests found, on the page: all of it, in words, and nothing that was not measured."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from dissect.exchange import help as glossary
from dissect.exchange import report_view, write_report
from dissect.exchange.tested import ANCHORS, lines_of_tests, report_tests
from dissect.exchange.view import ReportLabel, ReportTests
from dissect.fingerprint import Plain
from dissect.store import LabelView, Store
from tests.exchange.fake_run import fake_run
from tests.exchange.reading import read
from tests.store.test_formulas import labelled
from tests.store.test_verification import FIRST, TESTED

KEPT: dict[str, Plain] = {
    "null": {"floor": 1 / 201, "mean": 0.011, "high": 0.021, "z": 7.5, "z_concept": "wheel", "z_p": 0.005, "tail_p": 5e-5},
    "held_out": {"folds": [0.1, 0.12], "winners": ["car", "bus"], "optimism": 0.013, "label": 0.105},
    "interval": {"resamples": 1000, "drawn": "images"},
    "basis": {"p": 0.03, "rotations": 3},
    "notes": ["2 images stand alone in their block."],
}


def view_with_tests(store: Store, kept: dict[str, Plain]) -> LabelView:
    """The label of unit 0 with these details of its tests."""
    run = labelled(store)
    store.write_verification(run.id, TESTED, (dataclasses.replace(FIRST, details=kept),))
    return store.unit("tiny", "conv1", 0).labels[0]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty database."""
    return Store.open(f"sqlite:///{tmp_path / 'dissect.db'}")


def test_every_test_is_said_in_words_with_its_numbers(store: Store) -> None:
    tests = report_tests(view_with_tests(store, KEPT))
    label = ReportLabel("car", score=0.12, held_out=0.11, interval=(0.08, 0.14), p=1 / 201, q=0.012, tests=tests)
    found = {name: words for _, name, words in lines_of_tests(label)}
    assert found == {
        "against chance": "p .0050, the least that so many shuffles allow (a tail fitted to their scores: 5.0e-5, which q uses); 200 "
        "shuffles of the label maps gave IoU .011 on average and at most .021 in 95 %",
        "stands out most": "wheel, 7.5 standard deviations above its own shuffled scores (p .0050)",
        "held-out score": ".11 (the halves: .10 and .12); where it was chosen a label scores .013 more",
        "chosen again": "the halves say car and bus; this label held out: .10",
        "95 % interval": ".080 to .14, images drawn anew 1,000 times, for this label and threshold",
        "among rotated units": "3.0 % of the units score as high after 3 random rotations of the layer",
        "note": "2 images stand alone in their block.",
    }  # fmt: skip


def test_what_was_not_tested_says_why(store: Store) -> None:
    tests = report_tests(view_with_tests(store, {"held_out": {"untested": "all images are of one group"}}))
    assert tests is not None
    assert lines_of_tests(ReportLabel("car", tests=tests)) == [("untested", "not testable", "all images are of one group")]


def test_damaged_details_are_left_out(store: Store) -> None:
    damaged: dict[str, Plain] = {"null": "no", "held_out": {"folds": 3, "winners": None, "optimism": "x"}, "notes": 5, "basis": {"p": True}}
    tests = report_tests(view_with_tests(store, damaged))
    assert tests == ReportTests(permutations=200, agrees=True)
    assert lines_of_tests(ReportLabel("car", p=0.5, tests=tests)) == [("chance", "against chance", "p .50; 200 shuffles of the label maps")]


def test_a_label_that_was_never_tested_has_no_lines() -> None:
    assert lines_of_tests(ReportLabel("car", score=0.5)) == []


def test_every_line_points_to_an_entry_of_the_help_page(store: Store, tmp_path: Path) -> None:
    tests = report_tests(view_with_tests(store, {**KEPT, "extra": {}}))
    label = ReportLabel("car", held_out=0.11, interval=(0.08, 0.14), p=0.01, tests=tests)
    assert {anchor for anchor, _, _ in lines_of_tests(label)} == set(ANCHORS)
    assert set(ANCHORS) <= {anchor for anchor, _, _ in glossary.entries(fake_run(tmp_path, 1, 2))}


def test_the_page_of_a_tested_unit_shows_them(store: Store, tmp_path: Path) -> None:
    run_id = view_with_tests(store, KEPT).id and store.run("latest").id
    store.finish_run(run_id)
    write_report(report_view(store, run_id), tmp_path / "report")
    page, other = (" ".join(read(next((tmp_path / "report").rglob(f"unit-{index}.html"))).text) for index in (0, 4))
    assert "How we know" in page and "7.5 standard deviations" in page
    assert "How we know" not in other
    assert re.search(r"Not tested for chance\.\s+To test:\s+dissect verify", other)
