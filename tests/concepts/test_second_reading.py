"""Readers against a second, plain reading of the same files, pixel by pixel; and what must not drift: hashes, threads, homes."""

from __future__ import annotations

import csv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dissect.concepts import open as opening
from dissect.concepts.card import DataCard, load_card
from dissect.concepts.model import VOID, ProbeSet
from dissect.concepts.open import open_set
from tests.concepts.cards import card_for, write_broden_plane, write_picture, write_texts
from tests.concepts.test_broden import HEADER, TABLES

CATEGORIES = ("object", "part", "scene", "material", "texture")
NUMBERS = (0, 1, 2, 3, 4, 5, 300)

cell = st.lists(st.one_of(st.sampled_from(NUMBERS), st.lists(st.sampled_from(NUMBERS), min_size=6, max_size=6)), max_size=3)
"""A cell: whole-image numbers, and planes of 2 x 3 numbers."""


def write_cells(folder: Path, cells: list[list[int | list[int]]]) -> None:
    texts = []
    for category, items in zip(CATEGORIES, cells, strict=True):
        names = []
        for position, item in enumerate(items):
            if isinstance(item, list):
                names.append(f"{category}{position}.png")
                write_broden_plane(folder / "images" / names[-1], np.reshape(item, (2, 3)))
            else:
                names.append(str(item))
        texts.append(";".join(names))
    write_texts(folder, {**TABLES, "index.csv": HEADER + "a.jpg,train,8,8,2,3," + ",".join(texts) + "\n"})


def read_plainly(folder: Path) -> tuple[list[tuple[str, list[list[str]]]], list[str], set[str]]:
    """Planes as (category, names by row), whole-image names, annotated categories; "-" for 0. Nothing of the reader is used."""
    with (folder / "label.csv").open(newline="") as file:
        name_of = {int(row["number"]): row["name"] for row in csv.DictReader(file)}
    with (folder / "index.csv").open(newline="") as file:
        row = next(csv.DictReader(file))
    planes, whole, annotated = [], [], set()
    for category in CATEGORIES:
        if row[category]:
            annotated.add(category)
        for item in row[category].split(";") if row[category] else []:
            if item.isdigit():
                whole.append(name_of[int(item)])
                continue
            image = Image.open(folder / "images" / item)
            pixels = [[cast(tuple[int, int, int], image.getpixel((x, y))) for x in range(image.width)] for y in range(image.height)]
            planes.append((category, [[name_of[red + 256 * green] for red, green, _ in line] for line in pixels]))
            image.close()
    return planes, whole, annotated


def named(data: ProbeSet, index: int = 0) -> tuple[list[tuple[str, list[list[str]]]], list[str], set[str]]:
    """What the reader gives, in the words of `read_plainly`."""
    words = {0: "-", VOID: "void", **{concept.index: concept.name for concept in data.vocabulary.concepts}}
    labels = data.labels(index)
    planes = [(plane.category, [[words[i] for i in line] for line in plane.ids.tolist()]) for plane in labels.planes]
    return planes, [words[i] for i in labels.whole], set(labels.annotated)


@given(cells=st.lists(cell, min_size=5, max_size=5))
def test_broden_is_read_as_a_plain_reader_reads_it(tmp_path_factory: pytest.TempPathFactory, cells: list[list[int | list[int]]]) -> None:
    folder = tmp_path_factory.getbasetemp() / "plain"
    if not folder.exists():
        write_picture(folder / "images/a.jpg", size=(8, 8))
    write_cells(folder, cells)
    assert named(open_set(card_for(folder, "broden"))) == read_plainly(folder)


@pytest.mark.shared
def test_clothing_masks_are_read_as_a_plain_reader_reads_them(shared: Path) -> None:
    folder = shared / "data/clothing_coparsing"
    data = open_set(load_card("clothing-coparsing", data_root=shared / "data"), limit=3)
    with (folder / "classes.csv").open(newline="") as file:
        classes = {int(row["id"]): row for row in csv.DictReader(file)}
    for record in data.records:
        planes, whole, annotated = named(data, record.index)
        stored = np.asarray(Image.open(folder / "masks" / f"{record.path.stem}.png"))
        parts = [
            [classes[i]["name"] if classes[i]["kind"] in ("body_part", "garment_or_accessory") else "-" for i in row]
            for row in stored.tolist()
        ]
        assert planes[0] == ("object", [["person" if i else "-" for i in row] for row in stored.tolist()])
        assert planes[1] == ("part", parts) and (whole, annotated) == ([], {"object", "part"})


def write_fixed(folder: Path) -> None:
    """A set whose every byte is written here, so that its hash depends on nothing but the rule of hashing."""
    folder.mkdir(exist_ok=True)
    for number in range(3):
        (folder / f"{number}.ppm").write_bytes(b"P6 2 1 255\n" + bytes([number, 1, 2, 3, 4, 5]))
    write_texts(folder, {"l.csv": "file,label\n0.ppm,car\n1.ppm,car;sky\n2.ppm,\n"})


def test_the_content_hash_of_fixed_bytes_never_drifts(tmp_path: Path) -> None:
    write_fixed(tmp_path)
    data = open_set(card_for(tmp_path, "image-labels", '[options]\nfile = "l.csv"\n'))
    # A change of this number means that every cached result is made again: raise READING in base.py with it.
    assert data.content_hash() == "dd8fd54698daf6a65f14def9c06ed35e66da1bccad761ad18bfac2fdb189f10a"


def test_labels_are_the_same_from_many_threads(tmp_path: Path) -> None:
    for number in range(8):
        write_picture(tmp_path / "images" / f"{number}.jpg", number, size=(8, 8), orientation=number + 1)
        write_broden_plane(tmp_path / "images" / f"{number}.png", np.full((4, 4), NUMBERS[number % 7]))
    rows = "".join(f"{number}.jpg,train,8,8,4,4,{number}.png,,3,,\n" for number in range(8))
    write_texts(tmp_path, {**TABLES, "index.csv": HEADER + rows})
    data = open_set(card_for(tmp_path, "broden"))
    alone = [named(data, index) for index in range(8)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda index: named(data, index % 8), range(80)))
    assert together == alone * 10


def test_square_broden_planes_turn_with_their_picture(tmp_path: Path) -> None:
    corner = np.zeros((4, 4), dtype=int)
    corner[0, 0] = 1
    places = {1: (0, 0), 2: (0, 3), 3: (3, 3), 4: (3, 0), 5: (0, 0), 6: (0, 3), 7: (3, 3), 8: (3, 0)}
    write_broden_plane(tmp_path / "images/p.png", corner)
    write_texts(tmp_path, {**TABLES, "index.csv": HEADER + "a.jpg,train,8,8,4,4,p.png,,,,\n"})
    for orientation, place in places.items():
        write_picture(tmp_path / "images/a.jpg", size=(8, 8), orientation=orientation)
        ids = open_set(card_for(tmp_path, "broden")).labels(0).planes[0].ids
        assert np.argwhere(ids).tolist() == [list(place)], orientation


def test_the_users_folder_reaches_the_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Path | None] = []
    real = opening.READERS["pictures"]

    def reader(card: DataCard) -> ProbeSet:
        seen.append(card.home)
        return real(card)

    monkeypatch.setattr(opening, "READERS", {"pictures": reader})
    write_picture(tmp_path / "a.png")
    open_set(card_for(tmp_path, "pictures"))
    open_set(card_for(tmp_path, "pictures"), home=tmp_path / "home")
    assert seen == [None, tmp_path / "home"]
