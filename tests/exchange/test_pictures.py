"""Thumbnails enter a report once, whole, and in cells that suit them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from dissect.exchange.outline import Overlay
from dissect.exchange.pictures import SHAPES, Picture, PictureBook, drawn, link_or_copy
from dissect.exchange.view import ReportExemplar, ReportImage, ReportLabel, ReportLayer, ReportRun, ReportUnit


def book(folder: Path, *sizes: tuple[int, int]) -> tuple[PictureBook, ReportUnit]:
    """One unit whose exemplars have thumbnails of these sizes."""
    images = {}
    for index, size in enumerate(sizes):
        path = folder / f"{index}.png"
        Image.new("RGB", size, "teal").save(path, "WEBP")
        images[index] = ReportImage(f"{index}.jpg", path)
    exemplars = tuple(ReportExemplar(index + 1, index, 1.0) for index in range(len(sizes)))
    unit = ReportUnit(0, "ok", label=ReportLabel("car"), exemplars=exemplars)
    run = ReportRun(run="1", network="n", dataset="d", layers=(ReportLayer("conv", (unit,)),), images=images, image_count=len(sizes))
    return PictureBook(run, folder / "report"), unit


@pytest.mark.parametrize(
    ("size", "shape"),
    [
        ((112, 112), "square"), ((149, 112), "photo"), ((199, 112), "wide"), ((112, 149), "tall"), ((112, 199), "narrow"),
        ((224, 60), "wide"),
    ],
)  # fmt: skip
def test_cells_have_the_shape_of_the_pictures(tmp_path: Path, size: tuple[int, int], shape: str) -> None:
    made, _ = book(tmp_path, size, size, (112, 112))
    assert made.shape == shape and set(SHAPES) >= {shape}


def test_a_picture_fills_the_side_of_its_cell_that_it_reaches_first(tmp_path: Path) -> None:
    made, unit = book(tmp_path, (150, 112), (150, 112), (224, 112), (112, 149))
    assert [picture.fit for picture in made.pictures(unit, "../")] == ["w", "w", "w", "h"]


def test_the_files_content_decides_its_ending(tmp_path: Path) -> None:
    made, unit = book(tmp_path, (112, 112))
    (picture,) = made.pictures(unit, "../")
    assert (picture.src, picture.width, picture.height) == ("../thumbs/0.webp", 112, 112)
    assert (tmp_path / "report" / "thumbs" / "0.webp").samefile(tmp_path / "0.png")


def test_a_unit_that_never_fires_shows_no_pictures(tmp_path: Path) -> None:
    made, unit = book(tmp_path, (112, 112))
    dead = ReportUnit(1, "dead", exemplars=unit.exemplars)
    assert made.pictures(dead, "") == [] and not (tmp_path / "report").exists()


def test_where_no_link_can_be_made_the_picture_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: object, target: object) -> None:
        raise OSError("other file system")

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "a.webp").write_bytes(b"picture")
    link_or_copy(tmp_path / "a.webp", tmp_path / "thumbs" / "b.webp")
    assert (tmp_path / "thumbs" / "b.webp").read_bytes() == b"picture"
    assert (tmp_path / "thumbs" / "b.webp").stat().st_ino != (tmp_path / "a.webp").stat().st_ino


def test_a_link_to_a_thumbnail_gives_the_file_behind_it(tmp_path: Path) -> None:
    (tmp_path / "a.webp").write_bytes(b"picture")
    (tmp_path / "link.webp").symlink_to(tmp_path / "a.webp")
    link_or_copy(tmp_path / "link.webp", tmp_path / "thumbs" / "b.webp")
    assert not (tmp_path / "thumbs" / "b.webp").is_symlink()


def picture(src: str, alt: str, overlay: Overlay | None) -> Picture:
    return Picture(src, 149, 112, "w", alt, overlay, 1.0, "key", ())


def test_the_markup_of_a_picture_escapes_names() -> None:
    hostile = '"><script>ran()</script>'
    for src in ("thumbs/1.webp", ""):
        text = str(drawn(picture(src, hostile, None)))
        assert "<script" not in text and "&#34;&gt;&lt;script&gt;" in text


def test_the_mask_lies_over_its_picture_as_a_path_or_a_picture() -> None:
    path = str(drawn(picture("a.webp", "car", Overlay(7, 5, path="M0 0z"))))
    assert '<svg viewBox="0 0 7 5" preserveAspectRatio="none" aria-hidden="true"><path d="M0 0z"/></svg>' in path
    assert '<img class="dim" src="data:x" alt="">' in str(drawn(picture("a.webp", "car", Overlay(7, 5, png="data:x"))))
