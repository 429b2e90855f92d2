"""The whole probe on small fakes: against a plain second implementation, over batches, threads, shards, caches and settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dissect.concepts.images import open_image
from dissect.errors import ActivationError, DataError, LayerError, UsageError
from dissect.network.model import LayerInfo
from dissect.probe.estimate import estimate
from dissect.probe.exemplars import unpack_mask
from dissect.probe.ledger import MemoryLedger
from dissect.probe.tables import LayerProbe
from tests.probe.fakes import FakeNetwork, FakeSet
from tests.probe.helpers import SMALL, result_hash, run
from tests.probe.plain import from_tables, plain_probe


@pytest.fixture
def data(tmp_path: Path) -> FakeSet:
    return FakeSet(tmp_path / "images")


def check_layer(probed: LayerProbe, network: FakeNetwork, data: FakeSet, used: list[int], dtype: str = "float16") -> None:
    layer = probed.layer
    plain = plain_probe(network, data, layer, used, (12, 12), SMALL.quantile, dtype)
    assert np.array_equal(probed.stats.threshold, plain.threshold)
    assert np.array_equal(probed.stats.minimum, plain.values.min(axis=1))
    assert np.array_equal(probed.stats.maximum, plain.values.max(axis=1))
    assert np.allclose(probed.stats.mean, plain.values.mean(axis=1), rtol=1e-12)
    assert probed.tables is not None
    assert np.array_equal(probed.tables.unit_area, plain.unit_area)
    primary = [data.vocabulary.category_index(concept.category) for concept in data.vocabulary.concepts]
    covered, shared, area = from_tables(probed.tables, len(data.vocabulary), primary)
    assert np.array_equal(covered, plain.concept)
    assert np.array_equal(shared, plain.intersection)
    assert np.array_equal(area, plain.annotated_area)
    for unit in range(layer.units):
        order = sorted(range(len(used)), key=lambda row, unit=unit: (-plain.maxima[row, unit], row))[:15]  # type: ignore[misc]
        assert [used[row] for row in order] == [k for k in probed.exemplars.image[unit].tolist() if k >= 0]
        for rank, row in enumerate(order):
            assert np.array_equal(unpack_mask(probed.exemplars.masks[unit][rank], (12, 12)), plain.masks[row, unit])


def test_every_number_agrees_with_a_plain_second_implementation(tmp_path: Path, data: FakeSet) -> None:
    network = FakeNetwork()
    result = run(tmp_path, network, data)
    assert (result.images, result.skipped, result.label_size) == (20, (), (12, 12))
    assert [probed.layer.name for probed in result.layers] == ["first", "middle.conv", "head"]
    for probed in result.layers:
        check_layer(probed, network, data, list(range(20)))


def test_float32_and_a_cropped_view_agree_too(tmp_path: Path, data: FakeSet) -> None:
    for network in (FakeNetwork(margin=0.25), FakeNetwork(margin=-0.25)):
        result = run(tmp_path, network, data, activation_dtype="float32", layers=("first", "head"))
        for probed in result.layers:
            assert probed.activation_dtype == "float32"
            check_layer(probed, network, data, list(range(20)), "float32")


def test_bad_images_and_bad_label_maps_are_left_out_of_everything(tmp_path: Path) -> None:
    data = FakeSet(tmp_path / "images", bad_images=frozenset((3, 19)), bad_labels=frozenset((0, 7, 8)))
    network = FakeNetwork()
    result = run(tmp_path, network, data)
    assert [item.key for item in result.skipped] == ["0000", "0003", "0007", "0008", "0019"]
    assert "label map 7 is broken" in result.skipped[2].reason
    assert "0003.png" in result.skipped[1].reason
    used = [k for k in range(20) if k not in (0, 3, 7, 8, 19)]
    assert result.images == len(used)
    for probed in result.layers:
        check_layer(probed, network, data, used)


@pytest.mark.parametrize("bad", ["images", "labels"])
def test_a_shard_whose_images_are_all_bad_is_nothing_special(tmp_path: Path, bad: str) -> None:
    some, nothing = frozenset(range(8, 16)), frozenset[int]()
    data = FakeSet(tmp_path / "images", bad_images=some if bad == "images" else nothing, bad_labels=some if bad == "labels" else nothing)
    network = FakeNetwork()
    result = run(tmp_path, network, data)
    for probed in result.layers:
        check_layer(probed, network, data, [*range(8), *range(16, 20)])


def test_results_do_not_depend_on_batches_threads_shards_or_chunks(
    tmp_path: Path, data: FakeSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = result_hash(run(tmp_path / "first", FakeNetwork(), data))
    for number, (batch, workers, shard) in enumerate([(1, 0, 8), (7, 2, 8), (32, 2, 3), (32, 1, 1000), (4, 3, 7), (3, 1, 1)]):
        chosen: dict[str, Any] = {"batch_size": batch, "workers": workers, "shard_images": shard, "threads": 1 + number % 2}
        result = run(tmp_path / str(number), FakeNetwork(), data, **chosen)
        assert result_hash(result) == expected, (batch, workers, shard)
    monkeypatch.setattr("dissect.probe.passes.CHUNK_BYTES", 5000)
    monkeypatch.setattr("dissect.probe.blocks.UNITS", 3)
    monkeypatch.setattr("dissect.probe.stages.SHARD_BYTES", 2000)
    assert result_hash(run(tmp_path / "chunks", FakeNetwork(), data)) == expected


def test_float32_thresholds_do_not_depend_on_blocks_of_units(tmp_path: Path, data: FakeSet, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(tmp_path / "whole", FakeNetwork(), data, activation_dtype="float32")
    monkeypatch.setattr("dissect.probe.blocks.UNITS", 3)
    assert result_hash(run(tmp_path / "blocks", FakeNetwork(), data, activation_dtype="float32")) == result_hash(whole)


def test_layers_of_one_pass_are_as_if_probed_alone(tmp_path: Path, data: FakeSet) -> None:
    together = run(tmp_path, FakeNetwork(), data)
    for probed in together.layers:
        alone = run(tmp_path / probed.layer.name, FakeNetwork(), data, layers=(probed.layer.name,))
        assert result_hash(replace(together, layers=(probed,), image_files={})) == result_hash(replace(alone, image_files={}))


def test_the_same_call_again_runs_nothing(tmp_path: Path, data: FakeSet) -> None:
    ledger, network = MemoryLedger(), FakeNetwork()
    first = run(tmp_path, network, data, ledger)
    seen, reads = network.images_seen, data.label_reads
    again = run(tmp_path, network, data, ledger)
    assert (network.images_seen, data.label_reads, again.forward_images) == (seen, reads, 0)
    assert result_hash(again) == result_hash(first)


def test_a_second_layer_passes_the_images_for_itself_only(tmp_path: Path, data: FakeSet) -> None:
    ledger, network = MemoryLedger(), FakeNetwork()
    run(tmp_path, network, data, ledger, layers=("first",))
    assert run(tmp_path, network, data, ledger).forward_images == 20
    assert run(tmp_path, network, data, ledger, layers=("head",)).forward_images == 0


REUSED = {"quantile": 0.1, "exemplars": 3, "thumbnail_size": 64, "thumbnails": False, "batch_size": 5, "workers": 2, "cache_limit": 10**12}
ANEW = {"activation_dtype": "float32", "shard_images": 9, "profile": "netdissect"}


@pytest.mark.parametrize("name", [*REUSED, *ANEW, "label_size"])
def test_another_setting_reuses_what_it_may_and_never_hits_a_wrong_cache(tmp_path: Path, data: FakeSet, name: str) -> None:
    settings: dict[str, Any] = {name: {**REUSED, **ANEW, "label_size": (10, 14)}[name]}
    ledger, network = MemoryLedger(), FakeNetwork()
    run(tmp_path, network, data, ledger)
    shared = run(tmp_path, network, data, ledger, **settings)
    fresh = run(tmp_path / "fresh", FakeNetwork(), data, **settings)
    assert result_hash(shared) == result_hash(fresh)
    assert shared.forward_images == (20 if name in ANEW else 0)


def test_other_content_never_hits_the_cache(tmp_path: Path, data: FakeSet) -> None:
    ledger = MemoryLedger()
    first = run(tmp_path, FakeNetwork(), data, ledger)
    for network, other in (
        (FakeNetwork(seed=1), data),
        (FakeNetwork(margin=0.25), data),
        (FakeNetwork(), FakeSet(tmp_path / "others", seed=2)),
        (FakeNetwork(), FakeSet(tmp_path / "fewer", count=19)),
        (FakeNetwork(), FakeSet(tmp_path / "images", bad_labels=frozenset((4,)))),
    ):
        shared = run(tmp_path, network, other, ledger)
        assert shared.forward_images == other.count - len(other.bad_labels)
        assert {probed.fingerprint for probed in shared.layers}.isdisjoint(probed.fingerprint for probed in first.layers)
    reads = data.label_reads
    run(tmp_path, FakeNetwork(seed=2), data, ledger)
    assert data.label_reads == reads, "labels are read once for every network with the same view"


def test_names_and_places_change_no_fingerprint(tmp_path: Path) -> None:
    ledger = MemoryLedger()
    run(tmp_path, FakeNetwork(), FakeSet(tmp_path / "here"), ledger)
    moved = run(tmp_path, FakeNetwork(name="other"), FakeSet(tmp_path / "there", name="other"), ledger)
    assert moved.forward_images == 0


def just_too_small(data: FakeSet, **settings: Any) -> int:
    """A cache limit one byte short of all maps."""
    found = estimate(FakeNetwork(), data, replace(SMALL, **settings))
    return sum(layer.dense_bytes for layer in found.layers) - 1


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("quantile", [0.005, 0.02, 0.4])
def test_sparse_maps_give_the_same_bits(tmp_path: Path, dtype: str, quantile: float) -> None:
    data = FakeSet(tmp_path / "images", count=60)
    dense = run(tmp_path / "dense", FakeNetwork(), data, activation_dtype=dtype, quantile=quantile, cache_limit=10**9)
    limit = just_too_small(data, activation_dtype=dtype, shard_images=60)
    sparse = run(tmp_path / "sparse", FakeNetwork(), data, activation_dtype=dtype, quantile=quantile, cache_limit=limit, shard_images=60)
    assert any("only the maps that can matter" in note for note in sparse.notes)
    assert result_hash(sparse) == result_hash(dense)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_a_wrong_pilot_costs_time_and_changes_nothing(tmp_path: Path, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = FakeSet(tmp_path / "images", count=60)
    dense = run(tmp_path / "dense", FakeNetwork(), data, activation_dtype=dtype)
    limit = just_too_small(data, activation_dtype=dtype, shard_images=60)
    monkeypatch.setattr("dissect.probe.keeping.Keeper._floor_quantile", lambda _: 1e-4)
    ledger = MemoryLedger()
    sparse = run(tmp_path / "sparse", FakeNetwork(), data, ledger, activation_dtype=dtype, cache_limit=limit, shard_images=60)
    assert result_hash(sparse) == result_hash(dense)
    assert sparse.forward_images > 60 + 32, "the images passed once more"
    again = run(tmp_path / "sparse", FakeNetwork(), data, ledger, activation_dtype=dtype, cache_limit=limit, shard_images=60)
    assert again.forward_images == 0


def test_a_limit_too_small_for_anything_is_refused_with_the_numbers(tmp_path: Path, data: FakeSet) -> None:
    with pytest.raises(UsageError, match=r"need about .* kB in the cache, or .* --cache-limit"):
        run(tmp_path, FakeNetwork(), data, cache_limit=1000)


def tweak_one_unit(layer: str, unit: int, factor: float) -> Any:
    def tweak(name: str, maps: np.ndarray[Any, Any], _: object) -> np.ndarray[Any, Any]:
        changed = maps.copy()
        if name == layer:
            changed[unit] *= np.float32(factor)
        return changed

    return tweak


@pytest.mark.parametrize(("factor", "word"), [(1e6, "beyond 65,504"), (1e-12, "round to zero")])
def test_a_layer_that_float16_does_not_hold_is_kept_in_float32(tmp_path: Path, data: FakeSet, factor: float, word: str) -> None:
    network = FakeNetwork(tweak=tweak_one_unit("middle.conv", 3, factor))
    ledger = MemoryLedger()
    result = run(tmp_path, network, data, ledger)
    assert [probed.activation_dtype for probed in result.layers] == ["float16", "float32", "float16"]
    assert len(result.notes) == 1
    assert word in result.notes[0]
    check_layer(result.layers[0], network, data, list(range(20)))
    check_layer(result.layers[1], network, data, list(range(20)), "float32")
    again = run(tmp_path, network, data, ledger)
    assert again.forward_images == 0
    assert result_hash(again) == result_hash(result)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_nan_and_infinity_stop_the_run_with_layer_unit_and_image(tmp_path: Path, data: FakeSet, value: float, dtype: str) -> None:
    target = FakeNetwork().prepare(open_image(data.records[13].path))

    def tweak(name: str, maps: np.ndarray[Any, Any], pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        changed = maps.copy()
        if name == "middle.conv" and np.array_equal(pixels, target):
            changed[5, 1, 1] = value
        return changed

    with pytest.raises(ActivationError, match=r"layer middle\.conv, unit 5, image 0013"):
        run(tmp_path, FakeNetwork(tweak=tweak), data, activation_dtype=dtype)
    assert [path for path in (tmp_path / "cache").rglob("*") if path.name.startswith(".")] == []


def test_dead_and_constant_units_are_named_and_have_no_mask(tmp_path: Path, data: FakeSet) -> None:
    def tweak(name: str, maps: np.ndarray[Any, Any], _: object) -> np.ndarray[Any, Any]:
        changed = maps.copy()
        changed[0], changed[1], changed[2], changed[4] = 0, 2.5, np.minimum(maps[2], -5), maps[3]
        return changed

    for dtype in ("float16", "float32"):
        result = run(tmp_path, FakeNetwork(tweak=tweak), data, layers=("first",), activation_dtype=dtype)
        stats = result.layers[0].stats
        assert stats.state[:5] == ("dead", "constant", "constant", "ok", "ok")
        assert stats.threshold[:3].tolist() == [0, 2.5, -5]
        assert stats.twin[:5].tolist() == [-1, -1, -1, -1, 3]
        assert not any(unpack_mask(mask, (12, 12)).any() for unit in range(3) for mask in result.layers[0].exemplars.masks[unit])


def test_a_network_that_is_silent_everywhere_gives_a_defined_result(tmp_path: Path, data: FakeSet) -> None:
    result = run(tmp_path, FakeNetwork(tweak=lambda _, maps, __: maps * 0), data)
    for probed in result.layers:
        assert set(probed.stats.state) == {"dead"}
        assert probed.tables is not None
        assert probed.tables.unit_area.sum() == 0


def test_one_image_is_enough(tmp_path: Path) -> None:
    data = FakeSet(tmp_path / "images", count=1)
    network = FakeNetwork()
    result = run(tmp_path, network, data)
    for probed in result.layers:
        check_layer(probed, network, data, [0])
        assert (probed.exemplars.image[:, 1:] == -1).all()


def test_no_image_and_no_usable_image_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no images"):
        run(tmp_path, FakeNetwork(), FakeSet(tmp_path / "none", count=0))
    everything = frozenset(range(5))
    with pytest.raises(DataError, match=r"none of the 5 images.*broken"):
        run(tmp_path, FakeNetwork(), FakeSet(tmp_path / "labels", count=5, bad_labels=everything))
    with pytest.raises(DataError, match=r"none of the 5 images.*0000\.png"):
        run(tmp_path, FakeNetwork(), FakeSet(tmp_path / "images", count=5, bad_images=everything))


def test_pictures_without_labels_give_exemplars_only(tmp_path: Path) -> None:
    data = FakeSet(tmp_path / "images", label_kind="none", bad_images=frozenset((2,)))
    result = run(tmp_path, FakeNetwork(), data)
    assert result.image_level is None
    assert all(probed.tables is None for probed in result.layers)
    assert data.label_reads == 0
    assert result.images == 19
    assert {stage.step for stage in result.stages} == {"activations"}


def test_whole_image_labels_give_maxima_and_presence(tmp_path: Path) -> None:
    data = FakeSet(tmp_path / "images", label_kind="image", bad_images=frozenset((2,)), bad_labels=frozenset((5,)))
    network = FakeNetwork()
    result = run(tmp_path, network, data)
    used = [k for k in range(20) if k not in (2, 5)]
    level = result.image_level
    assert level is not None
    assert level.image_index.tolist() == used
    assert result.layers[0].tables is None
    for row, index in enumerate(used):
        assert np.flatnonzero(level.presence[row]).tolist() == [data.labels(index).whole[0] - 1]
    labelled = FakeSet(tmp_path / "images", bad_images=frozenset((2,)))
    for layer in network.layers():
        plain = plain_probe(network, labelled, layer, used, (12, 12), SMALL.quantile)
        assert np.array_equal(level.maxima[layer.name], plain.maxima)


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"quantile": 0.0}, UsageError, "quantile"), ({"quantile": 1.5}, UsageError, "quantile"),
        ({"profile": "none"}, UsageError, "profile"),
        ({"profile": "lite", "activation_dtype": "float16"}, UsageError, "float32"), ({"batch_size": 0}, UsageError, "batch_size"),
        ({"workers": -1}, UsageError, "workers"),
        ({"label_size": (0, 4)}, UsageError, "label_size"), ({"layers": ("nothing",)}, LayerError, "no layer"),
    ],
)  # fmt: skip
def test_settings_that_mean_nothing_are_refused(
    tmp_path: Path, data: FakeSet, settings: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        run(tmp_path, FakeNetwork(), data, **settings)


@pytest.mark.parametrize("name", ["netdissect", "lite", "compexp"])
def test_every_profile_runs_through(tmp_path: Path, data: FakeSet, name: str) -> None:
    layer = LayerInfo("middle.conv", 16, (3, 3), "conv")
    result = run(tmp_path, FakeNetwork(all_layers=(layer,)), data, profile=name)
    assert result.layers[0].activation_dtype == "float32"
    assert result.layers[0].tables is not None
    assert result.layers[0].tables.unit_area.sum() > 0
