"""IoU from counts: the formula, its limits, and counts that no data can give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissect.errors import CountError, ShapeError
from dissect.probe.profile import PROFILES
from dissect.probe.tables import CountTables, SignatureTable
from dissect.score.count import iou, reachable, scores
from tests.probe.oracles import vocabulary


@given(st.integers(0, 10**6), st.integers(1, 60), st.integers(1, 4), st.integers(0, 4))
def test_iou_is_that_of_the_masks(seed: int, pixels: int, units: int, concepts: int) -> None:
    rng = np.random.default_rng(seed)
    unit, concept = rng.random((units, pixels)) < rng.random(), rng.random((concepts, pixels)) < rng.random()
    both = (unit[:, None] & concept).sum(axis=2)
    found = iou(both, unit.sum(axis=1), concept.sum(axis=1))
    assert found.shape == (units, concepts)
    for u in range(units):
        for c in range(concepts):
            union = (unit[u] | concept[c]).sum()
            assert found[u, c] == ((unit[u] & concept[c]).sum() / union if union else 0.0)
            assert found[u, c] <= reachable(unit[u].sum()[None], concept[c].sum()[None])[0] + 1e-15


def test_counts_above_two_to_the_24_and_to_the_53_keep_their_ratio() -> None:
    one = np.array([[2**24 + 1]])
    assert iou(one, np.array([2**24 + 1]), np.array([2**24 + 1]))[0, 0] == 1.0
    assert iou(one, np.array([2**25 + 1]), np.array([2**24 + 1]))[0, 0] == (2**24 + 1) / (2**25 + 1)
    assert iou(np.array([[2**55]]), np.array([2**56]), np.array([2**55]))[0, 0] == 0.5


def test_empty_unions_score_zero_and_true_masks_score_one() -> None:
    assert iou(np.zeros((2, 3), np.int64), np.zeros(2, np.int64), np.zeros(3, np.int64)).tolist() == [[0.0] * 3] * 2
    assert iou(np.full((1, 1), 7), np.array([[7]]), np.array([7])).tolist() == [[1.0]]
    assert iou(np.zeros((2, 0), np.int64), np.zeros(2, np.int64), np.zeros(0, np.int64)).shape == (2, 0)
    assert reachable(np.array([0, 4]), np.array([0, 8])).tolist() == [0.0, 0.5]


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(CountError, match="larger than one of its areas"):
        iou(np.array([[3]]), np.array([2]), np.array([5]))
    with pytest.raises(CountError):
        iou(np.array([[3]]), np.array([5]), np.array([2]), overlap="multiplicity")
    with pytest.raises(CountError):
        iou(np.array([[-1]]), np.array([5]), np.array([2]))
    assert iou(np.array([[3]]), np.array([2]), np.array([5]), overlap="multiplicity")[0, 0] == 3 / 4


@pytest.mark.parametrize(("area", "truth"), [((3,), (3,)), ((2,), (2,)), ((2, 2), (3,)), ((2, 3, 1), (3,))])
def test_arrays_that_do_not_agree_are_refused(area: tuple[int, ...], truth: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="do not agree"):
        iou(np.zeros((2, 3), np.int64), np.zeros(area, np.int64), np.zeros(truth, np.int64))


def tables(units: int, categories: int) -> CountTables:
    """No signature, no pixel."""
    none, short = np.zeros(0, np.int64), np.zeros(0, np.int32)
    table = SignatureTable(np.zeros((0, 2), np.uint64), np.zeros(1, np.int64), np.zeros(0, np.uint16))
    area = np.zeros((units, categories), np.int64)
    return CountTables(table, short, short, none, none, np.zeros(units, np.int64), area, short, short, none, none, 0, (4, 4))


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_a_vocabulary_without_concepts_gives_scores_without_concepts(name: str) -> None:
    profile = PROFILES[name]
    found = scores(tables(3, 3), vocabulary(0), profile)
    assert found.iou.shape == (3, int(profile.label_zero != "drop")) and not found.iou.any()
    assert scores(tables(3, 0), vocabulary(0, ()), profile).iou.shape == (3, 0)


def test_concepts_of_another_vocabulary_are_refused() -> None:
    table = SignatureTable(np.zeros((1, 2), np.uint64), np.array([0, 1]), np.array([9], np.uint16))
    whole = tables(1, 3)
    foreign = CountTables(
        table, whole.unit, whole.signature, whole.count, np.array([4]), whole.unit_area, whole.unit_area_category, whole.extra_unit,
        whole.extra_concept, whole.extra_area, np.zeros(2, np.int64), 1, (2, 2),
    )  # fmt: skip
    with pytest.raises(ShapeError, match="another data set"):
        scores(foreign, vocabulary(2), PROFILES["standard"])
