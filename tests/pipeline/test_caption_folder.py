"""Exemplars in the published layout: a run written so is described as the run is; broken folders are refused in one line each."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from dissect.caption.milannotations import read_annotations, read_layer, write_layer
from dissect.errors import DataError, NotFoundError
from dissect.pipeline.caption_export import enlarged, export_exemplars
from dissect.pipeline.caption_folder import Row, caption_folder, exemplars_of
from dissect.pipeline.caption_request import CaptionRequest
from dissect.probe.progress import Quiet
from tests.pipeline.captioners import SAID, write_captioner
from tests.pipeline.desk import Desk, opened


@pytest.fixture(scope="module")
def home(work: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose run is described, its captioner `mine.json`, and its exemplars in `out`."""
    torch.set_num_threads(1)
    folder = Path(shutil.copytree(work / "composed", tmp_path_factory.mktemp("folder") / "home"))
    for desk in opened(work, folder):
        export_exemplars(desk.store, desk.config, "latest", folder / "out", Quiet())
        assert not (folder / "out" / "annotations.csv").exists()  # nothing is described yet
        card = write_captioner(desk, folder / "mine.json", folder / "out")
        desk.caption(captioner=str(card), exemplars=3)
        export_exemplars(desk.store, desk.config, "latest", folder / "out", Quiet())
    return folder


@pytest.fixture
def desk(work: Path, home: Path) -> Iterator[Desk]:
    """To be read only."""
    yield from opened(work, home)


@pytest.fixture
def out(home: Path, tmp_path: Path) -> Path:
    """A copy of the exemplars."""
    return Path(shutil.copytree(home / "out", tmp_path / "out"))


def described(desk: Desk, folder: Path, **more: object) -> list[Row]:
    request = CaptionRequest(captioner=str(desk.home / "mine.json"), exemplars=3, **more)  # type: ignore[arg-type]
    return caption_folder(desk.config, folder, request, Quiet())


def test_the_units_of_a_run_that_was_written_are_described(desk: Desk, out: Path) -> None:
    rows = described(desk, out)
    first = {(row["layer"], row["unit"]): row["description"] for row in rows if row.get("rank") == 1}
    assert set(first) == set(SAID)
    assert all(first[name] in texts for name, texts in SAID.items())


def test_pictures_masks_and_texts_of_the_folder_are_those_of_the_run(desk: Desk, out: Path) -> None:
    layer = read_layer(out, "first")
    assert layer.images.shape == (5, 3, 3, 224, 224) and layer.masks.shape == (5, 3, 1, 224, 224)
    view = desk.store.unit("planted", "first", 1)
    assert layer.ids[1].tolist() == [exemplar.image_index for exemplar in view.exemplars[:3]]
    assert layer.activations is not None and layer.activations[1, 0] == pytest.approx(view.exemplars[0].activation, rel=1e-4)
    mask = layer.masks[1, 0, 0].astype(bool)
    assert layer.images[1, 0].transpose(1, 2, 0)[mask].mean(axis=0) @ [-1, -1, 1] > 100  # blue under the mask
    found = read_annotations(out)
    assert dict(zip(found.units, found.texts, strict=True))["first", 1] == tuple(
        label.text for label in desk.labels("first", 1, "milan")[:3]
    )


def test_a_mask_is_enlarged_pixel_by_pixel() -> None:
    mask = np.eye(8, dtype=bool)
    large = enlarged(mask)
    assert np.array_equal(large, np.kron(mask, np.ones((28, 28), bool)))


def test_what_people_said_stands_beside_the_first_description(desk: Desk, out: Path) -> None:
    (out / "annotations.csv").write_text("layer,unit,summary\nfirst,0,red things\nfirst,0,a red square\n")
    rows = described(desk, out, layers=("first",), kept=2)
    people = {(row["unit"], row.get("rank")): row["people"] for row in rows}
    assert people[0, 1] == "red things | a red square" and people[0, 2] is None and people[1, 1] is None


def test_units_with_fewer_exemplars_or_none_are_described_or_named(desk: Desk, out: Path, tmp_path: Path) -> None:
    layer = read_layer(out, "first")
    ids = layer.ids.copy()
    ids[0, 1:], ids[1] = -1, -1
    write_layer(
        tmp_path / "few", "first",
        lambda unit: (np.asarray(layer.images[unit]).transpose(0, 2, 3, 1), np.asarray(layer.masks[unit, :, 0] > 0)),
        ids,
    )  # fmt: skip
    exemplars = exemplars_of(read_layer(tmp_path / "few", "first"))
    assert exemplars.seen.sum(axis=1).tolist() == [1, 0, 3, 3, 0]
    rows = {row["unit"]: row for row in described(desk, tmp_path / "few", kept=1)}
    assert rows[0]["description"] in SAID["first", 0]
    assert (rows[1].get("description"), rows[1]["reason"]) == (None, "it has no exemplar")
    assert (rows[4].get("description"), rows[4]["reason"]) == (None, "the masks of all its exemplars are empty")


def test_an_image_that_units_share_is_one_picture(out: Path) -> None:
    layer = read_layer(out, "first")
    exemplars = exemplars_of(layer, 2)
    assert exemplars.image.max() + 1 == len(set(layer.ids[:, :2].ravel().tolist())) and exemplars.image.shape == (5, 2)
    for unit in range(5):
        for rank in range(2):
            picture = np.asarray(exemplars.picture(int(exemplars.image[unit, rank])))
            assert np.array_equal(picture, layer.images[unit, rank].transpose(1, 2, 0))
            assert np.array_equal(exemplars.mask(unit, rank), layer.masks[unit, rank, 0] > 0)


BROKEN = [
    ("annotations.csv", b"layer,unit,summary\nfirst,x,red\n", DataError, "line 2"),
    ("annotations.csv", b"layer,unit\nfirst,0\n", DataError, "no column summary"),
    ("annotations.csv", b"layer,unit,summary\n", DataError, "holds no description"),
    ("first/ids.csv", b"0,1\n", DataError, "has not 5 lines of 3 numbers"),
    ("first/ids.csv", b"a,b,c\n" * 5, DataError, "no table of numbers"),
    ("first/masks.npy", b"\x93NUMPY", DataError, "no array, or damaged"),
    ("first/masks.npy", None, NotFoundError, "there is no"),
    ("first/images.npy", b"", DataError, "no array, or damaged"),
]


@pytest.mark.parametrize(("name", "content", "kind", "words"), BROKEN, ids=[f"{name}-{words[:12]}" for name, _, _, words in BROKEN])
def test_a_broken_file_is_refused_by_name_in_one_line(
    desk: Desk, out: Path, name: str, content: bytes | None, kind: type[Exception], words: str
) -> None:
    (out / name).unlink()
    if content is not None:
        (out / name).write_bytes(content)
    with pytest.raises(kind, match=words) as raised:
        described(desk, out)
    assert "\n" not in str(raised.value) and (name in str(raised.value) or "first" in str(raised.value))


def test_a_folder_or_layer_that_is_not_there_is_named(desk: Desk, out: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="there is no folder"):
        described(desk, tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"holds no <layer>/images\.npy"):
        described(desk, tmp_path / "empty")
    with pytest.raises(NotFoundError, match=r"has no layer 'third'\. Its layers: first, second"):
        described(desk, out, layers=("third",))
