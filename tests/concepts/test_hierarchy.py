"""Hierarchies: read from a CSV, never in a circle, closed downwards."""

from __future__ import annotations

import graphlib
import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissect.concepts.hierarchy import closure, find_circle, read_hierarchy
from dissect.concepts.open import open_set
from dissect.errors import DataError, NotFoundError
from tests.concepts.cards import card_for, write_picture, write_texts

names = st.sampled_from("abcdefgh")
pairs = st.lists(st.tuples(names, names), max_size=14)


def reachable(broader: list[tuple[str, str]], name: str) -> set[str]:
    """Plain: add whoever is narrower than something found, until nothing is added."""
    found = {name}
    while True:
        more = {narrow for narrow, broad in broader if broad in found}
        if more <= found:
            return found - {name}
        found |= more


@given(broader=pairs, name=names)
def test_the_closure_is_everything_that_leads_there(broader: list[tuple[str, str]], name: str) -> None:
    assert closure(broader, name) == reachable(broader, name)


@given(broader=pairs)
def test_a_circle_is_found_exactly_when_there_is_one(broader: list[tuple[str, str]]) -> None:
    sorter: graphlib.TopologicalSorter[str] = graphlib.TopologicalSorter()
    for narrow, broad in broader:
        sorter.add(narrow, broad)
    try:
        sorter.prepare()
        circular = any(narrow == broad for narrow, broad in broader)
    except graphlib.CycleError:
        circular = True
    circle = find_circle(broader)
    assert bool(circle) == circular
    assert all(pair in broader for pair in itertools.pairwise(circle)) and circle[:1] == circle[-1:]


def test_a_long_chain_is_no_problem() -> None:
    chain = [(str(i), str(i + 1)) for i in range(5000)]
    assert find_circle(chain) == [] and len(closure(chain, "5000")) == 5000


def test_rows_are_read_with_their_kind(tmp_path: Path) -> None:
    write_texts(tmp_path, {"h.csv": "narrower,broader,kind\ncar, vehicle ,\nwheel,car,part_of\ncar,vehicle,is_a\n"})
    found = read_hierarchy(tmp_path / "h.csv")
    assert found.broader == (("car", "vehicle"), ("wheel", "car"))
    assert found.kinds == {("car", "vehicle"): "is_a", ("wheel", "car"): "part_of"}
    assert found.narrower("vehicle") == {"car", "wheel"} and found.narrower("wheel") == frozenset()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a,b\n1,2\n", "no column narrower"),
        ("narrower,broader\ncar,\n", "line 2: a name is empty"),
        ("narrower,broader,kind\na,b,friend\n", "line 2: kind 'friend'"),
        ("narrower,broader\na,b\nb,c\nc,a\n", "a < b < c < a runs in a circle|b < c < a < b|c < a < b < c"),
        ("narrower,broader\na,a\n", "a < a runs in a circle"),
    ],
)
def test_malformed_hierarchies_are_refused(tmp_path: Path, text: str, fault: str) -> None:
    write_texts(tmp_path, {"h.csv": text})
    with pytest.raises(DataError, match=fault):
        read_hierarchy(tmp_path / "h.csv")


def test_a_card_brings_its_hierarchy_into_the_vocabulary(tmp_path: Path) -> None:
    write_picture(tmp_path / "cat/1.png")
    write_texts(tmp_path, {"h.csv": "narrower,broader\ncat,animal\n"})
    assert open_set(card_for(tmp_path, "image-folder", 'hierarchy = "h.csv"\n')).vocabulary.broader == (("cat", "animal"),)
    with pytest.raises(NotFoundError, match=r"none\.csv"):
        open_set(card_for(tmp_path, "image-folder", 'hierarchy = "none.csv"\n'))
