"""PNG per image and CSV: real CamVid and Clothing Co-Parsing with the counts of their READMEs, and small sets for each rule."""

from __future__ import annotations

import csv
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from dissect.concepts.card import load_card
from dissect.concepts.model import VOID, ProbeSet
from dissect.concepts.open import open_set
from dissect.errors import CardError, DataError, LabelMapError, NotFoundError
from tests.concepts.cards import card_for, write_map, write_picture, write_texts


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.shared
def test_camvid_has_the_images_of_its_readme(shared: Path) -> None:
    data = open_set(load_card("camvid", data_root=shared / "data"))
    assert Counter(record.split for record in data.records) == {"train": 367, "val": 101, "test": 233}
    drives = Counter((record.split, record.group) for record in data.records)
    assert drives == {
        ("train", "0016E5"): 204, ("train", "0006R0"): 101, ("train", "0001TP"): 62,
        ("val", "0016E5"): 101, ("test", "Seq05VD"): 171, ("test", "0001TP"): 62,
    }  # fmt: skip
    for group in {record.group for record in data.records}:
        names = [record.path.stem for record in data.records if record.group == group]
        assert names == sorted(names)
    assert [concept.name for concept in data.vocabulary.concepts][:3] == ["Sky", "Building", "Pole"]
    assert len(data.vocabulary) == 11 and "Void" not in {concept.name for concept in data.vocabulary.concepts}


@pytest.mark.shared
def test_camvid_has_the_pixels_of_its_classes(shared: Path) -> None:
    data = open_set(load_card("camvid", data_root=shared / "data"))
    pixels = np.zeros(65_536, dtype=np.int64)
    images = Counter[tuple[str | None, int]]()
    for record in data.records:
        ids = data.labels(record.index).planes[0].ids
        counts = np.bincount(ids.ravel(), minlength=65_536)
        pixels += counts
        images.update((record.split, int(concept)) for concept in np.flatnonzero(counts))
    for row in rows(shared / "data/camvid/classes.csv"):
        internal = VOID if row["name"] == "Void" else int(row["id"]) + 1
        assert abs(pixels[internal] / pixels.sum() - float(row["pixel_fraction_all"])) <= 1e-4, row
        for split in ("train", "val", "test"):
            assert images[split, internal] == int(row[f"images_{split}"]), row


@pytest.mark.shared
def test_clothing_coparsing_is_a_person_with_parts_and_bags(shared: Path) -> None:
    data = open_set(load_card("clothing-coparsing", data_root=shared / "data"))
    classes = {row["name"]: row for row in rows(shared / "data/clothing_coparsing/classes.csv")}
    assert len(data.records) == 300 and data.vocabulary.categories == ("object", "part")
    pixels, images = np.zeros(65_536, dtype=np.int64), np.zeros(65_536, dtype=np.int64)
    for record in data.records:
        labels = data.labels(record.index)
        assert [plane.category for plane in labels.planes] == ["object", "part", "object"]
        person, part, bag = (plane.ids for plane in labels.planes)
        assert ((person != 0) == ((part != 0) | (bag != 0))).all() and not ((part != 0) & (bag != 0)).any()
        for ids in (person, part, bag):
            counts = np.bincount(ids.ravel(), minlength=65_536)
            counts[0] = 0
            pixels, images = pixels + counts, images + (counts > 0)
    for concept in data.vocabulary.concepts:
        if concept.name == "person":
            assert pixels[concept.index] == sum(int(row["pixels_in_subset"]) for row in classes.values() if row["name"] != "null")
            assert images[concept.index] == 300
            continue
        row = classes[concept.name]
        assert (images[concept.index], pixels[concept.index]) == (int(row["images_in_subset"]), int(row["pixels_in_subset"]))
        assert concept.category == ("object" if row["kind"] == "carried_item" else "part")
    assert len(data.vocabulary) == 1 + 58


@pytest.mark.shared
def test_a_camvid_label_map_is_read_in_two_milliseconds(shared: Path) -> None:
    data = open_set(load_card("camvid", data_root=shared / "data"), split="val")
    data.labels(0)
    best = 1.0
    for _ in range(5):
        start = time.process_time()
        for index in range(20):
            data.labels(index)
        best = min(best, (time.process_time() - start) / 20)
    assert best <= 2e-3


def tiny(folder: Path, planes: str, ids: list[list[int]], classes: str = "id,name,kind\n0,none,x\n1,car,y\n2,hat,z\n") -> ProbeSet:
    write_texts(folder, {"classes.csv": classes})
    write_picture(folder / "a.jpg", size=(len(ids[0]), len(ids)))
    write_map(folder / "a_mask.png", ids)
    plane = '[[options.planes]]\ncategory = "object"\nlabels = "{name}_mask.png"\nclasses = "classes.csv"\n'
    return open_set(card_for(folder, "png-csv", f'[options]\nimages = "{{name}}.jpg"\n{plane}{planes}'))


def names(data: ProbeSet, plane: int = 0) -> list[str]:
    words = {0: "-", VOID: "void", **{concept.index: concept.name for concept in data.vocabulary.concepts}}
    return [words[int(i)] for i in data.labels(0).planes[plane].ids.ravel()]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("", ["none", "car", "hat"]),
        ("void = [2]", ["none", "car", "void"]),
        ("drop = [0]", ["-", "car", "hat"]),
        ("keep = [2]", ["-", "-", "hat"]),
        ("kinds = ['y', 'z']", ["-", "car", "hat"]),
        ("kinds = ['y', 'z']\ndrop = [1]", ["-", "-", "hat"]),
        ("drop = [0]\nname = 'thing'", ["-", "thing", "thing"]),
        ("drop = [0]\nname = 'thing'\nvoid = [1]", ["-", "void", "thing"]),
    ],
)
def test_ids_are_kept_dropped_merged_or_void(tmp_path: Path, rule: str, expected: list[str]) -> None:
    data = tiny(tmp_path, rule, [[0, 1, 2]])
    assert names(data) == expected
    assert [concept.name for concept in data.vocabulary.concepts] == [name for name in dict.fromkeys(expected) if name not in ("-", "void")]


def test_id_zero_is_a_class_like_any_other(tmp_path: Path) -> None:
    data = tiny(tmp_path, "", [[0, 0]])
    assert data.vocabulary.concepts[0].name == "none" and data.labels(0).planes[0].ids.tolist() == [[1, 1]]


def test_the_cards_void_holds_where_a_plane_has_none_of_its_own(tmp_path: Path) -> None:
    tiny(tmp_path, "", [[0, 1, 2]])
    card = card_for(tmp_path, "png-csv", "void = [1]\n" + (tmp_path / "tiny.toml").read_text().split("this test\"\n")[1])
    assert names(open_set(card)) == ["none", "void", "hat"]


def test_ids_above_a_byte_are_read(tmp_path: Path) -> None:
    data = tiny(tmp_path, "", [[5, 40_000]], "id,name\n5,a\n40000,b\n")
    assert names(data) == ["a", "b"]


grids = arrays.arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.integers(0, 6))


@given(ids=grids, listed=st.sets(st.integers(0, 6), min_size=1))
def test_decoding_is_a_lookup_of_each_pixel(tmp_path_factory: pytest.TempPathFactory, ids: np.ndarray, listed: set[int]) -> None:
    folder = tmp_path_factory.getbasetemp() / "lookup"
    folder.mkdir(exist_ok=True)
    classes = "id,name\n" + "".join(f"{i},class {i}\n" for i in sorted(listed))
    data = tiny(folder, "", ids.tolist(), classes)
    if set(ids.ravel().tolist()) <= listed:
        assert names(data) == [f"class {i}" for i in ids.ravel()]
    else:
        with pytest.raises(LabelMapError, match=r"a_mask\.png holds .* does not list"):
            data.labels(0)


def test_two_ids_of_one_name_are_one_concept(tmp_path: Path) -> None:
    data = tiny(tmp_path, "", [[1, 2]], "id,name\n1,a\n2,a\n")
    assert names(data) == ["a", "a"] and len(data.vocabulary) == 1


def test_colours_are_decoded_by_the_table(tmp_path: Path) -> None:
    classes = "id,name,r,g,b\n4,car,255,0,0\n9,sky,0,0,255\n7,void,0,0,0\n"
    tiny(tmp_path, "encoding = 'colour'\nvoid = [7]\n", [[0, 0, 0]], classes)
    colours = np.array([[[255, 0, 0], [0, 0, 255], [0, 0, 0]]], dtype=np.uint8)
    Image.fromarray(colours).save(tmp_path / "a_mask.png")
    data = open_set(load_card(tmp_path / "tiny.toml"))
    assert names(data) == ["car", "sky", "void"]
    colours[0, 0] = 254, 0, 0
    Image.fromarray(colours).save(tmp_path / "a_mask.png")
    with pytest.raises(LabelMapError, match="#fe0000"):
        data.labels(0)
    write_map(tmp_path / "a_mask.png", [[1, 2, 3]])
    with pytest.raises(LabelMapError, match="encoding"):
        data.labels(0)


def test_colours_where_ids_were_expected_are_refused(tmp_path: Path) -> None:
    data = tiny(tmp_path, "", [[0, 1, 2]])
    Image.new("RGB", (3, 1)).save(tmp_path / "a_mask.png")
    with pytest.raises(LabelMapError, match=r"a_mask\.png holds colours"):
        data.labels(0)


def test_a_missing_map_is_a_fault_unless_it_is_optional(tmp_path: Path) -> None:
    tiny(tmp_path, "optional = true", [[1]])
    (tmp_path / "a_mask.png").unlink()
    labels = open_set(load_card(tmp_path / "tiny.toml")).labels(0)
    assert labels.planes == () and labels.annotated == frozenset()
    data = tiny(tmp_path, "", [[1]])
    (tmp_path / "a_mask.png").unlink()
    with pytest.raises(LabelMapError, match=r"there is no .*a_mask\.png"):
        data.labels(0)


def test_one_name_in_two_planes_of_a_category_is_one_concept(tmp_path: Path) -> None:
    again = '[[options.planes]]\ncategory = "object"\nlabels = "{name}_mask.png"\nclasses = "classes.csv"\n'
    part = again.replace("object", "part")
    data = tiny(tmp_path, again + part, [[0, 1, 2]])
    assert [concept.name for concept in data.vocabulary.concepts] == ["none", "car", "hat"] * 2
    assert names(data, 0) == names(data, 1) == names(data, 2)
    assert (data.labels(0).planes[0].ids == data.labels(0).planes[1].ids).all()
    assert not (data.labels(0).planes[0].ids == data.labels(0).planes[2].ids).any()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("", "`images`.*`planes`"),
        ("images = 'a'\nindex = 'b'\n", "only one of them"),
        ("images = '{name}.jpg'\nplanes = [{category = 'a', labels = 1}]", "plane 1: `labels`.*plane 1: `classes`"),
        ("images = '{name}.jpg'\nplanes = [{category = 'a', labels = 'x', classes = 'classes.csv', colour = 1}]", "plane 1: `colour`"),
        ("images = '{name}.jpg'\nplanes = [{category = 'a', labels = '{folder}', classes = 'classes.csv'}]", "needs folder"),
        ("images = '{name}.jpg'\nplanes = [{category = 'a', labels = 'x', classes = 'classes.csv', keep = [9]}]", "lists no 9"),
        ("images = '{name}.jpg'\nplanes = [{category = 'a', labels = 'x', classes = 'classes.csv', kinds = ['q']}]", "lists no q"),
        ("images = '/{name}.jpg'\nplanes = [{category = 'a', labels = 'x', classes = 'classes.csv'}]", "below the root"),
    ],
)
def test_wrong_options_are_card_errors(tmp_path: Path, options: str, words: str) -> None:
    tiny(tmp_path, "", [[1]])
    with pytest.raises(CardError, match=words):
        open_set(card_for(tmp_path, "png-csv", "[options]\n" + options))


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        ("", "is empty"),
        ("number,name\n1,a\n", "no column id"),
        ("id,name\n1,a\n1,b\n", "line 3: id 1 is there twice"),
        ("id,name\n-1,a\n", "not a whole number"),
        ("id,name\n70000,a\n", "0 to 65535"),
        ("id,name\n1,\n", "class 1 has no name"),
        ("id,name\n1,a,b\n", "line 2: 3 cells"),
        ("id,name,id\n1,a,1\n", "twice"),
        ('id,name\n1,"a\n', "CSV"),
    ],
)
def test_a_malformed_class_table_is_a_data_error(tmp_path: Path, classes: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        tiny(tmp_path, "", [[1]], classes)


@pytest.mark.parametrize("mask", ["../m.png", "/etc/passwd", "a/../../b"])
def test_label_maps_outside_the_root_are_refused(tmp_path: Path, mask: str) -> None:
    write_texts(tmp_path, {"classes.csv": "id,name\n1,a\n", "index.csv": f"image,mask\na.jpg,{mask}\n"})
    planes = 'planes = [{category = "a", labels = "{mask}", classes = "classes.csv"}]\n'
    with pytest.raises(DataError, match="not the path of a file below"):
        open_set(card_for(tmp_path, "png-csv", '[options]\nindex = "index.csv"\n' + planes))


def test_an_index_with_paths_outside_or_missing_columns_is_refused(tmp_path: Path) -> None:
    write_texts(tmp_path, {"classes.csv": "id,name\n1,a\n", "index.csv": "image,mask\n../a.jpg,m\n"})
    planes = 'planes = [{category = "a", labels = "{mask}", classes = "classes.csv"}]\n'
    with pytest.raises(DataError, match=r"index\.csv, line 2: .* below"):
        open_set(card_for(tmp_path, "png-csv", '[options]\nindex = "index.csv"\n' + planes))
    with pytest.raises(DataError, match="no column file"):
        open_set(card_for(tmp_path, "png-csv", '[options]\nindex = "index.csv"\nimage = "{file}"\n' + planes))
    with pytest.raises(NotFoundError, match=r"nowhere\.csv"):
        open_set(card_for(tmp_path, "png-csv", '[options]\nindex = "nowhere.csv"\n' + planes))
