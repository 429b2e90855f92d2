"""Cityscapes: the table of ids, void, sequences, broader groups."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dissect.concepts.card import load_card
from dissect.concepts.cityscapes import LABELS
from dissect.concepts.open import open_set
from dissect.errors import CardError, DataError, LabelMapError
from tests.concepts.label_trees import SIZE, names, open_tree, picture, png

TRAIN_IDS = {
    7: "road", 8: "sidewalk", 11: "building", 12: "wall", 13: "fence", 17: "pole", 19: "traffic light", 20: "traffic sign",
    21: "vegetation", 22: "terrain", 23: "sky", 24: "person", 25: "rider", 26: "car", 27: "truck", 28: "bus", 31: "train",
    32: "motorcycle", 33: "bicycle",
}  # fmt: skip
"""The 19 evaluated classes as the benchmark lists them."""


def frame(root: Path, split: str, name: str, ids: NDArray[np.uint8], kind: str = "gtFine") -> Path:
    """One picture with its map."""
    city = name.split("_")[0]
    picture(root / "leftImg8bit" / split / city / f"{name}_leftImg8bit.png")
    return png(root / kind / split / city / f"{name}_{kind}_labelIds.png", ids)


def stripes(*ids: int) -> NDArray[np.uint8]:
    """One id a row, 0 below."""
    found = np.zeros(SIZE, dtype=np.uint8)
    found[: len(ids)] = np.array(ids, dtype=np.uint8)[:, None]
    return found


def test_the_table_holds_34_ids_of_which_19_count() -> None:
    assert [label.id for label in LABELS] == list(range(34))
    assert {label.id: label.name for label in LABELS if label.evaluated} == TRAIN_IDS
    assert {label.group for label in LABELS} == {"void", "flat", "construction", "object", "nature", "sky", "human", "vehicle"}
    assert all(not label.evaluated for label in LABELS if label.group == "void")
    assert {label.name for label in LABELS if label.group == "vehicle"} >= {"car", "caravan", "trailer", "bicycle"}


def test_ids_become_concepts_and_ignored_ones_void(tmp_path: Path) -> None:
    frame(tmp_path, "train", "ulm_000001_000019", stripes(7, 26, 9, 255, 29))
    opened = open_tree(tmp_path, "cityscapes")
    assert len(opened.vocabulary) == 19
    assert names(opened, opened.labels(0), "object") == {"road": 8, "car": 8, "void": 32}
    assert opened.labels(0).annotated == {"object"}
    assert ("car", "vehicle") in opened.vocabulary.broader and ("sky", "sky") not in opened.vocabulary.broader
    kept = open_tree(tmp_path, "cityscapes", 'ignored = "label"')
    assert len(kept.vocabulary) == 27 and names(kept, kept.labels(0), "object") == {
        "road": 8, "car": 8, "parking": 8, "caravan": 8, "void": 16,
    }  # fmt: skip
    without = open_tree(tmp_path, "cityscapes", "", "void = [26]")
    assert len(without.vocabulary) == 18 and names(without, without.labels(0), "object") == {"road": 8, "void": 40}


def test_frames_of_one_drive_are_a_group_in_order(tmp_path: Path) -> None:
    for name in ("ulm_000001_000019", "ulm_000000_000019", "ulm_000000_000004", "bonn_000000_000019"):
        frame(tmp_path, "val" if name.startswith("bonn") else "train", name, stripes(7))
    opened = open_tree(tmp_path, "cityscapes", "", '[group]\ncolumn = "sequence"')
    assert [record.key.split("/")[-1] for record in opened.records] == [
        "ulm_000000_000004", "ulm_000000_000019", "ulm_000001_000019", "bonn_000000_000019",
    ]  # fmt: skip
    assert [record.group for record in opened.records] == ["ulm_000000", "ulm_000000", "ulm_000001", "bonn_000000"]
    assert [record.split for record in opened.records] == ["train"] * 3 + ["val"]
    assert opened.records[3].attributes["city"] == "bonn"


def test_the_shipped_card_opens_a_tree(tmp_path: Path) -> None:
    frame(tmp_path / "cityscapes", "train", "ulm_000000_000019", stripes(7))
    frame(tmp_path / "cityscapes", "test", "bern_000000_000019", stripes(0))
    frame(tmp_path / "cityscapes", "val", "bonn_000000_000019", stripes(7))
    opened = open_set(load_card("cityscapes", data_root=tmp_path))
    assert [record.group for record in opened.records] == ["ulm_000000", "bonn_000000"]


def test_coarse_labels_have_their_own_names(tmp_path: Path) -> None:
    frame(tmp_path, "train", "ulm_000000_000019", stripes(7), "gtCoarse")
    opened = open_tree(tmp_path, "cityscapes", 'labels = "gtCoarse"')
    assert names(opened, opened.labels(0), "object")["road"] == 8


def test_faults_are_named_and_neighbours_read(tmp_path: Path) -> None:
    for number, ids in enumerate((stripes(34), stripes(7), stripes(7))):
        frame(tmp_path, "train", f"ulm_00000{number}_000019", ids)
    (tmp_path / "gtFine/train/ulm/ulm_000001_000019_gtFine_labelIds.png").unlink()
    opened = open_tree(tmp_path, "cityscapes")
    with pytest.raises(LabelMapError, match=r"000000_000019_gtFine_labelIds\.png holds 34"):
        opened.labels(0)
    with pytest.raises(LabelMapError, match=r"there is no .*000001_000019_gtFine_labelIds\.png"):
        opened.labels(1)
    assert names(opened, opened.labels(2), "object")["road"] == 8
    with pytest.raises(CardError, match="ignored"):
        open_tree(tmp_path, "cityscapes", "ignored = 3")
    with pytest.raises(DataError, match="nowhere"):
        open_tree(tmp_path, "cityscapes", 'images = "nowhere"')
    picture(tmp_path / "leftImg8bit/train/ulm/holiday.png")
    with pytest.raises(DataError, match=r"holiday\.png is not named"):
        open_tree(tmp_path, "cityscapes")
