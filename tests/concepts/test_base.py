"""What all readers share: order, splits, limit, groups, attributes, restriction to categories, EXIF, and the content hash."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissect.concepts.base import Entry, FileSet, NewConcept, id_table, make_vocabulary
from dissect.concepts.card import load_card
from dissect.concepts.model import VOID, Labels, Plane, ProbeSet
from dissect.concepts.open import open_set
from dissect.errors import CardError, DataError, ImageError, LabelMapError, NotFoundError, UsageError
from tests.concepts.cards import card_for, write_card, write_map, write_picture, write_texts

OPTIONS = """
[options]
images = "images/{split}/{name}.png"
[[options.planes]]
category = "object"
labels = "masks/{split}/{name}.png"
classes = "classes.csv"
drop = [0]
[[options.planes]]
category = "part"
labels = "parts/{split}/{name}.png"
classes = "parts.csv"
drop = [0]
optional = true
"""


def make(folder: Path, frames: int = 3, orientation: int = 1) -> Path:
    """Two splits of `frames` pictures each; classes car and sky, part wheel in every second picture."""
    write_texts(folder, {"classes.csv": "id,name\n0,none\n3,car\n7,sky\n", "parts.csv": "id,name\n0,none\n1,wheel\n"})
    for split in ("train", "val"):
        for number in range(frames):
            name = f"{split}/drive{number % 2}_{number:03d}.png"
            write_picture(folder / "images" / name, seed=number, orientation=orientation)
            write_map(folder / "masks" / name, [[3, 3, 7, 7, 0, 0]] * 4)
            if number % 2:
                write_map(folder / "parts" / name, [[1, 0, 0, 0, 0, 0]] * 4)
    return folder


def opened(folder: Path, more: str = "", **options: int | str) -> ProbeSet:
    return open_set(card_for(folder, "png-csv", more + OPTIONS), **options)  # type: ignore[arg-type]


def keys(data: ProbeSet) -> list[str]:
    return [record.key for record in data.records]


def test_records_are_numbered_in_one_order_whatever_the_disk_says(tmp_path: Path) -> None:
    data = opened(make(tmp_path))
    assert [record.index for record in data.records] == list(range(6))
    assert keys(data)[:2] == ["images/train/drive0_000.png", "images/val/drive0_000.png"]
    assert keys(data) == keys(opened(tmp_path))


def bare(folder: Path, listed: list[str], keep_order: bool = False) -> FileSet:
    words = make_vocabulary("v", ["object", "part"], [NewConcept("car", "object", "1"), NewConcept("wheel", "part", "2")])
    card = card_for(folder, "pictures", 'categories = ["part"]\n')
    return FileSet(card, words, [Entry(key, folder / key) for key in listed], keep_order=keep_order)


def test_entries_are_sorted_unless_their_order_means_something(tmp_path: Path) -> None:
    assert keys(bare(tmp_path, ["c", "a", "b"])) == ["a", "b", "c"]
    assert keys(bare(tmp_path, ["c", "a", "b"], keep_order=True)) == ["c", "a", "b"]
    with pytest.raises(DataError, match="a twice"):
        bare(tmp_path, ["a", "b", "a"])


def test_left_out_categories_leave_void_and_the_whole_image_zero(tmp_path: Path) -> None:
    write_picture(tmp_path / "a", size=(4, 1))

    class Fixed(FileSet):
        def read(self, entry: Entry) -> Labels:
            ids = np.array([[0, 1, 2, VOID]], dtype=np.uint16)
            return Labels((Plane("object", ids), Plane("part", ids)), (0, 1, 2), frozenset({"object", "part"}))

    made = bare(tmp_path, ["a"])
    made.__class__ = Fixed
    labels = made.labels(0)
    assert [plane.category for plane in labels.planes] == ["part"]
    assert labels.planes[0].ids.tolist() == [[0, 0, 1, VOID]]
    assert labels.whole == (0, 1) and labels.annotated == {"part"}


def test_a_split_is_chosen_by_call_or_by_card(tmp_path: Path) -> None:
    make(tmp_path)
    assert {record.split for record in opened(tmp_path, split="val").records} == {"val"}
    assert {record.split for record in opened(tmp_path, 'split = "val"\n').records} == {"val"}
    assert len(opened(tmp_path, 'split = "val"\n', split="all").records) == 6
    assert len(opened(tmp_path, split="train,val").records) == 6
    with pytest.raises(NotFoundError, match=r"no split 'dev'. Splits: train, val"):
        opened(tmp_path, split="val,dev")


def test_the_limit_takes_images_evenly(tmp_path: Path) -> None:
    data = opened(make(tmp_path, 5), limit=4)
    assert keys(data) == [keys(opened(tmp_path))[i] for i in (0, 2, 5, 7)]
    assert [record.index for record in data.records] == [0, 1, 2, 3]
    assert data.labels(3).planes[0].category == "object"
    assert len(opened(tmp_path, limit=99).records) == 10
    for limit in (0, -3):
        with pytest.raises(UsageError, match="at least 1"):
            opened(tmp_path, limit=limit)


def test_labels_belong_to_the_record_they_are_asked_for(tmp_path: Path) -> None:
    data = opened(make(tmp_path), split="train")
    with_wheel = [record.key for record in data.records if any(plane.category == "part" for plane in data.labels(record.index).planes)]
    assert with_wheel == ["images/train/drive1_001.png"]


def test_groups_come_from_a_pattern_or_a_column(tmp_path: Path) -> None:
    make(tmp_path)
    groups = [record.group for record in opened(tmp_path, "[group]\npattern = '([^/_]+)_[^/]*$'\n").records]
    assert groups == ["drive0", "drive0", "drive0", "drive0", "drive1", "drive1"]
    assert {record.group for record in opened(tmp_path, "[group]\ncolumn = 'split'\n").records} == {"train", "val"}
    with pytest.raises(CardError, match="does not match"):
        opened(tmp_path, "[group]\npattern = 'video(.)'\n")
    with pytest.raises(CardError, match="no column 'drive'"):
        opened(tmp_path, "[group]\ncolumn = 'drive'\n")


def test_attributes_join_by_key(tmp_path: Path) -> None:
    make(tmp_path)
    write_texts(tmp_path, {"a.csv": "file,weather,age\nimages/val/drive0_000.png,rain,3\nelsewhere.png,sun,1\n"})
    rule = "[attributes]\nfile = 'a.csv'\nkey = 'file'\n"
    records = opened(tmp_path, rule + "columns = ['weather']\n").records
    assert dict(records[1].attributes) == {"split": "val", "weather": "rain"}
    assert dict(records[0].attributes) == {"split": "train"}
    assert opened(tmp_path, rule).records[1].attributes["age"] == "3"
    with pytest.raises(DataError, match="no column mood"):
        opened(tmp_path, rule + "columns = ['mood']\n")


def test_an_attribute_file_of_another_set_is_refused(tmp_path: Path) -> None:
    make(tmp_path)
    write_texts(tmp_path, {"a.csv": "image,age\nx,1\n"})
    with pytest.raises(DataError, match="no image key"):
        opened(tmp_path, "[attributes]\nfile = 'a.csv'\n")
    write_texts(tmp_path, {"a.csv": "image,age\nx,1\nx,2\n"})
    with pytest.raises(DataError, match=r"a\.csv, line 3: 'x' is there twice"):
        opened(tmp_path, "[attributes]\nfile = 'a.csv'\n")


def test_annotated_follows_the_card(tmp_path: Path) -> None:
    make(tmp_path)

    def annotated(more: str) -> list[set[str]]:
        data = opened(tmp_path, more, split="train")
        return [set(data.labels(i).annotated) for i in range(3)]

    both, first = {"object", "part"}, {"object"}
    assert annotated("") == [first, first, both]
    assert annotated('annotated = "all"\n') == [both, both, both]
    assert annotated('annotated = "present"\n') == [first, first, both]
    write_map(tmp_path / "masks/train/drive0_000.png", [[0] * 6] * 4)
    assert annotated('annotated = "present"\n') == [set(), first, both]
    assert annotated('annotated = ["part"]\n') == [{"part"}, both, both]
    with pytest.raises(CardError, match="no category 'scene'"):
        annotated('annotated = ["scene"]\n')


def test_categories_can_be_left_out(tmp_path: Path) -> None:
    data = opened(make(tmp_path), 'categories = ["part"]\n', split="train")
    assert data.vocabulary.categories == ("part",)
    assert [(concept.index, concept.name) for concept in data.vocabulary.concepts] == [(1, "wheel")]
    assert data.labels(0).planes == ()
    assert np.unique(data.labels(2).planes[0].ids).tolist() == [0, 1]
    with pytest.raises(CardError, match="no category 'parts'"):
        opened(tmp_path, 'categories = ["parts"]\n')


@pytest.mark.parametrize("orientation", range(1, 9))
def test_label_maps_turn_with_their_picture(tmp_path: Path, orientation: int) -> None:
    plane = opened(make(tmp_path, orientation=orientation)).labels(0).planes[0].ids
    assert plane.shape == ((6, 4) if orientation >= 5 else (4, 6))
    corner = plane[0, 0]
    car, void = 1, 0
    assert corner == {1: car, 2: void, 3: void, 4: car, 5: car, 6: car, 7: void, 8: void}[orientation]


def test_a_bad_file_spoils_its_own_image_only(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "masks/train/drive0_000.png").write_bytes(b"no")
    write_map(tmp_path / "masks/val/drive0_000.png", [[9] * 6] * 4)
    (tmp_path / "images/train/drive0_002.png").write_bytes(b"no")
    write_map(tmp_path / "masks/val/drive0_002.png", [[3] * 4] * 6)
    data = opened(tmp_path)
    for index, kind in enumerate([LabelMapError, LabelMapError, ImageError, LabelMapError]):
        with pytest.raises(kind, match=data.records[index].key.split("/", 1)[1]):
            data.labels(index)
    assert data.labels(4).planes and data.labels(5).planes
    assert len(data.content_hash()) == 64


def test_the_content_hash_knows_no_places_and_no_names(tmp_path: Path) -> None:
    make(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "elsewhere")
    card = write_card(tmp_path / "elsewhere", "png-csv", OPTIONS)
    card.write_text(card.read_text().replace('"tiny"', '"other"').replace("this test", "another"), encoding="utf-8")
    assert opened(tmp_path / "a").content_hash() == open_set(load_card(card)).content_hash()


def test_the_content_hash_sees_every_change_that_matters(tmp_path: Path) -> None:
    make(tmp_path)
    first = opened(tmp_path).content_hash()
    hashes = {first, opened(tmp_path, split="val").content_hash(), opened(tmp_path, limit=2).content_hash()}
    for more in ("void = [7]\n", "label_size = 8\n", 'annotated = "all"\n', 'categories = ["part"]\n', "[group]\ncolumn = 'split'\n"):
        hashes.add(opened(tmp_path, more).content_hash())
    hashes.add(opened(tmp_path, "colour_naming = true\n").content_hash())
    write_texts(tmp_path, {"h.csv": "narrower,broader\ncar,vehicle\n"})
    hashes.add(opened(tmp_path, 'hierarchy = "h.csv"\n').content_hash())
    for path in ("images/val/drive0_000.png", "masks/val/drive0_000.png", "parts/val/drive1_001.png", "classes.csv"):
        content = (tmp_path / path).read_bytes()
        (tmp_path / path).write_bytes(content + b"\n")
        hashes.add(opened(tmp_path).content_hash())
        (tmp_path / path).write_bytes(content)
    assert len(hashes) == 14
    assert opened(tmp_path, 'title = "x"\ncitation = "y"\n').content_hash() == first


def test_a_file_that_goes_missing_changes_the_hash_and_one_that_returns_restores_it(tmp_path: Path) -> None:
    data = opened(make(tmp_path))
    before = data.content_hash()
    path = tmp_path / "masks/val/drive0_000.png"
    content = path.read_bytes()
    path.unlink()
    assert data.content_hash() != before
    path.write_bytes(content)
    assert data.content_hash() == before


def test_a_set_without_images_says_where_it_looked(tmp_path: Path) -> None:
    make(tmp_path, frames=0)
    with pytest.raises(DataError, match=f"no images in {tmp_path}"):
        opened(tmp_path)


@given(ids=st.dictionaries(st.integers(0, 300), st.integers(1, 500), max_size=20), void=st.sets(st.integers(0, 300), max_size=5))
def test_the_lookup_of_ids_is_the_mapping(ids: dict[int, int], void: set[int]) -> None:
    table = id_table(ids, void, 256)
    for source in range(256):
        assert table[source] == (VOID if source in void else ids.get(source, 65_534))


def test_a_vocabulary_refuses_twins_and_strangers() -> None:
    with pytest.raises(DataError, match="'car' is twice"):
        make_vocabulary("v", ["object"], [NewConcept("car", "object", "1"), NewConcept("car", "object", "2")])
    with pytest.raises(DataError, match="'sky' is in 'stuff'"):
        make_vocabulary("v", ["object"], [NewConcept("sky", "stuff", "1")])
    assert len(make_vocabulary("v", ["object", "part"], [NewConcept("a", "object", "1"), NewConcept("a", "part", "1")])) == 2
