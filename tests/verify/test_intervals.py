"""Intervals: against a loop over draws, scipy's own BCa, and the truth of simulated data."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from numpy.typing import NDArray

from dissect.errors import ShapeError, UsageError
from dissect.verify.by_image import ByImage
from dissect.verify.intervals import FEWEST, bca, bootstrap


def simulated(random: np.random.Generator, images: int, units: int, share: float) -> ByImage:
    """Long-tailed areas: a concept in a share of the images, a unit that fires on half of these and on 3 % of the others."""
    holds = random.random((images, units)) < share
    concept = np.where(holds, random.gamma(1.0, 1000, holds.shape), 0)
    fires = random.random(holds.shape) < np.where(holds, 0.5, 0.03)
    area = np.where(fires, random.gamma(1.0, 800, holds.shape), 0)
    shared = np.where(holds & fires, np.minimum(concept, area) * random.beta(2, 2, holds.shape), 0)
    whole = [np.ceil(each).astype(np.int32) for each in (shared, area, concept)]
    return ByImage(whole[0], whole[1] + whole[2] - whole[0])


def ratio(part: NDArray[np.int32], whole: NDArray[np.int32]) -> float:
    return float(part.sum() / whole.sum())


@pytest.mark.parametrize(("images", "share", "least"), [(1000, 0.2, 0.93), (500, 0.1, 0.92), (2000, 0.05, 0.92)])
def test_intervals_cover_the_truth_as_often_as_they_say(images: int, share: float, least: float) -> None:
    random = np.random.default_rng(5)
    many = simulated(random, 400_000, 1, share)
    truth = ratio(many.intersection, many.union)
    found = bootstrap(simulated(random, images, 800, share), draws=500)
    there = ~np.isnan(found.low)
    covered = (found.low <= truth) & (truth <= found.high)
    assert there.mean() > 0.8
    assert least <= covered[there].mean() <= 0.97
    assert (found.low[there] <= found.score[there]).all() and (found.score[there] <= found.high[there]).all()


def test_ends_are_near_those_of_scipy() -> None:
    counts = simulated(np.random.default_rng(2), 300, 3, 0.3)
    found = bootstrap(counts, draws=4000, seed=1)
    for unit in range(3):
        pair = (counts.intersection[:, unit], counts.union[:, unit])
        expected = scipy.stats.bootstrap(
            pair, lambda i, d, axis=-1: i.sum(axis=axis) / d.sum(axis=axis), paired=True, vectorized=True, n_resamples=4000, rng=7
        ).confidence_interval
        width = expected.high - expected.low
        assert abs(found.low[unit] - expected.low) < 0.06 * width and abs(found.high[unit] - expected.high) < 0.06 * width
        assert found.score[unit] == pytest.approx(ratio(*pair))


def test_ends_are_those_of_efrons_formula() -> None:
    random = np.random.default_rng(9)
    drawn, influence = random.gamma(1.5, size=(400, 4)), random.gamma(0.5, size=(60, 4))
    drawn[:150, 1] = 1.0
    score = np.array([1.0, 1.0, 2.0, 0.4])
    found = bca(drawn, score, influence, 0.9)
    normal = scipy.stats.norm
    for unit in range(4):
        each, rows = drawn[:, unit], influence[:, unit]
        bias = normal.ppf(((each < score[unit]).sum() + (each == score[unit]).sum() / 2) / 400)
        skew = (rows**3).sum() / (6 * (rows**2).sum() ** 1.5)
        for side, level in enumerate((0.05, 0.95)):
            z = bias + normal.ppf(level)
            share = normal.cdf(bias + z / (1 - skew * z))
            assert found[side, unit] == pytest.approx(np.quantile(each, share, method="weibull"), rel=1e-12)


def test_units_and_draws_are_worked_on_in_pieces_without_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = simulated(np.random.default_rng(3), 200, 10, 0.4)
    whole = bootstrap(counts, draws=250, seed=4)
    monkeypatch.setattr("dissect.verify.intervals._UNITS", 3)
    monkeypatch.setattr("dissect.verify.intervals._DRAWN", 7)
    pieces = bootstrap(counts, draws=250, seed=4)
    np.testing.assert_allclose(whole.low, pieces.low)
    np.testing.assert_allclose(whole.high, pieces.high)
    assert not np.array_equal(whole.low, bootstrap(counts, draws=250, seed=5).low)


def test_groups_are_drawn_whole() -> None:
    random = np.random.default_rng(6)
    single = simulated(random, 60, 4, 0.9)
    copies = ByImage(single.intersection.repeat(5, 0), single.union.repeat(5, 0))
    group = np.arange(60).repeat(5)
    alone, grouped, wrong = bootstrap(single), bootstrap(copies, group), bootstrap(copies)
    np.testing.assert_allclose(alone.low, grouped.low)
    np.testing.assert_allclose(alone.high, grouped.high)
    assert (grouped.drawn, grouped.count, wrong.drawn, wrong.count) == ("groups", 60, "images", 300)
    # Five copies of a picture are not five pictures: without groups the interval would be far too narrow.
    assert ((wrong.high - wrong.low) < 0.6 * (grouped.high - grouped.low)).all()
    assert "60 groups" in grouped.note and "conditional on the label" in grouped.note
    assert np.array_equal(bootstrap(single, np.arange(60)).low, alone.low)


def test_too_few_images_or_groups_give_no_interval_and_say_so() -> None:
    counts = simulated(np.random.default_rng(8), 100, 3, 0.9)
    counts.intersection[FEWEST - 1 :, 0] = 0
    counts.union[:, 1] = counts.intersection[:, 1] = 0
    found = bootstrap(counts)
    assert np.isnan(found.low).tolist() == [True, True, False]
    assert f"overlap in {int((counts.intersection[:, 0] > 0).sum())} images" in found.reason[0]
    assert "no label" in found.reason[1] and found.reason[2] == ""
    few = bootstrap(counts, np.arange(100) % 4)
    assert np.isnan(few.high).all() and all("there are 4 groups" in reason for reason in few.reason)


def test_a_unit_that_is_its_label_has_an_interval_of_one_point() -> None:
    area = np.random.default_rng(0).integers(1, 50, (40, 1)).astype(np.int32)
    found = bootstrap(ByImage(area, area.copy()))
    assert (found.low[0], found.score[0], found.high[0]) == (1.0, 1.0, 1.0)


def test_what_does_not_fit_is_refused() -> None:
    counts = simulated(np.random.default_rng(0), 30, 1, 0.5)
    with pytest.raises(ShapeError, match="30 images"):
        bootstrap(counts, np.zeros(29, np.int64))
    with pytest.raises(UsageError, match="100 draws"):
        bootstrap(counts, draws=50)
    with pytest.raises(UsageError, match="between 0 and 1"):
        bootstrap(counts, level=1.0)
