"""Rotations of a layer: what they are, what they leave alone, and where units rank among rotated ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch
from numpy.typing import NDArray

from dissect.errors import NotSupportedError, ShapeError, UsageError
from dissect.network.model import LayerInfo
from dissect.probe.maps import MapShard
from dissect.probe.profile import profile
from dissect.probe.settings import ProbeResult
from dissect.probe.upsample import Grid, grid
from dissect.verify.basis import basis_null, rank_p
from dissect.verify.maxima import LEVELS, Rules
from dissect.verify.rotations import exact_thresholds, haar, mixed, rotated_counts, rotated_labels
from tests.probe.fakes import FakeNetwork, FakeSet, vocabulary
from tests.probe.helpers import run
from tests.probe.plain import plain_probe

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


@dataclass
class Turned(FakeNetwork):
    """The same network, its first layer read in another basis; its maps are rounded to halves before they are mixed."""

    rotation: NDArray[np.float32] | None = None

    def activations(self, batch: NDArray[np.float32], layers: Sequence[LayerInfo]) -> Mapping[str, torch.Tensor]:
        assert self.rotation is not None
        maps = super().activations(batch, layers)["first"].half().double()
        return {"first": torch.einsum("ku,buhw->bkhw", torch.from_numpy(self.rotation).double(), maps).float()}


def test_a_rotated_unit_is_counted_as_plain_lines_count_it(probed: tuple[ProbeResult, Rules], tmp_path: Path) -> None:
    result, rules = probed
    recorded = result.recorded["first"]
    assert result.labels is not None
    rotation = haar(recorded.units, 3)
    best, states = rotated_labels(recorded, result.labels, rotation, over(result, "first"), rules, memory=1)
    data, layer = FakeSet(tmp_path / "set"), recorded.plan.layer
    plain = plain_probe(Turned(rotation=rotation), data, layer, result.image_index.tolist(), result.label_size, 0.05, "float32")
    iou = plain.intersection / np.maximum(plain.annotated_area + plain.concept - plain.intersection, 1)
    assert states == ("ok",) * 12
    assert np.allclose(best.score[:, 0], iou.max(axis=1), atol=0.002)
    assert np.allclose(iou[np.arange(12), best.concept[:, 0] - 1], iou.max(axis=1), atol=0.002)


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
    assert found.as_plain()["p"][2] is None  # type: ignore[index]
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
    values: NDArray[Any] = random.standard_normal((6, 3, 50)).astype(kind)
    seen = np.array([True, True, False, True, True, True])
    parts = [MapShard.dense(values[k : k + 3], values[k : k + 3].max(axis=2).astype(np.float32), seen[k : k + 3], (5, 10)) for k in (0, 3)]
    rules = Rules(vocabulary(), profile(name), 0.05)
    found = exact_thresholds(parts, rules)
    for unit in range(3):
        ordered = np.sort(values[seen][:, unit].ravel().astype(np.float64))
        place = 250 - 1 - 12 if name == "standard" else 949 * 249 / 999
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
    own = basis_null(
        result.recorded["first"], result.labels, layer.tables, layer.stats.state, over(result, "first"), rules, rotations=1
    ).own
    assert own.as_plain()["levels"] == list(LEVELS) and own.median == own.quantiles[2]
