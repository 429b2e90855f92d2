"""Label signatures against a pixel-by-pixel reading of the labels."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissect.concepts.model import VOID, Labels, Plane
from dissect.errors import CacheError, CountError, DataError, LabelMapError
from dissect.probe.signatures import LabelShard, build_label_shard, label_image, merge_tables, primary_categories
from dissect.probe.tables import VOID_MARK, ZERO_MARK, SignatureTable
from tests.probe.oracles import CATEGORIES, Scene, Straight, scene, vocabulary


def plain_members(drawn: Scene, image: int, y: int, x: int) -> tuple[int, ...]:
    """The sorted members of one pixel, by the words of the definition."""
    labels, concepts = drawn.labels[image], drawn.vocabulary.concepts
    padded = x < drawn.pads[image]
    void = {category for category in CATEGORIES if padded or any(p.category == category and p.ids[y, x] == VOID for p in labels.planes)}
    ids = [int(plane.ids[y, x]) for plane in labels.planes if not padded] + [label for label in labels.whole if label]
    members = [i for i in ids if i not in (0, VOID) and concepts[i - 1].category not in void]
    members += [ZERO_MARK] * labels.whole.count(0) + [VOID_MARK + CATEGORIES.index(category) for category in void]
    return tuple(sorted(members))


def members(table: SignatureTable, row: int) -> tuple[int, ...]:
    return tuple(int(member) for member in table.members[table.offsets[row] : table.offsets[row + 1]])


@given(st.integers(0, 10**6))
def test_every_pixel_has_the_members_of_its_labels(seed: int) -> None:
    drawn = scene(seed)
    shard = drawn.label_shard()
    for image in range(len(drawn.labels)):
        for pixel, local in enumerate(shard.signature_map[image]):
            row = shard.local_signature[shard.local_offsets[image] + local]
            assert members(shard.table, row) == plain_members(drawn, image, *divmod(pixel, drawn.size[1]))


@given(st.integers(0, 10**6))
def test_pixels_are_counted_once_and_signatures_are_all_different(seed: int) -> None:
    drawn = scene(seed)
    shard = drawn.label_shard()
    for image in range(len(drawn.labels)):
        own = slice(shard.local_offsets[image], shard.local_offsets[image + 1])
        assert np.array_equal(shard.local_pixels[own], np.bincount(shard.signature_map[image], minlength=own.stop - own.start))
        assert len(set(shard.local_signature[own].tolist())) == own.stop - own.start
    rows = [members(shard.table, row) for row in range(len(shard.table))]
    assert len(set(rows)) == len(rows)
    keys = [tuple(key) for key in shard.table.keys.tolist()]
    assert keys == sorted(keys)


@given(st.integers(0, 10**6))
def test_keys_are_the_digest_of_the_members(seed: int) -> None:
    table = scene(seed).label_shard().table
    for row in range(len(table)):
        data = b"".join(member.to_bytes(2, "little") for member in members(table, row))
        digest = int.from_bytes(hashlib.blake2b(data, digest_size=16).digest(), "big")
        assert (int(table.keys[row, 0]) << 64) | int(table.keys[row, 1]) == digest


@given(st.integers(0, 10**6), st.integers(1, 4))
def test_tables_merge_to_the_same_in_any_order(seed: int, parts: int) -> None:
    tables = [scene(seed + part).label_shard().table for part in range(parts)]
    merged, places = merge_tables(tables)
    order = np.random.default_rng(seed).permutation(parts)
    again, moved = merge_tables([tables[index] for index in order])
    assert np.array_equal(merged.keys, again.keys) and np.array_equal(merged.members, again.members)
    for position, index in enumerate(order):
        assert np.array_equal(places[index], moved[position])
    for table, place in zip(tables, places, strict=True):
        assert [members(merged, row) for row in place] == [members(table, row) for row in range(len(table))]
    assert len(merged) == len({members(table, row) for table in tables for row in range(len(table))})


@given(st.integers(0, 10**6))
def test_a_shard_comes_back_from_its_arrays(seed: int) -> None:
    drawn = scene(seed)
    images = drawn.image_labels()
    images[seed % len(images)] = None
    shard = build_label_shard(images, drawn.size, 3)
    again = LabelShard.from_arrays(shard.to_arrays())
    for name, array in shard.to_arrays().items():
        assert np.array_equal(array, again.to_arrays()[name]), name
    assert again.included.tolist() == [image is not None for image in images]
    whole = [again.whole_ids[a:b].tolist() for a, b in zip(again.whole_offsets[:-1], again.whole_offsets[1:], strict=True)]
    assert whole == [list(image.whole) if image else [] for image in images]


def test_equal_keys_with_unequal_content_are_refused() -> None:
    keys = np.array([[1, 2]], np.uint64)
    one = SignatureTable(keys, np.array([0, 1]), np.array([5], np.uint16))
    two = SignatureTable(keys, np.array([0, 1]), np.array([6], np.uint16))
    three = SignatureTable(keys, np.array([0, 2]), np.array([5, 6], np.uint16))
    assert len(merge_tables([one, one])[0]) == 1
    for other in (two, three):
        with pytest.raises(CountError, match="damaged"):
            merge_tables([one, other])


def test_arrays_that_do_not_fit_are_refused() -> None:
    arrays = scene(4).label_shard().to_arrays()
    with pytest.raises(CacheError, match="lacks"):
        LabelShard.from_arrays({name: array for name, array in arrays.items() if name != "annotated"})
    for name, array in {
        "signature_map": arrays["signature_map"] + np.uint16(500), "local_signature": arrays["local_signature"] + 1000,
        "whole_ids": np.zeros(99, np.uint16), "local_offsets": arrays["local_offsets"][::-1].copy(), "annotated": arrays["annotated"][:0],
    }.items():  # fmt: skip
        with pytest.raises(CacheError, match="fit together"):
            LabelShard.from_arrays({**arrays, name: array})


def test_planes_of_one_category_overlap_with_multiplicity() -> None:
    ids = np.array([[1, 2], [0, 1]], np.uint16)
    again = np.array([[1, 1], [0, 0]], np.uint16)
    known = vocabulary(2, ("object",))
    image = label_image(Labels((Plane("object", ids), Plane("object", again)), (2, 0, 0), frozenset({"object"})), Straight(), (2, 2), known)
    rows = [np.frombuffer(row, "<u2").tolist() for row in image.members]
    zero = [ZERO_MARK, ZERO_MARK]
    assert [rows[local] for local in image.signature_map] == [[1, 1, 2, *zero], [1, 2, 2, *zero], [2, *zero], [1, 2, *zero]]
    assert image.annotated.tolist() == [True]


def test_columns_that_differ_only_in_the_order_of_planes_are_one_signature() -> None:
    planes = (Plane("object", np.array([[1, 2]], np.uint16)), Plane("object", np.array([[2, 1]], np.uint16)))
    image = label_image(Labels(planes, (), frozenset()), Straight(), (1, 2), vocabulary(2, ("object",)))
    assert image.signature_map.tolist() == [0, 0] and image.pixels.tolist() == [2]


def test_no_concepts_and_no_planes_still_make_a_signature() -> None:
    image = label_image(Labels((), (), frozenset()), Straight(), (3, 2), vocabulary(0))
    assert image.members == (b"",) and image.pixels.tolist() == [6]
    shard = build_label_shard([None, None], (3, 2), 3)
    assert len(shard.table) == 0 and not shard.included.any()
    merged, places = merge_tables([shard.table])
    assert len(merged) == 0 and len(places[0]) == 0 and merge_tables([])[1] == []


def test_many_columns_are_told_apart() -> None:
    ids = np.arange(1, 20_001, dtype=np.uint16).reshape(100, 200)
    image = label_image(Labels((Plane("object", ids),), (), frozenset()), Straight(), (100, 200), vocabulary(20_000, ("object",)))
    assert [int(np.frombuffer(row, "<u2")[0]) for row in image.members] == list(range(1, 20_001))


def test_strange_ids_and_categories_are_refused() -> None:
    known = vocabulary(2)
    with pytest.raises(LabelMapError, match="label id 3"):
        label_image(Labels((Plane("part", np.full((1, 1), 3, np.uint16)),), (), frozenset()), Straight(), (1, 1), known)
    with pytest.raises(LabelMapError, match="label id 9"):
        label_image(Labels((), (9,), frozenset()), Straight(), (1, 1), known)
    with pytest.raises(DataError, match="no category scene"):
        label_image(Labels((Plane("scene", np.zeros((1, 1), np.uint16)),), (), frozenset()), Straight(), (1, 1), known)


def test_primary_categories_belong_to_their_vocabulary() -> None:
    for _ in range(20):
        assert primary_categories(vocabulary(4)).tolist() == [0, 0, 1, 2, 0]
        assert primary_categories(vocabulary(2, ("a",))).tolist() == [0, 0, 0]
