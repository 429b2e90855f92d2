"""COCO instances: the real miniature set as it lies, planes, crowds, keypoints, parts, and what a damaged file says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dissect.concepts.base import FileSet
from dissect.concepts.card import find_card, load_card, parse_card
from dissect.concepts.coco import CocoSet, part_name
from dissect.concepts.coco_entry import region_of
from dissect.concepts.coco_file import read_coco
from dissect.concepts.open import open_set
from dissect.concepts.regions import Mask
from dissect.errors import CardError, DataError, ImageError, LabelMapError, NotFoundError
from tests.concepts.label_trees import CATEGORIES, SIZE, coco, instance, names, open_tree, picture, square, write_json


@pytest.fixture(scope="module")
def real(shared: Path) -> FileSet:
    opened = open_set(load_card("coco-instances", data_root=shared / "data"))
    assert isinstance(opened, CocoSet)
    return opened


def grown(mask: Mask) -> Mask:
    """A mask and its neighbours on all eight sides."""
    wide = np.pad(mask, 1)
    found: Mask = np.any([wide[y : y + mask.shape[0], x : x + mask.shape[1]] for y in range(3) for x in range(3)], axis=0)
    return found


def test_the_real_set_has_its_published_counts(real: FileSet) -> None:
    assert len(real.records) == 101
    assert [c.category for c in real.vocabulary.concepts].count("object") == 80
    assert {"eye", "ear", "nose", "knee"} <= {c.name for c in real.vocabulary.concepts if c.category == "part"}
    assert ("car", "vehicle") in real.vocabulary.broader and ("person", "person") not in real.vocabulary.broader
    drawn = [real.labels(index) for index in range(101)]
    seen = {int(value) for labels in drawn for plane in labels.planes if plane.category == "object" for value in np.unique(plane.ids)}
    assert len(seen - {0}) == 77
    people = real.vocabulary.concepts[0]
    assert people.name == "person"
    assert sum(any((plane.ids == 1).any() for plane in labels.planes) for labels in drawn) == 46
    assert {record.split for record in real.records} == {"train2017", "val2017"}


def test_outlines_cover_the_area_that_coco_itself_states(shared: Path) -> None:
    file = read_coco(shared / "data/coco_mini_cc/instances.json")
    raw = {entry["id"]: entry for entry in json.loads(file.path.read_text())["annotations"]}
    pixels, stated, crowds = 0, 0.0, 0
    for image in file.images:
        for entry in file.annotations[image.id]:
            found, source = region_of(entry, file.size_of(image), "here"), raw[entry["id"]]
            if source["iscrowd"]:  # the area stated for crowds is another one; the runs are exact, and the box fits
                box, (rows, columns) = source["bbox"], found.window
                assert found.pixels == sum(source["segmentation"]["counts"][1::2])
                assert [columns.start, rows.start] == pytest.approx(box[:2], abs=1.01), "columns come first"
                assert [columns.stop, rows.stop] == pytest.approx([box[0] + box[2], box[1] + box[3]], abs=1.01)
                crowds += 1
            else:
                pixels, stated = pixels + found.pixels, stated + source["area"]
    assert crowds == 12 and sum(map(len, file.annotations.values())) == 1000
    assert abs(pixels / stated - 1) < 5e-4


def test_planes_agree_with_the_masks_drawn_by_others_up_to_their_outline(real: FileSet, shared: Path) -> None:
    # Those masks were drawn with Pillow, which paints the outline itself too: they are wider by about half a pixel all round.
    ids = np.array([0, *(int(c.source_id) if c.category == "object" else 0 for c in real.vocabulary.concepts)])
    agreement, whole = [], []
    for index, record in enumerate(real.records):
        drawn = np.asarray(Image.open(shared / "data/coco_mini_cc/semantic_masks" / f"{Path(record.key).stem}.png"))
        planes = [ids[plane.ids] for plane in real.labels(index).planes if plane.category == "object"]
        ours = np.any([plane > 0 for plane in planes], axis=0)
        whole.append((ours & (drawn > 0)).sum() / (ours | (drawn > 0)).sum())
        for category in np.unique(drawn[drawn > 0]):
            mask, theirs = np.any([plane == category for plane in planes], axis=0), drawn == category
            assert (grown(mask) | ~theirs).mean() > 0.998, f"{record.key}: category {category} lies elsewhere"
            # where nothing else is drawn on top or beside, only pixels of the outline may differ
            alone = ~grown((drawn != category) & (drawn > 0))
            inner = ~grown(grown(mask) & ~mask) & alone
            agreement.append((mask & theirs & inner).sum() / max(((mask | theirs) & inner).sum(), 1))
    assert np.median(whole) >= 0.985
    assert np.median(agreement) >= 0.99


def test_overlapping_instances_keep_all_their_pixels(tmp_path: Path) -> None:
    coco(tmp_path, [
        instance(1, 1, 1, [square(0, 0, 4)]), instance(2, 1, 18, [square(2, 2)]), instance(3, 1, 90, [square(1, 1)]),
        instance(4, 1, 1, [square(3, 3, 3)]),
    ])  # fmt: skip
    opened = open_tree(tmp_path, "coco")
    labels = opened.labels(0)
    assert names(opened, labels, "object") == {"person": 16 + 9 - 1, "dog": 4, "toothbrush": 4}
    assert len(labels.planes) == 3 and labels.planes[0].ids[0, 0] == 1, "larger ones first"
    assert labels.planes[1].ids.shape == SIZE and labels.annotated == {"object"}
    assert [c.source_id for c in opened.vocabulary.concepts] == ["1", "18", "90"], "ids with gaps"
    empty = opened.labels(1)
    assert names(opened, empty, "object") == {} and len(empty.planes) == 1 and empty.annotated == {"object"}


def test_a_list_of_polygons_is_their_union_and_holes_are_even_odd(tmp_path: Path) -> None:
    ring = [0, 0, 6, 0, 6, 6, 0, 6, 0, 0, 2, 2, 4, 2, 4, 4, 2, 4, 2, 2]
    coco(tmp_path, [instance(1, 1, 1, [square(0, 0, 3), square(1, 1, 3)]), instance(2, 2, 1, [ring])])
    opened = open_tree(tmp_path, "coco")
    assert names(opened, opened.labels(0), "object") == {"person": 9 + 9 - 4}
    assert names(opened, opened.labels(1), "object") == {"person": 36 - 4}


@pytest.mark.parametrize("counts", [[6, 6, 36], "6632"])
def test_crowds_count_as_their_category_or_as_void(tmp_path: Path, counts: object) -> None:
    crowd = {"size": [6, 8], "counts": counts if isinstance(counts, list) else "66T1"}
    coco(tmp_path, [instance(1, 1, 1, crowd, iscrowd=1), instance(2, 1, 18, [square(0, 0)])])
    opened = open_tree(tmp_path, "coco")
    assert names(opened, opened.labels(0), "object") == {"person": 6, "dog": 4}
    assert (opened.labels(0).planes[0].ids[:, 1] == 1).all(), "columns first"
    void = open_tree(tmp_path, "coco", 'crowd = "void"')
    assert names(void, void.labels(0), "object") == {"void": 6, "dog": 4}
    assert void.content_hash() != opened.content_hash()


def keypoints(root: Path, *people: dict[str, Any]) -> None:
    """A keypoint file with a nose and two eyes a person."""
    category = {"id": 1, "name": "person", "supercategory": "person", "keypoints": ["nose", "left_eye", "right_eye"]}
    images = [{"id": i, "file_name": f"a{i}.png", "height": SIZE[0], "width": SIZE[1]} for i in (1, 2)]
    write_json(root / "people.json", {"images": images, "annotations": list(people), "categories": [category]})


def person(number: int, image: int, *points: int) -> dict[str, Any]:
    return {"id": number, "image_id": image, "category_id": 1, "keypoints": list(points), "bbox": [0, 0, 4, 4], "num_keypoints": 3}


def test_visible_keypoints_become_discs_of_parts(tmp_path: Path) -> None:
    coco(tmp_path, [instance(1, 1, 1, [square(0, 0, 4)])])
    keypoints(tmp_path, person(1, 1, 3, 3, 2, 1, 1, 2, 5, 1, 1))
    opened = open_tree(tmp_path, "coco", 'keypoints = "people.json"')
    labels = opened.labels(0)
    assert opened.vocabulary.categories == ("object", "part")
    assert names(opened, labels, "part") == {"nose": 1, "eye": 1}, "the hidden eye is not drawn"
    part = next(plane.ids for plane in labels.planes if plane.category == "part")
    assert opened.vocabulary.concepts[part[3, 3] - 1].name == "nose" and opened.vocabulary.concepts[part[1, 1] - 1].name == "eye"
    assert labels.annotated == {"object", "part"}
    wide = open_tree(tmp_path, "coco", 'keypoints = "people.json"\nkeypoint_radius = 0.25\nsides = "keep"')
    assert names(wide, wide.labels(0), "part") == {"nose": 5, "left eye": 5}
    assert part_name("left_eye", True) == "eye" and part_name("left_eye", False) == "left eye" and part_name("left", True) == "left"


def test_parts_are_not_annotated_where_a_person_has_no_marked_keypoint(tmp_path: Path) -> None:
    coco(tmp_path, [])
    keypoints(tmp_path, person(1, 1, 3, 3, 2, 0, 0, 0, 0, 0, 0), person(2, 1, *[0] * 9))
    opened = open_tree(tmp_path, "coco", 'keypoints = "people.json"')
    assert opened.labels(0).annotated == {"object"} and opened.labels(1).annotated == {"object", "part"}


def test_real_noses_lie_inside_their_people(real: FileSet) -> None:
    nose = next(c.index for c in real.vocabulary.concepts if c.name == "nose")
    on, off = 0, 0
    for index in range(len(real.records)):
        planes = real.labels(index).planes
        people = np.any([plane.ids == 1 for plane in planes if plane.category == "object"], axis=0)
        noses = np.any([plane.ids == nose for plane in planes], axis=0)
        on, off = on + int((noses & people).sum()), off + int((noses & ~people).sum())
    assert on > 1000 and on / (on + off) > 0.9


def test_several_parts_of_a_set_share_one_vocabulary(tmp_path: Path) -> None:
    coco(tmp_path / "train", [instance(1, 1, 1, [square(0, 0)])])
    coco(tmp_path / "val", [instance(1, 2, 18, [square(0, 0)])])
    parts = "\n".join(
        f'[[options.parts]]\nsplit = "{name}"\nannotations = "{name}/instances.json"\nimages = "{name}/images"' for name in ("train", "val")
    )
    opened = open_tree(tmp_path, "coco", parts)
    assert [(r.key, r.split) for r in opened.records][1:3] == [("train/images/a2.png", "train"), ("val/images/a1.png", "val")]
    only = open_tree(tmp_path, "coco", parts, split="val")
    assert names(only, only.labels(1), "object") == {"dog": 4}
    coco(tmp_path / "val", [], categories=CATEGORIES[:2])
    with pytest.raises(DataError, match="different categories"):
        open_tree(tmp_path, "coco", parts)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ('crowd = "maybe"', "crowd"),
        ("keypoint_radius = -1", "keypoint_radius"),
        ("keypoint_radius = nan", "keypoint_radius"),
        ('colour = "red"', "colour"),
        ("annotations = 3", "annotations"),
        ('images = "images"\n[[options.parts]]\nannotations = "a"\nimages = "b"', "one or the other"),
        ('[[options.parts]]\nimages = "b"\nkeys = 1', "annotations.*keys|keys.*annotations"),
    ],
)
def test_a_wrong_option_is_named(tmp_path: Path, options: str, fault: str) -> None:
    coco(tmp_path, [])
    with pytest.raises(CardError, match=fault) as raised:
        open_tree(tmp_path, "coco", options)
    assert "card.toml" in str(raised.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    coco(tmp_path, [])
    with pytest.raises(NotFoundError, match=r"gone\.json"):
        open_tree(tmp_path, "coco", 'annotations = "gone.json"')
    (tmp_path / "images/a1.png").unlink()
    with pytest.raises(ImageError, match=r"a1\.png"):
        open_tree(tmp_path, "coco").labels(0)


def test_a_picture_of_another_size_is_refused_and_its_neighbour_read(tmp_path: Path) -> None:
    coco(tmp_path, [instance(1, 1, 1, [square(0, 0)]), instance(2, 2, 1, [square(0, 0)])])
    picture(tmp_path / "images/a1.png", (60, 20))
    opened = open_tree(tmp_path, "coco")
    with pytest.raises(LabelMapError, match=r"a1\.png"):
        opened.labels(0)
    assert names(opened, opened.labels(1), "object") == {"person": 4}


def test_annotations_of_unlisted_pictures_are_refused_unless_the_card_drops_them(tmp_path: Path) -> None:
    coco(tmp_path, [instance(1, 7, 1, [square(0, 0)]), instance(2, 1, 1, [square(0, 0)])])
    with pytest.raises(DataError, match="annotation 1: picture 7") as raised:
        open_tree(tmp_path, "coco")
    assert "orphans" in str(raised.value)
    opened = open_tree(tmp_path, "coco", 'orphans = "drop"')
    assert names(opened, opened.labels(0), "object") == {"person": 4}


def test_the_hash_follows_the_annotations_and_not_the_place(tmp_path: Path) -> None:
    for name, outline in (("one", square(0, 0)), ("two", square(0, 0)), ("three", square(1, 0))):
        coco(tmp_path / name, [instance(1, 1, 1, [outline])])
    one, two, three = (open_tree(tmp_path / name, "coco").content_hash() for name in ("one", "two", "three"))
    assert one == two != three



@pytest.mark.parametrize("name", ["coco-instances", "coco2017", "coco-panoptic", "ade20k-150", "ade20k-full", "voc2012", "cityscapes"])
def test_the_shipped_cards_are_well_formed(name: str) -> None:
    card = parse_card(find_card(name))
    assert card.name == name and card.citation and not card.root.is_absolute()


@pytest.mark.parametrize("kind", ["coco", "coco-panoptic"])
def test_the_published_layout_needs_only_the_shipped_card(tmp_path: Path, kind: str) -> None:
    entries = [{"id": 1, "file_name": "a1.png", "height": SIZE[0], "width": SIZE[1]}]
    for split in ("train2017", "val2017"):
        picture(tmp_path / "coco" / split / "a1.png")
        for name in ("instances", "person_keypoints", "panoptic"):
            content = {"images": entries, "annotations": [], "categories": CATEGORIES}
            write_json(tmp_path / "coco/annotations" / f"{name}_{split}.json", content)
    opened = open_set(load_card("coco2017" if kind == "coco" else kind, data_root=tmp_path))
    assert [(record.key, record.split) for record in opened.records] == [("val2017/a1.png", "val2017")]
