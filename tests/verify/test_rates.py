"""Q-values and intervals against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dissect.errors import CountError, UsageError
from dissect.verify.rates import q_values, share_interval


@given(st.lists(st.sampled_from([0.0, 0.005, 0.01, 0.02, 0.3, 0.5, 1.0, float("nan")]), max_size=12))
def test_a_q_value_is_the_least_rate_at_which_the_test_is_rejected(values: list[float]) -> None:
    q = q_values(np.array(values, np.float64))
    tested = [p for p in values if not np.isnan(p)]
    for p, got in zip(values, q.tolist(), strict=True):
        if np.isnan(p):
            assert np.isnan(got)
            continue
        # The procedure in its own words: at rate a, reject all p up to the largest p_(k) that is at most a k / m.
        larger = [other for other in tested if other >= p]
        cuts = [min(1.0, other * len(tested) / sum(x <= other for x in tested)) for other in larger]
        assert abs(got - min(cuts)) < 1e-12


def test_q_values_of_a_known_example() -> None:
    found = q_values(np.array([[0.01, 0.04], [0.03, np.nan], [0.02, 0.5]]))
    assert np.allclose(found, [[0.05, 0.05], [0.05, np.nan], [0.05, 0.5]], equal_nan=True)
    with pytest.raises(CountError, match="no p-values"):
        q_values(np.array([1.5]))


@given(st.integers(0, 30), st.integers(0, 30))
def test_the_interval_ends_where_the_count_becomes_improbable(hits: int, more: int) -> None:
    trials = hits + more
    low, high = share_interval(hits, trials)
    assert 0 <= low <= high <= 1
    if hits:
        assert abs(stats.binom.sf(hits - 1, trials, low) - 0.025) < 1e-9
    if more:
        assert abs(stats.binom.cdf(hits, trials, high) - 0.025) < 1e-9
    assert (low == 0) == (hits == 0) and (high == 1) == (more == 0)


def test_an_interval_of_nothing_is_everything_and_nonsense_is_refused() -> None:
    assert share_interval(0, 0) == (0.0, 1.0)
    with pytest.raises(UsageError, match="no interval"):
        share_interval(3, 2)
