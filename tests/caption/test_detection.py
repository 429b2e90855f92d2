from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissect.caption.detection import (
    Contents,
    Examples,
    detection,
    detection_examples,
    paired_interval,
    predictions,
    unit_scores,
)
from dissect.caption.naming import Naming
from dissect.concepts.model import Concept, Labels, Plane, Vocabulary
from dissect.errors import ShapeError
from dissect.network.model import View
from dissect.probe.signatures import build_label_shard, label_image

VOCABULARY = Vocabulary(
    "small",
    ("object", "color"),
    tuple(Concept(n, name, kind, (kind,), str(n)) for n, name, kind in ((1, "car", "object"), (2, "sky", "object"), (3, "red-c", "color"))),
)
NAMING = Naming(VOCABULARY)
SIZE = (4, 4)


def shard(pictures: list[tuple[np.ndarray, np.ndarray]]):  # type: ignore[no-untyped-def]
    """Label shard of (object map, colour map) pairs; None is a skipped image."""
    view = View(0, 0, 4, 4, 4, 4)
    images = [
        label_image(Labels((Plane("object", a), Plane("color", b)), (), frozenset({"object", "color"})), view, SIZE, VOCABULARY)
        for a, b in pictures
    ]
    return build_label_shard(images, SIZE, 2)


def picture(cars: int, red: int) -> tuple[np.ndarray, np.ndarray]:
    """So many pixels of car from the first pixel on, and of red."""
    objects, colors = np.zeros(16, np.uint16), np.zeros(16, np.uint16)
    objects[:cars], colors[:red] = 1, 3
    return objects.reshape(SIZE), colors.reshape(SIZE)


def test_positives_and_negatives_are_as_many_and_no_exemplar_is_among_them() -> None:
    random = np.random.default_rng(0)
    maxima = random.random((300, 5))
    threshold = np.quantile(maxima, 0.8, axis=0)
    exemplars = np.argsort(-maxima, axis=0)[:15].T
    groups = random.integers(0, 4, 300)
    for unit, each in enumerate(detection_examples(maxima, threshold, exemplars, groups, 3)):
        assert each.positive.sum() == (~each.positive).sum() == (maxima[:, unit] > threshold[unit]).sum() - 15
        assert not set(each.image) & set(exemplars[unit])
        assert (maxima[each.image, unit] > threshold[unit]).tolist() == each.positive.tolist()
        assert len(set(each.image)) == len(each.image)


def test_half_of_the_negatives_are_from_the_scenes_of_positives() -> None:
    maxima = np.zeros((400, 1))
    groups = np.repeat([0, 1, 2, 3], 100)
    maxima[:40] = 1
    (found,) = detection_examples(maxima, np.array([0.5]), np.full((1, 15), -1), groups)
    negative = groups[found.image[~found.positive]]
    assert (negative == 0).sum() >= 20
    assert len(negative) == 40


def test_an_image_without_a_scene_gives_a_negative_of_any() -> None:
    maxima = np.zeros((30, 1))
    maxima[:10] = 1
    (found,) = detection_examples(maxima, np.array([0.5]), np.full((1, 2), -1), np.full(30, -1))
    assert found.positive.sum() == (~found.positive).sum() == 10


def test_examples_follow_from_seed_and_unit_alone() -> None:
    maxima = np.random.default_rng(1).random((100, 4))
    threshold, exemplars = np.full(4, 0.6), np.full((4, 3), -1)
    every = detection_examples(maxima, threshold, exemplars, seed=5)
    fewer = detection_examples(maxima[:, :2], threshold[:2], exemplars[:2], seed=5)
    other = detection_examples(maxima, threshold, exemplars, seed=6)
    assert all((a.image == b.image).all() for a, b in zip(every, fewer, strict=False))
    assert any(len(a) != len(b) or (a.image != b.image).any() for a, b in zip(every, other, strict=True))


def test_at_most_so_many_positives_are_drawn() -> None:
    (found,) = detection_examples(np.arange(100.0)[:, None], np.array([39.5]), np.full((1, 1), -1), most=7)
    assert found.positive.sum() == 7


@pytest.mark.parametrize("level", [-1.0, 2.0])
def test_a_unit_that_always_or_never_answers_has_no_examples(level: float) -> None:
    (found,) = detection_examples(np.zeros((20, 1)), np.array([level]), np.full((1, 1), -1))
    assert len(found) == 0


def test_disagreeing_arrays_are_refused() -> None:
    with pytest.raises(ShapeError, match="thresholds"):
        detection_examples(np.zeros((5, 2)), np.zeros(3), np.zeros((2, 1), int))
    with pytest.raises(ShapeError, match="descriptions"):
        detection(["car"], [], contents_of([picture(1, 1)]), NAMING)
    with pytest.raises(ShapeError, match="no label shard"):
        Contents.from_shards([])


def contents_of(pictures: list[tuple[np.ndarray, np.ndarray]]) -> Contents:
    return Contents.from_shards([shard(pictures)])


def plain_prediction(maps: tuple[np.ndarray, np.ndarray], named: tuple[frozenset[int], ...]) -> float:
    """The prediction again, pixel by pixel."""
    best, whole = 0, 0
    for row, column in itertools.product(range(4), range(4)):
        there = {int(maps[0][row, column]), int(maps[1][row, column])}
        held = sum(bool(group & there) for group in named)
        whole += held == len(named)
        best = max(best, held)
    return whole / 16 if whole else best / (len(named) + 1) / 16


@given(st.lists(st.tuples(st.integers(0, 16), st.integers(0, 16)), min_size=1, max_size=6), st.sampled_from(["car", "red cars", "red sky"]))
def test_predictions_equal_a_count_pixel_by_pixel(cars: list[tuple[int, int]], text: str) -> None:
    pictures, named = [picture(*each) for each in cars], NAMING.named(text)
    assert predictions(contents_of(pictures), named).tolist() == pytest.approx([plain_prediction(each, named) for each in pictures])


def test_several_shards_are_as_one() -> None:
    pictures = [picture(a, b) for a, b in ((3, 5), (0, 2), (9, 1), (16, 16))]
    named = NAMING.named("red cars")
    apart = Contents.from_shards([shard(pictures[:1]), shard(pictures[1:])])
    assert predictions(apart, named).tolist() == predictions(contents_of(pictures), named).tolist()


def test_half_of_what_is_named_comes_before_nothing_and_after_all() -> None:
    all_of, half, nothing = predictions(contents_of([picture(1, 1), picture(16, 0), picture(0, 0)]), NAMING.named("red cars"))
    assert all_of > half > nothing == 0


def test_right_words_score_one_wrong_and_unmapped_ones_a_half() -> None:
    contents = contents_of([picture(4, 0) if place % 2 else picture(0, 4) for place in range(20)])
    examples = [Examples(np.arange(20), np.arange(20) % 2 == 1)] * 4 + [Examples(np.zeros(0, np.int64), np.zeros(0, np.bool_))]
    found = detection(["cars", "red", "skies", "beauty", "cars"], examples, contents, NAMING)
    assert found.auc[:4].tolist() == [1, 0, 0.5, 0.5]
    assert found.balanced_accuracy[:4].tolist() == [1, 0, 0.5, 0.5]
    assert np.isnan(found.auc[4])
    assert found.mapped.tolist() == [True, True, True, False, True]
    assert found.coverage == 0.75


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=12).filter(lambda rows: len({r[1] for r in rows}) == 2))
def test_auc_counts_pairs(rows: list[tuple[int, bool]]) -> None:
    predicted, positive = np.array([float(p) for p, _ in rows]), np.array([t for _, t in rows])
    pairs = [(a > b) + 0.5 * (a == b) for a in predicted[positive] for b in predicted[~positive]]
    auc, balanced = unit_scores(predicted, positive)
    assert auc == pytest.approx(np.mean(pairs))
    assert 0 <= balanced <= 1


def test_one_prediction_for_all_calls_none_positive() -> None:
    assert unit_scores(np.full(6, 0.3), np.arange(6) < 3) == (0.5, 0.5)


def test_half_matches_are_never_called_positive() -> None:
    assert unit_scores(np.array([0.01, 0.02, 0.0, 0.0]), np.array([True, True, False, False]), 1 / 16)[1] == 0.5


def test_the_interval_of_a_constant_difference_is_that_difference() -> None:
    first = np.array([0.9, np.nan, 0.7, 0.8])
    assert paired_interval(first, first - 0.1) == pytest.approx((0.1, 0.1, 0.1))


def test_the_interval_covers_the_mean_and_widens_with_groups() -> None:
    random = np.random.default_rng(0)
    level = np.repeat(random.normal(size=10), 30)
    groups = np.repeat(np.arange(10), 30)
    alone, together = paired_interval(level, np.zeros(300)), paired_interval(level, np.zeros(300), groups)
    assert alone[1] < alone[0] < alone[2]
    assert together[2] - together[1] > 2 * (alone[2] - alone[1])


def test_no_pair_is_refused() -> None:
    with pytest.raises(ShapeError, match="no unit"):
        paired_interval(np.array([np.nan]), np.array([1.0]))
