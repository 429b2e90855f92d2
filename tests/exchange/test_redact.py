"""Redaction is burnt in: the written file holds black where something was to be hidden."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dissect.exchange.audit_page import AuditPicture, write_audit
from dissect.exchange.redact import encoded, redact
from tests.exchange.test_audit_page import REPORT


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(3).integers(1, 256, (height, width, 3), dtype=np.uint8))


def test_the_written_page_holds_black_pixels_inside_the_mask_and_the_picture_outside(tmp_path: Path) -> None:
    picture, mask = noise(149, 112), np.zeros((56, 74), np.bool_)
    mask[20:30, 40:50] = True
    small = redact(picture, mask)
    page = write_audit(REPORT, tmp_path, (), {("layer4", 17): [AuditPicture(encoded(small), *small.size, "unit 17, exemplar 1")]})
    (found,) = re.findall(r'src="data:image/webp;base64,([^"]+)"', page.read_text(encoding="utf-8"))
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(found))))
    assert pixels.shape == (112, 149, 3)
    assert not pixels[40:60, 80:100].any()
    assert np.array_equal(pixels[:, :60], np.asarray(picture)[:, :60])


@pytest.mark.parametrize("mask", [None, np.zeros((8, 8), np.bool_), np.zeros((8,), np.bool_)])
def test_without_a_mask_the_whole_picture_is_black(mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] | None) -> None:
    assert not np.asarray(redact(noise(20, 30), mask)).any()


@given(st.integers(4, 40), st.integers(4, 40), st.integers(1, 60), st.integers(1, 60), st.data())
def test_every_pixel_that_the_mask_touches_is_black(width: int, height: int, columns: int, rows: int, data: st.DataObject) -> None:
    mask = np.zeros((rows, columns), np.bool_)
    row, column = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, columns - 1))
    mask[row, column] = True
    pixels = np.asarray(redact(noise(width, height), mask))
    top, left = row * height // rows, column * width // columns
    bottom, right = -(-(row + 1) * height // rows), -(-(column + 1) * width // columns)
    assert not pixels[top:bottom, left:right].any()


def test_no_metadata_is_kept() -> None:
    picture = noise(8, 8)
    picture.info["exif"] = b"Exif\0\0secret"
    assert b"secret" not in encoded(picture) and b"EXIF" not in encoded(picture)
