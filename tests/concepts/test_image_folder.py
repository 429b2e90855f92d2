"""Image folders, image-level CSVs and plain pictures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dissect.concepts.model import ProbeSet
from dissect.concepts.open import open_set
from dissect.errors import CardError, DataError, NotFoundError
from tests.concepts.cards import card_for, write_picture, write_texts


def opened(folder: Path, kind: str, more: str = "", **options: str) -> ProbeSet:
    return open_set(card_for(folder, kind, more), **options)  # type: ignore[arg-type]


def words(data: ProbeSet) -> dict[str, list[str]]:
    concepts = data.vocabulary.concepts
    return {r.key: [f"{concepts[i - 1].category}:{concepts[i - 1].name}" for i in data.labels(r.index).whole] for r in data.records}


def pictures(folder: Path, *names: str) -> Path:
    for seed, name in enumerate(names):
        write_picture(folder / name, seed)
    return folder


def test_folders_are_classes_and_top_folders_are_splits(tmp_path: Path) -> None:
    pictures(tmp_path, "train/cat/1.jpg", "train/dog/2.png", "test/cat/3.webp", "test/cat/.hidden.png")
    write_texts(tmp_path, {"train/cat/readme.txt": "no picture"})
    data = opened(tmp_path, "image-folder")
    assert words(data) == {"test/cat/3.webp": ["class:cat"], "train/cat/1.jpg": ["class:cat"], "train/dog/2.png": ["class:dog"]}
    assert [record.split for record in data.records] == ["test", "train", "train"]
    assert (data.label_kind, data.default_label_size) == ("image", None)
    assert data.labels(0).planes == () and data.labels(0).annotated == {"class"}
    assert len(opened(tmp_path, "image-folder", split="test").records) == 1


def test_folders_without_splits_and_with_other_names(tmp_path: Path) -> None:
    pictures(tmp_path, "cat/1.jpg", "dog/2.png")
    animals = opened(tmp_path, "image-folder", '[options]\ncategory = "animal"\n')
    assert words(animals) == {"cat/1.jpg": ["animal:cat"], "dog/2.png": ["animal:dog"]}
    data = opened(tmp_path, "image-folder", '[options]\nsplits = ["cat", "dog"]\n')
    assert [record.split for record in data.records] == ["cat", "dog"] and data.label_kind == "none"


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_metadata_columns_become_attributes_and_one_of_them_the_labels(tmp_path: Path, kind: str) -> None:
    pictures(tmp_path, "train/1.png", "train/2.png")
    rows = [{"file_name": "1.png", "tags": "red; round", "age": "3"}, {"file_name": "2.png", "tags": "", "age": "4"}]
    table = "file_name,tags,age\n" + "".join(f"{row['file_name']},{row['tags']},{row['age']}\n" for row in rows)
    lines = "\n".join(json.dumps(row) for row in rows) + "\n\n"
    write_texts(tmp_path, {f"train/metadata.{kind}": table if kind == "csv" else lines})
    data = opened(tmp_path, "image-folder", '[options]\nlabel_column = "tags"\ncategory = "tag"\n')
    assert words(data) == {"train/1.png": ["tag:red", "tag:round"], "train/2.png": []}
    assert dict(data.records[1].attributes) == {"tags": "", "age": "4"}
    assert opened(tmp_path, "image-folder").label_kind == "none"
    with pytest.raises(CardError, match="no metadata column 'mood'"):
        opened(tmp_path, "image-folder", '[options]\nlabel_column = "mood"\n')


def test_metadata_beside_class_folders_takes_the_labels_over(tmp_path: Path) -> None:
    pictures(tmp_path, "cat/1.png", "dog/2.png")
    write_texts(tmp_path, {"metadata.csv": "file_name,tags\ncat/1.png,x\ndog/2.png,y\n"})
    assert opened(tmp_path, "image-folder").label_kind == "none"
    assert words(opened(tmp_path, "image-folder", '[options]\nlabel_column = "tags"\n'))["dog/2.png"] == ["class:y"]


def test_categories_of_whole_image_labels_can_be_left_out(tmp_path: Path) -> None:
    pictures(tmp_path, "a.png", "sub/b.png", "sub/c.png")
    write_texts(tmp_path, {"labels.csv": LABELS})
    more = 'categories = ["scene"]\n[options]\nfile = "labels.csv"\n[options.columns]\nlabel = "object"\nscene = "scene"\n'
    data = opened(tmp_path, "image-labels", more)
    assert words(data) == {"a.png": ["scene:street"], "sub/b.png": ["scene:park"], "sub/c.png": []}
    assert [concept.index for concept in data.vocabulary.concepts] == [1, 2] and data.labels(0).annotated == {"scene"}


def test_json_numbers_are_kept_as_text(tmp_path: Path) -> None:
    pictures(tmp_path, "1.png")
    write_texts(tmp_path, {"metadata.jsonl": '{"file_name": "1.png", "box": [1, 2], "age": 3}\n'})
    assert dict(opened(tmp_path, "image-folder").records[0].attributes) == {"box": "[1, 2]", "age": "3"}


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ("{", "line 1: not JSON"),
        ('{"file_name": 3}', "line 1: needs an object"),
        ("[1]", "line 1: needs an object"),
        ('{"file_name": "1.png"}\n\n{"file_name": "1.png"}', "line 3: 1.png is described twice"),
        ('{"file_name": "../1.png"}', "line 1: '../1.png'"),
        ("[" * 100_000, "line 1: not JSON"),
    ],
)
def test_malformed_metadata_is_named_by_line(tmp_path: Path, lines: str, fault: str) -> None:
    pictures(tmp_path, "1.png")
    write_texts(tmp_path, {"metadata.jsonl": lines})
    with pytest.raises(DataError, match=fault):
        opened(tmp_path, "image-folder")


LABELS = "file,label,scene,part\na.png,cat;dog,street,train\nsub/b.png,,park,\nsub/c.png,dog,,val\n"


def test_a_csv_gives_labels_of_several_categories(tmp_path: Path) -> None:
    pictures(tmp_path, "a.png", "sub/b.png", "sub/c.png", "sub/unlisted.png")
    write_texts(tmp_path, {"labels.csv": LABELS})
    more = '[options]\nfile = "labels.csv"\nsplit_column = "part"\n[options.columns]\nlabel = "object"\nscene = "scene"\n'
    data = opened(tmp_path, "image-labels", more)
    assert words(data) == {"a.png": ["object:cat", "object:dog", "scene:street"], "sub/b.png": ["scene:park"], "sub/c.png": ["object:dog"]}
    assert [record.split for record in data.records] == ["train", None, "val"]
    assert data.vocabulary.categories == ("object", "scene") and data.label_kind == "image"
    assert data.labels(1).annotated == {"object", "scene"}
    assert opened(tmp_path, "image-labels", 'annotated = "present"\n' + more).labels(1).annotated == {"scene"}


def test_the_usual_csv_needs_only_its_name(tmp_path: Path) -> None:
    pictures(tmp_path, "a.png", "sub/b.png", "sub/c.png")
    write_texts(tmp_path, {"labels.csv": LABELS})
    data = opened(tmp_path, "image-labels", '[options]\nfile = "labels.csv"\n')
    assert [concept.name for concept in data.vocabulary.concepts] == ["cat", "dog"]
    first = data.content_hash()
    write_texts(tmp_path, {"labels.csv": LABELS.replace("cat;dog", "dog")})
    assert opened(tmp_path, "image-labels", '[options]\nfile = "labels.csv"\n').content_hash() != first


@pytest.mark.parametrize(
    ("options", "kind", "fault"),
    [
        ("", CardError, "`file` is missing"),
        ('file = "none.csv"', NotFoundError, "none.csv"),
        ('file = "labels.csv"\nimage_column = "path"', DataError, "no column path"),
        ('file = "labels.csv"\ncolumns = {tag = "a"}', DataError, "no column tag"),
        ('file = "labels.csv"\ncolumns = {}', CardError, "columns"),
        ('file = "labels.csv"\ncolumns = {label = 3}', CardError, "columns"),
        ('file = "twice.csv"', DataError, "a.png twice"),
        ('file = "away.csv"', DataError, "line 2: '/etc/passwd'"),
    ],
)
def test_wrong_csvs_are_refused(tmp_path: Path, options: str, kind: type[Exception], fault: str) -> None:
    write_texts(tmp_path, {"labels.csv": LABELS, "twice.csv": "file,label\na.png,x\na.png,y\n", "away.csv": "file,label\n/etc/passwd,x\n"})
    with pytest.raises(kind, match=fault):
        opened(tmp_path, "image-labels", "[options]\n" + options)


def test_pictures_without_labels_have_an_empty_vocabulary(tmp_path: Path) -> None:
    data = opened(pictures(tmp_path, "b.png", "deep/down/a.JPG"), "pictures")
    assert [record.key for record in data.records] == ["b.png", "deep/down/a.JPG"]
    assert (data.label_kind, len(data.vocabulary), data.vocabulary.categories) == ("none", 0, ())
    labels = data.labels(0)
    assert not labels.planes and not labels.whole and not labels.annotated
    assert len(opened(tmp_path, "pictures", '[options]\npattern = "*.png"\n').records) == 1
    with pytest.raises(DataError, match="no images"):
        opened(tmp_path, "pictures", '[options]\npattern = "*.bmp"\n')
    with pytest.raises(CardError, match="pattern"):
        opened(tmp_path, "pictures", '[options]\npattern = "/*.bmp"\n')
