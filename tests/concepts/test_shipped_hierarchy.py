"""The hierarchy that ships: everyday words stand above the classes of ImageNet, Broden, ADE20K and COCO, in the sense that is meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from dissect.concepts.hierarchy import closure, find_circle, shipped_broader, shipped_hierarchy
from dissect.concepts.make_hierarchy import Maker
from dissect.concepts.wordnet import read_wordnet
from dissect.errors import DataError, NotFoundError

EVERYDAY = {
    "dog": ("Yorkshire terrier", "golden retriever", "Samoyed, Samoyede", "Cardigan, Cardigan Welsh corgi", "terrier"),
    "animal": ("dog", "cat", "bird", "zebra", "tench", "African elephant", "sheep", "hen", "tarantula"),
    "bird": ("goldfinch", "flamingo", "peacock", "hen", "duck", "magpie"),
    "vehicle": ("car", "bus", "truck", "bicycle", "airplane", "boat", "train", "motorcycle", "tractor", "minivan", "ambulance"),
    "furniture": ("chair", "table", "sofa", "bed", "cabinet", "armchair", "desk", "wardrobe", "ottoman"),
    "food": ("banana", "apple", "orange", "pizza", "cake", "bagel", "broccoli", "bread"), "fruit": ("apple", "lemon"),
    "clothing": ("jersey", "skirt", "hat", "jean", "shirt", "jacket", "tie"), "plant": ("tree", "flower", "palm", "bush", "pottedplant"),
    "building": ("house", "church", "skyscraper", "barn", "mosque-outdoor", "hotel-outdoor"), "person": ("man", "woman", "child", "player"),
    "container": ("bottle", "bucket", "vase", "cup", "box"), "musical instrument": ("guitar", "piano", "drum"), "insect": ("bee", "ant"),
    "body part": ("arm", "leg", "head", "hand"), "room": ("bedroom", "kitchen", "bathroom"), "tool": ("hammer", "knife"),
}  # fmt: skip
APART = {
    "animal": ("mouse", "crane", "plant", "chair", "bank", "kite", "person"), "vehicle": ("bird", "container"), "clothing": ("blue-c",),
    "building": ("plant", "tree"), "fruit": ("ear", "dog"), "person": ("crane", "palm", "plant", "dog", "bank"), "food": ("mouse", "plant"),
    "dog": ("cat", "wolf", "hot dog"), "container": ("car",),
}  # fmt: skip


def under(word: str) -> frozenset[str]:
    names = [name for group in (*EVERYDAY.values(), *APART.values()) for name in group]
    return closure(shipped_broader(names), word)


@pytest.mark.parametrize("word", EVERYDAY)
def test_everyday_words_stand_above_what_they_mean(word: str) -> None:
    assert set(EVERYDAY[word]) - under(word) == set()


@pytest.mark.parametrize("word", APART)
def test_words_of_two_meanings_are_not_mixed_up(word: str) -> None:
    assert set(APART[word]) & under(word) == set()


def test_the_hierarchy_runs_in_no_circle_and_a_names_spelling_is_kept() -> None:
    assert find_circle((name, above.replace("-", " ")) for name, every in shipped_hierarchy().items() for above in every) == []
    pairs = shipped_broader(["Dog", "traffic_light", "yorkshire-terrier", "unheard of"])
    assert "yorkshire-terrier" in closure(pairs, "Dog")
    assert not {"dog", "unheard of"} & {name for pair in pairs for name in pair}


def test_imagenets_dogs_and_animals_are_covered(shared: Path) -> None:
    lines = (shared / "data/published_labels/concept_lists/imagenet_labels.txt").read_text(encoding="utf-8").splitlines()
    pairs = shipped_broader(lines)
    assert set(lines[151:269]) - closure(pairs, "dog") == set()
    assert {line for line in lines[:398] if line not in closure(pairs, "animal")} <= {
        "kite",
        "crane",
        "polecat, fitch, foulmart, foumart, Mustela putorius",
    }
    missing = {line for line in lines if line not in {narrow for narrow, _ in pairs}}
    assert len(missing) < 60


DATA = """\
  1 licence
00000001 03 n 01 entity 0 000 | all
00000002 03 n 02 animal 0 beast 0 001 @ 00000001 n 0000 | living
00000003 05 n 01 dog 0 001 @ 00000002 n 0000 | barks
00000004 05 n 02 terrier 0 ratter 0 001 @ 00000003 n 0000 | small
00000005 05 n 01 crane 0 001 @ 00000002 n 0000 | bird
00000006 06 n 01 crane 0 001 @ 00000001 n 0000 | lifts
00000007 18 n 01 Rex 0 001 @i 00000003 n 0000 | one dog
"""
INDEX = """\
animal n 1 1 @ 1 5 00000002
beast n 1 1 @ 1 0 00000002
crane n 2 1 @ 2 1 00000006 00000005
dog n 1 1 @ 1 9 00000003
ratter n 1 1 @ 1 0 00000004
rex n 1 1 @ 1 0 00000007
terrier n 1 1 @ 1 1 00000004
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    for name, text in {
        "data.noun": DATA,
        "index.noun": INDEX,
        "index.verb": "dog v 1 1 @ 1 2 00000009\n",
        "index.adj": "",
        "index.adv": "",
    }.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_each_name_gets_one_sense_and_kinds_only(small: Path) -> None:
    maker = Maker(read_wordnet(small))
    maker.add_imagenet(["crane", "terrier, ratter"])
    maker.add_names(["dog", "hunting dog", "dog-outdoor", "animal"])
    maker.add_words(["rex", "beast"])
    pairs = maker.pairs()
    assert {
        ("terrier", "dog"),
        ("dog", "animal"),
        ("hunting dog", "dog"),
        ("dog-outdoor", "dog"),
        ("ratter", "terrier"),
        ("beast", "animal"),
    } <= set(pairs)
    assert not {"crane", "rex", "entity"} & {name for pair in pairs for name in pair}


def test_what_is_no_wordnet_is_refused(small: Path) -> None:
    (small / "data.noun").write_text("nonsense\n")
    with pytest.raises(DataError, match=r"not a line of WordNet"):
        read_wordnet(small)
    (small / "data.noun").unlink()
    with pytest.raises(NotFoundError, match=r"data\.noun"):
        read_wordnet(small)
