"""Pictures and label maps as files: what is read, what is refused, and how EXIF turns both."""

from __future__ import annotations

import math
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from dissect.concepts.images import Frame, fit_labels, frame, open_image, read_label_png, turned
from dissect.errors import ImageError, LabelMapError
from tests.concepts.broken_pictures import animated, cuts, hopeless, picture, png_header, saved, scrambled, whole_files

LOSSLESS = ("png", "webp", "bmp", "tif", "ppm")


def put(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def pixels(path: Path) -> np.ndarray:
    image = open_image(path)
    assert image.mode == "RGB"
    return np.asarray(image)


def with_orientation(image: Image.Image, orientation: int, kind: str) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(image, kind, exif=exif)


@pytest.mark.parametrize("kind", LOSSLESS)
def test_a_lossless_picture_comes_out_as_it_went_in(tmp_path: Path, kind: str) -> None:
    assert (pixels(put(tmp_path, f"a.{kind}", whole_files()[kind])) == np.asarray(picture())).all()


@pytest.mark.parametrize("kind", sorted(whole_files()))
@pytest.mark.parametrize("suffix", ["jpg", "png", "txt", "gif"])
def test_content_decides_and_not_the_suffix(tmp_path: Path, kind: str, suffix: str) -> None:
    data = whole_files()[kind]
    assert (pixels(put(tmp_path, f"a.{suffix}", data)) == pixels(put(tmp_path, f"b.{kind}", data))).all()


def test_every_kind_of_pixel_becomes_rgb(tmp_path: Path) -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
    wide = grey.astype(np.uint16) * 257
    cases = {
        "l": saved(Image.fromarray(grey), "PNG"),
        "16": saved(Image.fromarray(wide), "PNG"),
        "16-tif": saved(Image.fromarray(wide), "TIFF"),
        "int": saved(Image.fromarray(wide.astype(np.int32)), "TIFF"),
        "la": saved(Image.merge("LA", (Image.fromarray(grey), Image.new("L", (4, 3), 255))), "PNG"),
        "p": saved(Image.fromarray(grey).convert("P"), "PNG"),
    }
    for name, data in cases.items():
        found = pixels(put(tmp_path, name, data))
        assert (found == grey[..., None]).all(), name


def test_one_bit_pictures_are_black_and_white(tmp_path: Path) -> None:
    bits = Image.fromarray(np.eye(4, dtype=bool))
    assert (pixels(put(tmp_path, "a.png", saved(bits, "PNG")))[..., 1] == np.eye(4) * 255).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_pixels_show_white(tmp_path: Path, mode: str) -> None:
    image = Image.new("RGBA", (2, 1), (10, 10, 10, 255))
    image.putpixel((1, 0), (10, 10, 10, 0))
    if mode == "P":
        palette = Image.new("P", (2, 1))
        palette.putpalette([10, 10, 10, 90, 90, 90])
        palette.putpixel((1, 0), 1)
        data = saved(palette, "PNG", transparency=1)
    else:
        data = saved(image.convert(mode), "PNG")
    assert pixels(put(tmp_path, "a.png", data)).tolist() == [[[10, 10, 10], [255, 255, 255]]]


def test_cmyk_is_shown_in_its_colours(tmp_path: Path) -> None:
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    red, green, blue = pixels(put(tmp_path, "a.jpg", saved(image, "JPEG", quality=100)))[8, 8].tolist()
    assert red > 240 and green < 15 and blue < 15


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(tmp_path: Path, orientation: int, kind: str) -> None:
    path = put(tmp_path, "a", with_orientation(picture(), orientation, kind))
    with Image.open(path) as stored:
        expected = np.asarray(ImageOps.exif_transpose(stored).convert("RGB"))
    assert (pixels(path) == expected).all()
    shape = frame(path)
    assert (shape.size, shape.orientation, shape.upright) == (picture().size, orientation, expected.shape[1::-1])


@pytest.mark.parametrize("orientation", [2, 3, 4])
def test_a_tiff_is_turned_once(tmp_path: Path, orientation: int) -> None:
    path = put(tmp_path, "a.tif", with_orientation(picture(), orientation, "TIFF"))
    expected = np.stack([turned(channel.astype(np.uint16), orientation) for channel in np.moveaxis(np.asarray(picture()), -1, 0)], -1)
    assert (pixels(path) == expected).all()


def test_an_impossible_orientation_turns_nothing(tmp_path: Path) -> None:
    for orientation in (0, 9, 200):
        assert frame(put(tmp_path, "a.png", with_orientation(picture(), orientation, "PNG"))).orientation == 1


BROKEN = [*cuts(), *hopeless()]


def test_every_broken_picture_is_refused_with_name_and_remedy(tmp_path: Path) -> None:
    assert len(BROKEN) + len(list(scrambled())) >= 270
    for name, data in BROKEN:
        path = put(tmp_path, name, data)
        with pytest.raises(ImageError) as caught:
            open_image(path)
        said = str(caught.value)
        assert str(path) in said and said.endswith(".") and said.count(". ") >= 1, said


def test_a_scrambled_picture_is_a_picture_or_an_image_error(tmp_path: Path) -> None:
    refused = 0
    for name, data in scrambled(40):
        path = put(tmp_path, name, data)
        try:
            assert pixels(path).ndim == 3
        except ImageError as error:
            refused += str(path) in str(error)
    assert refused > 50


HEADS = (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"RIFF", b"BM", b"II*\0", b"P6 ")


@given(data=st.binary(max_size=300), head=st.sampled_from(HEADS))
def test_arbitrary_bytes_are_refused_politely(tmp_path_factory: pytest.TempPathFactory, data: bytes, head: bytes) -> None:
    path = put(tmp_path_factory.getbasetemp(), "any.bin", head + data)
    for function, kind in ((open_image, ImageError), (frame, ImageError), (read_label_png, LabelMapError)):
        try:
            function(path)
        except kind as error:
            assert str(path) in str(error)


def test_a_folder_a_missing_file_and_a_locked_file_are_named(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.png"):
        with pytest.raises(ImageError, match=str(path)):
            open_image(path)


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="100,000,000"):
        frame(put(tmp_path, "bomb.png", png_header(30_000, 30_000)))
    with pytest.raises(ImageError, match="has 10001x10000 pixels; at most 100,000,000"):
        frame(put(tmp_path, "bomb.png", png_header(10_001, 10_000)))
    assert frame(put(tmp_path, "large.png", png_header(10_000, 10_000))).size == (10_000, 10_000)


def test_an_animation_tells_how_many_frames(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="3 frames"):
        open_image(put(tmp_path, "a.gif", animated("GIF")))


def test_no_warning_leaks_and_the_filters_come_back_over_threads(tmp_path: Path) -> None:
    palette = picture().convert("P")
    palette.info["transparency"] = bytes(range(256))
    paths = [put(tmp_path, "p.png", saved(palette, "PNG")), put(tmp_path, "bomb.png", png_header(13_000, 13_000))]
    faults: list[BaseException] = []

    def work() -> None:
        for number in range(60):
            try:
                open_image(paths[number % 2])
            except ImageError:
                pass
            except BaseException as error:
                faults.append(error)

    before = list(warnings.filters)
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert list(warnings.filters) == before


def test_label_maps_keep_their_numbers(tmp_path: Path) -> None:
    ids = np.arange(12, dtype=np.uint8).reshape(3, 4)
    palette = Image.fromarray(ids, "L").convert("P")
    palette.putpalette([9] * 768)
    palette.putdata(ids.ravel().tolist())
    colours = np.stack([ids, ids + 1, ids + 2], -1)
    assert (read_label_png(put(tmp_path, "l.png", saved(Image.fromarray(ids), "PNG"))) == ids).all()
    assert (read_label_png(put(tmp_path, "p.png", saved(palette, "PNG"))) == ids).all()
    wide = ids.astype(np.uint16) * 5000
    assert (read_label_png(put(tmp_path, "w.png", saved(Image.fromarray(wide), "PNG"))) == wide).all()
    assert (read_label_png(put(tmp_path, "c.png", saved(Image.fromarray(colours), "PNG"))) == colours).all()
    assert (read_label_png(put(tmp_path, "b.png", saved(Image.fromarray(ids > 5), "PNG"))) == (ids > 5)).all()


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "JPEG2000", "AVIF"])
def test_lossy_label_maps_are_refused_by_name(tmp_path: Path, kind: str) -> None:
    with pytest.raises(LabelMapError, match=rf"mask\.png is a {kind}.*PNG"):
        read_label_png(put(tmp_path, "mask.png", saved(picture(), kind)))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "CMYK", "F"])
def test_label_maps_with_pixels_of_no_meaning_are_refused(tmp_path: Path, mode: str) -> None:
    kind = "TIFF" if mode in ("CMYK", "F") else "PNG"
    with pytest.raises(LabelMapError, match=mode):
        read_label_png(put(tmp_path, "mask", saved(picture().convert("L" if mode == "F" else "RGB").convert(mode), kind)))


def test_broken_label_maps_are_label_map_errors(tmp_path: Path) -> None:
    for name, data in BROKEN[::3]:
        with pytest.raises(LabelMapError):
            read_label_png(put(tmp_path, name, data[: len(data) // 2]))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(6, 4), (5, 5)])
def test_a_label_map_of_the_stored_size_turns_as_its_picture(orientation: int, size: tuple[int, int]) -> None:
    ids = np.arange(size[0] * size[1], dtype=np.uint16).reshape(size[1], size[0])
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(ids.astype(np.uint8))
    image.info["exif"] = exif.tobytes()
    image.getexif().load(exif.tobytes())
    expected = np.asarray(ImageOps.exif_transpose(image))
    assert (fit_labels(ids, Frame(size, orientation), Path("a")) == expected).all()


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_label_map_that_is_upright_already_is_left(orientation: int) -> None:
    ids = np.arange(24, dtype=np.uint16).reshape(6, 4)
    assert (fit_labels(ids, Frame((6, 4), orientation), Path("a")) == ids).all()


@pytest.mark.parametrize(("shape", "turns"), [((10, 15), True), ((15, 10), False), ((20, 30), True), ((13, 20), True), ((20, 13), False)])
def test_other_sizes_follow_the_proportions(shape: tuple[int, int], turns: bool) -> None:
    ids = np.arange(shape[0] * shape[1], dtype=np.uint16).reshape(shape)
    found = fit_labels(ids, Frame((30, 20), 6), Path("a"))
    assert (found == (ids.T[:, ::-1] if turns else ids)).all()


@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize("shape", [(20, 20), (5, 30), (1, 1), (200, 20)])
def test_a_label_map_of_other_proportions_is_refused(orientation: int, shape: tuple[int, int]) -> None:
    ids = np.zeros(shape, dtype=np.uint16)
    with pytest.raises(LabelMapError, match="30x20"):
        fit_labels(ids, Frame((30, 20), orientation), Path("a"))
    assert fit_labels(ids, Frame((30, 20), orientation), Path("a"), any_aspect=True).shape in (shape, shape[::-1])


@given(
    width=st.integers(40, 300), height=st.integers(40, 300), shrink=st.integers(1, 4), orientation=st.integers(1, 8), upright=st.booleans()
)  # fmt: skip
def test_half_and_quarter_maps_fit_whatever_was_rounded(width: int, height: int, shrink: int, orientation: int, upright: bool) -> None:
    swaps = orientation >= 5
    across, down = (height, width) if swaps and upright else (width, height)
    ids = np.zeros((-(-down // shrink), across // shrink), dtype=np.uint16)
    found = fit_labels(ids, Frame((width, height), orientation), Path("a"))
    if swaps and abs(math.log(width / height)) > 0.15:
        assert (found.shape[0] > found.shape[1]) == (width > height)


@given(orientation=st.integers(1, 8), height=st.integers(1, 5), width=st.integers(1, 5))
def test_turning_only_moves_pixels(orientation: int, height: int, width: int) -> None:
    ids = np.arange(height * width, dtype=np.uint16).reshape(height, width)
    back = {6: 8, 8: 6}.get(orientation, orientation)
    assert (turned(turned(ids, orientation), back) == ids).all()
