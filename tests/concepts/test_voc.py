"""Pascal VOC: the palette against its own definition, indices, colours, lists, void."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from PIL import Image

from dissect.concepts.voc import class_numbers, palette
from dissect.errors import CardError, DataError, LabelMapError, NotFoundError
from tests.concepts.label_trees import SIZE, names, numbers, open_tree, picture, png

FOLDER = TemporaryDirectory()
OPTIONS = 'classes = ["cat", "dog", "bus"]\nsplits = ["train", "val"]'


def tree(root: Path, **masks: NDArray[np.uint8]) -> None:
    """A VOC tree; names that begin with t are in train, the others in val."""
    for name, mask in masks.items():
        picture(root / "JPEGImages" / f"{name}.jpg")
        png(root / "SegmentationClass" / f"{name}.png", mask, "P")
    lists = root / "ImageSets/Segmentation"
    lists.mkdir(parents=True, exist_ok=True)
    (lists / "train.txt").write_text("".join(f"{name}\n" for name in masks if name.startswith("t")))
    (lists / "val.txt").write_text("".join(f"{name}\n" for name in masks if not name.startswith("t")) + "\n")


def rimmed() -> NDArray[np.uint8]:
    """A cat, a bus, and a void rim."""
    mask = numbers("11.33", "11.33")
    mask[3] = 255
    return mask


def test_the_palette_is_the_published_one() -> None:
    colours = palette().tolist()
    # aeroplane, bicycle, person, tvmonitor and the rim, as anybody who has seen a VOC mask knows them
    known = {0: [0, 0, 0], 1: [128, 0, 0], 2: [0, 128, 0], 15: [192, 128, 128], 20: [0, 64, 128], 255: [224, 224, 192]}
    assert {number: colours[number] for number in known} == known
    assert len({tuple(colour) for colour in colours}) == 256


def test_the_palette_follows_the_rule_of_bits_spelled_out() -> None:
    for number, colour in enumerate(palette().tolist()):
        bits = f"{number:09b}"[::-1]
        assert colour == [int(bits[channel::3].ljust(8, "0"), 2) for channel in range(3)]


@given(hnp.arrays(np.uint8, (3, 4)))
def test_colours_give_back_the_class_numbers(mask: NDArray[np.uint8]) -> None:
    np.testing.assert_array_equal(class_numbers(Path("x.png"), palette()[mask]), mask)


@given(hnp.arrays(np.uint8, (3, 4), elements=st.integers(0, 20)), st.permutations(range(21)))
def test_another_order_of_the_same_colours_is_read_by_colour(mask: NDArray[np.uint8], order: list[int]) -> None:
    path = Path(FOLDER.name) / "mask.png"
    image = Image.fromarray(mask).convert("L")
    image.putpalette(palette()[order].reshape(-1).tolist())
    image.save(path)
    np.testing.assert_array_equal(class_numbers(path, mask), np.array(order)[mask])


def test_masks_are_read_by_index_with_a_void_rim(tmp_path: Path) -> None:
    tree(tmp_path, t1=rimmed(), v1=numbers("2"))
    opened = open_tree(tmp_path, "voc", OPTIONS)
    assert [(r.key, r.split) for r in opened.records] == [("t1", "train"), ("v1", "val")]
    assert names(opened, opened.labels(0), "object") == {"cat": 4, "bus": 4, "void": 8}
    assert opened.labels(0).annotated == {"object"} and opened.labels(0).planes[0].ids.shape == SIZE
    assert names(opened, opened.labels(1), "object") == {"dog": 1}
    val = open_tree(tmp_path, "voc", OPTIONS, split="val")
    assert [record.key for record in val.records] == ["v1"]
    background = open_tree(tmp_path, "voc", OPTIONS + '\nbackground = "label"')
    assert names(background, background.labels(0), "object") == {"background": 32, "cat": 4, "bus": 4, "void": 8}


def test_an_rgb_mask_is_read_through_the_palette(tmp_path: Path) -> None:
    tree(tmp_path, t1=rimmed())
    png(tmp_path / "SegmentationClass/t1.png", palette()[rimmed()])
    opened = open_tree(tmp_path, "voc", OPTIONS)
    assert names(opened, opened.labels(0), "object") == {"cat": 4, "bus": 4, "void": 8}


def test_void_ids_of_the_card_take_the_place_of_255(tmp_path: Path) -> None:
    tree(tmp_path, t1=rimmed(), t2=numbers("13"))
    opened = open_tree(tmp_path, "voc", OPTIONS, "void = [3]")
    assert names(opened, opened.labels(1), "object") == {"cat": 1, "void": 1}
    with pytest.raises(LabelMapError, match="255"):
        opened.labels(0)


def test_masks_nobody_can_read_are_named_and_neighbours_kept(tmp_path: Path) -> None:
    tree(tmp_path, t1=rimmed(), t2=rimmed(), t3=rimmed(), t4=rimmed())
    png(tmp_path / "SegmentationClass/t1.png", np.full((*SIZE, 3), 7, dtype=np.uint8))
    png(tmp_path / "SegmentationClass/t2.png", numbers("9"))
    short = Image.fromarray(numbers("3")).convert("L")
    short.putpalette([0, 0, 0, 9, 9, 9, 1, 2, 3, 4, 5, 6])
    short.save(tmp_path / "SegmentationClass/t3.png")
    opened = open_tree(tmp_path, "voc", OPTIONS)
    for index, fault in enumerate((r"t1\.png shows the colour \(7, 7, 7\)", r"t2\.png holds 9", r"t3\.png shows the colour \(4, 5, 6\)")):
        with pytest.raises(LabelMapError, match=fault) as raised:
            opened.labels(index)
        assert "Save" in str(raised.value)
    assert names(opened, opened.labels(3), "object")["cat"] == 4


def test_lists_and_options_are_checked(tmp_path: Path) -> None:
    tree(tmp_path, t1=rimmed())
    for options, fault in (("", "classes"), ('classes = ["a", "a"]', "classes"), ('classes = ["a"]\nshape = 1', "shape")):
        with pytest.raises(CardError, match=fault):
            open_tree(tmp_path, "voc", options)
    with pytest.raises(NotFoundError, match=r"test\.txt"):
        open_tree(tmp_path, "voc", 'classes = ["a"]\nsplits = ["test"]')
    (tmp_path / "ImageSets/Segmentation/train.txt").write_text("t1\n../../t1\n")
    with pytest.raises(DataError, match=r"train\.txt, line 2"):
        open_tree(tmp_path, "voc", OPTIONS)
    (tmp_path / "ImageSets/Segmentation/train.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"train\.txt"):
        open_tree(tmp_path, "voc", OPTIONS)
