"""Histograms of bits against sorting and counting."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dissect.errors import CacheError, ShapeError, UsageError
from dissect.probe.histogram import (
    Histogram,
    coarse_floor,
    half_values,
    measure,
    merge_histograms,
    refine,
    single_keys,
    single_values,
)  # fmt: skip
from dissect.probe.maps import MapShard

DTYPES = st.sampled_from([np.float16, np.float32])


def some_maps(seed: int, dtype: type[Any]) -> NDArray[Any]:
    """Maps with ties, zeros of both signs, denormals and extremes."""
    rng = np.random.default_rng(seed)
    shape = tuple(int(length) for length in rng.integers(1, (5, 12, 10)))
    plain = rng.normal(size=shape) * 10.0 ** rng.integers(-8, 4)
    odd = rng.choice([0.0, -0.0, 1.5, -1.5, 6e-8, -6e-8, 65504.0, -65504.0, 1e-40, -3e-42], shape)
    return np.where(rng.random(shape) < 0.5, plain, odd).astype(dtype)


def counted(histogram: Histogram, unit: int) -> dict[float, int]:
    """Value to count of a float16 histogram."""
    bins = slice(histogram.offsets[unit], histogram.offsets[unit + 1])
    return dict(zip(half_values(histogram.keys[bins]).tolist(), histogram.counts[bins].tolist(), strict=True))


@given(st.integers(0, 10**6))
def test_halves_are_counted_value_by_value(seed: int) -> None:
    maps = some_maps(seed, np.float16)
    found = measure(maps)
    for unit in range(maps.shape[1]):
        assert counted(found.histogram, unit) == Counter((maps[:, unit].astype(np.float64) + 0.0).ravel().tolist())


@given(st.integers(0, 10**6), DTYPES)
def test_maxima_extremes_and_totals_are_those_of_numpy(seed: int, dtype: type[Any]) -> None:
    maps = some_maps(seed, dtype)
    found = measure(maps)
    assert np.array_equal(found.maxima, maps.max(axis=2).astype(np.float32))
    assert np.array_equal(found.histogram.maximum, maps.max(axis=(0, 2)).astype(np.float32))
    assert np.array_equal(found.histogram.minimum, maps.min(axis=(0, 2)).astype(np.float32))
    assert (found.histogram.totals() == maps.shape[0] * maps.shape[2]).all()
    assert found.bad is None


@given(st.lists(st.floats(width=32, allow_nan=False), min_size=2, max_size=40))
def test_keys_order_as_the_values_do(values: list[float]) -> None:
    array = np.array(values, np.float32)
    keys = single_keys(array)
    assert np.array_equal(single_values(keys), array)
    assert np.array_equal(array[np.argsort(keys, kind="stable")], np.sort(array))
    for key, value in zip(keys >> np.uint32(16), array, strict=True):
        assert coarse_floor(np.array([key]))[0] <= value


@given(st.integers(0, 10**6), DTYPES, st.integers(1, 4))
def test_shards_add_to_the_whole_in_any_order(seed: int, dtype: type[Any], parts: int) -> None:
    maps = np.repeat(some_maps(seed, dtype), 3, axis=0)
    rng = np.random.default_rng(seed)
    cuts = np.sort(rng.integers(0, len(maps) + 1, parts))
    pieces = [measure(piece).histogram for piece in np.split(maps, cuts)]
    merged = merge_histograms([pieces[index] for index in rng.permutation(len(pieces))])
    whole = measure(maps).histogram
    for name, array in whole.to_arrays().items():
        assert np.array_equal(array, merged.to_arrays()[name]), name


@given(st.integers(0, 10**6), st.booleans())
def test_the_second_sweep_counts_the_low_bits_of_the_chosen_bins(seed: int, sparse: bool) -> None:
    maps = some_maps(seed, np.float32)
    rng = np.random.default_rng(seed)
    keys = single_keys(maps).astype(np.int64)
    images, units, positions = maps.shape
    bins = np.stack([rng.choice(keys[:, unit].ravel() >> 16, 2) for unit in range(units)]).astype(np.int32)
    bins[bins[:, 0] == bins[:, 1], 1] = -1
    shard = MapShard.dense(maps, measure(maps).maxima, np.ones(images, np.bool_), (1, positions))
    if sparse:
        order = rng.permutation(images * units)
        rows = np.empty(images * units, np.int32)
        rows[order] = np.arange(images * units)
        shard = MapShard(maps.reshape(-1, positions)[order], shard.maxima, shard.included, (1, positions), rows.reshape(images, units))
    found = refine(shard, bins)
    for unit in range(units):
        for column in (0, 1):
            row = slice(found.offsets[2 * unit + column], found.offsets[2 * unit + column + 1])
            inside = keys[:, unit].ravel()[keys[:, unit].ravel() >> 16 == bins[unit, column]] & 0xFFFF
            assert dict(zip(found.keys[row].tolist(), found.counts[row].tolist(), strict=True)) == Counter(inside.tolist())


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_the_first_value_that_is_not_finite_is_named(dtype: type[Any], wrong: float) -> None:
    maps = np.ones((4, 20, 3), dtype)
    maps[2, 7, 1] = maps[2, 11, 0] = maps[3, 0, 0] = wrong
    maps[1, 5, 0] = wrong
    assert measure(maps).bad == (1, 5)
    assert measure(maps, np.array([True, False, True, True])).bad == (2, 7)
    assert measure(maps, np.array([True, False, False, False])).bad is None


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_images_that_were_skipped_leave_no_trace(dtype: type[Any]) -> None:
    maps = np.arange(24, dtype=dtype).reshape(3, 2, 4)
    seen = np.array([True, False, True])
    found, without = measure(maps, seen), measure(maps[seen])
    assert np.array_equal(found.histogram.counts, without.histogram.counts)
    assert np.array_equal(found.unit_hash, without.unit_hash)
    assert np.isneginf(found.maxima[1]).all()
    nothing = measure(maps, np.zeros(3, np.bool_)).histogram
    assert len(nothing.keys) == 0 and np.isposinf(nothing.minimum).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_counts_above_two_to_the_24_are_exact(dtype: type[Any]) -> None:
    one = measure(np.zeros((1, 1, 1 << 16), dtype)).histogram
    many = merge_histograms([merge_histograms([one] * 20)] * 20)
    many = Histogram(many.dtype, many.offsets, many.keys, many.counts + 1, many.low_sums, many.minimum, many.maximum)
    assert merge_histograms([many, many]).counts.tolist() == [2 * (400 * 65_536 + 1)]


@given(st.integers(0, 10**6), DTYPES, st.integers(0, 5))
def test_the_hash_does_not_depend_on_batches_and_sees_every_value(seed: int, dtype: type[Any], cut: int) -> None:
    maps = some_maps(seed, dtype)
    whole = measure(maps).unit_hash
    batched = measure(maps[cut:], start_hash=measure(maps[:cut]).unit_hash).unit_hash
    assert np.array_equal(whole, batched)
    other = maps.copy()
    other.flat[seed % maps.size] += dtype(1) if abs(other.flat[seed % maps.size]) < 1000 else -other.flat[seed % maps.size]
    changed = whole != measure(other).unit_hash
    assert changed.sum() == 1


def test_arrays_come_back_from_a_file_or_are_refused() -> None:
    histogram = measure(some_maps(3, np.float32)).histogram
    arrays = histogram.to_arrays()
    again = Histogram.from_arrays(arrays, "float32")
    assert np.array_equal(again.counts, histogram.counts) and again.dtype == "float32"
    with pytest.raises(CacheError, match="no array"):
        Histogram.from_arrays({}, "float32")
    with pytest.raises(CacheError, match="fit together"):
        Histogram.from_arrays({**arrays, "histogram_keys": arrays["histogram_keys"][1:]}, "float32")


def test_wrong_inputs_are_refused() -> None:
    with pytest.raises(UsageError, match="float64"):
        measure(np.zeros((1, 1, 1)))  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="positions"):
        measure(np.zeros((1, 1), np.float16))
    with pytest.raises(ShapeError, match="no histogram"):
        merge_histograms([])
    with pytest.raises(ShapeError, match="cannot be added"):
        merge_histograms([measure(np.zeros((1, 1, 1), np.float16)).histogram, measure(np.zeros((1, 2, 1), np.float16)).histogram])
