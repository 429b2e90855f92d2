"""What may be exchanged, what is shifted, and what stays."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissect.errors import ShapeError, UsageError
from dissect.verify.shuffles import shuffles
from tests.verify.scenes import records


@given(st.integers(0, 10**6))
def test_every_shuffle_is_a_permutation_within_equal_annotation_that_keeps_groups_whole(seed: int) -> None:
    random = np.random.default_rng(seed)
    images = int(random.integers(1, 14))
    annotated = random.random((images, 2)) < 0.7
    groups = {k: f"g{random.integers(0, 5)}" for k in range(images) if random.random() < 0.6}
    found = shuffles(annotated, records(images, groups), count=20, seed=seed)
    assert found.source[0].tolist() == list(range(images)) and found.source.shape == (21, images)
    for row in found.source:
        assert sorted(row.tolist()) == list(range(images))
        assert (annotated[row] == annotated).all()
        assert (row[~found.movable] == np.flatnonzero(~found.movable)).all()
        for name in set(groups.values()):
            members = [k for k in groups if groups[k] == name]
            targets = {groups.get(int(row[k])) for k in members}
            assert len(targets) == 1 and (len(members) == 1 or None not in targets)


def test_all_shuffles_are_equally_frequent() -> None:
    """Three pairs of images, in six orders."""
    groups = {k: str(k // 2) for k in range(6)}
    found = shuffles(np.ones((6, 1), np.bool_), records(6, groups), count=6000, seed=1)
    seen = Counter(tuple(row) for row in found.source[1:].tolist())
    assert len(seen) == 6 and all(850 < count < 1150 for count in seen.values())
    assert all(row[0] % 2 == 0 and row[1] == row[0] + 1 for row in seen)
    assert abs(found.log10_count - np.log10(6)) < 1e-12 and "only 6 different shuffles" in found.notes[-1]
    assert found.few and abs(found.floor - 1 / 6) < 1e-12 and found.floor_of(3) == 0.25


def test_where_shuffles_are_many_counting_sets_the_floor() -> None:
    found = shuffles(np.ones((30, 1), np.bool_), records(30), count=199)
    assert not found.few and found.floor == 1 / 200


def test_frames_are_shifted_in_a_circle_within_their_sequence() -> None:
    groups = {k: "a" if k < 5 else "b" for k in range(8)}
    found = shuffles(np.ones((8, 1), np.bool_), records(8, groups, ordered=True), count=500, seed=2)
    shifts = set()
    for row in found.source.tolist():
        first, second = row[:5], [k - 5 for k in row[5:]]
        assert first == np.roll(np.arange(5), -first[0]).tolist() and second == np.roll(np.arange(3), -second[0]).tolist()
        shifts.add((first[0], second[0]))
    assert len(shifts) == 15 and "8 frames are shifted" in found.blocks


def test_frames_of_other_annotation_keep_their_place_in_the_sequence() -> None:
    annotated = np.array([[1], [0], [1], [0], [1]], np.bool_)
    found = shuffles(annotated, records(5, dict.fromkeys(range(5), "a"), ordered=True), count=50, seed=2)
    assert (annotated[found.source] == annotated).all()
    assert {tuple(row[::2]) for row in found.source.tolist()} == {(0, 2, 4), (2, 4, 0), (4, 0, 2)}


def test_what_cannot_move_is_said() -> None:
    annotated = np.array([[1], [1], [1], [0], [1], [1]], np.bool_)
    found = shuffles(annotated, records(6, {4: "p", 5: "p"}), count=5)
    assert found.movable.tolist() == [True, True, True, False, False, False]
    assert "1 images are the only ones" in found.notes[0] and "2 images are in 1 groups" in found.notes[1]
    alone = shuffles(np.ones((1, 1), np.bool_), records(1), count=5)
    assert not alone.movable.any() and "nothing was tested" in alone.notes[-1] and alone.blocks == "nothing can be exchanged"
    assert len(shuffles(np.zeros((0, 2), np.bool_), [], count=3).source) == 4


def test_the_seed_decides() -> None:
    one, two, other = (shuffles(np.ones((30, 1), np.bool_), records(30), count=9, seed=seed).source for seed in (4, 4, 5))
    assert np.array_equal(one, two) and not np.array_equal(one, other)
    assert shuffles(np.ones((30, 1), np.bool_), records(30), count=9).floor == 0.1


def test_what_means_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="at least one"):
        shuffles(np.ones((3, 1), np.bool_), records(3), count=0)
    with pytest.raises(ShapeError, match="for 2 images"):
        shuffles(np.ones((3, 1), np.bool_), records(2))
