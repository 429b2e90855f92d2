"""ADE20K: the sample of the benchmark as it lies, scenes, the full set with parts, names from JSON and from a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from dissect.concepts.ade20k import full_numbers
from dissect.concepts.ade20k_classes import from_csv
from dissect.concepts.card import load_card
from dissect.concepts.open import open_set
from dissect.errors import CardError, DataError, LabelMapError
from tests.concepts.label_trees import SIZE, names, numbers, open_tree, picture, png, write_json

TABLE = "Idx,Ratio,Train,Val,Stuff,Name\n1,.1,1,1,1,wall\n2,.1,1,1,1,building;edifice\n3,.1,1,1,1,sky\n"


def benchmark(root: Path, **masks: NDArray[np.uint8]) -> None:
    """A tree of the 150-class benchmark, cut down to three classes."""
    for name, mask in masks.items():
        folder = "training" if "train" in name else "validation"
        picture(root / "images" / folder / f"{name}.jpg")
        png(root / "annotations" / folder / f"{name}.png", mask)
    (root / "objectInfo150.csv").write_text(TABLE)


def test_the_sample_pictures_are_read_as_they_lie(shared: Path, tmp_path: Path) -> None:
    folder = shared / "data/ade20k_sample/scene_parse_150"
    (tmp_path / "card.toml").write_text(
        f'name = "ade"\nformat = "ade20k"\nroot = "{folder.as_posix()}"\nlicence = "BSD"\nsource = "sceneparsing"\n'
    )
    opened = open_set(load_card(tmp_path / "card.toml"))
    assert len(opened.records) == 3 and len(opened.vocabulary) == 150
    assert opened.vocabulary.concepts[1].name == "building" and opened.vocabulary.concepts[1].synonyms == ("edifice",)
    found = {concept.name: concept.synonyms for concept in opened.vocabulary.concepts}
    assert found["screen door"] == ("screen",) and found["screen"] == ("silver screen", "projection screen")
    assert {"chest of drawers", "pool table", "swivel chair", "traffic light", "crt screen", "bulletin board"} <= set(found)
    assert found["bathtub"] == ("bathing tub", "bath tub")
    assert not {"swivel", "of", "pool", "crt", "trade", "dirt", "arcade"} & set(found).union(*found.values())
    for index, record in enumerate(opened.records):
        stored = np.asarray(Image.open(folder / "annotations" / f"{record.key}.png"))
        np.testing.assert_array_equal(opened.labels(index).planes[0].ids, stored)


def test_other_is_unlabelled_and_scenes_hold_for_the_whole_picture(tmp_path: Path) -> None:
    benchmark(tmp_path, ADE_train_1=numbers("112", "1"), ADE_val_1=numbers("33"))
    (tmp_path / "sceneCategories.txt").write_text("ADE_train_1 airport_terminal\nADE_train_99 beach\n")
    opened = open_tree(tmp_path, "ade20k", 'scenes = "sceneCategories.txt"')
    assert [(record.key, record.split) for record in opened.records] == [
        ("training/ADE_train_1", "training"), ("validation/ADE_val_1", "validation"),
    ]  # fmt: skip
    labels = opened.labels(0)
    assert names(opened, labels, "object") == {"wall": 3, "building": 1}
    assert [opened.vocabulary.concepts[i - 1].name for i in labels.whole] == ["airport_terminal"]
    assert labels.annotated == {"object", "scene"}
    assert opened.labels(1).annotated == {"object"} and opened.labels(1).whole == ()
    plain = open_tree(tmp_path, "ade20k")
    assert plain.vocabulary.categories == ("object",) and plain.content_hash() != opened.content_hash()


def test_the_table_with_tabs_is_read_alike(tmp_path: Path) -> None:
    benchmark(tmp_path, ADE_train_1=numbers("2"))
    (tmp_path / "objectInfo150.txt").write_text("Idx\tRatio\tTrain\tVal\tName\n1\t.1\t1\t1\twall   \n2\t.1\t1\t1\tbuilding, edifice  \n")
    opened = open_tree(tmp_path, "ade20k", 'classes = "objectInfo150.txt"')
    assert [(c.name, c.synonyms) for c in opened.vocabulary.concepts] == [("wall", ()), ("building", ("edifice",))]


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ("Idx,Name\n1,wall\n1,sky\n", "line 3: class 1 stands twice"),
        ("Idx,Name\nx,wall\n", "line 2: Idx is 'x'"),
        ("Idx,Name\n0,wall\n", "line 2"),
        ("Idx,Name\n99999999999999999999,wall\n", "line 2"),
        ("Idx,Name\n1, ;\n", "line 2"),
        ("Number,Name\n1,wall\n", "no column Idx"),
    ],
)
def test_a_damaged_table_is_named(tmp_path: Path, table: str, fault: str) -> None:
    benchmark(tmp_path, ADE_train_1=numbers("2"))
    (tmp_path / "objectInfo150.csv").write_text(table)
    with pytest.raises(DataError, match=fault):
        open_tree(tmp_path, "ade20k")


def coded(mask: NDArray[np.uint8], first: int = 0) -> NDArray[np.uint8]:
    """Class numbers as the full set writes them; blue holds anything."""
    wide = np.where(mask > 0, mask.astype(np.int64) + first, 0)
    return np.stack([wide // 256 * 10 + 3 * (wide > 0), wide % 256, mask * 7], axis=-1).astype(np.uint8)


@given(st.integers(0, 25 * 256 + 255), st.integers(0, 5), st.integers(0, 255))
def test_a_class_number_is_tens_of_red_and_green(number: int, rest: int, blue: int) -> None:
    stored = np.array([[[number // 256 * 10 + rest, number % 256, blue]]], dtype=np.uint8)
    assert full_numbers(Path("x.png"), stored).tolist() == [[number]]


def drawn(number: int, name: str, level: int = 0, side: float = 2.0) -> dict[str, Any]:
    """An object of a JSON file: a square."""
    corner = {"x": [0, side, side, 0], "y": [0, 0, side, side]}
    return {"id": number, "name": name, "name_ndx": number, "parts": {"part_level": level}, "polygon": corner}


def full(root: Path, name: str, objects: object, *levels: NDArray[np.uint8], first: int = 0) -> None:
    """One picture of the full set: objects, then parts."""
    picture(root / f"{name}.jpg")
    for level, mask in enumerate(levels):
        png(root / (f"{name}_parts_{level}.png" if level else f"{name}_seg.png"), coded(mask, first))
    if objects is not None:
        write_json(root / f"{name}.json", {"annotation": {"filename": "x.jpg", "object": objects}})


OBJECTS = [drawn(1, "car, auto"), drawn(2, "wheel", 1), drawn(3, "rim", 2), drawn(4, "window", 1, 3.0), drawn(4, "window", 0, 2.0)]


def test_objects_and_every_level_of_parts_have_planes(tmp_path: Path) -> None:
    full(tmp_path, "images/training/street/a", OBJECTS, numbers("1144", "11"), numbers("22", "44"), numbers("3"))
    full(tmp_path, "images/validation/street/b", OBJECTS, numbers("4"))
    picture(tmp_path / "images/training/street/a/instance_000_a.png")
    opened = open_tree(tmp_path, "ade20k-full")
    assert [(r.key, r.split) for r in opened.records] == [
        ("images/training/street/a", "training"), ("images/validation/street/b", "validation"),
    ]  # fmt: skip
    labels = opened.labels(0)
    assert [plane.category for plane in labels.planes] == ["object", "part", "part"]
    assert names(opened, labels, "object") == {"car": 4, "window": 2}
    assert names(opened, labels, "part") == {"wheel": 2, "window": 2, "rim": 1}
    assert labels.annotated == {"object", "part"} and opened.labels(1).annotated == {"object"}
    window = next(c for c in opened.vocabulary.concepts if c.name == "window")
    assert window.category == "part" and window.categories == ("object", "part"), "its parts cover 18 pixels, its objects 8"
    assert opened.vocabulary.concepts[0].synonyms == ("auto",)


def test_numbers_above_255_keep_their_tens_of_red(tmp_path: Path) -> None:
    full(tmp_path, "a", [drawn(2801, "traffic light")], numbers("1"), first=2800)
    opened = open_tree(tmp_path, "ade20k-full")
    assert names(opened, opened.labels(0), "object") == {"traffic light": 1} and opened.records[0].split is None


def test_names_may_come_from_a_table_of_objects(tmp_path: Path) -> None:
    full(tmp_path, "a", None, numbers("14"), numbers("2"))
    (tmp_path / "objects.csv").write_text('name_ndx,name,part_level\n1,"car, auto",0\n2,wheel,1\n4,window,0\n4,window,1\n')
    opened = open_tree(tmp_path, "ade20k-full", 'classes = "objects.csv"')
    assert names(opened, opened.labels(0), "object") == {"car": 1, "window": 1}
    assert opened.vocabulary.concepts[2].category == "part", "a tie goes to the last category"


def test_the_shared_table_of_139_objects_is_read(shared: Path) -> None:
    found = from_csv(shared / "data/ade20k_sample/objects.csv")
    assert sum(sum(item.area.values()) for item in found.values()) == 139
    assert sum(item.area.get("part", 0) for item in found.values()) == 30
    assert found[2836].names == ("traffic light", "traffic signal", "stoplight")


def test_classes_that_share_a_name_are_told_apart(tmp_path: Path) -> None:
    listed = [drawn(1, "door"), drawn(2, "door, portal"), drawn(3, "door"), drawn(4, "door", 1)]
    full(tmp_path, "a", listed, numbers("1234"))
    opened = open_tree(tmp_path, "ade20k-full")
    assert [(c.name, c.category) for c in opened.vocabulary.concepts] == [
        ("door", "object"), ("door, portal", "object"), ("door (3)", "object"), ("door", "part"),
    ]  # fmt: skip


def test_a_damaged_picture_is_named_and_its_neighbour_read(tmp_path: Path) -> None:
    full(tmp_path, "a", OBJECTS, numbers("9"))
    full(tmp_path, "b", "no list", numbers("1"))
    full(tmp_path, "c", OBJECTS, numbers("1"))
    full(tmp_path, "d", OBJECTS, numbers("1"))
    png(tmp_path / "c_seg.png", np.zeros(SIZE, dtype=np.uint8))
    opened = open_tree(tmp_path, "ade20k-full")
    for index, fault in enumerate((r"a_seg\.png holds 9", r"b\.json has no list", r"c_seg\.png is not an RGB")):
        with pytest.raises(LabelMapError, match=fault):
            opened.labels(index)
    assert names(opened, opened.labels(3), "object") == {"car": 1}


@pytest.mark.parametrize(
    "entry",
    [
        3, {}, {"name": "x"}, {"name_ndx": 5}, {"name_ndx": True, "name": "x"}, {"name_ndx": 10**9, "name": "x"},
        {"name_ndx": 5, "name": " ,"}, drawn(0, "x"), drawn(-1, "x"),
    ],
)  # fmt: skip
def test_an_entry_without_number_or_name_names_no_class(tmp_path: Path, entry: object) -> None:
    full(tmp_path, "a", [entry, *OBJECTS], numbers("1"))
    assert len(open_tree(tmp_path, "ade20k-full").vocabulary) == 4


POLYGONS = [
    None, 3, {}, {"x": [1], "y": "a"}, {"x": [1, 2], "y": [1]}, {"x": [1e308] * 3, "y": [1e308, 0, 5]}, {"x": [10**400], "y": [1]},
]  # fmt: skip


@pytest.mark.parametrize("polygon", POLYGONS)
def test_a_class_without_a_usable_outline_still_has_its_name(tmp_path: Path, polygon: object) -> None:
    full(tmp_path, "a", [{**drawn(1, "car"), "polygon": polygon}], numbers("1"))
    opened = open_tree(tmp_path, "ade20k-full")
    assert names(opened, opened.labels(0), "object") == {"car": 1}


def test_a_set_without_names_or_with_a_damaged_table_is_refused(tmp_path: Path) -> None:
    full(tmp_path, "a", None, numbers("1"))
    with pytest.raises(DataError, match="names a class"):
        open_tree(tmp_path, "ade20k-full")
    (tmp_path / "classes.csv").write_text("name_ndx,name\n1,car\n6656,tree\n")
    with pytest.raises(DataError, match=r"classes\.csv, line 3"):
        open_tree(tmp_path, "ade20k-full", 'classes = "classes.csv"')
    with pytest.raises(CardError, match="splits"):
        open_tree(tmp_path, "ade20k-full", "splits = 3")
