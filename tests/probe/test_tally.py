"""Active pixels by signature, with cells skipped, against every pixel looked at."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields, replace
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dissect.errors import CacheError, ShapeError
from dissect.probe.active import packed_masks
from dissect.probe.histogram import measure
from dissect.probe.maps import MapShard
from dissect.probe.profile import PROFILES
from dissect.probe.signatures import ImageLabels, LabelShard, build_label_shard
from dissect.probe.tables import CountTables
from dissect.probe.tally import TallyShard, merge_tally, tally_shard, unit_mask
from dissect.probe.upsample import Rule, grid, upsample
from tests.probe.oracles import CATEGORIES, Scene, plain_upsample, positions_of, scene, vocabulary

STANDARD = PROFILES["standard"]
SKIPPING = [
    ((7, 7), (112, 112)), ((14, 14), (112, 112)), ((13, 13), (113, 113)), ((13, 13), (112, 112)), ((1, 1), (112, 112)), ((6, 6), (113, 99)),
    ((27, 27), (113, 113)), ((56, 56), (112, 112)), ((112, 112), (112, 112)), ((5, 9), (40, 33)), ((1, 7), (9, 50)), ((7, 1), (3, 3)),
    ((30, 30), (8, 8)), ((40, 3), (16, 16)), ((2, 2), (1, 1)), ((4, 4), (260, 260)),
]  # fmt: skip


def cuts_of(maps: NDArray[Any], seed: int) -> NDArray[np.float32]:
    """For each unit one of its own values, or the float below it, so that ties and plateaus are met."""
    rng = np.random.default_rng(seed)
    values = maps.astype(np.float32).transpose(1, 0, 2, 3).reshape(maps.shape[1], -1)
    cut = np.array([rng.choice(row) for row in values], np.float32)
    return np.where(rng.random(len(cut)) < 0.3, np.nextafter(cut, np.float32(-np.inf)), cut).astype(np.float32)


def blank(images: int, size: tuple[int, int]) -> LabelShard:
    """Labels of images on which nothing is annotated."""
    pixels = size[0] * size[1]
    image = ImageLabels(np.zeros(pixels, np.uint16), (b"",), np.array([pixels]), np.ones(3, np.bool_), ())
    return build_label_shard([image] * images, size, 3)


def counted(tally: TallyShard | CountTables) -> dict[tuple[int, int], int]:
    rows = zip(tally.unit.tolist(), tally.signature.tolist(), tally.count.tolist(), strict=True)
    return {(unit, signature): count for unit, signature, count in rows}


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize(("map_size", "size"), SKIPPING)
def test_skipping_cells_equals_not_skipping(map_size: tuple[int, int], size: tuple[int, int], dtype: type[Any]) -> None:
    rng = np.random.default_rng(map_size[0] * 1000 + size[1])
    shape = (2, 6, *map_size)
    smooth = np.maximum(rng.normal(size=shape), 0)
    maps = np.where(rng.random((2, 6, 1, 1)) < 0.5, smooth, rng.choice([0.1, 0.3, 0.3000001], shape)).astype(dtype)
    drawn = Scene([], [], maps, size, vocabulary(0))
    cut = cuts_of(maps, map_size[1])
    rules: list[tuple[Rule, tuple[int, int] | None]] = [("half_pixel", None)]
    if map_size[0] <= size[0] and map_size[1] <= size[1]:
        rules.append(("receptive_field", (size[0] * 2 + 1, size[1] * 2)))
    for rule, inputs in rules:
        over = grid(map_size, size, rule, inputs)
        found = positions_of(tally_shard(drawn.map_shard(), cut, blank(2, size), over, drawn.vocabulary, STANDARD))
        for image in range(2):
            for unit in range(6):
                every = np.flatnonzero((upsample(maps[image, unit], over) > cut[unit]).ravel()).tolist()
                assert found.get((image, unit), []) == every


@pytest.mark.parametrize(("steps", "size"), [(2, (112, 112)), (40, (91, 113)), (100_000, (112, 60)), (5_000_000, (64, 64))])
def test_plateaus_that_differ_in_the_last_bits_are_cut_like_every_pixel_by_itself(steps: int, size: tuple[int, int]) -> None:
    """Where rounding is as large as the rise of a cell, its pixels need not be in order."""
    random = np.random.default_rng(steps)
    bits = np.float32(0.7).view(np.int32) + random.integers(0, steps, (300, 9), dtype=np.int32)
    values = bits.astype(np.int32).view(np.float32) * np.where(random.random((300, 1)) < 0.5, -1, 1).astype(np.float32)
    over = grid((3, 3), size, "half_pixel")
    full = upsample(values.reshape(-1, 3, 3), over).reshape(300, -1)
    cuts = full[np.arange(300), random.integers(0, full.shape[1], 300)]
    np.testing.assert_array_equal(packed_masks(values, cuts, over), np.packbits(full > cuts[:, None], axis=1))


@pytest.mark.parametrize(("map_size", "size"), [((7, 7), (112, 112)), ((5, 9), (20, 200)), ((13, 13), (30, 64)), ((40, 70), (30, 65))])
def test_signatures_are_counted_wherever_a_mask_begins_and_ends(map_size: tuple[int, int], size: tuple[int, int]) -> None:
    """Label maps several words of 64 pixels wide, with borders everywhere; signatures in the order in which they appear."""
    random = np.random.default_rng(size[1])
    pixels = np.repeat(random.integers(0, 9, size[0] * size[1] // 4 + 1), random.choice([1, 2, 5, 8], size[0] * size[1] // 4 + 1))
    signature_map = np.resize(pixels, size[0] * size[1]).astype(np.uint16)
    members = tuple(np.array([k], "<u2").tobytes() for k in range(9))
    image = ImageLabels(signature_map, members, np.bincount(signature_map, minlength=9), np.ones(3, np.bool_), ())
    labels = build_label_shard([image, replace(image, signature_map=signature_map[::-1].copy())], size, 3)
    maps = np.maximum(random.normal(size=(2, 12, *map_size)) - 1, 0).astype(np.float32)
    shard = Scene([], [], maps, size, vocabulary(9)).map_shard()
    over, cut = grid(map_size, size, "half_pixel"), np.full(12, 0.4, np.float32)
    tally = tally_shard(shard, cut, labels, over, vocabulary(9), STANDARD)
    positions = positions_of(tally)
    assert len(positions) > 12
    for pair, where in enumerate(positions.values()):
        here = int(tally.pair_image[pair])
        under = Counter(labels.signature_map[here, where].tolist())  # keeps the order of appearance
        own = slice(tally.triple_offsets[pair], tally.triple_offsets[pair + 1])
        local = labels.local_signature[labels.local_offsets[here] + np.array(list(under))]
        assert tally.triple_signature[own].tolist() == local.tolist()
        assert tally.triple_count[own].tolist() == list(under.values())


@given(st.integers(0, 10**6), st.sampled_from([np.float16, np.float32]))
def test_counts_are_those_of_every_pixel_by_itself(seed: int, dtype: type[Any]) -> None:
    drawn = scene(seed, dtype=dtype)
    over = grid(drawn.maps.shape[2:], drawn.size, "half_pixel")
    labels, cut = drawn.label_shard(), cuts_of(drawn.maps, seed)
    tally = tally_shard(drawn.map_shard(), cut, labels, over, drawn.vocabulary, STANDARD)
    expected: Counter[tuple[int, int]] = Counter()
    for image in range(len(drawn.labels)):
        for unit in range(drawn.maps.shape[1]):
            values = plain_upsample(drawn.maps[image, unit], drawn.size)
            mask = unit_mask(drawn.maps[image, unit], float(cut[unit]), over)
            # Away from the cut the plain values decide; on it the rounding of the definition does.
            clear = np.abs(values - cut[unit]) > 1e-5
            assert np.array_equal(mask[clear], (values > cut[unit])[clear])
            for pixel in np.flatnonzero(mask.ravel()):
                expected[unit, int(labels.local_signature[labels.local_offsets[image] + labels.signature_map[image, pixel]])] += 1
    assert counted(tally) == dict(expected)
    for unit in range(drawn.maps.shape[1]):
        assert tally.unit_area[unit] == sum(count for (owner, _), count in expected.items() if owner == unit)
    assert tally.signature_pixels.sum() == len(drawn.labels) * drawn.size[0] * drawn.size[1]


@given(st.integers(0, 10**6))
def test_pair_counts_and_positions_add_up_to_the_totals(seed: int) -> None:
    drawn = scene(seed)
    over = grid(drawn.maps.shape[2:], drawn.size, "half_pixel")
    labels = drawn.label_shard()
    tally = tally_shard(drawn.map_shard(), cuts_of(drawn.maps, seed), labels, over, drawn.vocabulary, STANDARD)
    total: Counter[tuple[int, int]] = Counter()
    positions = positions_of(tally)
    for pair, unit in enumerate(tally.pair_unit.tolist()):
        own = slice(tally.triple_offsets[pair], tally.triple_offsets[pair + 1])
        for signature, count in zip(tally.triple_signature[own].tolist(), tally.triple_count[own].tolist(), strict=True):
            total[unit, signature] += count
        assert tally.triple_count[own].sum() == len(positions[int(tally.pair_image[pair]), unit])
    assert dict(total) == counted(tally)


def merged(drawn: Scene, cut: NDArray[np.float32], parts: list[list[int]], profile: str) -> CountTables:
    """The tables of a scene whose images are counted in these parts."""
    over = grid(drawn.maps.shape[2:], drawn.size, "half_pixel")
    shards, tables = [], []
    for part in parts:
        piece = Scene([drawn.labels[i] for i in part], [drawn.pads[i] for i in part], drawn.maps[part], drawn.size, drawn.vocabulary)
        labels = piece.label_shard()
        shards.append(tally_shard(piece.map_shard(), cut, labels, over, drawn.vocabulary, PROFILES[profile]))
        tables.append(labels.table)
    return merge_tally(shards, tables, drawn.size)


@given(st.integers(0, 10**6), st.sampled_from(["standard", "lite", "compexp"]))
def test_shards_of_any_size_in_any_order_give_the_same_tables(seed: int, profile: str) -> None:
    drawn = scene(seed)
    cut = cuts_of(drawn.maps, seed)
    images = list(range(len(drawn.labels)))
    whole = merged(drawn, cut, [images], profile)
    apart = merged(drawn, cut, [[image] for image in np.random.default_rng(seed).permutation(images).tolist()], profile)
    for field in fields(CountTables):
        one, two = getattr(whole, field.name), getattr(apart, field.name)
        if field.name == "signatures":
            assert np.array_equal(one.keys, two.keys) and np.array_equal(one.members, two.members)
        else:
            assert np.array_equal(one, two), field.name


@given(st.integers(0, 10**6))
def test_a_shard_of_counts_comes_back_from_its_arrays(seed: int) -> None:
    drawn = scene(seed)
    over = grid(drawn.maps.shape[2:], drawn.size, "half_pixel")
    tally = tally_shard(drawn.map_shard(), cuts_of(drawn.maps, seed), drawn.label_shard(), over, drawn.vocabulary, STANDARD)
    again = TallyShard.from_arrays(tally.to_arrays())
    assert again.images == tally.images
    assert all(np.array_equal(getattr(again, field.name), getattr(tally, field.name)) for field in fields(TallyShard))


@given(st.integers(0, 10**6))
def test_images_skipped_by_either_side_count_for_nothing(seed: int) -> None:
    drawn = scene(seed)
    rng = np.random.default_rng(seed)
    images = len(drawn.labels)
    readable, labelled = rng.random(images) < 0.6, rng.random(images) < 0.6
    over = grid(drawn.maps.shape[2:], drawn.size, "half_pixel")
    cut = cuts_of(drawn.maps, seed)
    rows = [image if there else None for image, there in zip(drawn.image_labels(), labelled, strict=True)]
    labels = build_label_shard(rows, drawn.size, 3)
    maps = replace(drawn.map_shard(), included=readable)
    tally = tally_shard(maps, cut, labels, over, drawn.vocabulary, STANDARD)
    kept = np.flatnonzero(readable & labelled).tolist()
    assert tally.images == len(kept) and set(tally.pair_image.tolist()) <= set(kept)
    if kept:
        expected = merged(drawn, cut, [kept], "standard")
        found = merge_tally([tally], [labels.table], drawn.size)
        assert np.array_equal(found.unit_area_category, expected.unit_area_category)
        assert np.array_equal(found.presence, expected.presence)
        assert np.array_equal(found.extra_area, expected.extra_area)
        assert found.signature_pixels.sum() == expected.signature_pixels.sum()


def test_sparse_maps_give_the_same_as_dense_ones() -> None:
    drawn = scene(11)
    over = grid(drawn.maps.shape[2:], drawn.size, "half_pixel")
    dense, cut = drawn.map_shard(), cuts_of(drawn.maps, 3)
    image, unit = dense.pairs_above(cut)
    row = np.full(dense.maxima.shape, -1, np.int32)
    row[image, unit] = np.arange(len(image))[::-1]
    values = dense.values[dense.rows(image, unit)][::-1].copy()
    sparse = MapShard(values, dense.maxima, dense.included, dense.map_size, row)
    labels = drawn.label_shard()
    one, two = (tally_shard(maps, cut, labels, over, drawn.vocabulary, STANDARD) for maps in (dense, sparse))
    assert len(image) and all(np.array_equal(getattr(one, field.name), getattr(two, field.name)) for field in fields(TallyShard))
    with pytest.raises(CacheError, match="was not kept"):
        tally_shard(replace(sparse, row=np.full_like(row, -1)), cut, labels, over, drawn.vocabulary, STANDARD)


def test_the_number_of_threads_changes_nothing() -> None:
    drawn = scene(12)
    over = grid(drawn.maps.shape[2:], drawn.size, "half_pixel")
    maps, cut, labels = drawn.map_shard(), cuts_of(drawn.maps, 5), drawn.label_shard()
    before = numba.get_num_threads()
    results = []
    for threads in {1, before}:
        numba.set_num_threads(threads)
        results.append(tally_shard(maps, cut, labels, over, drawn.vocabulary, STANDARD))
    numba.set_num_threads(before)
    assert all(np.array_equal(getattr(results[0], field.name), getattr(results[-1], field.name)) for field in fields(TallyShard))


def test_counts_above_two_to_the_24_are_exact() -> None:
    tally, table = _big()
    tables = merge_tally([tally] * 3, [table] * 3, (2400, 2400))
    pixels = 3 * 2400 * 2400
    assert tables.count.tolist() == [pixels] and tables.unit_area.tolist() == [pixels]
    assert tables.signature_pixels.tolist() == [pixels] and tables.unit_area_category.tolist() == [[pixels] * 3]


def _big() -> tuple[TallyShard, Any]:
    """One picture of 2,400 x 2,400 pixels; three of them are more than 2**24, all active."""
    size = (2400, 2400)
    labels = blank(1, size)
    maps = np.ones((1, 1, 4), np.float32)
    shard = MapShard.dense(maps, measure(maps).maxima, np.ones(1, np.bool_), (2, 2))
    over = grid((2, 2), size, "half_pixel")
    tally = tally_shard(shard, np.zeros(1, np.float32), labels, over, vocabulary(0, CATEGORIES), STANDARD, keep_spans=False)
    assert len(tally.span_first) == len(tally.span_last) == len(tally.span_offsets) == 0
    return tally, labels.table


def test_too_many_spans_are_not_held_and_change_no_count(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = scene(11)
    over, cut = grid(drawn.maps.shape[2:], drawn.size, "half_pixel"), cuts_of(drawn.maps, 11)
    given = drawn.map_shard(), cut, drawn.label_shard(), over, drawn.vocabulary, STANDARD
    whole = tally_shard(*given)
    assert len(whole.span_first) > 3
    monkeypatch.setattr("dissect.probe.active._SPANS", 4)
    monkeypatch.setattr("dissect.probe.active.MOST_SPANS", len(whole.span_first))
    assert len(tally_shard(*given).span_first) == len(whole.span_first)
    monkeypatch.setattr("dissect.probe.active.MOST_SPANS", len(whole.span_first) - 1)
    without = tally_shard(*given)
    assert len(without.span_first) == 0 and len(without.span_offsets) == 0
    same = [field.name for field in fields(TallyShard) if not field.name.startswith("span_")]
    assert all(np.array_equal(getattr(without, name), getattr(whole, name)) for name in same)


def test_one_pixel_and_no_active_pixel_at_all() -> None:
    maps = np.array([[[2.0]], [[0.0]]], np.float16)
    shard = MapShard.dense(maps, measure(maps).maxima, np.ones(2, np.bool_), (1, 1))
    over = grid((1, 1), (1, 1), "half_pixel")
    labels = blank(2, (1, 1))
    found = tally_shard(shard, np.array([1.0], np.float32), labels, over, vocabulary(0), STANDARD)
    assert found.count.tolist() == [1] and found.span_first.tolist() == found.span_last.tolist() == [0] and found.pair_image.tolist() == [0]
    none = tally_shard(shard, np.array([np.inf], np.float32), labels, over, vocabulary(0), STANDARD)
    assert len(none.count) == 0 and none.unit_area.tolist() == [0] and none.unit_area_category.tolist() == [[0, 0, 0]]
    assert merge_tally([none, none], [labels.table] * 2, (1, 1)).count.tolist() == []


def test_what_does_not_fit_together_is_refused() -> None:
    drawn = scene(11)
    over = grid(drawn.maps.shape[2:], drawn.size, "half_pixel")
    maps, labels, cut = drawn.map_shard(), drawn.label_shard(), cuts_of(drawn.maps, 3)
    with pytest.raises(ShapeError, match="units with cuts"):
        tally_shard(maps, cut[:-1], labels, over, drawn.vocabulary, STANDARD)
    with pytest.raises(ShapeError, match="images with labels"):
        tally_shard(maps, cut, blank(9, drawn.size), over, drawn.vocabulary, STANDARD)
    with pytest.raises(ShapeError, match="a grid from"):
        tally_shard(maps, cut, labels, grid((17, 17), drawn.size, "half_pixel"), drawn.vocabulary, STANDARD)
    tally = tally_shard(maps, cut, labels, over, drawn.vocabulary, STANDARD)
    with pytest.raises(ShapeError, match="signature tables"):
        merge_tally([tally], [], drawn.size)
    with pytest.raises(ShapeError, match="another shard of labels"):
        merge_tally([tally], [scene(1).label_shard().table], drawn.size)
    with pytest.raises(CacheError, match="no array"):
        TallyShard.from_arrays({})
    with pytest.raises(ShapeError, match="positions each"):
        MapShard(maps.values, maps.maxima, maps.included, (50, 50))
    with pytest.raises(ShapeError, match="row table"):
        MapShard(maps.values[:1], maps.maxima, maps.included, maps.map_size)
    with pytest.raises(ShapeError, match="which are included"):
        MapShard(maps.values, maps.maxima, maps.included[:0], maps.map_size)
