"""Thresholds against sorting everything, under the rule of each profile."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dissect.errors import DataError, ShapeError, UsageError
from dissect.probe.histogram import Histogram, measure, merge_histograms, refine
from dissect.probe.maps import MapShard
from dissect.probe.profile import PROFILES, Profile
from dissect.probe.threshold import Thresholds, coarse_bins, ranks, thresholds
from tests.probe.oracles import plain_threshold
from tests.probe.test_histogram import some_maps

QUANTILES = st.sampled_from([0.001, 0.005, 0.01, 0.05, 0.29, 0.5, 0.75, 0.999])
NAMES = st.sampled_from(sorted(PROFILES))


def found(maps: NDArray[Any], quantile: float, profile: Profile, shards: int = 1) -> Thresholds:
    """Thresholds of maps (n, U, p), over some shards."""
    pieces = [piece for piece in np.array_split(maps, shards) if len(piece)]
    histogram = merge_histograms([measure(piece).histogram for piece in pieces])
    if maps.dtype == np.float16:
        return thresholds(histogram, quantile, profile)
    bins = coarse_bins(histogram, quantile, profile)
    fine = []
    for piece in pieces:
        shard = MapShard.dense(piece, measure(piece).maxima, np.ones(len(piece), np.bool_), (1, piece.shape[2]))
        fine.append(refine(shard, bins))
    return thresholds(histogram, quantile, profile, merge_histograms(fine))


@given(st.integers(0, 10**6), QUANTILES, NAMES, st.sampled_from([np.float16, np.float32]), st.integers(1, 3))
def test_thresholds_equal_those_of_the_sorted_values(seed: int, quantile: float, name: str, dtype: type[Any], shards: int) -> None:
    maps = some_maps(seed, dtype)
    profile = PROFILES[name]
    got = found(maps, quantile, profile, shards)
    for unit in range(maps.shape[1]):
        values = maps[:, unit].astype(np.float64).ravel()
        assert got.value[unit] == plain_threshold(values.tolist(), quantile, profile)
        cut = np.float32(got.cut[unit])
        assert got.active_positions[unit] == (maps[:, unit].astype(np.float32) > cut).sum()


@given(st.integers(0, 10**6), QUANTILES, st.sampled_from([np.float16, np.float32]))
def test_at_most_the_wanted_share_lies_above_a_standard_threshold(seed: int, quantile: float, dtype: type[Any]) -> None:
    maps = some_maps(seed, dtype)
    got = found(maps, quantile, PROFILES["standard"])
    for unit in range(maps.shape[1]):
        values = maps[:, unit].astype(np.float64)
        assert (values > got.value[unit]).sum() <= quantile * values.size
        lower = values[values < got.value[unit]]
        if lower.size:
            assert (values > lower.max()).sum() > quantile * values.size - 1e-9


@given(st.integers(0, 10**6), QUANTILES, NAMES, st.sampled_from([np.float16, np.float32]))
def test_states_say_what_the_values_are(seed: int, quantile: float, name: str, dtype: type[Any]) -> None:
    maps = np.maximum(some_maps(seed, dtype), 0)
    maps[:, 0] = (0, 3, -2)[seed % 3]
    got = found(maps, quantile, PROFILES[name])
    for unit in range(maps.shape[1]):
        values = maps[:, unit].astype(np.float32)
        low, high = values.min(), values.max()
        if low == high:
            assert got.state[unit] == ("dead" if high == 0 else "constant")
            assert np.isposinf(got.cut[unit]) and got.active_positions[unit] == 0
        elif np.float32(got.value[unit]) == high:
            assert got.state[unit] == "saturated"
            assert np.array_equal(values > got.cut[unit], values == high)
        else:
            assert got.state[unit] == "ok"
            assert got.cut[unit] == np.float32(got.value[unit])


def test_hand_computed_levels_of_every_profile() -> None:
    """1,000 values 0..999: T by order is the sixth largest; 2017 and Lite read level 994/999, which is position 994 exactly."""
    maps = np.arange(1000, dtype=np.float32).reshape(10, 1, 100)
    for name in PROFILES:
        assert found(maps, 0.005, PROFILES[name]).value[0] == 994.0
    small = np.arange(11, dtype=np.float32).reshape(1, 1, 11)
    assert found(small, 0.005, PROFILES["standard"]).value[0] == 10.0
    expected = 994 * 10 / 999
    assert abs(found(small, 0.005, PROFILES["lite"]).value[0] - expected) < 1e-12
    assert abs(found(small, 0.005, PROFILES["compexp"]).value[0] - expected) < 1e-12
    assert found(small, 0.005, PROFILES["netdissect"]).value[0] == float(np.float32(expected))
    # Levels part at q = 0.0125: 999 - round(12.5) = 987 (half to even) against int(987.5) - 1 = 986.
    assert abs(found(small, 0.0125, PROFILES["lite"]).value[0] - 9.86986986986987) < 1e-12
    assert found(small, 0.0125, PROFILES["netdissect"]).value[0] == float(np.float32(9.87987987987988))


def test_the_quantile_is_the_decimal_that_was_written() -> None:
    assert ranks(100, 0.29, PROFILES["standard"])[0] == 100 - 1 - 29
    assert ranks(10**12, 0.005, PROFILES["standard"])[0] == 10**12 - 1 - 5 * 10**9


def test_huge_counts_keep_their_ranks() -> None:
    keys = np.array([0x8000, 0xBC00, 0xC000], np.uint16)
    counts = np.array([10**12, 5 * 10**9, 1], np.int64)
    none, low, high = np.zeros(0, np.int64), np.zeros(1, np.float32), np.full(1, 2, np.float32)
    histogram = Histogram("float16", np.array([0, 3]), keys, counts, none, low, high)
    got = thresholds(histogram, 0.004, PROFILES["standard"])
    assert got.value[0] == 1.0 and got.active_positions[0] == 1
    assert thresholds(histogram, 0.006, PROFILES["standard"]).active_positions[0] == 5 * 10**9 + 1


def test_wrong_calls_say_what_to_do() -> None:
    histogram = measure(np.ones((1, 1, 4), np.float32)).histogram
    with pytest.raises(UsageError, match="between 0 and 1"):
        thresholds(histogram, 0.0, PROFILES["standard"])
    with pytest.raises(ShapeError, match="second sweep"):
        thresholds(histogram, 0.5, PROFILES["lite"])
    with pytest.raises(ShapeError, match="run again"):
        thresholds(histogram, 0.5, PROFILES["lite"], merge_histograms([_empty(2)]))
    nothing = measure(np.ones((1, 1, 4), np.float16), np.zeros(1, np.bool_)).histogram
    with pytest.raises(DataError, match="no image"):
        thresholds(nothing, 0.5, PROFILES["standard"])
    with pytest.raises(DataError, match="no units"):
        thresholds(measure(np.ones((1, 0, 4), np.float16)).histogram, 0.5, PROFILES["standard"])


def _empty(rows: int) -> Histogram:
    none = np.zeros(0, np.int64)
    extreme = np.zeros(rows, np.float32)
    return Histogram("float32", np.zeros(rows + 1, np.int64), none.astype(np.uint16), none, none, extreme, extreme)
