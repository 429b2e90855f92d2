"""A small Broden folder, written by the test as Broden is published, and read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dissect.concepts.broden import plane_numbers
from dissect.concepts.model import VOID, Labels, ProbeSet
from dissect.concepts.open import open_set
from dissect.errors import DataError, LabelMapError, NotFoundError
from tests.concepts.cards import card_for, write_broden_plane, write_picture, write_texts

TABLES = {
    "category.csv": "name,first,last,count,frequency\nobject,0,9,4,3\npart,0,9,1,1\nscene,0,9,2,2\nmaterial,0,9,2,9\ntexture,0,9,1,1\n",
    "label.csv": (
        "number,name,category,frequency,coverage,syns\n"
        "0,-,,0,0.0,\n"
        "1,car,object(12),12,3.5,auto; motor car\n"
        "2,wheel,part(4),4,0.5,\n"
        "3,street-s,scene(7),7,7.0,\n"
        "4,wood,material(36);object(3),39,2.0,\n"
        "300,glass,material(9);object(20),29,2.0,\n"
        "5,striped,texture(3),3,3.0,\n"
    ),
    "c_object.csv": "code,number,name,frequency,coverage\n0,0,-,0,0\n1,1,car,12,3.5\n2,4,wood,3,1.9\n3,300,glass,20,1.0\n",
    "c_part.csv": "code,number,name,frequency,coverage\n0,0,-,0,0\n1,2,wheel,4,0.5\n",
    "c_scene.csv": "code,number,name,frequency,coverage\n0,0,-,0,0\n1,3,street-s,7,7.0\n",
    "c_material.csv": "code,number,name,frequency,coverage\n0,0,-,0,0\n1,4,wood,36,0.1\n2,300,glass,9,1.0\n",
    "c_texture.csv": "code,number,name,frequency,coverage\n0,0,-,0,0\n1,5,striped,3,3.0\n",
}
HEADER = "image,split,ih,iw,sh,sw,object,part,scene,material,texture\n"
INDEX = (
    "ade/a.jpg,train,8,8,4,4,ade/a_o.png;ade/a_o2.png,ade/a_p.png,3,ade/a_m.png,\n"
    "dtd/b.jpg,val,8,8,4,4,,,,,5;0\n"
    "dtd/c.jpg,val,8,8,4,4,,,0,,\n"
)


def make(folder: Path, index: str = INDEX, **tables: str) -> Path:
    write_texts(folder, {**TABLES, "index.csv": HEADER + index, **{f"{name}.csv": text for name, text in tables.items()}})
    for number, name in enumerate(("ade/a.jpg", "dtd/b.jpg", "dtd/c.jpg")):
        write_picture(folder / "images" / name, seed=number, size=(8, 8))
    ones = np.ones((4, 4), dtype=int)
    first = np.pad(ones[:2], ((0, 2), (0, 0)))
    write_broden_plane(folder / "images/ade/a_o.png", first)
    write_broden_plane(folder / "images/ade/a_o2.png", first * 300)
    write_broden_plane(folder / "images/ade/a_p.png", np.eye(4, dtype=int) * 2)
    write_broden_plane(folder / "images/ade/a_m.png", ones * 4)
    return folder


def opened(folder: Path, more: str = "", **options: str) -> ProbeSet:
    return open_set(card_for(folder, "broden", more), **options)  # type: ignore[arg-type]


def ids(data: ProbeSet) -> dict[str, int]:
    return {concept.name: concept.index for concept in data.vocabulary.concepts}


def labels(data: ProbeSet) -> list[Labels]:
    return [data.labels(record.index) for record in data.records]


def test_the_vocabulary_is_that_of_the_tables(tmp_path: Path) -> None:
    words = opened(make(tmp_path)).vocabulary
    assert words.categories == ("object", "part", "scene", "material", "texture")
    assert [(c.index, c.name, c.source_id) for c in words.concepts] == [
        (1, "car", "1"), (2, "wheel", "2"), (3, "street-s", "3"), (4, "wood", "4"), (5, "striped", "5"), (6, "glass", "300"),
    ]  # fmt: skip
    assert words.concepts[0].synonyms == ("auto", "motor car")


def test_the_primary_category_has_the_larger_coverage_and_the_last_wins_a_tie(tmp_path: Path) -> None:
    words = opened(make(tmp_path)).vocabulary.concepts
    assert (words[3].category, words[3].categories) == ("object", ("material", "object"))
    assert words[5].category == "material"


def test_without_coverage_tables_the_counts_decide(tmp_path: Path) -> None:
    make(tmp_path)
    for path in tmp_path.glob("c_*.csv"):
        path.unlink()
    words = opened(tmp_path).vocabulary.concepts
    assert (words[3].category, words[5].category) == ("material", "object")


def test_planes_come_in_the_order_of_the_cells(tmp_path: Path) -> None:
    data = opened(make(tmp_path))
    found = data.labels(0)
    assert [plane.category for plane in found.planes] == ["object", "object", "part", "material"]
    names = ids(data)
    assert found.planes[0].ids.tolist() == [[names["car"]] * 4] * 2 + [[0] * 4] * 2
    assert found.planes[1].ids.tolist() == [[names["glass"]] * 4] * 2 + [[0] * 4] * 2
    assert found.planes[2].ids.tolist() == (np.eye(4, dtype=int) * names["wheel"]).tolist()
    assert found.planes[0].ids.dtype == np.uint16


def test_whole_image_labels_keep_their_zero(tmp_path: Path) -> None:
    data = opened(make(tmp_path))
    assert [found.whole for found in labels(data)] == [(ids(data)["street-s"],), (ids(data)["striped"], 0), (0,)]


def test_a_whole_image_label_of_a_category_that_is_not_kept_is_no_label_zero(tmp_path: Path) -> None:
    data = opened(make(tmp_path), 'categories = ["object", "part", "texture"]\n')
    assert next(found.whole for found in labels(data)) == ()


def test_a_cards_hierarchy_is_added_to_the_formats_own(tmp_path: Path) -> None:
    folder = make(tmp_path)
    (folder / "more.csv").write_text("narrower,broader\ncar,vehicle\n")
    assert ("car", "vehicle") in opened(folder, 'hierarchy = "more.csv"\n').vocabulary.broader


def test_a_category_is_annotated_where_its_cell_is_not_empty(tmp_path: Path) -> None:
    assert [set(found.annotated) for found in labels(opened(make(tmp_path)))] == [
        {"object", "part", "scene", "material"}, {"texture"}, {"scene"},
    ]  # fmt: skip


def test_records_keep_the_order_and_the_splits_of_the_index(tmp_path: Path) -> None:
    turned = "".join(reversed(INDEX.splitlines(keepends=True)))
    data = opened(make(tmp_path, turned))
    assert [(record.key, record.split) for record in data.records] == [("dtd/c.jpg", "val"), ("dtd/b.jpg", "val"), ("ade/a.jpg", "train")]
    assert [record.key for record in opened(tmp_path, split="train").records] == ["ade/a.jpg"]


def test_the_label_size_is_that_of_the_index(tmp_path: Path) -> None:
    assert opened(make(tmp_path)).default_label_size == (4, 4)
    assert opened(tmp_path, "label_size = 2\n").default_label_size == (2, 2)


def test_planes_of_several_sizes_need_a_size_from_the_card(tmp_path: Path) -> None:
    make(tmp_path, INDEX + "dtd/d.jpg,val,8,8,2,2,ade/a_o.png,,,,\n")
    with pytest.raises(DataError, match=r"several sizes.*label_size"):
        opened(tmp_path)
    assert opened(tmp_path, "label_size = [4, 4]\n").default_label_size == (4, 4)


def test_void_numbers_and_dropped_categories(tmp_path: Path) -> None:
    data = opened(make(tmp_path), 'void = [300]\ncategories = ["object", "part"]\n')
    assert data.vocabulary.categories == ("object", "part")
    assert {concept.name: concept.category for concept in data.vocabulary.concepts}["wood"] == "object"
    assert np.unique(data.labels(0).planes[1].ids).tolist() == [0, VOID]
    assert data.labels(1).whole == () and data.labels(1).annotated == frozenset()


def test_a_plane_of_another_size_or_with_strange_numbers_spoils_its_image_only(tmp_path: Path) -> None:
    make(tmp_path)
    write_broden_plane(tmp_path / "images/ade/a_p.png", np.zeros((5, 4), dtype=int))
    with pytest.raises(LabelMapError, match=r"a_p\.png has 4x5 pixels, index\.csv says 4x4"):
        opened(tmp_path).labels(0)
    write_broden_plane(tmp_path / "images/ade/a_p.png", np.full((4, 4), 999))
    with pytest.raises(LabelMapError, match=r"a_p\.png holds 999, which label\.csv lacks"):
        opened(tmp_path).labels(0)
    assert opened(tmp_path).labels(1).whole
    make(tmp_path, INDEX.replace("5;0", "77"))
    with pytest.raises(LabelMapError, match="whole-image label 77"):
        opened(tmp_path).labels(1)
    make(tmp_path, INDEX.replace("5;0", "99999999"))
    with pytest.raises(LabelMapError, match="whole-image label 99999999"):
        opened(tmp_path).labels(1)


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"label": "number,name\n1,a\n"}, "no column category"),
        ({"label": "number,name,category\n1,a,object\n1,b,object\n"}, "number 1 is there twice"),
        ({"label": "number,name,category\nx,a,object\n"}, "number is 'x'"),
        ({"label": "number,name,category\n1,a,\n"}, "no category"),
        ({"category": "name\nobject\n"}, "does not list part"),
        ({"c_object": "code,number,coverage\n1,1,much\n"}, "coverage is 'much'"),
        ({"index": "image,split\na,b\n"}, "no column ih"),
        ({"index": HEADER + "a,train,8,8,4,4,,,\n"}, "line 2: 9 cells"),
        ({"index": HEADER + "a,train,8,8,four,4,,,,,\n"}, "sh is 'four'"),
        ({"index": HEADER + "a,train,8,8,4,4,../x.png,,,,\n"}, "line 2: '../x.png'"),
        ({"index": HEADER + ",train,8,8,4,4,,,,,\n"}, "line 2: ''"),
        ({"index": HEADER + "a,t,8,8,4,4,,,,,\na,t,8,8,4,4,,,,,\n"}, "a twice"),
        ({"index": HEADER}, "no images"),
    ],
)
def test_malformed_tables_are_named_by_file_and_line(tmp_path: Path, tables: dict[str, str], words: str) -> None:
    make(tmp_path)
    write_texts(tmp_path, {f"{name}.csv": text for name, text in tables.items()})
    with pytest.raises(DataError, match=words):
        opened(tmp_path)


def test_missing_tables_are_named(tmp_path: Path) -> None:
    for name in ("index.csv", "label.csv", "category.csv"):
        make(tmp_path)
        (tmp_path / name).unlink()
        with pytest.raises(NotFoundError, match=name):
            opened(tmp_path)


def test_two_labels_of_one_name_are_told_apart(tmp_path: Path) -> None:
    data = opened(make(tmp_path, label=TABLES["label.csv"] + "7,car,object(1),1,0.1,\n"))
    assert [name for name in ids(data) if name.startswith("car")] == ["car", "car (7)"]


def test_the_hash_sees_the_index_and_every_plane(tmp_path: Path) -> None:
    hashes = {opened(make(tmp_path)).content_hash()}
    write_broden_plane(tmp_path / "images/ade/a_m.png", np.zeros((4, 4), dtype=int))
    hashes.add(opened(tmp_path).content_hash())
    hashes.add(opened(make(tmp_path, INDEX.replace("5;0", "5"))).content_hash())
    hashes.add(opened(make(tmp_path, INDEX.replace(",3,ade/a_m", ",,ade/a_m"))).content_hash())
    assert len(hashes) == 4


@given(numbers=arrays.arrays(np.uint16, (3, 4)))
def test_a_stored_plane_gives_its_numbers_back(numbers: np.ndarray) -> None:
    wide = numbers.astype(int)
    stored = np.stack([wide % 256, wide // 256, np.zeros_like(wide)], -1).astype(np.uint8)
    assert plane_numbers(stored).tolist() == [[int(r) + 256 * int(g) for r, g, _ in row] for row in stored]


@given(cells=st.lists(st.text("0123456789;.-ab/ ", max_size=12), min_size=5, max_size=5))
def test_any_cells_are_read_or_refused_politely(tmp_path_factory: pytest.TempPathFactory, cells: list[str]) -> None:
    folder = tmp_path_factory.getbasetemp() / "cells"
    if not folder.exists():
        make(folder)
    write_texts(folder, {"index.csv": HEADER + "dtd/b.jpg,val,8,8,4,4," + ",".join(cells) + "\n"})
    try:
        data = opened(folder)
        data.content_hash()
        data.labels(0)
    except DataError as error:
        assert str(error).endswith(".")
