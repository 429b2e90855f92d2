"""From a network and drawn pictures to findings: responses inside the face, confounders, effects of switching units off."""

from __future__ import annotations

from pathlib import Path

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from dissect.audit.confounders import brightness, column, geometry
from dissect.audit.effect import audit_effects, unit_effects
from dissect.audit.groups import subjects
from dissect.audit.response import Rules, audit_responses
from dissect.audit.response_findings import findings
from dissect.audit.responses import region_masks, touched, unit_responses
from dissect.concepts.broden import Broden
from dissect.concepts.model import ImageRecord
from dissect.errors import CacheError, DataError, NotFoundError
from dissect.network.load import load_network
from dissect.network.loaded import LoadedNetwork
from dissect.network.preprocess import Preprocessing
from dissect.network.source import NetworkSpec
from dissect.probe.cache import Cache
from dissect.probe.ledger import MemoryLedger
from dissect.probe.progress import Quiet
from dissect.probe.runner import ProbeResult, ProbeSettings, probe
from tests.audit.nets import UNITS
from tests.concepts.drawn_set import open_demo
from tests.probe.fakes import FakeNetwork, FakeSet
from tests.probe.helpers import run

PICTURES = 420
Seen = tuple[LoadedNetwork, Broden, ProbeResult]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """Drawn pictures through the network of known colours."""
    home = tmp_path_factory.mktemp("audited")
    data = open_demo(home, PICTURES, seed=5)
    spec = NetworkSpec("tests.audit.nets:colours@random", preprocessing=Preprocessing((64, 64), mean=(0, 0, 0), std=(1, 1, 1)))
    network = load_network(spec)
    numba.set_num_threads(1)  # tiny arrays are slower with two
    settings = ProbeSettings(layers=("act",), label_size=(64, 64), thumbnails=False, quantile=0.01)
    return network, data, probe(network, data, settings, Cache(home / "cache"), MemoryLedger(), Quiet())


def test_units_that_read_colours_are_found_inside_the_face_and_not_among_shuffled_people(seen: Seen) -> None:
    _, data, result = seen
    inside = unit_responses(result, "act", data.vocabulary)
    assert inside.region == "face" and 100 < inside.present.sum() < PICTURES
    of = subjects(data.records, result.image_index, inside.present, brightness(data.records, result.image_index, workers=2))
    rules = Rules(attributes=("skin_tone",), confounders=("brightness", "gender_presentation"), minimum=30, bootstrap=100)
    tables = {(table.contrast.value, bool(table.matched)): table for table in audit_responses({"act": inside.values}, of, rules).tables}
    light = UNITS["light"]
    for matched in (False, True):
        assert tables["light", matched].auroc[light] > 0.85 and tables["dark", matched].auroc[light] < 0.2
        assert tables["light", matched].found(0.05)[light] and tables["dark", matched].found(0.05)[light]
    whole = unit_responses(result, "act", data.vocabulary, region="")
    loose = audit_responses({"act": whole.values}, of, rules).tables
    assert abs(loose[0].auroc[light] - 0.5) < abs(tables["dark", False].auroc[light] - 0.5) - 0.1
    order = np.random.default_rng(0).permutation(len(of.index))
    mixed = audit_responses({"act": inside.values[order]}, subjects(data.records, result.image_index), rules).tables
    assert not any(table.found(0.05)[light] for table in mixed)


def test_effects_of_switching_units_off_are_those_of_the_weights(seen: Seen) -> None:
    network, data, result = seen
    layer = network.layers(("act",))[0]
    index = result.image_index[:60]
    found = unit_effects(network, layer, data.records, index, lambda outputs: outputs[..., 0], how="zero")
    assert found.shape == (60, 24) and np.abs(found[:, 1:]).max() < 1e-5
    maps = np.stack([_maps(network, data.records[int(i)].path)[0] for i in index])
    np.testing.assert_allclose(found[:, 0], 5 * maps.mean(axis=(1, 2)), rtol=1e-4, atol=1e-5)
    mean = unit_effects(network, layer, data.records, index, lambda outputs: outputs[..., 0], units=[0])
    np.testing.assert_allclose(mean[:, 0], 5 * (maps.mean(axis=(1, 2)) - maps.mean()), rtol=1e-3, atol=1e-4)


def test_an_audit_by_effect_says_for_whom_a_unit_matters(seen: Seen) -> None:
    network, data, result = seen
    chosen = [int(i) for i in result.image_index if data.records[int(i)].attributes["skin_tone"] in ("light", "dark")]
    index = np.array(chosen, np.int32)
    effects = unit_effects(network, network.layers(("act",))[0], data.records, index, lambda outputs: outputs[..., 0], how="zero")
    said = list(findings(audit_effects({"act": effects}, subjects(data.records, index), Rules(attributes=("skin_tone",), minimum=20))))
    assert said[0].kind == "effect" and said[0].effect is not None
    assert all(finding.state == "not testable" for finding in said[1:])  # the output reads one unit


def _maps(network: LoadedNetwork, path: Path) -> NDArray[np.float32]:
    with Image.open(path) as image:
        pixels = network.prepare(image.convert("RGB"))
    layer = network.layers(("act",))[0]
    return np.asarray(network.activations(pixels[None], [layer])["act"][0], np.float32)


def test_size_and_place_of_a_face_and_brightness_are_read_from_masks_and_pictures(seen: Seen, tmp_path: Path) -> None:
    _, data, result = seen
    found = geometry(result, data.vocabulary, "face")
    face = next(concept.index for concept in data.vocabulary.concepts if concept.name == "face")
    for place in range(0, PICTURES, 37):
        planes = [plane.ids == face for plane in data.labels(int(result.image_index[place])).planes]
        mask = np.any(planes, axis=0) if planes else np.zeros((64, 64), np.bool_)
        if mask.any():
            rows, columns = np.nonzero(mask)
            expected = [mask.mean(), (columns + 0.5).mean() / 64, (rows + 0.5).mean() / 64]
            np.testing.assert_allclose([found[f"face {name}"][place] for name in ("size", "x", "y")], expected)
        else:
            assert np.isnan(found["face size"][place])
    Image.new("RGB", (50, 40), (51, 51, 51)).save(tmp_path / "grey.png")
    plain = brightness([ImageRecord(0, "grey", tmp_path / "grey.png")], np.zeros(1, np.int32))
    assert plain["brightness"][0] == pytest.approx(0.2) and plain["contrast"][0] == pytest.approx(0.0)


def test_a_column_of_numbers_is_read_and_anything_else_is_refused() -> None:
    made = [ImageRecord(k, f"{k}", Path("x"), attributes={"age": age}) for k, age in enumerate(("3.5", "", "12"))]
    np.testing.assert_array_equal(column(made, np.arange(3, dtype=np.int32), "age"), [3.5, np.nan, 12.0])
    with pytest.raises(DataError, match="image 0 is 'old'"):
        column([ImageRecord(0, "0", Path("x"), attributes={"age": "old"})], np.zeros(1, np.int32), "age")
    with pytest.raises(NotFoundError, match="height"):
        column(made, np.arange(3, dtype=np.int32), "height")


@given(st.integers(0, 10_000), st.integers(1, 9), st.integers(1, 9), st.integers(1, 12), st.integers(1, 12))
def test_a_place_counts_if_its_cell_touches_the_mask(seed: int, h: int, w: int, height: int, width: int) -> None:
    masks = np.random.default_rng(seed).random((2, height, width)) < 0.15
    expected = np.zeros((2, h, w), np.bool_)
    for image, y, x in np.argwhere(masks):
        for i in range(h):
            for j in range(w):
                overlaps = i * height < (y + 1) * h and (i + 1) * height > y * h and j * width < (x + 1) * w and (j + 1) * width > x * w
                expected[image, i, j] |= overlaps
    assert (touched(masks, (h, w)) == expected).all()


def test_responses_are_maxima_over_touched_places_and_over_the_image_where_nobody_is(tmp_path: Path) -> None:
    network, data = FakeNetwork(), FakeSet(tmp_path / "data", bad_images=frozenset({3}), bad_labels=frozenset({11}))
    result = run(tmp_path, network, data, label_size=(9, 7))
    found = unit_responses(result, "first", data.vocabulary, "object1")
    part = [result.labels.part(0, 8), result.labels.part(8, 16), result.labels.part(16, 20)] if result.labels else []
    masks = np.concatenate([region_masks(shard, data.vocabulary, "object1") for shard in part])
    assert found.values.shape == (18, 12) and 0 < found.present.sum() < 18
    for row, index in enumerate(result.image_index):
        shard = result.recorded["first"].shard(int(index) // 8)
        maps = shard.maps.values.reshape(-1, 12, 36)[int(index) % 8].astype(np.float32)
        near = touched(masks[[index]], (6, 6)).reshape(-1)
        assert found.present[row] == near.any()
        np.testing.assert_array_equal(found.values[row], maps[:, near].max(axis=1) if near.any() else maps.max(axis=1))
    assert unit_responses(result, "first", data.vocabulary).region == ""
    with pytest.raises(NotFoundError, match="no concept 'nose'"):
        unit_responses(result, "first", data.vocabulary, "nose")
    with pytest.raises(NotFoundError, match="Probed: first"):
        unit_responses(result, "second", data.vocabulary)


def test_sparse_maps_are_refused_inside_a_mask_and_serve_whole_images(tmp_path: Path) -> None:
    network, data = FakeNetwork(), FakeSet(tmp_path / "data")
    dense = run(tmp_path / "a", network, data, layers=("first",))
    sparse = run(tmp_path / "b", network, data, layers=("first",), cache_limit=60_000)
    assert sparse.recorded["first"].plan.floor is not None
    with pytest.raises(CacheError, match="--cache-limit"):
        unit_responses(sparse, "first", data.vocabulary, "object1")
    np.testing.assert_array_equal(
        unit_responses(sparse, "first", data.vocabulary, "").values, unit_responses(dense, "first", data.vocabulary, "").values
    )
