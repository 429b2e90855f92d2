"""COCO panoptic: segments to planes, void, stuff on a plane of its own, and damaged pairs of JSON and PNG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissect.concepts.coco_panoptic import _paint
from dissect.errors import CardError, DataError, LabelMapError
from tests.concepts.label_trees import SIZE, names, numbers, open_tree, panoptic, png

BIG = 3 + 256 * 77 + 65536 * 200
SEGMENTS = [{"id": 1, "category_id": 1}, {"id": BIG, "category_id": 200}, {"id": 9, "category_id": 1, "iscrowd": 1}]


def drawn() -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """One person of four pixels, sky of eight, a crowd of two, nothing elsewhere."""
    found = numbers("11.2222.", "11.2222.").astype(np.int64)
    found[found == 2] = BIG
    found[2, :2] = 9
    return found


@given(st.lists(st.integers(0, (1 << 24) - 1), min_size=1, max_size=12))
def test_a_segment_is_red_and_256_green_and_65536_blue(segments: list[int]) -> None:
    concepts = {segment: index + 1 for index, segment in enumerate(dict.fromkeys(segments))}
    stored = np.array([[[segment % 256, segment // 256 % 256, segment // 65536] for segment in segments]], dtype=np.uint8)
    assert _paint(Path("x.png"), stored, concepts).tolist() == [[concepts[segment] for segment in segments]]


def test_things_and_stuff_share_a_plane_and_segment_0_is_void(tmp_path: Path) -> None:
    panoptic(tmp_path, {1: SEGMENTS}, {1: drawn()})
    opened = open_tree(tmp_path, "coco-panoptic")
    labels = opened.labels(0)
    assert names(opened, labels, "object") == {"person": 4 + 2, "sky": 8, "void": 48 - 14}
    assert len(labels.planes) == 1 and labels.planes[0].ids.shape == SIZE and labels.annotated == {"object"}
    assert opened.vocabulary.broader == (("sky", "sky-stuff"),)


def test_stuff_may_be_a_category_of_its_own_void_in_both(tmp_path: Path) -> None:
    panoptic(tmp_path, {1: SEGMENTS}, {1: drawn()})
    opened = open_tree(tmp_path, "coco-panoptic", 'stuff_category = "stuff"\ncrowd = "void"')
    labels = opened.labels(0)
    assert names(opened, labels, "object") == {"person": 4, "void": 36}
    assert names(opened, labels, "stuff") == {"sky": 8, "void": 36}
    assert labels.annotated == {"object", "stuff"}
    plain = open_tree(tmp_path, "coco-panoptic", 'unlabelled = "unlabelled"')
    assert names(plain, plain.labels(0), "object") == {"person": 6, "sky": 8}


@pytest.mark.parametrize(
    ("segments", "fault"),
    [
        (SEGMENTS[:2], "segment 9"),
        ([*SEGMENTS, {"id": 1, "category_id": 1}], "twice"),
        ([*SEGMENTS, {"id": 5, "category_id": 17}], "category id 17"),
        ([*SEGMENTS, {"id": -5, "category_id": 1}], "-5"),
        ([*SEGMENTS, {"id": True, "category_id": 1}], "True"),
        ([*SEGMENTS, 7], "segments_info"),
        ([{**SEGMENTS[0], "iscrowd": "yes"}, *SEGMENTS[1:]], "iscrowd"),
    ],
)
def test_a_damaged_picture_is_named_and_its_neighbour_read(tmp_path: Path, segments: list[object], fault: str) -> None:
    panoptic(tmp_path, {1: segments, 2: SEGMENTS}, {1: drawn(), 2: drawn()})
    opened = open_tree(tmp_path, "coco-panoptic", 'crowd = "void"')
    with pytest.raises(LabelMapError, match=fault) as raised:
        opened.labels(0)
    assert ("panoptic" in str(raised.value) and "Export" in str(raised.value)) or "Write" in str(raised.value) or "Add" in str(raised.value)
    assert names(opened, opened.labels(1), "object")["sky"] == 8


def test_a_picture_without_entry_or_with_a_grey_png_is_refused_alone(tmp_path: Path) -> None:
    panoptic(tmp_path, {1: SEGMENTS, 3: SEGMENTS}, {1: drawn(), 2: drawn(), 3: drawn()})
    png(tmp_path / "panoptic/s1.png", np.zeros(SIZE, dtype=np.uint8))
    opened = open_tree(tmp_path, "coco-panoptic")
    with pytest.raises(LabelMapError, match=r"s1\.png is not an RGB"):
        opened.labels(0)
    with pytest.raises(LabelMapError, match=r"a2\.png.*no entry"):
        opened.labels(1)
    assert names(opened, opened.labels(2), "object")["person"] == 6


def test_wrong_options_and_files_are_named(tmp_path: Path) -> None:
    panoptic(tmp_path, {1: SEGMENTS}, {1: drawn()})
    with pytest.raises(CardError, match="unlabelled"):
        open_tree(tmp_path, "coco-panoptic", 'unlabelled = "no"')
    panoptic(tmp_path, {1: SEGMENTS}, {1: drawn()}, annotations=[{"image_id": 1, "file_name": "../../x.png", "segments_info": []}])
    with pytest.raises(DataError, match="not the name of a file inside"):
        open_tree(tmp_path, "coco-panoptic")
    twice = {"image_id": 1, "file_name": "s1.png", "segments_info": SEGMENTS}
    panoptic(tmp_path, {1: SEGMENTS}, {1: drawn()}, annotations=[twice, twice])
    with pytest.raises(DataError, match="2 annotations"):
        open_tree(tmp_path, "coco-panoptic")
