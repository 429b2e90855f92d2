from __future__ import annotations

import pytest

from dissect.caption.naming import Naming, singulars
from dissect.concepts.model import Concept, Vocabulary

NAMES = (
    ("car", "object"), ("bus", "object"), ("tree", "object"), ("palm tree", "object"), ("mountain", "object"), ("glasses", "object"),
    ("glass", "material"), ("red-c", "color"), ("mountain-s", "scene"), ("living_room-s", "scene"), ("striped", "texture"),
    ("street lamp", "object"), ("person", "object"), ("wheel", "part"),
)  # fmt: skip
CONCEPTS = tuple(
    Concept(place, name, category, (category,), str(place), ("automobile",) if name == "car" else ())
    for place, (name, category) in enumerate(NAMES, start=1)
)
CATEGORIES = ("object", "part", "scene", "material", "texture", "color")
NAMING = Naming(Vocabulary("small", CATEGORIES, CONCEPTS, (("car", "vehicle"), ("bus", "vehicle"), ("person", "being"))))


def named(text: str) -> list[set[str]]:
    return [{NAMES[number - 1][0] for number in group} for group in NAMING.named(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("wheels of red cars", [{"wheel"}, {"red-c"}, {"car"}]),
        ("an automobile", [{"car"}]),
        ("Buses, and buses again", [{"bus"}]),
        ("trees", [{"tree", "palm tree"}]),
        ("palm trees", [{"palm tree"}]),
        ("vehicles", [{"car", "bus"}]),
        ("glasses", [{"glasses"}]),
        ("things made of glass", [{"glass"}]),
        ("mountains", [{"mountain"}]),
        ("mountain scenes", [{"mountain-s"}]),
        ("a living room", [{"living_room-s"}]),
        ("people in stripes", [{"person"}, {"striped"}]),
        ("lamps", []),
        ("nothing that anybody drew", []),
        ("", []),
    ],
)
def test_a_description_names_these_concepts(text: str, expected: list[set[str]]) -> None:
    assert named(text) == expected


def test_the_last_word_of_a_longer_name_names_it_where_it_is_a_name_itself() -> None:
    both = Naming(Vocabulary("two", ("object",), (_concept(1, "lamp"), _concept(2, "street lamp"))))
    assert both.named("lamps") == (frozenset({1, 2}),)
    assert both.named("street lamps") == (frozenset({2}),)


def test_another_word_is_of_no_effect_without_its_term() -> None:
    assert Naming(Vocabulary("one", ("object",), (_concept(1, "car"),))).named("wooden people") == ()


@pytest.mark.parametrize(
    ("plural", "single"),
    [("cars", "car"), ("buses", "bus"), ("skies", "sky"), ("leaves", "leaf"), ("knives", "knife"), ("houses", "house")],
)
def test_plurals_are_led_back(plural: str, single: str) -> None:
    assert single in singulars(plural)


@pytest.mark.parametrize("word", ["grass", "car", "is", "bus"[:2]])
def test_what_is_no_plural_is_left(word: str) -> None:
    assert singulars(word) == ()


def _concept(number: int, name: str) -> Concept:
    return Concept(number, name, "object", ("object",), str(number))
