"""The view: label maps sampled where the network looks, against exact fractions and against what Pillow shows."""

from __future__ import annotations

from fractions import Fraction

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from PIL import Image

from dissect.network import preprocess
from dissect.network.model import View
from dissect.network.preprocess import Preprocessing

VOID = 65_535


def sampled(view: View, ids: np.ndarray, size: tuple[int, int]) -> list[list[int]]:
    """Second implementation: one centre at a time, in fractions."""
    rows = []
    for row in range(size[0]):
        y = Fraction(view.top) + Fraction(2 * row + 1, 2 * size[0]) * (Fraction(view.bottom) - Fraction(view.top))
        line = []
        for column in range(size[1]):
            x = Fraction(view.left) + Fraction(2 * column + 1, 2 * size[1]) * (Fraction(view.right) - Fraction(view.left))
            i, j = (y * ids.shape[0] / view.height).__floor__(), (x * ids.shape[1] / view.width).__floor__()
            line.append(int(ids[i, j]) if 0 <= i < ids.shape[0] and 0 <= j < ids.shape[1] else VOID)
        rows.append(line)
    return rows


sides = st.integers(1, 40)


offsets = st.tuples(st.integers(-20, 20), st.integers(-20, 20), st.integers(1, 60), st.integers(1, 60))


@hypothesis.given(sides, sides, sides, sides, sides, sides, offsets)
def test_a_sample_is_the_id_under_each_centre(
    width: int, height: int, w: int, h: int, rows: int, columns: int, part: tuple[int, int, int, int]
) -> None:
    left, top, across, down = part
    ids = np.arange(h * w, dtype=np.uint16).reshape(h, w)
    view = View(left, top, left + across, top + down, width, height)
    assert view.sample(ids, (rows, columns), VOID).tolist() == sampled(view, ids, (rows, columns))


def test_the_whole_picture_at_its_own_size_is_the_map_itself() -> None:
    ids = np.arange(12, dtype=np.uint16).reshape(3, 4)
    sample = View(0, 0, 4, 3, 4, 3).sample(ids, (3, 4), VOID)
    assert (sample == ids).all() and sample.dtype == np.uint16


def test_a_map_of_half_the_size_covers_the_same_picture() -> None:
    ids = np.array([[1, 2], [3, 4]], np.uint16)
    assert View(0, 0, 4, 4, 4, 4).sample(ids, (4, 4), VOID).tolist() == [[1, 1, 2, 2]] * 2 + [[3, 3, 4, 4]] * 2


def test_padding_is_outside() -> None:
    ids = np.ones((2, 2), np.uint16)
    assert View(0, -1, 2, 3, 2, 2).sample(ids, (4, 2), VOID).tolist() == [[VOID] * 2, [1, 1], [1, 1], [VOID] * 2]


def test_sampling_leaves_the_map_as_it_was() -> None:
    ids = np.ones((2, 2), np.uint16)
    View(-2, -2, 2, 2, 2, 2).sample(ids, (2, 2), VOID)
    assert (ids == 1).all()


def test_squashed_labels_are_those_that_pillow_would_give() -> None:
    """Odd sizes, so that no centre lies on a border, where Pillow's running sum may fall on either side."""
    ids = np.random.default_rng(0).integers(0, 255, (361, 481)).astype(np.uint8)
    expected = np.asarray(Image.fromarray(ids).resize((112, 112), Image.Resampling.NEAREST))
    view = preprocess.view(Preprocessing((224, 224)), (481, 361), "squash")
    assert (view.sample(ids.astype(np.uint16), (112, 112), VOID) == expected).all()


RULES = [
    Preprocessing((32, 32), "shortest", (32,)),
    Preprocessing((32, 32), "shortest", (40,)),
    Preprocessing((32, 32), "shortest", (20,)),
    Preprocessing((32, 32), "longest"),
    Preprocessing((32, 48), "longest", (64,)),
    Preprocessing((32, 32), "squash", (48, 40)),
    Preprocessing((24, 32)),
]


@pytest.mark.parametrize("geometry", ["squash", "model"])
@pytest.mark.parametrize("how", RULES, ids=str)
@pytest.mark.parametrize("size", [(64, 48), (48, 64), (101, 37), (33, 90), (16, 16)])
def test_pixels_and_labels_go_through_the_same_placement(how: Preprocessing, geometry: str, size: tuple[int, int]) -> None:
    """The picture shows its own label map, as grey steps in blocks; away from edges the input must be the sampled label."""
    width, height = size
    rows, columns = np.arange(height) * 5 // height, np.arange(width) * 5 // width
    ids = (40 * (rows[:, None] + columns[None, :]) % 200 + 55).astype(np.uint16)
    picture = Image.fromarray(np.repeat(ids.astype(np.uint8)[:, :, None], 3, axis=2))
    values = preprocess.prepare(how, picture, geometry)[0] * 255  # type: ignore[arg-type]
    labels = preprocess.view(how, size, geometry).sample(ids, how.size, 0)  # type: ignore[arg-type]
    smooth = np.ones(how.size, bool)
    for axis in (0, 1):
        for shift in (-2, -1, 1, 2):
            smooth &= np.roll(labels, shift, axis) == labels
    smooth[:2], smooth[-2:], smooth[:, :2], smooth[:, -2:] = False, False, False, False
    assert smooth.sum() > 20
    assert np.abs(values - labels)[smooth].max() < 2
