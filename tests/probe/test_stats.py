"""Unit statistics against NumPy over all values at once."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissect.errors import ShapeError
from dissect.probe.histogram import measure, merge_histograms
from dissect.probe.profile import PROFILES
from dissect.probe.stats import active_images, drawing, means, merge_hashes, twins, unit_stats
from tests.probe.test_histogram import some_maps
from tests.probe.test_threshold import found

DTYPES = st.sampled_from([np.float16, np.float32])


@given(st.integers(0, 10**6), DTYPES)
def test_means_are_the_exact_sum_divided_once(seed: int, dtype: type[Any]) -> None:
    maps = some_maps(seed, dtype)
    mean = means(measure(maps).histogram)
    for unit in range(maps.shape[1]):
        values = maps[:, unit].astype(np.float64).ravel().tolist()
        assert mean[unit] == math.fsum(values) / len(values)


@given(st.integers(0, 10**6))
def test_the_drawn_histogram_is_that_of_numpy(seed: int) -> None:
    maps = some_maps(seed, np.float16)
    counts, edges = drawing(measure(maps).histogram)
    for unit in range(maps.shape[1]):
        values = maps[:, unit].astype(np.float64)
        assert counts[unit].sum() == values.size
        assert edges[unit, 0] == values.min() and edges[unit, -1] >= values.max()
        for index in np.flatnonzero(counts[unit]):
            slack = 1e-9 * (edges[unit, -1] - edges[unit, 0])
            inside = (values >= edges[unit, index] - slack) & (values <= edges[unit, index + 1] + slack)
            assert inside.sum() >= counts[unit, index]


@given(st.integers(0, 10**6))
def test_a_drawn_histogram_of_singles_counts_every_value_within_its_range(seed: int) -> None:
    maps = some_maps(seed, np.float32)
    counts, edges = drawing(measure(maps).histogram)
    assert (counts.sum(axis=1) == maps.shape[0] * maps.shape[2]).all()
    assert np.array_equal(edges[:, 0], maps.min(axis=(0, 2)).astype(np.float64))


@given(st.integers(0, 10**6), DTYPES, st.integers(1, 3))
def test_twins_are_the_units_with_equal_maps(seed: int, dtype: type[Any], shards: int) -> None:
    maps = some_maps(seed, dtype)
    rng = np.random.default_rng(seed)
    maps = np.concatenate([maps, maps[:, rng.integers(0, maps.shape[1], 3)]], axis=1)
    maps[0, -1, 0] += dtype(rng.integers(0, 2))
    pieces = [measure(piece) for piece in np.array_split(maps, shards) if len(piece)]
    twin = twins(merge_hashes([piece.unit_hash for piece in pieces]), merge_histograms([piece.histogram for piece in pieces]))
    for unit in range(maps.shape[1]):
        same = [other for other in range(unit) if maps[:, other].tobytes() == maps[:, unit].tobytes()]
        assert twin[unit] == (same[0] if same else -1)


@given(st.integers(0, 10**6), DTYPES, st.sampled_from(sorted(PROFILES)))
def test_all_statistics_are_those_of_the_values(seed: int, dtype: type[Any], name: str) -> None:
    maps = some_maps(seed, dtype)
    measured = measure(maps)
    levels = found(maps, 0.05, PROFILES[name])
    seen = np.ones(len(maps), np.bool_)
    active = active_images(measured.maxima, levels.cut, seen)
    stats = unit_stats(measured.histogram, levels, active, twins(measured.unit_hash, measured.histogram))
    for unit in range(maps.shape[1]):
        values = maps[:, unit].astype(np.float64)
        assert (stats.minimum[unit], stats.maximum[unit]) == (values.min(), values.max())
        above = values > float(levels.cut[unit])
        assert stats.active_share[unit] == above.mean()
        assert stats.active_images[unit] == above.any(axis=1).sum()
    assert stats.state == levels.state and np.array_equal(stats.threshold, levels.value)


def test_skipped_images_are_not_active() -> None:
    maxima = np.array([[2.0, 0.0], [2.0, 2.0], [2.0, 2.0]], np.float32)
    assert active_images(maxima, np.array([1.0, 1.0], np.float32), np.array([True, True, False])).tolist() == [2, 1]


def test_the_mean_of_many_large_values_does_not_drift() -> None:
    one = measure(np.full((1, 1, 1 << 16), 65504, np.float16)).histogram
    many = merge_histograms([one] * 300)
    assert means(many).tolist() == [65504.0]


def test_a_unit_without_values_and_no_shard() -> None:
    nothing = measure(np.ones((1, 2, 4), np.float16), np.zeros(1, np.bool_)).histogram
    assert means(nothing).tolist() == [0.0, 0.0] and drawing(nothing)[0].sum() == 0
    with pytest.raises(ShapeError, match="no hash"):
        merge_hashes([])
