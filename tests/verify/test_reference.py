"""The random-weight reference: the same data, the same rules, other weights, another cache entry."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dissect.errors import UsageError
from dissect.network.load import load_network
from dissect.network.source import NetworkSpec
from dissect.probe.cache import Cache
from dissect.probe.ledger import MemoryLedger
from dissect.probe.profile import profile
from dissect.probe.progress import Quiet
from dissect.probe.runner import ProbeSettings, probe
from dissect.probe.upsample import grid
from dissect.verify.basis import basis_null
from dissect.verify.maxima import Rules, alive
from dissect.verify.reference import CALIBRATION_IMAGES, calibration, random_maker, random_reference
from tests.concepts.drawn_set import open_demo
from tests.probe.fakes import FakeNetwork, FakeSet
from tests.probe.helpers import SMALL, run


def test_summaries_are_those_of_probes_of_the_random_networks(tmp_path: Path) -> None:
    data = FakeSet(tmp_path / "set")
    rules = Rules(data.vocabulary, profile("standard"), 0.05)
    trained = run(tmp_path, FakeNetwork(), data)
    cache, ledger = Cache(tmp_path / "cache"), MemoryLedger()
    found = random_reference(lambda seed: FakeNetwork(seed=seed), trained, data, SMALL, rules, cache, ledger, Quiet(), seeds=(5, 6))
    assert [each.layer for each in found] == ["first", "middle.conv", "head"]
    for seed, place in ((5, 0), (6, 1)):
        alone = run(tmp_path / str(seed), FakeNetwork(seed=seed), data)
        for layer, reference in zip(alone.layers, found, strict=True):
            assert layer.tables is not None
            own = random_reference(
                lambda _s, k=seed: FakeNetwork(seed=k), alone, data, SMALL, rules, cache, ledger, Quiet(), seeds=(1,)  # type: ignore[misc]
            )  # fmt: skip
            same = next(each for each in own if each.layer == reference.layer)
            assert reference.random[place] == same.trained == same.random[0]
            assert reference.random[place].units == int(alive(layer.stats.state).sum())
    assert found[0].weights == ("fake-5", "fake-6") and found[0].trained != found[0].random[0]
    assert found[0].mean_unique == np.mean([each.unique for each in found[0].random])
    assert json.loads(json.dumps(found[0].as_plain(), allow_nan=False))["seeds"] == [5, 6]


def test_seeds_that_change_nothing_and_sets_without_maps_are_refused(tmp_path: Path) -> None:
    data = FakeSet(tmp_path / "set")
    rules = Rules(data.vocabulary, profile("standard"), 0.05)
    trained = run(tmp_path, FakeNetwork(), data)
    rest = (data, SMALL, rules, Cache(tmp_path / "cache"), MemoryLedger(), Quiet())
    with pytest.raises(UsageError, match="same weights"):
        random_reference(lambda _: FakeNetwork(seed=3), trained, *rest, seeds=(0, 1))
    with pytest.raises(UsageError, match="at least one seed"):
        random_reference(lambda _: FakeNetwork(seed=3), trained, *rest, seeds=())
    whole = FakeSet(tmp_path / "whole", label_kind="image")
    with pytest.raises(UsageError, match="has none"):
        random_reference(lambda _: FakeNetwork(seed=3), run(tmp_path / "w", FakeNetwork(), whole), *rest)


def test_pictures_to_measure_norms_with_are_spread_over_the_used_ones(tmp_path: Path) -> None:
    data = FakeSet(tmp_path / "set", count=300, bad_images=frozenset({2}))
    used = np.array([index for index in range(300) if index != 7], np.int32)
    batches = list(calibration(FakeNetwork(), data, used))
    assert [len(batch) for batch in batches[:-1]] == [32] * (len(batches) - 1)
    assert CALIBRATION_IMAGES - 1 <= sum(len(batch) for batch in batches) <= CALIBRATION_IMAGES
    few = np.concatenate(list(calibration(FakeNetwork(), data, used[3:6])))
    assert few.shape == (3, 3, 24, 24)


def test_the_embedded_network_detects_more_than_its_random_and_its_rotated_self(tmp_path: Path) -> None:
    spec, data = NetworkSpec("demo"), open_demo(tmp_path / "home", 80)
    trained = load_network(spec)
    settings = ProbeSettings(("layer6",), exemplars=1, thumbnails=False)
    cache, ledger = Cache(tmp_path / "cache"), MemoryLedger()
    result = probe(trained, data, settings, cache, ledger, Quiet())
    rules = Rules(data.vocabulary, profile("standard"), min_images=5)
    make = random_maker(spec, trained, data, result.image_index)
    (found,) = random_reference(make, result, data, settings, rules, cache, ledger, Quiet(), seeds=(0,))
    print("\n".join(found.lines()))
    assert found.trained.unique > 1.3 * found.mean_unique and found.trained.median > found.random[0].median
    assert found.weights[0] != trained.describe()["weights"]
    assert any("batch norms were measured on 80 pictures" in note for note in found.notes)
    (layer,) = result.layers
    over = grid(layer.layer.map_size, result.label_size, "half_pixel")
    basis = basis_null(result.recorded["layer6"], result.labels, layer.tables, layer.stats.state, over, rules, rotations=1)
    print("\n".join(basis.lines()))
    assert basis.own == found.trained and basis.drop > 5
    assert basis.own.median > np.median(basis.rotated) and (basis.p <= 0.05).mean() > 0.08
