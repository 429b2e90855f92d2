"""Upsampling against Pillow, torch and the definition; masks under the two rules of centres."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dissect.errors import NotSupportedError, ShapeError, UsageError
from dissect.probe.upsample import axis_weights, grid, upsample
from tests.probe.oracles import plain_axis, plain_upsample

SIZES = st.integers(1, 24)


@given(st.integers(0, 10**6), SIZES, SIZES, st.integers(0, 60), st.integers(0, 60), st.integers(-3, 4))
def test_enlarging_equals_pillow_bit_for_bit_up_to_the_clamp(seed: int, h: int, w: int, more: int, wider: int, power: int) -> None:
    values = (np.random.default_rng(seed).normal(size=(h, w)) * 10.0**power).astype(np.float32)
    ours = upsample(values, grid((h, w), (h + more, w + wider), "half_pixel"))
    pillow = np.asarray(Image.fromarray(values).resize((w + wider, h + more), Image.Resampling.BILINEAR))
    assert np.array_equal(ours, np.clip(pillow, values.min(), values.max()))


@given(st.integers(0, 10**6), SIZES, SIZES, SIZES, SIZES)
def test_any_size_equals_the_definition(seed: int, h: int, w: int, tall: int, wide: int) -> None:
    values = np.random.default_rng(seed).normal(size=(h, w)).astype(np.float32)
    ours = upsample(values, grid((h, w), (tall, wide), "half_pixel"))
    np.testing.assert_allclose(ours, plain_upsample(values, (tall, wide)), atol=2e-6)


@pytest.mark.parametrize(("h", "w", "tall", "wide"), [(7, 7, 112, 112), (13, 13, 113, 113), (14, 9, 5, 40), (20, 20, 8, 8), (1, 1, 6, 3)])
def test_any_size_equals_torch_without_aligned_corners(h: int, w: int, tall: int, wide: int) -> None:
    values = np.random.default_rng(5).normal(size=(3, h, w)).astype(np.float32)
    batch = torch.from_numpy(values).double()[None]
    expected = torch.nn.functional.interpolate(batch, (tall, wide), mode="bilinear", align_corners=False)[0].numpy()
    np.testing.assert_allclose(upsample(values, grid((h, w), (tall, wide), "half_pixel")), expected, atol=2e-6)


@given(st.integers(0, 10**6), SIZES, SIZES, SIZES, SIZES, st.sampled_from([np.float16, np.float32]))
def test_no_value_leaves_the_range_of_its_neighbours(seed: int, h: int, w: int, tall: int, wide: int, dtype: type[np.float32]) -> None:
    values = np.random.default_rng(seed).choice([0.1, 0.3, 0.7], (h, w)).astype(dtype)
    over = grid((h, w), (tall, wide), "half_pixel")
    ours = upsample(values, over)
    for y in range(tall):
        for x in range(wide):
            rows, columns = [over.rows.low[y], over.rows.high[y]], [over.columns.low[x], over.columns.high[x]]
            around = values[np.ix_(rows, columns)].astype(np.float32)
            assert around.min() <= ours[y, x] <= around.max()


def test_a_plateau_stays_level() -> None:
    values = np.full((13, 13), 0.1, np.float32)
    assert (upsample(values, grid((13, 13), (113, 113), "half_pixel")) == np.float32(0.1)).all()


@pytest.mark.parametrize(
    ("n_in", "n_out", "n_input", "first", "step"),
    [(7, 112, 224, 8, 16), (13, 113, 227, 4, 8), (14, 112, 224, 4, 8), (1, 112, 224, 56, 112)],
)
def test_receptive_field_centres_lie_where_the_2017_program_put_them(n_in: int, n_out: int, n_input: int, first: int, step: int) -> None:
    axis = axis_weights(n_in, n_out, "receptive_field", n_input)
    for k in range(n_in):
        pixel = first + k * step
        if pixel < n_out:
            value = axis.low[pixel] * axis.low_weight[pixel] + axis.high[pixel] * axis.high_weight[pixel]
            assert value == pytest.approx(k, abs=1e-12)
    assert axis.low[0] == 0 and axis.high_weight[0] == 0
    last = first + (n_in - 1) * step
    assert (axis.low[last:] == n_in - 1).all()


@given(st.integers(1, 8), st.integers(1, 40), st.integers(1, 4))
def test_receptive_field_weights_equal_the_definition(n_in: int, n_out: int, reduction: int) -> None:
    n_input = max(n_out * reduction, n_in)
    if n_input // n_in < n_input // n_out:
        with pytest.raises(NotSupportedError, match="fall together"):
            axis_weights(n_in, n_out, "receptive_field", n_input)
        return
    axis = axis_weights(n_in, n_out, "receptive_field", n_input)
    for pixel, (low, high, low_weight, high_weight) in enumerate(plain_axis(n_in, n_out, "receptive_field", n_input)):
        assert axis.low[pixel] == low and (axis.high[pixel] == high or high_weight == 0)
        assert (axis.low_weight[pixel], axis.high_weight[pixel]) == (low_weight, high_weight)


@given(st.integers(1, 30), st.integers(1, 60))
def test_cells_are_the_runs_of_equal_neighbours(n_in: int, n_out: int) -> None:
    axis = axis_weights(n_in, n_out, "half_pixel")
    assert axis.cell_start[0] == 0 and axis.cell_start[-1] == n_out
    pairs = list(zip(axis.low.tolist(), axis.high.tolist(), strict=True))
    for first, stop in zip(axis.cell_start[:-1], axis.cell_start[1:], strict=True):
        assert len(set(pairs[first:stop])) == 1
    assert len(axis.cell_start) - 1 == len(set(pairs))


def test_hand_computed_two_to_four() -> None:
    values = np.array([[0.0, 4.0]], np.float32)
    assert upsample(values, grid((1, 2), (1, 4), "half_pixel")).tolist() == [[0.0, 1.0, 3.0, 4.0]]
    assert upsample(values, grid((1, 2), (1, 4), "receptive_field", (1, 8))).tolist() == [[0.0, 0.0, 2.0, 4.0]]


def test_wrong_sizes_are_refused() -> None:
    with pytest.raises(UsageError, match="at least 1"):
        axis_weights(0, 4, "half_pixel")
    with pytest.raises(UsageError, match="input size"):
        axis_weights(2, 4, "receptive_field")
    with pytest.raises(ShapeError, match="2 x 2"):
        upsample(np.zeros((3, 3), np.float32), grid((2, 2), (4, 4), "half_pixel"))
