"""Malformed label maps and annotation files through every reader: no traceback, file and remedy named, good neighbours still read."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from dissect.concepts.base import FileSet
from dissect.concepts.model import Labels
from dissect.errors import DissectError
from tests.concepts.label_trees import open_tree
from tests.concepts.malformed_labels import TREES, Case, Tree, all_cases

REMEDY = re.compile(
    r"\b(Save|Export|Add|Give|Write|Get|Put|Remove|Take|take it out|Mend|Check|Download|Keep|Unpack|Draw|Make|Rename|set|name another)\b"
)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The undamaged trees, one folder each."""
    folder = tmp_path_factory.mktemp("good")
    for name, build in TREES.items():
        build(folder / name)
    return folder


def same(one: Labels, other: Labels) -> bool:
    """Whether two pictures have equal labels."""
    return one.whole == other.whole and [p.ids.tolist() for p in one.planes] == [p.ids.tolist() for p in other.planes]


def fault_of(case: Case, tree: Tree, folder: Path, expected: FileSet) -> str | None:
    """What is wrong with how a damaged tree is met, or None."""
    try:
        opened = open_tree(folder, tree.kind, tree.options)
    except DissectError as error:
        return message_fault(case, error) if case.outcome != "image" else f"the whole set is refused: {error}"
    if case.outcome == "set":
        return "the set opens"
    if not all(same(opened.labels(index), expected.labels(index)) for index in (1, 2)):
        return "a neighbour is read differently"
    opened.content_hash()
    try:
        opened.labels(0)
    except DissectError as error:
        return message_fault(case, error)
    return "the damaged picture is read" if case.outcome == "image" else None


def message_fault(case: Case, error: DissectError) -> str | None:
    """Whether a message names the file and a remedy."""
    text = str(error)
    if not any(name in text for name in case.mention.split("|")):
        return f"the file is not named: {text}"
    return None if REMEDY.search(text) and len(text) < 700 else f"no remedy, or too long: {text}"


@pytest.mark.slow
def test_every_malformed_label_input_is_met_with_a_message(tmp_path: Path, good: Path) -> None:
    cases = all_cases(tmp_path / "scratch")
    assert len(cases) >= 400
    assert len({case.name for case in cases}) >= 400
    trees = {name: build(tmp_path / f"shape_{name}") for name, build in TREES.items()}
    expected = {name: open_tree(good / name, tree.kind, tree.options) for name, tree in trees.items()}
    faults = []
    for number, case in enumerate(cases):
        folder = tmp_path / str(number)
        shutil.copytree(good / case.tree, folder)
        case.damage(folder)
        try:
            fault = fault_of(case, trees[case.tree], folder, expected[case.tree])
        except Exception as error:
            fault = f"traceback: {type(error).__name__}: {error}"
        if fault is not None:
            faults.append(f"{case.name}: {fault}")
    assert not faults, f"{len(faults)} of {len(cases)}:\n" + "\n".join(faults)


def test_the_undamaged_trees_are_read(good: Path, tmp_path: Path) -> None:
    for name, build in TREES.items():
        tree = build(tmp_path / name)
        opened = open_tree(good / name, tree.kind, tree.options)
        assert len(opened.records) == 3
        for index in range(3):
            labels = opened.labels(index)
            assert all((plane.ids != 0).any() for plane in labels.planes), name
            assert all(plane.ids.dtype == np.uint16 for plane in labels.planes)
