"""Losses, contrasts and effects against plain formulas, and controls that never carry the concept."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from dissect.errors import ShapeError
from dissect.verify.ablation import effect
from dissect.verify.controls import matched_controls
from dissect.verify.effects import (
    accuracy,
    answers,
    concept_loss,
    contrast,
    divergence,
    logit_change,
    losses,
    means_of,
    rank_p,
    selectivity,
)

NAMES = [("scene", "beach"), ("scene", "forest"), ("object", "car"), ("object", "tree")]
CLASSES = ("tree", "beach", "sky", "forest", "car, automobile")


def drawn(images: int = 12, versions: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    presence = random.random((images, 4)) < 0.5
    presence[:, 1] = ~presence[:, 0]
    presence[0, :2] = False
    whole = presence.copy()
    whole[:, 2:] = False
    return random.normal(size=(versions, images, 5)).astype(np.float32) * 3, presence, whole


def test_losses_and_accuracy_are_those_of_softmax_scenes_and_sigmoid_objects() -> None:
    logits, presence, whole = drawn()
    right = answers(CLASSES, NAMES, presence, whole)
    assert right is not None and not right.whole
    assert dict(right.concepts) == {0: 1, 1: 3, 2: 4, 3: 0}
    found, hits = losses(logits, right), accuracy(logits, right)
    for version in range(3):
        for image in range(12):
            z, total, good, asked = logits[version, image].astype(float), 0.0, 0, 2
            for column in (2, 3):
                p = 1 / (1 + math.exp(-z[right.concepts[column]]))
                total -= math.log(p if presence[image, column] else 1 - p)
                good += (p > 0.5) == presence[image, column]
            if presence[image, :2].any():
                scenes = [z[1], z[3]]
                place = int(presence[image, 1])
                total -= math.log(math.exp(scenes[place]) / sum(map(math.exp, scenes)))
                good += int(np.argmax(scenes)) == place
                asked += 1
            assert found[version, image] == pytest.approx(total, rel=1e-6)
            assert hits[version, image] == pytest.approx(good / asked)


def test_one_label_a_picture_is_a_softmax_over_all_outputs_even_if_some_are_never_seen() -> None:
    presence = np.array([[True, False], [False, True], [True, False]])
    logits = np.random.default_rng(0).normal(size=(2, 3, 5)).astype(np.float32)
    right = answers(CLASSES, NAMES[:2], presence, presence)
    assert right is not None and right.whole
    p = np.exp(logits.astype(float)) / np.exp(logits.astype(float)).sum(axis=2, keepdims=True)
    np.testing.assert_allclose(losses(logits, right), -np.log(p[:, [0, 1, 2], [1, 3, 1]]))
    np.testing.assert_array_equal(accuracy(logits, right), logits.argmax(axis=2) == [1, 3, 1])
    held = presence[:, 0]
    np.testing.assert_allclose(concept_loss(logits, right, 0, held), -np.log(np.where(held, p[:, :, 1], 1 - p[:, :, 1])), rtol=1e-6)


def test_outputs_that_match_no_concepts_are_compared_by_divergence() -> None:
    logits, presence, whole = drawn()
    assert answers(("dog", "beach"), NAMES, presence, whole) is None
    p = np.exp(logits.astype(float))
    p /= p.sum(axis=2, keepdims=True)
    np.testing.assert_allclose(divergence(logits), [stats.entropy(p[0].T, version.T) for version in p], atol=1e-9)
    assert (divergence(logits)[0] == 0).all() and (logit_change(logits)[0] == 0).all()
    np.testing.assert_allclose(logit_change(logits)[1], np.abs(logits[1] - logits[0]).mean(axis=1), rtol=1e-6)


def test_the_effect_is_the_contrast_beyond_that_of_the_controls() -> None:
    """A network of two units and two outputs by hand: unit 0 alone carries the concept's answer, unit 1 the other's."""
    random = np.random.default_rng(1)
    held = np.arange(200) % 2 == 0
    units = np.stack([held * 2.0, ~held * 2.0, random.random(200)], axis=1)

    def answer(off: int | None) -> np.ndarray:
        return np.asarray(units[:, 0] * (off != 0))

    plain = np.logaddexp(0, np.where(held, -answer(None), answer(None)))
    tested, other = (np.logaddexp(0, np.where(held, -answer(off), answer(off))) for off in (0, 1))
    found = effect(plain, tested, np.stack([other] * 20), held, np.arange(200))
    expected = math.log(2) - math.log1p(math.exp(-2))
    assert found.value == pytest.approx(expected) and found.low == pytest.approx(expected)
    assert (found.p, found.controls, found.images, found.control_mean) == (1 / 21, 20, 100, 0.0)
    assert found.inside == pytest.approx(expected) and found.everywhere == pytest.approx(expected / 2)
    assert found.shown
    none = effect(plain, other, np.stack([other] * 20), held, np.arange(200))
    assert none.value == 0 and none.p == 1 and not none.shown


def test_the_interval_covers_and_widens_when_pictures_come_in_groups() -> None:
    random = np.random.default_rng(5)
    covered = 0
    for seed in range(60):
        held = np.arange(120) % 3 == 0
        found = contrast(random.normal(size=120) + held, held, np.arange(120), samples=400, seed=seed)
        assert found.low is not None and found.high is not None
        covered += found.low <= 1 <= found.high
    assert covered >= 51  # of 60 at 95 %: fewer has probability below .002
    groups = np.repeat(np.arange(12), 10)
    shared = np.repeat(random.normal(size=12), 10)
    held = np.arange(120) % 2 == 0
    alone, together = (contrast(shared * held, held, rows, seed=0) for rows in (np.arange(120), groups))
    assert together.high - together.low > 1.5 * (alone.high - alone.low)  # type: ignore[operator]


@pytest.mark.parametrize("count", [0, 1, 49])
def test_a_concept_in_too_few_pictures_has_no_effect_to_be_tested(count: int) -> None:
    held = np.arange(50) < count
    found = effect(np.zeros(50), np.ones(50), np.zeros((3, 50)), held, np.arange(50))
    if count == 0:  # no concept: all pictures are compared with those of the controls
        assert (found.value, found.p) == (1.0, 0.25)
    else:
        assert found.value is None and found.p is None and not found.shown
    assert found.images == count


def test_rank_and_contrast_of_many_at_once() -> None:
    assert rank_p(1.0, np.array([])) is None
    assert rank_p(1.0, np.array([0.0, 1.0, 2.0])) == 3 / 4
    change, held = np.arange(8.0).reshape(2, 4), np.array([True, False, True, False])
    np.testing.assert_allclose(means_of(change, held), [-1, -1])
    with pytest.raises(ShapeError, match="not the same pictures"):
        effect(np.zeros(3), np.zeros(3), np.zeros((2, 4)), np.zeros(3, bool), np.zeros(3, np.int64))


def test_class_selectivity_is_that_of_morcos() -> None:
    average = np.array([[4.0, 1.0, -1.0, 0.0], [2.0, 1.0, 1.0, 0.0], [1.0, 1.0, 1.0, 0.0], [0.0, 1.0, 1.0, 0.0]])
    present = np.array([[1, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], bool)
    found = selectivity(average, present)
    assert found[0] == pytest.approx((3 - 0.5) / (3 + 0.5)) and found[1] == 0
    assert np.isnan(found[3]) and not np.isnan(found[2])
    assert np.isnan(selectivity(average, present[:, :1])).all()
    assert np.isnan(selectivity(average - 3, present)[1:]).all()


@pytest.mark.parametrize("size", [1, 3])
def test_controls_are_eligible_different_and_nearer_than_the_rest(size: int) -> None:
    random = np.random.default_rng(2)
    features = random.normal(size=(120, 3))
    eligible = random.random(120) < 0.7
    members = tuple(range(size))
    found = matched_controls(members, eligible, features, ("a", "b", "c"), count=20)
    assert len(set(found.sets)) == len(found.sets) == 20
    for units in found.sets:
        assert len(set(units)) == size and eligible[list(units)].all() and not set(units) & set(members)
    assert found == matched_controls(members, eligible, features, ("a", "b", "c"), count=20)

    def distance(units: tuple[int, ...]) -> float:
        return float(np.linalg.norm(features[list(units)].mean(axis=0) - features[list(members)].mean(axis=0)))

    pool = [unit for unit in np.flatnonzero(eligible) if unit not in members]
    assert np.mean([distance(units) for units in found.sets]) < np.mean([distance((int(unit),)) for unit in pool])
    for each, column in zip(found.balance, range(3), strict=True):
        others = features[pool, column]
        assert each.before == pytest.approx((features[list(members), column].mean() - others.mean()) / others.std())


def test_a_layer_with_too_few_units_gives_fewer_controls_or_none() -> None:
    features = np.zeros((4, 1))
    assert len(matched_controls((0,), np.ones(4, bool), features, ("a",), count=20).sets) == 3
    assert matched_controls((0,), np.eye(4, dtype=bool)[0], features, ("a",), count=20).sets == ()
    assert matched_controls((0, 1, 2), np.ones(4, bool), features, ("a",), count=20).sets == ()
    assert len(matched_controls((0, 1), np.ones(4, bool), features, ("a",), count=20).sets) == 1
