"""Thresholds of a fold against a sorted list of its values: every profile, both types, dense and sparse."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dissect.errors import DataError
from dissect.probe.profile import profile
from dissect.verify import fold_layer
from dissect.verify.fold_layer import fold_thresholds
from tests.probe.test_levels import CASES, CUTS, UNITS, Maps, maps_of, recorded, sorted_threshold

CASE = CASES.flatmap(lambda case: st.tuples(maps_of(case[0]), st.just(case[1])))
QUANTILES = st.sampled_from([0.005, 0.1, 0.25, 0.5])


def some_of(maps: Maps, pattern: int) -> NDArray[np.bool_]:
    """At least one image."""
    chosen = np.array([pattern >> k & 1 for k in range(len(maps))], np.bool_)
    chosen[pattern % len(maps)] = True
    return chosen


@settings(max_examples=60)
@given(CASE, CUTS, QUANTILES, st.integers(0, 255))
def test_thresholds_of_a_fold_are_those_of_its_sorted_values(
    tmp_path_factory: pytest.TempPathFactory, case: tuple[Maps, str], cuts: list[int], quantile: float, pattern: int
) -> None:
    maps, name = case
    chosen = some_of(maps, pattern)
    layer = recorded(tmp_path_factory.mktemp("layer"), maps, [cut for cut in cuts if cut < len(maps)])
    found, hidden = fold_thresholds(layer, chosen, quantile, profile(name))
    assert not hidden.any()
    np.testing.assert_allclose(found.value, sorted_threshold(maps[chosen], quantile, name), rtol=1e-12, atol=1e-15)
    values = maps[chosen].transpose(1, 0, 2).reshape(UNITS, -1).astype(np.float32)
    flat = values.min(axis=1) == values.max(axis=1)
    assert [state in ("dead", "constant") for state in found.state] == flat.tolist()
    assert found.positions == values.shape[1]
    assert np.array_equal(found.active_positions, (values > found.cut[:, None]).sum(axis=1))


@settings(max_examples=60)
@given(CASE, QUANTILES, st.integers(0, 255), st.sampled_from([-1.0, 0.0, 0.1, 1.0, 2.5]))
def test_with_sparse_maps_a_threshold_is_right_or_said_to_be_unknown(
    tmp_path_factory: pytest.TempPathFactory, case: tuple[Maps, str], quantile: float, pattern: int, level: float
) -> None:
    maps, name = case
    chosen = some_of(maps, pattern)
    floor = np.full(UNITS, level, np.float32)
    layer = recorded(tmp_path_factory.mktemp("layer"), maps, [], floor)
    found, hidden = fold_thresholds(layer, chosen, quantile, profile(name))
    plain = sorted_threshold(maps[chosen], quantile, name)
    np.testing.assert_allclose(found.value[~hidden], plain[~hidden], rtol=1e-12, atol=1e-15)
    assert np.isinf(found.cut[hidden]).all()
    every = maps.transpose(1, 0, 2).reshape(UNITS, -1)
    assert not hidden[every.min(axis=1) == every.max(axis=1)].any()
    if maps.dtype == np.float16 and name == "standard":  # a float32 must be known with its whole bin
        values = maps[chosen].transpose(1, 0, 2).reshape(UNITS, -1).astype(np.float64)
        sure = (plain > level) & (plain < values.max(axis=1))
        assert not hidden[sure].any()


def test_pieces_of_maps_change_nothing(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    maps = np.random.default_rng(0).normal(size=(30, UNITS, 4)).astype(np.float16)
    layer = recorded(tmp_path_factory.mktemp("layer"), maps, [11], np.full(UNITS, 0.5, np.float32))
    chosen = np.arange(30) % 3 > 0
    one, _ = fold_thresholds(layer, chosen, 0.05, profile("standard"))
    monkeypatch.setattr(fold_layer, "_MAP_BYTES", 2 * UNITS * 4 * 2)
    monkeypatch.setattr(fold_layer, "_PENDING", 1)
    two, _ = fold_thresholds(layer, chosen, 0.05, profile("standard"))
    assert np.array_equal(one.value, two.value) and one.state == two.state


def test_a_fold_without_images_is_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    maps = np.zeros((3, UNITS, 4), np.float16)
    layer = recorded(tmp_path_factory.mktemp("layer"), maps, [])
    with pytest.raises(DataError, match="no image of a fold"):
        fold_thresholds(layer, np.zeros(3, np.bool_), 0.05, profile("standard"))


def test_only_the_units_without_maps_are_hidden(tmp_path_factory: pytest.TempPathFactory) -> None:
    maps = np.random.default_rng(1).random((20, UNITS, 4)).astype(np.float32)
    floor = np.array([0.1, 2.0, 0.1, 2.0], np.float32)
    layer = recorded(tmp_path_factory.mktemp("layer"), maps, [7], floor)
    found, hidden = fold_thresholds(layer, np.arange(20) < 12, 0.1, replace(profile("standard")))
    assert hidden.tolist() == [False, True, False, True]
    assert np.array_equal(found.value[[0, 2]], sorted_threshold(maps[:12], 0.1, "standard")[[0, 2]])
