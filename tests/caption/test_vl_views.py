"""How exemplars are shown: what each view keeps, against plain loops."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from PIL import Image

from dissect.caption.vl_views import BRIGHT, DARK, GREY, VIEWS, BoolArray, box, shown
from dissect.errors import ShapeError, UsageError


def picture(height: int, width: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 120, (height, width, 3)).astype(np.uint8))


masks = st.builds(
    lambda height, width, seed, share, row, column: _mask(height, width, seed, share, row, column),
    st.integers(1, 30), st.integers(1, 30), st.integers(0, 99), st.floats(0, 1), st.integers(0, 29), st.integers(0, 29),
)  # fmt: skip


def _mask(height: int, width: int, seed: int, share: float, row: int, column: int) -> BoolArray:
    mask = np.random.default_rng(seed).random((height, width)) < share**3
    mask[row % height, column % width] = True
    return mask


@given(masks)
def test_masked_keeps_the_region_and_greys_the_rest(mask: BoolArray) -> None:
    image = picture(*mask.shape)
    seen = np.asarray(shown(image, mask, "masked"))
    assert seen.shape == (*mask.shape, 3)
    assert (seen[mask] == np.asarray(image)[mask]).all() and (seen[~mask] == GREY).all()


@given(masks)
def test_the_box_holds_the_mask_and_is_no_smaller_than_a_quarter(mask: BoolArray) -> None:
    left, top, right, bottom = box(mask)
    assert 0 <= left < right <= mask.shape[1] and 0 <= top < bottom <= mask.shape[0]
    assert mask[top:bottom, left:right].sum() == mask.sum()
    assert bottom - top >= round(mask.shape[0] / 4) and right - left >= round(mask.shape[1] / 4)
    cropped = shown(picture(*mask.shape), mask, "cropped")
    assert cropped.size == (right - left, bottom - top)


def test_a_crop_has_a_margin_of_a_tenth_on_each_side() -> None:
    mask = np.zeros((100, 100), np.bool_)
    mask[40:80, 20:60] = True
    assert box(mask) == (16, 36, 64, 84)


@given(masks)
def test_outlined_leaves_the_region_alone_and_draws_around_it(mask: BoolArray) -> None:
    image = picture(*mask.shape)
    before, seen = np.asarray(image), np.asarray(shown(image, mask, "outlined"))
    height, width = mask.shape

    def near(row: int, column: int, by: int) -> bool:
        return bool(mask[max(0, row - by) : row + by + 1, max(0, column - by) : column + by + 1].any())

    for row in range(height):
        for column in range(width):
            expected = tuple(before[row, column])
            if not mask[row, column] and near(row, column, 1):
                expected = BRIGHT
            elif not mask[row, column] and near(row, column, 2):
                expected = DARK
            assert tuple(seen[row, column]) == expected


@pytest.mark.parametrize("view", VIEWS)
def test_a_mask_of_another_size_is_over_the_whole_picture(view: str) -> None:
    small = np.zeros((4, 4), np.bool_)
    small[1, 2] = True
    large = np.kron(small, np.ones((10, 20))).astype(np.bool_)
    image = picture(40, 80)
    assert np.array_equal(shown(image, small, view), shown(image, large, view))  # type: ignore[arg-type]


def test_a_region_finer_than_the_picture_keeps_a_pixel() -> None:
    mask = np.zeros((64, 64), np.bool_)
    mask[63, 1] = True
    seen = np.asarray(shown(picture(4, 4), mask, "masked"))
    assert (seen[3, 0] != GREY).any() and (np.delete(seen.reshape(16, 3), 12, axis=0) == GREY).all()


def test_the_picture_given_stays_as_it_is() -> None:
    image = picture(10, 10)
    before = np.asarray(image).copy()
    for view in VIEWS:
        shown(image, np.eye(10, dtype=np.bool_), view)
    assert np.array_equal(np.asarray(image), before)


def test_an_empty_mask_and_an_unknown_view_are_refused() -> None:
    with pytest.raises(ShapeError, match="with 0 pixels"):
        shown(picture(4, 4), np.zeros((4, 4), np.bool_), "masked")
    with pytest.raises(UsageError, match="no view 'upside'"):
        shown(picture(4, 4), np.ones((4, 4), np.bool_), "upside")  # type: ignore[arg-type]
