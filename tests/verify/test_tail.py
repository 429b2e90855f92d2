"""The fitted tail: its estimates, its check, its calibration below the floor, and when it is not used."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from dissect.verify.tail import anderson_darling, fit, fits, tail_p


@pytest.mark.parametrize(("shape", "scale"), [(0.0, 1.0), (0.2, 0.03), (0.35, 5.0)])
def test_the_fit_finds_the_distribution_that_samples_are_from(shape: float, scale: float) -> None:
    got = fit(stats.genpareto.rvs(shape, scale=scale, size=40_000, random_state=np.random.default_rng(1)))
    assert abs(got[0] - shape) < 0.03 and abs(got[1] / scale - 1) < 0.03


def test_a_shape_below_zero_is_taken_for_zero() -> None:
    values = np.random.default_rng(2).random(500)
    shape, scale = fit(values)
    assert shape == 0 and abs(scale - values.mean()) < 1e-12


def test_the_statistic_is_scipys_for_the_exponential() -> None:
    values = np.random.default_rng(3).exponential(2.0, 60)
    expected = stats.anderson(values, "expon", method="interpolate").statistic  # type: ignore[call-overload]
    assert abs(anderson_darling(values[None], np.zeros(1), np.array([values.mean()]))[0] - expected) < 1e-9


def test_the_statistic_is_that_of_its_integral() -> None:
    """A^2 = n times the integral of (F_n - F)^2 / (F (1 - F)) dF, summed between the ordered values."""
    values = stats.genpareto.rvs(0.3, size=15, random_state=np.random.default_rng(4))
    level = np.concatenate(([0.0], np.sort(stats.genpareto.cdf(values, 0.3)), [1.0]))
    total = 0.0
    for k in range(16):
        u = np.linspace(level[k], level[k + 1], 200_001)[1:-1]
        total += float(np.trapezoid((k / 15 - u) ** 2 / (u * (1 - u)), u))
    assert abs(anderson_darling(values[None], np.array([0.3]), np.ones(1))[0] - 15 * total) < 2e-2


def test_a_bad_fit_is_seen_and_a_good_one_passes() -> None:
    random = np.random.default_rng(5)
    passed = [fits(values, *fit(values), random) for values in random.exponential(1.0, (200, 40))]
    assert np.mean(passed) > 0.9
    lumps = np.concatenate([np.full(20, 0.1), np.full(20, 5.0)]) + 1e-3 * random.random(40)
    assert not fits(lumps, *fit(lumps), random)


def test_the_tail_is_used_below_the_floor_only() -> None:
    null = np.random.default_rng(6).gumbel(size=200)
    assert np.isnan(tail_p(float(np.sort(null)[-1]), null).p) and np.isnan(tail_p(float("nan"), null).p)
    found = tail_p(float(null.max()) + 3, null)
    assert 0.01 / 201 <= found.p < 1 / 201 and found.exceedances >= 20 and found.shape >= 0
    assert tail_p(1e9, null).p == 0.01 / 201
    few = tail_p(1e9, null[:199])
    assert np.isnan(few.p) and few.why == "fewer than 200 shuffles"
    assert np.isnan(tail_p(5.0, np.where(np.arange(200) < 100, 0.0, 1.0)).p)


@pytest.mark.parametrize("name", ["gumbel", "normal", "exponential", "beta"])
def test_p_values_from_the_tail_are_not_too_small(name: str) -> None:
    """Under the null the truth is below x in a share x of tests. 3,000 tests a family, those that reach the floor judged by their tail."""
    random = np.random.default_rng(7)
    draw: Callable[[], NDArray[np.float64]] = {
        "gumbel": lambda: random.gumbel(size=201), "normal": lambda: random.normal(size=(201, 30)).max(axis=1),
        "exponential": lambda: random.exponential(size=201), "beta": lambda: random.beta(2, 30, (201, 20)).max(axis=1),
    }[name]  # fmt: skip
    tests, deep = 3000, 0
    for _ in range(tests):
        values = draw()
        if values[0] > values[1:].max():
            deep += bool(tail_p(float(values[0]), values[1:]).p < 0.001)
    # 3 are expected; 12 or more have a chance below 1e-4.
    assert deep < 12
