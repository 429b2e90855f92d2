"""Masks and label maps as spans say the same as pixels, and a probe that kept no spans gives the same null."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dissect.errors import NotSupportedError, ShapeError
from dissect.probe.profile import PROFILES
from dissect.verify.null import LayerNull, independence_null, null_data
from dissect.verify.null_kernels import STRIDE
from dissect.verify.spans import join_labels, keep_images, label_spans, mask_spans
from tests.probe.fakes import FakeNetwork, FakeSet
from tests.probe.helpers import run
from tests.probe.oracles import positions_of
from tests.verify.scenes import drawn


@settings(max_examples=60)
@given(st.integers(0, 10**6))
def test_spans_say_what_pixels_say(seed: int) -> None:
    here = drawn(seed, "standard")
    tally, labels, masks, shard = here.tally()[0], here.labels(), here.masks(), here.scene.label_shard()
    for image, pixels in enumerate(shard.signature_map):
        own = slice(labels.offsets[image], labels.offsets[image + 1])
        lengths = np.diff(np.concatenate(([-1], labels.last[own].astype(int))))
        assert np.repeat(labels.local[own], lengths).tolist() == pixels.tolist()
        holder = np.repeat(np.arange(len(lengths)), lengths)
        assert labels.jump[image].tolist() == holder[::STRIDE].tolist()
    found = {}
    for unit in range(masks.units):
        for pair in range(masks.unit_offsets[unit], masks.unit_offsets[unit + 1]):
            spans = range(masks.offsets[pair], masks.offsets[pair + 1])
            active = [p for k in spans for p in range(int(masks.first[k]), int(masks.last[k]) + 1)]
            assert len(active) == masks.area[pair]
            found[int(masks.image[pair]), unit] = active
    assert found == positions_of(tally)


def test_large_label_maps_have_wide_pixel_numbers() -> None:
    here = drawn(3, "standard")
    shard = here.scene.label_shard()
    wide = replace(shard, signature_map=np.tile(shard.signature_map[:, :1], (1, 70_000)), label_size=(700, 100))
    found = join_labels([wide])
    assert found.last.dtype == np.uint32 and (found.last == 69_999).all()


def test_images_left_out_own_nothing() -> None:
    shard = drawn(12, "standard").scene.label_shard()
    kept = np.zeros(len(shard.included), np.bool_)
    kept[-1] = True
    one = keep_images(shard, kept)
    assert len(one.included) == 1 and one.local_offsets[-1] == len(one.local_signature)
    assert np.array_equal(one.signature_map[0], shard.signature_map[-1])
    with pytest.raises(ShapeError, match="no labels"):
        join_labels([replace(shard, included=~shard.included)])


def same(one: LayerNull, two: LayerNull) -> bool:
    """Equal to the last bit; NaN equals NaN."""
    names = [each.name for each in fields(LayerNull)]
    return all(np.array_equal(getattr(one, name), getattr(two, name), equal_nan=name in FLOATS) for name in names)


def clipped(layer: str, maps: NDArray[np.float32], pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """A dead unit, and some that saturate."""
    if layer == "first":
        maps[0] = 0
        maps[1:5] = np.minimum(maps[1:5], 0.05)
    return maps


FLOATS = ("observed", "p", "p_tail", "null", "null_mean", "null_95", "label_z", "z", "z_p")


@pytest.mark.parametrize("profile", ["standard", "lite"])
def test_a_probe_that_kept_no_spans_gives_the_same_null(tmp_path: Path, profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = FakeSet(tmp_path / "pictures", 30, bad_labels=frozenset({3}), bad_images=frozenset({7}))
    rules, network = PROFILES[profile], FakeNetwork(tweak=clipped)
    dense = run(tmp_path / "dense", network, data, profile=profile)
    assert {"saturated", "dead", "ok"} <= {*dense.layers[0].stats.state}
    shared = null_data(dense, data.records, data.vocabulary, rules, permutations=30)
    assert len(shared.labels) == 28
    monkeypatch.setattr("dissect.probe.active.MOST_SPANS", 10)
    without = run(tmp_path / "without", network, data, profile=profile)
    monkeypatch.undo()
    assert all(len(part.span_offsets) == 0 for _, _, part in without.tallies["first"].parts())
    for layer, other in zip(dense.layers, without.layers, strict=True):
        assert same(independence_null(dense, layer, shared), independence_null(without, other, shared))
    with pytest.raises(NotSupportedError, match="larger --cache-limit"):
        mask_spans(without, without.layers[0])


def test_sparse_maps_give_the_same_null(tmp_path: Path) -> None:
    data = FakeSet(tmp_path / "pictures", 40)
    dense = run(tmp_path / "dense", FakeNetwork(), data, layers=("first",))
    sparse = run(tmp_path / "sparse", FakeNetwork(), data, layers=("first",), cache_limit=120_000)
    assert sparse.recorded["first"].plan.floor is not None
    shared = null_data(dense, data.records, data.vocabulary, PROFILES["standard"], permutations=30)
    assert same(independence_null(dense, dense.layers[0], shared), independence_null(sparse, sparse.layers[0], shared))


def test_labels_of_another_run_are_refused(tmp_path: Path) -> None:
    data = FakeSet(tmp_path / "pictures", 10, bad_labels=frozenset({3}))
    result = run(tmp_path, FakeNetwork(), data)
    assert result.labels is not None
    with pytest.raises(ShapeError, match="another run"):
        label_spans(result.labels, np.arange(10, dtype=np.int32))
