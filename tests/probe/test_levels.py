"""Thresholds from recorded shards: against a sorted list, for every profile and type, dense and sparse."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import hypothesis.extra.numpy as arrays_of
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dissect.network.model import LayerInfo
from dissect.probe.cache import Cache
from dissect.probe.ledger import MemoryLedger, Stage
from dissect.probe.levels import RecordedLayer, levels, measured_units
from dissect.probe.passes import LayerPlan
from dissect.probe.profile import ActivationDtype, profile
from dissect.probe.progress import Quiet
from dissect.probe.recording import ShardRecorder
from dissect.probe.work import Work

UNITS, SIDE = 4, 2
LAYER = LayerInfo("layer", UNITS, (SIDE, SIDE), "conv")
Maps = NDArray[np.float16] | NDArray[np.float32]
SPECIAL = st.sampled_from([0.0, -0.0, 1.0, -5.0, 2.5, 1.0009765625, 0.1, -0.1, 3e-5])
VALUES = st.one_of(SPECIAL, st.floats(-8, 8, width=16))


def recorded(
    folder: Path, maps: Maps, cuts: list[int], floor: NDArray[np.float32] | None = None, largest: float | None = None
) -> RecordedLayer:
    """Shards of maps (n, U, p), cut at some images; `largest`: before rounding, else that of the maps."""
    ledger, cache = MemoryLedger(), Cache(folder)
    edges = sorted({0, len(maps), *cuts})
    dtype: ActivationDtype = "float16" if maps.dtype == np.float16 else "float32"
    plan = LayerPlan(LAYER, dtype, Stage("c" * 64, "activations", "layer", {}), list(pairwise(edges)), floor)
    work = Work(cache, ledger, Quiet())
    ledger.open(plan.stage, plan.ranges)
    for index, (first, stop) in enumerate(plan.ranges):
        claim = ledger.claim(plan.stage.fingerprint, index)
        assert claim is not None
        path = cache.shard_path(plan.stage, index)
        recorder = ShardRecorder(LAYER, dtype, floor, claim, path)
        before = np.abs(maps[first:stop].astype(np.float32)).max(axis=(0, 2))
        recorder.add(maps[first:stop], np.ones(stop - first, np.bool_), before if largest is None else np.full(UNITS, largest, np.float32))
        work.check_in(plan.stage, claim, path, recorder.finish())
    return RecordedLayer(work, plan)


def sorted_threshold(maps: Maps, quantile: float, name: str) -> NDArray[np.float64]:
    """The rules of the profiles, on sorted values."""
    values: NDArray[np.float64] = np.sort(maps.astype(np.float64).transpose(1, 0, 2).reshape(UNITS, -1), axis=1)
    count = values.shape[1]
    if name == "standard":
        plain: NDArray[np.float64] = values[:, count - 1 - int(round(quantile * count, 9))]
        return plain
    level = 999 - round(1000 * quantile) if name == "netdissect" else int(1000 * (1 - quantile)) - 1
    place = max(level, 0) * (count - 1) / 999
    low = min(int(place + 1e-9), count - 1)
    share = max(place - low, 0.0)
    found: NDArray[np.float64] = values[:, low] + (values[:, min(low + 1, count - 1)] - values[:, low]) * share
    return found.astype(np.float32).astype(np.float64) if name == "netdissect" else found


def maps_of(dtype: str) -> st.SearchStrategy[Maps]:
    return arrays_of.arrays(dtype, st.tuples(st.integers(1, 8), st.just(UNITS), st.just(SIDE * SIDE)), elements=VALUES)


CASES = st.sampled_from([("float16", "standard"), *(("float32", name) for name in ("standard", "netdissect", "lite", "compexp"))])
CUTS = st.lists(st.integers(0, 8), max_size=2)


@given(CASES.flatmap(lambda case: st.tuples(maps_of(case[0]), st.just(case[1]))), CUTS, st.sampled_from([0.005, 0.1, 0.25, 0.5]))
def test_thresholds_are_those_of_the_sorted_values(
    tmp_path_factory: pytest.TempPathFactory, case: tuple[Maps, str], cuts: list[int], quantile: float
) -> None:
    maps, name = case
    layer = recorded(tmp_path_factory.mktemp("levels"), maps, [cut for cut in cuts if cut < len(maps)])
    found, stats = measured_units(layer, quantile, profile(name))
    assert np.allclose(found.value, sorted_threshold(maps, quantile, name), rtol=1e-12, atol=1e-12)
    values = maps.astype(np.float64).transpose(1, 0, 2).reshape(UNITS, -1)
    assert np.array_equal(stats.maximum, values.max(axis=1))
    assert np.array_equal(stats.minimum, values.min(axis=1))
    assert np.allclose(stats.mean, values.mean(axis=1), rtol=1e-12, atol=1e-15)
    active = maps.astype(np.float32) > found.cut[:, None]
    assert stats.active_images.tolist() == active.any(axis=2).sum(axis=0).tolist()
    assert found.active_positions.tolist() == active.sum(axis=(0, 2)).tolist()


@given(st.sampled_from(["float16", "float32"]).flatmap(maps_of), st.integers(0, UNITS - 1), st.integers(0, UNITS - 1), CUTS)
def test_twins_are_units_with_the_same_maps(
    tmp_path_factory: pytest.TempPathFactory, maps: Maps, one: int, two: int, cuts: list[int]
) -> None:
    maps[maps == 0] = 0
    maps[:, one] = maps[:, two]
    layer = recorded(tmp_path_factory.mktemp("twins"), maps, [cut for cut in cuts if cut < len(maps)])
    expected = []
    for unit in range(UNITS):
        equal = [other for other in range(unit) if np.array_equal(maps[:, other], maps[:, unit])]
        expected.append(min(equal, default=-1))
    assert measured_units(layer, 0.1, profile("standard"))[1].twin.tolist() == expected


FLOORS = arrays_of.arrays(np.float32, UNITS, elements=st.floats(-8, 8, width=16))


@given(CASES.flatmap(lambda case: st.tuples(maps_of(case[0]), st.just(case[1]))), FLOORS, st.sampled_from([0.1, 0.5]))
def test_a_sparse_layer_either_gives_the_dense_thresholds_or_names_floors_that_do(
    tmp_path_factory: pytest.TempPathFactory, case: tuple[Maps, str], floor: NDArray[np.float32], quantile: float
) -> None:
    maps, name = case
    folder = tmp_path_factory.mktemp("sparse")
    dense, _ = measured_units(recorded(folder / "dense", maps, []), quantile, profile(name))
    sparse = recorded(folder / "sparse", maps, [1] if len(maps) > 1 else [], floor)
    found = levels(sparse, quantile, profile(name))
    for attempt in range(2):
        if found.lowered is not None:
            assert (found.lowered <= floor).all()
            assert (found.lowered < floor).any()
            floor = found.lowered
            sparse = recorded(folder / f"lowered{attempt}", maps, [], floor)
            found = levels(sparse, quantile, profile(name))
    assert found.found is not None
    for attribute in ("value", "cut", "active_positions"):
        assert np.array_equal(getattr(found.found, attribute), getattr(dense, attribute))
    for _, shard in sparse.shards():
        shard.maps.rows(*shard.maps.pairs_above(dense.cut))


@pytest.mark.parametrize(
    ("value", "largest", "expected"), [(0.0, 1e-9, True), (0.0, 0.0, False), (6e-8, 6e-8, False), (-6e-8, 6e-8, False)]
)
def test_underflow_is_a_unit_of_zeros_that_were_not_zero(tmp_path: Path, value: float, largest: float, expected: bool) -> None:
    half = recorded(tmp_path / "half", np.full((3, UNITS, SIDE * SIDE), value, np.float16), [1], largest=largest)
    assert half.underflows() is expected
    single = recorded(tmp_path / "single", np.full((3, UNITS, SIDE * SIDE), value, np.float32), [1], largest=largest)
    assert not single.underflows()


def test_bins_of_exact_values_need_no_map(tmp_path: Path) -> None:
    maps = np.zeros((4, UNITS, SIDE * SIDE), np.float32)
    maps[:, 1], maps[:, 2], maps[0, 3] = -5.0, 2.5, 1.0
    nothing_kept = np.full(UNITS, 9.0, np.float32)
    nothing_kept[3] = 0.5
    found = levels(recorded(tmp_path, maps, [2], nothing_kept), 0.3, profile("standard"))
    assert found.lowered is not None, "the cut of unit 3 is 0, and maps above 0 are needed"
    assert found.lowered.tolist() == [9.0, 9.0, 9.0, 0.0]
    again = levels(recorded(tmp_path / "again", maps, [2], found.lowered), 0.3, profile("standard"))
    assert again.found is not None
    assert again.found.value.tolist() == [0.0, -5.0, 2.5, 0.0]
