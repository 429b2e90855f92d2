"""What is kept under a limit: dense, sparse, or what is there already; and room made for it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissect.config import parse_bytes
from dissect.errors import UsageError
from dissect.network.model import LayerInfo
from dissect.probe.cache import Cache
from dissect.probe.keeping import Keeper, readable, stage_bytes
from dissect.probe.ledger import MemoryLedger
from dissect.probe.progress import Quiet
from dissect.probe.recording import read_recorded
from dissect.probe.runner import ProbeSettings
from dissect.probe.shardfile import write_shard
from dissect.probe.work import Work
from tests.probe.fakes import DEFAULT_LAYERS, FakeNetwork, FakeSet
from tests.probe.helpers import result_hash, run
from tests.probe.test_runner import just_too_small


def keeper(folder: Path, data: FakeSet, limit: int, ledger: MemoryLedger | None = None, left_out: tuple[int, ...] = ()) -> Keeper:
    network = FakeNetwork()
    work = Work(Cache(folder), ledger or MemoryLedger(), Quiet())
    described = dict(network.describe())
    return Keeper(network, described, "data", data.records, frozenset(left_out), work, 1000, limit, 0.005, 8, 1)



@given(st.integers(1, 10**14))
def test_sizes_are_written_so_that_they_can_be_read_again(size: int) -> None:
    assert parse_bytes(readable(size).replace("bytes", "")) == pytest.approx(size, rel=0.005)


def test_bytes_grow_with_images_and_share_and_are_those_of_the_maps() -> None:
    layer = LayerInfo("layer", 512, (7, 7), "conv")
    dense = stage_bytes(layer, "float16", 63_305, 64, 1.0)
    assert 3.17e9 < dense < 5.2e9
    assert stage_bytes(layer, "float16", 63_305, 64, 0.05) < dense / 2
    assert stage_bytes(layer, "float32", 63_305, 64, 1.0) > 1.8 * dense


def test_a_pilot_is_evenly_spread_over_usable_images_and_keeps_no_map(tmp_path: Path) -> None:
    data = FakeSet(tmp_path / "images", count=100)
    made = keeper(tmp_path / "cache", data, 10**4, left_out=(0, 1, 2, 3))
    plans = [made.dense(layer, "float16") for layer in DEFAULT_LAYERS]
    floors = made._pilot(plans)
    pilots = list(made.work.stages.values())
    assert len(pilots) == 3
    keep = pilots[0].settings["keep"]
    assert isinstance(keep, dict)
    chosen = keep["pilot"]
    assert isinstance(chosen, list)
    assert (len(chosen), chosen[0]) == (32, 4)
    assert set(np.diff(np.array(chosen, np.int64)).tolist()) == {3}
    found = read_recorded(made.work.read(pilots[0], 0), DEFAULT_LAYERS[0].map_size)
    assert len(found.maps.values) == 0
    assert made.work.forward_images == 32
    for (floor, share), layer in zip(floors, DEFAULT_LAYERS, strict=True):
        assert floor.shape == (layer.units,)
        assert 0 <= share < 1


def test_the_floor_is_a_value_that_few_positions_of_the_pilot_exceed(tmp_path: Path) -> None:
    data = FakeSet(tmp_path / "images", count=32)
    made = keeper(tmp_path / "cache", data, 10**4)
    (floor, _), *_ = made._pilot([made.dense(DEFAULT_LAYERS[0], "float16")])
    network = FakeNetwork()
    maps = np.stack([network._maps(DEFAULT_LAYERS[0], network.prepare(_open(data, k))) for k in range(32)]).astype(np.float16)
    above = (maps.astype(np.float32) > floor[None, :, None, None]).mean(axis=(0, 2, 3))
    at_least = (maps.astype(np.float32) >= floor[None, :, None, None]).mean(axis=(0, 2, 3))
    assert (above <= 0.015).all()
    assert (at_least > 0.015).all()


def _open(data: FakeSet, index: int):  # type: ignore[no-untyped-def]
    from dissect.concepts.images import open_image

    return open_image(data.records[index].path)


def test_sparse_files_are_smaller_and_named_so_in_the_notes(tmp_path: Path) -> None:
    data = FakeSet(tmp_path / "images", count=60)
    limit = just_too_small(data, shard_images=60)
    dense = run(tmp_path / "dense", FakeNetwork(), data, shard_images=60)
    sparse = run(tmp_path / "sparse", FakeNetwork(), data, shard_images=60, cache_limit=limit, quantile=0.005)
    sizes = {}
    for name, result in (("dense", dense), ("sparse", sparse)):
        there = {stage.fingerprint: stage.bytes for stage in Cache(tmp_path / name / "cache").stages()}
        maps = [stage for stage in result.stages if stage.step == "activations" and stage.layer == "first"]
        sizes[name] = sum(there[stage.fingerprint] for stage in maps if "pilot" not in str(stage.settings["keep"]))
    assert sizes["sparse"] < sizes["dense"]
    assert (dense.notes, len(sparse.notes)) == ((), 1)


def test_maps_that_are_there_in_full_are_used_under_any_limit(tmp_path: Path) -> None:
    data, ledger = FakeSet(tmp_path / "images", count=40), MemoryLedger()
    first = run(tmp_path, FakeNetwork(), data, ledger)
    again = run(tmp_path, FakeNetwork(), data, ledger, cache_limit=1)
    assert (again.forward_images, again.notes) == (0, ())
    assert result_hash(again) == result_hash(first)


def test_older_stages_make_room_and_only_as_many_as_needed(tmp_path: Path) -> None:
    data, cache = FakeSet(tmp_path / "images", count=20), Cache(tmp_path / "cache")
    needed = just_too_small(data) + 1
    for number in range(4):
        path = cache.stage_folder("activations", f"{number:064x}") / "00000.safetensors"
        write_shard(path, {"a": np.zeros(needed // 8)}, {})
        os.utime(path.parent, (1000 + number, 1000 + number))
    old = {stage.fingerprint: stage.bytes for stage in cache.stages()}
    limit = needed + sum(sorted(old.values())[:2]) + 70_000
    run(tmp_path, FakeNetwork(), data, cache_limit=limit)
    left = {stage.fingerprint for stage in cache.stages()} & old.keys()
    assert left == {f"{2:064x}", f"{3:064x}"}


def test_the_refusal_says_how_much_dense_and_sparse_would_take(tmp_path: Path) -> None:
    data = FakeSet(tmp_path / "images", count=40)
    with pytest.raises(UsageError) as caught:
        run(tmp_path, FakeNetwork(), data, cache_limit=2000)
    words = str(caught.value)
    assert readable(just_too_small(data) + 1) in words
    assert "the limit is 2 kB" in words
    assert words.endswith("Raise --cache-limit, or choose fewer layers or images.")


def test_a_wide_quantile_lowers_the_floor_with_it(tmp_path: Path) -> None:
    made = keeper(tmp_path / "cache", FakeSet(tmp_path / "images", count=1), 1)
    assert [replace(made, quantile=q)._floor_quantile() for q in (0.001, 0.005, 0.0075, 0.1, 0.5)] == [
        0.015, 0.015, 0.015, pytest.approx(0.3), 0.999,
    ]  # fmt: skip


def test_settings_have_the_documented_defaults() -> None:
    chosen = ProbeSettings()
    assert (chosen.quantile, chosen.profile, chosen.exemplars, chosen.shard_images) == (0.005, "standard", 15, 1000)
    assert (chosen.cache_limit, chosen.thumbnail_size, chosen.activation_dtype) == (20_000_000_000, 112, None)
