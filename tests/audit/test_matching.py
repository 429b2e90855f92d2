"""Matched pairs: within the caliper, within strata, closest first, and what is left of the differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from dissect.audit.matching import match, propensity
from dissect.errors import ShapeError


@given(st.integers(0, 10_000), st.integers(1, 3))
def test_pairs_are_of_two_groups_used_once_within_caliper_and_strata(seed: int, numbers: int) -> None:
    random = np.random.default_rng(seed)
    n = int(random.integers(4, 60))
    side = random.random(n) < 0.5
    numeric = {f"c{k}": random.standard_normal(n) + side for k in range(numbers)}
    place = random.choice(["in", "out"], n)
    member = random.integers(0, n, n)
    member = np.where(side & np.isin(member, member[~side]), member, np.arange(n) + n)  # some persons may be on both sides
    found = match(side, numeric, {"place": place}, member, caliper=0.3)
    assert side[found.first].all() and not side[found.second].any()
    used = np.concatenate([found.first, found.second])
    assert len(np.unique(used)) == len(used)
    assert (np.abs(found.score[found.first] - found.score[found.second]) <= 0.3 + 1e-12).all()
    assert (place[found.first] == place[found.second]).all()
    assert found.lost == min(side.sum(), (~side).sum()) - len(found.first)
    both = np.intersect1d(member[side], member[~side])
    mixed = np.isin(member[found.first], both) | np.isin(member[found.second], both)
    assert (member[found.first][mixed] == member[found.second][mixed]).all()


def test_no_two_pairs_are_left_that_could_have_been_joined() -> None:
    random = np.random.default_rng(0)
    side = np.arange(80) < 40
    light = random.standard_normal(80) + 0.5 * side
    found = match(side, {"light": light}, {}, caliper=0.1)
    free_first, free_second = (np.setdiff1d(np.flatnonzero(group), taken) for group, taken in ((side, found.first), (~side, found.second)))
    gaps = np.abs(found.score[free_first][:, None] - found.score[free_second][None])
    assert not (gaps <= 0.1).any()
    # At least half as many pairs as there can be at most (a maximal matching).
    near = np.abs(found.score[:40, None] - found.score[None, 40:]) <= 0.1
    rows, columns = linear_sum_assignment(-near.astype(float))
    assert len(found.first) * 2 >= near[rows, columns].sum()


def test_matching_takes_away_a_difference_and_says_what_is_left() -> None:
    random = np.random.default_rng(1)
    side = np.arange(600) < 300
    light = random.standard_normal(600) + 0.8 * side
    age = np.where(random.random(600) < np.where(side, 0.7, 0.4), "old", "young")
    found = match(side, {"light": light}, {"age": age})
    a, b = light[side], light[~side]
    sd = np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2)
    assert found.before["light"] == pytest.approx((a.mean() - b.mean()) / sd)
    assert found.after["light"] == pytest.approx((light[found.first].mean() - light[found.second].mean()) / sd)
    assert abs(found.before["age"]) > 0.3 and found.after["age"] == 0.0 and found.worst <= 0.1
    assert np.abs(light[found.first] - light[found.second]).max() <= 0.1 * sd + 1e-12


def test_several_numeric_confounders_are_balanced_through_the_propensity_score() -> None:
    random = np.random.default_rng(2)
    columns = random.standard_normal((900, 3))
    side = random.random(900) < 1 / (1 + np.exp(-(columns @ [0.8, -0.5, 0.0])))
    found = match(side, {name: columns[:, k] for k, name in enumerate("abc")}, {})
    assert max(abs(value) for value in found.before.values()) > 0.5
    assert found.worst < 0.1 and len(found.first) > 200
    slope = np.polyfit(columns @ [0.8, -0.5, 0.0], propensity(columns, side), 1)[0]
    assert slope == pytest.approx(1.0, abs=0.25)


def test_rows_without_a_confounder_and_groups_that_never_meet_are_lost() -> None:
    side = np.arange(8) < 4
    light = np.array([0.0, 1, 2, np.nan, 0, 1, 2, 3])
    found = match(side, {"light": light}, {}, caliper=0.1)
    assert sorted(zip(found.first.tolist(), found.second.tolist(), strict=True)) == [(0, 4), (1, 5), (2, 6)] and found.lost == 1
    apart = match(side, {"light": np.where(side, 0.0, 100.0) + np.arange(8)}, {})
    assert len(apart.first) == 0 and apart.lost == 4 and apart.worst == 0.0
    assert len(match(np.ones(3, np.bool_), {"light": np.arange(3.0)}, {}).first) == 0
    with pytest.raises(ShapeError, match="light"):
        match(side, {"light": np.zeros(3)}, {})
