"""Colour terms from pixels: plain patches a person would name alike, and the wrapper around any set."""

from __future__ import annotations

import colorsys
import math
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dissect.concepts.colour import ANCHORS, name_pixels, to_lab
from dissect.concepts.open import open_set
from dissect.errors import CardError, ImageError
from tests.concepts.cards import card_for, write_picture, write_texts

TERMS = list(ANCHORS)


def term(colour: str) -> str:
    rgb = np.array([[[int(colour[i : i + 2], 16) for i in (0, 2, 4)]]], dtype=np.uint8)
    return TERMS[int(name_pixels(rgb)[0, 0]) - 1]


@pytest.mark.parametrize(
    ("name", "colours"),
    [
        ("black", "000000 050505 0f0f0f 120c0c 0a0f12"),
        ("white", "ffffff fafafa f2f2f2 fdfcf8"),
        ("grey", "808080 505050 b4b4b4 9a9a9a 6e7072 c8c8c8 8a8784"),
        ("red", "ff0000 d01010 b01818 e02020 990000"),
        ("green", "00ff00 008000 2f8f2f 205020 90e090"),
        ("blue", "0000ff 2040c0 102060 87c0f0 3070b0"),
        ("yellow", "ffff00 f0e000 ffe040 fff080"),
        ("orange", "ff8000 ff9010 f07818 ffa030"),
        ("brown", "704020 603010 8b5a2b 503018 a06030"),
        ("pink", "ffb0c0 ff80b0 f0a0b8 ff60a0"),
        ("purple", "800080 6020a0 9040c0 a050d0"),
    ],
)
def test_plain_patches_have_the_name_a_person_gives_them(name: str, colours: str) -> None:
    assert {colour: term(colour) for colour in colours.split()} == dict.fromkeys(colours.split(), name)


def test_there_are_eleven_terms_and_every_anchor_names_itself() -> None:
    assert TERMS == ["black", "blue", "brown", "grey", "green", "orange", "pink", "purple", "red", "white", "yellow"]
    wrong = {code: (name, term(code)) for name, codes in ANCHORS.items() for code in codes.split() if term(code) != name}
    assert wrong == {}


@given(grey=st.integers(0, 255))
def test_neutral_pixels_are_black_grey_or_white_in_this_order(grey: int) -> None:
    named = [term(f"{value:02x}" * 3) for value in sorted({grey, max(0, grey - 30), min(255, grey + 30)})]
    order = ["black", "grey", "white"]
    assert [order.index(name) for name in named] == sorted(order.index(name) for name in named)


@given(hue=st.floats(0, 1), seed=st.integers(0, 3))
def test_full_hues_are_never_called_neutral(hue: float, seed: int) -> None:
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue, 1, (1.0, 0.8, 0.6, 0.45)[seed]))
    assert term(f"{red:02x}{green:02x}{blue:02x}") not in ("black", "grey", "white")


@given(rgb=st.tuples(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255)))
def test_the_table_agrees_with_the_nearest_anchor(rgb: tuple[int, int, int]) -> None:
    middle = to_lab(np.array([part // 4 * 4 + 1.5 for part in rgb]))

    def distance(code: str) -> float:
        anchor = to_lab(np.array([int(code[i : i + 2], 16) for i in (0, 2, 4)], dtype=np.float64))
        return math.dist(anchor.tolist(), middle.tolist())

    distances = {name: min(distance(code) for code in codes.split()) for name, codes in ANCHORS.items()}
    assert distances[term("{:02x}{:02x}{:02x}".format(*rgb))] <= min(distances.values()) + 1e-6


def test_lab_has_its_known_corners() -> None:
    corners = np.array([[255, 255, 255], [0, 0, 0], [255, 0, 0], [0, 0, 255]], dtype=float)
    known = np.array([[100, 0, 0], [0, 0, 0], [53.24, 80.09, 67.20], [32.30, 79.19, -107.86]])
    assert np.abs(to_lab(corners) - known).max() < 0.1


def test_a_picture_is_named_in_two_milliseconds() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    name_pixels(picture)
    best = 1.0
    for _ in range(10):
        start = time.process_time()
        name_pixels(picture)
        best = min(best, time.process_time() - start)
    assert best <= 2e-3


def test_any_set_gains_a_colour_plane(tmp_path: Path) -> None:
    for number, colour in enumerate(("red", "blue")):
        (tmp_path / colour).mkdir()
        Image.new("RGB", (300 + number, 20), colour).save(tmp_path / colour / "a.png")
    plain = open_set(card_for(tmp_path, "image-folder"))
    data = open_set(card_for(tmp_path, "image-folder", "colour_naming = true\n"))
    assert data.vocabulary.categories == ("class", "color") and len(data.vocabulary) == 13
    names = {concept.index: (concept.name, concept.category) for concept in data.vocabulary.concepts}
    for index, colour in enumerate(("blue", "red")):
        labels = data.labels(index)
        assert [names[i] for i in labels.whole] == [(colour, "class")]
        assert {names[int(i)] for i in np.unique(labels.planes[0].ids)} == {(f"{colour}-c", "color")}
        assert labels.annotated == {"class", "color"} and max(labels.planes[0].ids.shape) == 256
    assert (data.label_kind, data.records) == ("masks", plain.records)
    assert data.content_hash() != plain.content_hash()


def test_colours_lie_as_the_upright_picture(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = np.zeros((4, 6, 3), dtype=np.uint8)
    stored[0, 0] = 255
    Image.fromarray(stored).save(tmp_path / "a.png", exif=exif)
    data = open_set(card_for(tmp_path, "pictures", "colour_naming = true\n"))
    ids = data.labels(0).planes[0].ids
    assert ids.shape == (6, 4) and np.argwhere(ids == TERMS.index("white") + 1).tolist() == [[0, 3]]


def test_a_set_with_colours_of_its_own_is_refused(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png")
    write_texts(tmp_path, {"l.csv": "file,label\na.png,red\n"})
    with pytest.raises(CardError, match="colour_naming"):
        open_set(card_for(tmp_path, "image-labels", 'colour_naming = true\n[options]\nfile = "l.csv"\ncolumns = {label = "color"}\n'))


def test_a_bad_picture_has_no_colours(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no")
    with pytest.raises(ImageError, match=r"a\.png"):
        open_set(card_for(tmp_path, "pictures", "colour_naming = true\n")).labels(0)
