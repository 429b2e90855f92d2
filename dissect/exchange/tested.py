"""What the tests of a label found, read from the store's details and said in words. What the details lack, or hold wrongly, is left out."""

from __future__ import annotations

from collections.abc import Mapping

from dissect.exchange.formulas import number
from dissect.exchange.view import ReportLabel, ReportTests
from dissect.exchange.words import percent, some, two
from dissect.fingerprint import Plain
from dissect.store.views import LabelView

ANCHORS = ("chance", "z", "held-out", "interval", "basis", "untested")
"""Entries of the help page that lines of a test point to."""


def report_tests(label: LabelView) -> ReportTests | None:
    """The tests of one label; None where it was never tested."""
    kept = label.details.get("verification")
    if not isinstance(kept, Mapping):
        return None
    null, held, interval, basis = (_part(kept, name) for name in ("null", "held_out", "interval", "basis"))
    return ReportTests(
        permutations=label.permutations,
        floor=number(null.get("floor")),
        tail_p=number(null.get("tail_p")),
        null_mean=number(null.get("mean")),
        null_high=number(null.get("high")),
        z=number(null.get("z")),
        z_concept=str(null.get("z_concept") or ""),
        z_p=number(null.get("z_p")),
        folds=tuple(number(score) for score in _list(held.get("folds"))),
        fold_labels=tuple(str(name) for name in _list(held.get("winners"))),
        agrees=label.held_out_agrees,
        optimism=number(held.get("optimism")),
        label_held_out=number(held.get("label")),
        resamples=_whole(interval.get("resamples")),
        resampled=str(interval.get("drawn") or ""),
        basis_p=number(basis.get("p")),
        rotations=_whole(basis.get("rotations")),
        untested=tuple(str(part["untested"]) for part in (null, held, interval, basis) if part.get("untested")),
        notes=tuple(str(note) for note in _list(kept.get("notes"))),
    )


def lines_of_tests(label: ReportLabel) -> list[tuple[str, str, str]]:
    """(anchor of the help page, name of the test, what it found) of every test that was made."""
    tests = label.tests
    if tests is None:
        return []
    found = [*_chance(label, tests), *_alone(tests), *_held_out(label, tests), *_interval(label, tests), *_basis(tests)]
    found += [("untested", "not testable", reason) for reason in tests.untested]
    return found + [("untested", "note", note) for note in tests.notes]


def _chance(label: ReportLabel, tests: ReportTests) -> list[tuple[str, str, str]]:
    if label.p is None or tests.permutations is None:
        return []
    how = f"p {two(label.p)}"
    if tests.floor is not None and label.p <= tests.floor:
        how += ", the least that so many shuffles allow"
    if tests.tail_p is not None:
        how += f" (a tail fitted to their scores: {two(tests.tail_p)}, which q uses)"
    words = f"{how}; {some(tests.permutations, 'shuffle')} of the label maps"
    if tests.null_mean is not None and tests.null_high is not None:
        measure = "IoU" if label.measure == "iou" else label.measure
        words += f" gave {measure} {two(tests.null_mean)} on average and at most {two(tests.null_high)} in 95 %"
    return [("chance", "against chance", words)]


def _alone(tests: ReportTests) -> list[tuple[str, str, str]]:
    if tests.z is None or not tests.z_concept:
        return []
    words = f"{tests.z_concept}, {two(tests.z)} standard deviations above its own shuffled scores"
    return [("z", "stands out most", words + (f" (p {two(tests.z_p)})" if tests.z_p is not None else ""))]


def _held_out(label: ReportLabel, tests: ReportTests) -> list[tuple[str, str, str]]:
    found = []
    if label.held_out is not None:
        words = two(label.held_out)
        if len(tests.folds) == 2:
            words += f" (the halves: {two(tests.folds[0])} and {two(tests.folds[1])})"
        if tests.optimism is not None:
            words += f"; where it was chosen a label scores {two(abs(tests.optimism))} {'more' if tests.optimism >= 0 else 'less'}"
        found.append(("held-out", "held-out score", words))
    if len(tests.fold_labels) == 2:
        first, second = tests.fold_labels
        words = f"both halves say {first}" if first == second else f"the halves say {first} and {second}"
        words += f"; this label held out: {two(tests.label_held_out)}" if tests.label_held_out is not None else ""
        found.append(("held-out", "chosen again", words))
    return found


def _interval(label: ReportLabel, tests: ReportTests) -> list[tuple[str, str, str]]:
    if label.interval is None:
        return []
    words = f"{two(label.interval[0])} to {two(label.interval[1])}"
    if tests.resamples and tests.resampled:
        words += f", {tests.resampled} drawn anew {tests.resamples:,} times, for this label and threshold"
    return [("interval", "95 % interval", words)]


def _basis(tests: ReportTests) -> list[tuple[str, str, str]]:
    if tests.basis_p is None:
        return []
    words = f"{percent(tests.basis_p)} of the units score as high after {some(tests.rotations or 0, 'random rotation')} of the layer"
    return [("basis", "among rotated units", words)]


def _part(kept: Mapping[str, Plain], name: str) -> Mapping[str, Plain]:
    part = kept.get(name)
    return part if isinstance(part, Mapping) else {}


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _list(value: object) -> list[Plain]:
    return list(value) if isinstance(value, list | tuple) else []
