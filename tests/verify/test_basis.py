"""Rotations of a layer: what they are, what they leave alone, and where units rank among rotated ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from numpy.typing import NDArray

from dissect.errors import NotSupportedError, ShapeError, UsageError
from dissect.probe.maps import MapShard
from dissect.probe.profile import profile
from dissect.probe.settings import ProbeResult
from dissect.probe.upsample import Grid, grid
from dissect.verify.basis import basis_null, rank_p
from dissect.verify.maxima import LEVELS, Rules
from dissect.verify.rotations import exact_thresholds, haar, mixed, rotated_counts, rotated_labels
from tests.probe import oracles
from tests.probe.fakes import FakeNetwork, FakeSet
from tests.probe.helpers import run

LAYERS = {"first": 0, "middle.conv": 1, "head": 2}


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> tuple[ProbeResult, Rules]:
    folder = tmp_path_factory.mktemp("basis")
    data = FakeSet(folder / "set", bad_images=frozenset({3}))
    return run(folder, FakeNetwork(), data), Rules(data.vocabulary, profile("standard"), 0.05)


def over(result: ProbeResult, name: str) -> Grid:
    return grid(result.recorded[name].plan.layer.map_size, result.label_size, "half_pixel")


@pytest.mark.parametrize("units", [1, 2, 3, 40])
def test_a_rotation_keeps_lengths_and_orientation_and_depends_on_seed_and_number(units: int) -> None:
    turned = haar(units, 5, 1).astype(np.float64)
    assert np.allclose(turned @ turned.T, np.eye(units), atol=1e-6)
    assert np.linalg.det(turned) == pytest.approx(1, abs=1e-5)
    assert (haar(units, 5, 1) == turned.astype(np.float32)).all()
    if units > 1:
        assert not np.allclose(haar(units, 5, 2), turned) and not np.allclose(haar(units, 6, 1), turned)


def test_rotations_are_uniform() -> None:
    """In three dimensions every coordinate of a uniform direction is uniform on -1..1, and the angle has density (1 - cos) / pi."""
    drawn = np.stack([haar(3, 1, number) for number in range(600)]).astype(np.float64)
    for row in range(3):
        for column in range(3):
            assert scipy.stats.kstest((drawn[:, row, column] + 1) / 2, "uniform").pvalue > 1e-3
    angle = np.arccos(np.clip((np.trace(drawn, axis1=1, axis2=2) - 1) / 2, -1, 1))
    assert scipy.stats.kstest(angle, lambda x: (x - np.sin(x)) / np.pi).pvalue > 1e-3


def test_a_layer_without_units_cannot_be_rotated() -> None:
    with pytest.raises(ShapeError, match="without units"):
        haar(0, 1)


@pytest.mark.parametrize("name", LAYERS)
def test_the_identity_gives_the_run_back(probed: tuple[ProbeResult, Rules], name: str) -> None:
    result, rules = probed
    recorded, layer = result.recorded[name], result.layers[LAYERS[name]]
    assert result.labels is not None and layer.tables is not None
    tables, found = rotated_counts(recorded, result.labels, np.eye(recorded.units, dtype=np.float32), over(result, name), rules)
    assert (found.value == layer.stats.threshold).all() and found.state == layer.stats.state
    for field in ("unit", "signature", "count", "signature_pixels", "unit_area_category", "presence"):
        assert (getattr(tables, field) == getattr(layer.tables, field)).all(), field


def test_a_rotated_unit_is_counted_as_plain_lines_count_it(probed: tuple[ProbeResult, Rules]) -> None:
    result, rules = probed
    recorded = result.recorded["first"]
    assert result.labels is not None
    turned, place = haar(recorded.units, 3), over(result, "first")
    best, states = rotated_labels(recorded, result.labels, turned, place, rules, memory=1)
    maps = np.concatenate([np.asarray(shard.maps.values).reshape(-1, 12, 36) for _, shard in recorded.shards()]).astype(np.float64)
    seen = np.concatenate([shard.maps.included for _, shard in recorded.shards()])
    for unit in (0, 7):
        own = np.einsum("u,nup->np", turned[unit].astype(np.float64), maps)[seen]
        cut = np.sort(own.ravel())[::-1][int(0.05 * own.size)]
        assert states[unit] == "ok"
        assert best.score[unit, 0] == pytest.approx(_plain_best(result, own, cut, seen), abs=0.01)


def _plain_best(result: ProbeResult, own: NDArray[np.float64], cut: float, seen: NDArray[np.bool_]) -> float:
    """Highest IoU over ten concepts, pixel by pixel."""
    assert result.labels is not None
    inside, unit, concept = np.zeros(11), np.zeros(11), np.zeros(11)
    rows = iter(own)
    for first, stop in result.labels.ranges:
        part = result.labels.part(first, stop)
        for k in range(stop - first):
            if not seen[first + k]:
                continue
            fine = oracles.upsample(next(rows).reshape(6, 6), result.label_size)
            mask = (fine > cut + 1e-9).ravel()
            table = [set(part.table.members[a:b].tolist()) for a, b in zip(part.table.offsets[:-1], part.table.offsets[1:], strict=True)]
            local = part.local_signature[part.local_offsets[k] : part.local_offsets[k + 1]]
            held = [table[local[s]] for s in part.signature_map[k]]
            for c in range(1, 11):
                category = int(c > 6)
                here = np.array([c in ids for ids in held])
                void = np.array([any(i > 65_000 and i != 65_535 and i - 65_001 == category for i in ids) for ids in held])
                counted = part.annotated[k, category] or here.any()
                inside[c] += (mask & here).sum()
                concept[c] += here.sum()
                unit[c] += (mask & ~void).sum() if counted else 0
    return float((inside[1:] / (unit + concept - inside)[1:]).max())


def test_blocks_of_any_size_give_the_same_labels(probed: tuple[ProbeResult, Rules]) -> None:
    result, rules = probed
    recorded, labels = result.recorded["middle.conv"], result.labels
    assert labels is not None
    one, _ = rotated_labels(recorded, labels, haar(16, 1), over(result, "middle.conv"), rules, memory=1)
    all_, _ = rotated_labels(recorded, labels, haar(16, 1), over(result, "middle.conv"), rules)
    assert np.allclose(one.score, all_.score, atol=0.01) and (one.concept == all_.concept).mean() > 0.9


def test_p_is_the_rank_among_rotated_units(probed: tuple[ProbeResult, Rules]) -> None:
    result, rules = probed
    layer = result.layers[0]
    found = basis_null(result.recorded["first"], result.labels, layer.tables, layer.stats.state, over(result, "first"), rules, rotations=3)
    assert found.rotated.shape == (3, 12) and len(found.after) == 3
    for unit in range(12):
        assert found.p[unit] == (1 + sum(value >= found.observed[unit] for value in found.rotated.ravel().tolist())) / 37
    again = basis_null(result.recorded["first"], result.labels, layer.tables, layer.stats.state, over(result, "first"), rules, rotations=3)
    assert (again.rotated == found.rotated).all()
    assert found.mean_unique == np.mean([each.unique for each in found.after])
    assert found.drop == pytest.approx(100 * (1 - found.mean_unique / found.own.unique))
    assert "another question than the independence null" in found.lines()[-1]
    plain = found.as_plain()
    assert plain["published_drop_percent"] == 80 and plain["rotations"] == 3


def test_rank_p_counts_equals_and_never_gives_nought() -> None:
    p = rank_p(np.array([0.0, 0.2, 0.3, 9.0]), np.array([[0.1, 0.2], [0.2, 0.3]]))
    assert p.tolist() == [1.0, 4 / 5, 2 / 5, 1 / 5]


def test_dead_units_have_no_p(tmp_path: Path) -> None:
    data = FakeSet(tmp_path / "set")
    network = FakeNetwork(tweak=lambda _name, maps, _pixels: np.where(np.arange(len(maps))[:, None, None] == 2, np.float32(0), maps))
    result = run(tmp_path, network, data, layers=("first",))
    layer, rules = result.layers[0], Rules(data.vocabulary, profile("standard"), 0.05)
    found = basis_null(result.recorded["first"], result.labels, layer.tables, layer.stats.state, over(result, "first"), rules, rotations=1)
    assert np.flatnonzero(np.isnan(found.p)).tolist() == [2] and found.own.units == 11 and found.after[0].units == 12
    assert found.as_plain()["p"][2] is None  # type: ignore[index, call-overload]
    assert any("1 of 12 units are dead" in note for note in found.notes)


def test_sparse_maps_sets_without_maps_and_no_rotations_are_refused(probed: tuple[ProbeResult, Rules]) -> None:
    result, rules = probed
    recorded, layer = result.recorded["first"], result.layers[0]
    sparse = replace(recorded, plan=replace(recorded.plan, floor=np.zeros(12, np.float32)))
    states, place = layer.stats.state, over(result, "first")
    with pytest.raises(NotSupportedError, match="--cache-limit"):
        basis_null(sparse, result.labels, layer.tables, states, place, rules)
    with pytest.raises(UsageError, match="label maps"):
        basis_null(recorded, None, None, states, place, rules)
    with pytest.raises(UsageError, match="at least one rotation"):
        basis_null(recorded, result.labels, layer.tables, states, place, rules, rotations=0)
    with pytest.raises(ShapeError, match="12 units"):
        assert result.labels is not None
        rotated_labels(recorded, result.labels, haar(3, 0), place, rules)


@pytest.mark.parametrize("name", ["standard", "netdissect", "lite", "compexp"])
@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_thresholds_in_memory_follow_the_profile(name: str, kind: type) -> None:
    random = np.random.default_rng(2)
    values = random.standard_normal((6, 3, 50)).astype(kind)
    seen = np.array([True, True, False, True, True, True])
    parts = [MapShard.dense(values[k : k + 3], values[k : k + 3].max(axis=2).astype(np.float32), seen[k : k + 3], (5, 10)) for k in (0, 3)]
    rules = Rules(FakeSet.__dataclass_fields__["vocabulary"].default_factory(), profile(name), 0.05)  # type: ignore[misc]
    found = exact_thresholds(parts, rules)
    for unit in range(3):
        ordered = np.sort(values[seen][:, unit].ravel().astype(np.float64))
        level = {"standard": None, "netdissect": 949, "lite": 949 - 0, "compexp": 949}[name]
        place = len(ordered) - 1 - 12 if level is None else (level if name == "netdissect" else int(1000 * 0.95) - 1) * 249 / 999
        low = int(place)
        wanted = ordered[low] + (ordered[min(low + 1, 249)] - ordered[low]) * (place - low)
        assert found.value[unit] == pytest.approx(wanted, rel=1e-6, abs=1e-6)


def test_mixing_a_sparse_shard_is_refused() -> None:
    values = np.zeros((1, 4), np.float32)
    shard = MapShard(values, np.zeros((1, 2), np.float32), np.array([True]), (2, 2), np.array([[0, -1]], np.int32))
    with pytest.raises(NotSupportedError, match="mixes all"):
        mixed(shard, haar(2, 0))


def test_a_summary_names_its_levels(probed: tuple[ProbeResult, Rules]) -> None:
    result, rules = probed
    layer = result.layers[0]
    own = basis_null(result.recorded["first"], result.labels, layer.tables, layer.stats.state, over(result, "first"), rules, rotations=1).own
    assert own.as_plain()["levels"] == list(LEVELS) and own.median == own.quantiles[2]
