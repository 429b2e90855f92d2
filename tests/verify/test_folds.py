"""Splits: groups whole, halves as equal as can be, categories balanced, the same for the same keys."""

from __future__ import annotations

import hashlib
import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissect.errors import ShapeError
from dissect.verify.folds import group_numbers, split_folds

GROUPS = st.lists(st.one_of(st.none(), st.integers(0, 6).map(str)), min_size=2, max_size=14)


def keys_of(count: int) -> list[str]:
    return [f"image-{k:02d}" for k in range(count)]


@given(GROUPS, st.integers(0, 5))
def test_groups_stay_whole_and_the_halves_are_as_equal_as_groups_allow(groups: list[str | None], seed: int) -> None:
    keys = keys_of(len(groups))
    number = group_numbers(keys, groups)
    sizes = np.bincount(number).tolist()
    split = split_folds(keys, groups, seed=seed)
    if len(sizes) == 1:
        assert not split.testable and "one group" in split.reason
        return
    assert all(len(set(split.fold[number == k])) == 1 for k in range(len(sizes)))
    best = min(abs(len(keys) - 2 * sum(some)) for r in range(len(sizes) + 1) for some in itertools.combinations(sizes, r))
    assert abs(split.images[0] - split.images[1]) == best
    assert sum(split.groups) == len(sizes) and min(split.groups) >= 1
    assert split.images == (int((split.fold == 0).sum()), int((split.fold == 1).sum()))


@given(GROUPS, st.integers(0, 1000))
def test_the_order_of_the_images_does_not_matter(groups: list[str | None], shuffle: int) -> None:
    keys = keys_of(len(groups))
    order = np.random.default_rng(shuffle).permutation(len(keys)).tolist()
    one = split_folds(keys, groups, seed=3)
    two = split_folds([keys[i] for i in order], [groups[i] for i in order], seed=3)
    assert one.fold[order].tolist() == two.fold.tolist()
    assert (one.split_hash, one.reason) == (two.split_hash, two.reason)


def test_the_hash_is_that_of_the_keys_with_the_first_in_fold_0() -> None:
    keys = keys_of(7)
    for seed in range(8):
        split = split_folds(keys, [None] * 7, seed=seed)
        plain = {key: int(split.fold[k] != split.fold[0]) for k, key in enumerate(keys)}
        text = json.dumps({"folds": plain}, sort_keys=True, separators=(",", ":"))
        assert split.split_hash == hashlib.sha256(text.encode()).hexdigest()
    hashes = {split_folds(keys, [None] * 7, seed=seed).split_hash for seed in range(20)}
    assert len(hashes) > 5


def test_every_image_lands_in_either_fold_for_some_seed() -> None:
    folds = np.stack([split_folds(keys_of(40), [None] * 40, seed=seed).fold for seed in range(200)])
    assert (np.abs(folds.mean(axis=0) - 0.5) < 0.15).all()


def test_categories_are_balanced() -> None:
    random = np.random.default_rng(0)
    held = random.random((400, 1)) < 0.2
    for seed in range(10):
        split = split_folds(keys_of(400), [None] * 400, held=held, seed=seed)
        counts = [int(held[split.fold == f].sum()) for f in (0, 1)]
        assert abs(counts[0] - counts[1]) <= 1
    several = random.random((400, 3)) < [0.1, 0.5, 0.8]
    split = split_folds(keys_of(400), [None] * 400, held=several)
    difference = several[split.fold == 0].sum(axis=0) - several[split.fold == 1].sum(axis=0)
    assert (np.abs(difference) <= 8).all()


def test_many_groups_of_many_sizes_are_split_at_once() -> None:
    random = np.random.default_rng(0)
    groups = [str(k) for k in np.repeat(np.arange(3000), random.integers(1, 40, 3000))]
    split = split_folds([f"{k:06d}" for k in range(len(groups))], groups)
    assert abs(split.images[0] - split.images[1]) <= 1


def test_one_group_has_no_split_and_says_why() -> None:
    assert "all images are of one group" in split_folds(["a", "b"], ["x", "x"]).reason
    assert "only one image" in split_folds(["a"], [None]).reason
    assert "no images" in split_folds([], []).reason
    assert split_folds(["a", "b"], ["x", "x"]).split_hash == ""


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ShapeError, match="one key"):
        split_folds(["a", "a"], [None, None])
    with pytest.raises(ShapeError, match="groups"):
        split_folds(["a", "b"], [None])
    with pytest.raises(ShapeError, match="categories of 3"):
        split_folds(["a", "b"], [None, None], held=np.zeros((3, 1), np.bool_))
