"""The audit's numbers against the formulas written again, and its p-values against the rate they promise."""

from __future__ import annotations

from itertools import permutations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import kstest

from dissect.audit import kernels, selectivity
from dissect.audit.intervals import auroc_intervals, bootstrap_auroc, bootstrap_difference, difference_intervals, resampled
from dissect.audit.power import as_auroc, detectable
from dissect.audit.warm import warm
from dissect.errors import ActivationError, ShapeError

KERNELS: tuple[Any, ...] = (kernels.weighted_auroc, kernels.draw_subsets)


def plain_auroc(values: NDArray[Any], side: NDArray[np.bool_], weights: NDArray[Any] | None = None) -> float:
    """Every pair looked at."""
    w = np.ones(len(values)) if weights is None else weights
    wins = pairs = 0.0
    for i in np.flatnonzero(side):
        for j in np.flatnonzero(~side):
            wins += w[i] * w[j] * ((values[i] > values[j]) + 0.5 * (values[i] == values[j]))
            pairs += w[i] * w[j]
    return wins / pairs if pairs else float("nan")


rows = st.integers(2, 12).flatmap(lambda n: st.tuples(st.lists(st.integers(-3, 3), min_size=n, max_size=n), st.integers(0, 2**n - 1)))


@given(rows)
def test_auroc_counts_pairs_ties_by_half(drawn: tuple[list[int], int]) -> None:
    values = np.array(drawn[0], np.float32)
    side = np.array([bool(drawn[1] >> k & 1) for k in range(len(values))])
    found = selectivity.auroc_of_ranks(selectivity.centred_ranks(values[:, None]), side)[0]
    np.testing.assert_allclose(found, plain_auroc(values, side), atol=1e-12)


@given(rows, st.integers(0, 1000))
def test_auroc_of_weighted_rows_counts_each_pair_as_often_as_the_weights_say(drawn: tuple[list[int], int], seed: int) -> None:
    values = np.array(drawn[0], np.float32)
    side = np.array([bool(drawn[1] >> k & 1) for k in range(len(values))])
    weights = np.random.default_rng(seed).integers(0, 4, (len(values), 3)).astype(np.float32)
    found = bootstrap_auroc(values[:, None], side, weights)[0]
    np.testing.assert_allclose(found, [plain_auroc(values, side, column) for column in weights.T], atol=1e-6)


def test_standardised_difference_is_cohens_d() -> None:
    random = np.random.default_rng(0)
    values, side = random.standard_normal((30, 4)), np.arange(30) < 12
    a, b = values[:12], values[12:]
    pooled = np.sqrt((11 * a.var(axis=0, ddof=1) + 17 * b.var(axis=0, ddof=1)) / 28)
    expected = (a.mean(axis=0) - b.mean(axis=0)) / pooled
    np.testing.assert_allclose(selectivity.standardised_difference(values, side), expected, atol=1e-12)
    assert np.isnan(selectivity.standardised_difference(np.ones((5, 1)), np.arange(5) < 2)).all()
    weights = np.tile(np.array([[1.0], [2.0]], np.float32), (15, 1))
    doubled = np.repeat(values, weights[:, 0].astype(int), axis=0)
    again = selectivity.standardised_difference(doubled, np.repeat(side, weights[:, 0].astype(int)))
    np.testing.assert_allclose(bootstrap_difference(values, side, weights)[:, 0], again, atol=1e-9)


def test_flipping_pairs_gives_the_share_of_all_flips() -> None:
    random = np.random.default_rng(1)
    differences = random.integers(-5, 9, (8, 3)).astype(np.float64)
    observed = np.abs(differences.sum(axis=0))
    every = np.array(list(product((-1, 1), repeat=8)))
    exact = (np.abs(every @ differences) >= observed).mean(axis=0)
    found = selectivity.flipped(differences, most=60_000, seed=2)
    np.testing.assert_allclose(found.p, exact, rtol=0.45)
    assert found.draws.max() <= 60_000 and found.floor == pytest.approx(1 / 60_001)


def test_permuting_rows_gives_the_share_of_all_permutations_and_swaps_persons_on_both_sides() -> None:
    values = np.array([[3.0], [1.0], [2.0], [9.0], [8.0], [0.0], [5.0]])
    side = np.array([True, True, True, False, False, False, False])
    member = np.array([0, 1, 2, 3, 4, 5, 1])  # person 1 is on both sides: rows 1 and 6
    ranks = selectivity.centred_ranks(values)
    single = [0, 2, 3, 4, 5]
    labels = []
    for order in set(permutations(side[single].tolist())):
        for heads in (True, False):
            label = np.zeros(7)
            label[single] = order
            label[1], label[6] = heads, not heads
            labels.append(label)
    middle = np.mean(labels, axis=0) @ ranks
    exact = np.mean([abs(label @ ranks - middle)[0] >= abs(side @ ranks - middle)[0] - 1e-9 for label in labels])
    assert selectivity.permuted(ranks, side, member, most=20_000, seed=0).p[0] == pytest.approx(exact, rel=0.35)


def test_subsets_are_equally_likely_and_depend_on_the_draws_number_alone() -> None:
    labels = np.zeros((40_000, 6), np.float32)
    kernels.draw_subsets(labels, np.array([0, 2, 3, 5]), 2, np.uint64(5), 0)
    assert (labels.sum(axis=1) == 2).all() and not labels[:, [1, 4]].any()
    patterns, counts = np.unique(labels, axis=0, return_counts=True)
    assert len(patterns) == 6
    np.testing.assert_allclose(counts / len(labels), 1 / 6, atol=0.012)
    later = np.zeros((10, 6), np.float32)
    kernels.draw_subsets(later, np.array([0, 2, 3, 5]), 2, np.uint64(5), 30)
    assert (later == labels[30:40]).all()


@pytest.mark.parametrize("matched", [False, True])
def test_p_values_of_nothing_are_uniform(matched: bool) -> None:
    random = np.random.default_rng(3)
    values = np.maximum(random.standard_normal((120, 1500)), 0.0)
    ranks, side = selectivity.centred_ranks(values), np.arange(120) < 60
    if matched:
        p = selectivity.flipped(ranks[:60] - ranks[60:], most=2000, seed=4).p
    else:
        p = selectivity.permuted(ranks, side, np.arange(120), most=2000, seed=4).p
    assert kstest(p, "uniform").pvalue > 0.01
    assert (p <= 0.05).mean() <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1500)


def test_a_constant_unit_has_a_p_of_one_and_an_auroc_of_a_half() -> None:
    ranks, side = selectivity.centred_ranks(np.ones((10, 1))), np.arange(10) < 5
    assert selectivity.permuted(ranks, side, np.arange(10), most=500, seed=0).p.tolist() == [1.0]
    assert selectivity.auroc_of_ranks(ranks, side).tolist() == [0.5]
    assert np.isnan(selectivity.auroc_of_ranks(ranks, np.ones(10, np.bool_))).all()


def test_intervals_hold_the_truth_nineteen_times_in_twenty_also_with_several_images_a_person() -> None:
    random = np.random.default_rng(5)
    persons, trials, shift = 80, 300, 0.5
    member = np.repeat(np.arange(persons), 2)
    side = member < persons // 2
    own = random.standard_normal((persons, trials))[member]
    values = own * 0.8 + random.standard_normal((len(member), trials)) * 0.6 + shift * side[:, None]
    weights = resampled(member, 400, 6)
    inside = []
    for truth, ends in ((as_auroc(shift), auroc_intervals(values, side, weights)), (shift, difference_intervals(values, side, weights))):
        inside.append(((ends[0] <= truth) & (truth <= ends[1])).mean())
    assert min(inside) > 0.9 and max(inside) < 0.985
    naive = auroc_intervals(values, side, resampled(np.arange(len(member)), 400, 6))
    assert ((naive[0] <= as_auroc(shift)) & (as_auroc(shift) <= naive[1])).mean() < min(inside)


def test_the_power_that_is_stated_is_the_power_there_is() -> None:
    random = np.random.default_rng(7)
    effect = detectable(60, 90, 0.05)
    values = random.standard_normal((150, 800)) + effect * (np.arange(150) < 60)[:, None]
    p = selectivity.permuted(selectivity.centred_ranks(values), np.arange(150) < 60, np.arange(150), most=2000, seed=8).p
    assert (p <= 0.05).mean() == pytest.approx(0.8, abs=0.05)
    assert detectable(0, 5, 0.05) == np.inf and as_auroc(0.0) == 0.5


def test_what_cannot_be_ranked_or_does_not_fit_is_refused() -> None:
    with pytest.raises(ActivationError, match="unit 1 in row 0"):
        selectivity.centred_ranks(np.array([[1.0, np.nan], [2.0, 3.0]]))
    with pytest.raises(ShapeError, match="same rows"):
        selectivity.permuted(np.zeros((3, 1)), np.array([True, False]), np.arange(3), most=10, seed=0)


def test_after_warming_no_kernel_is_compiled_again() -> None:
    warm()
    before = [len(kernel.signatures) for kernel in KERNELS]
    selectivity.permuted(selectivity.centred_ranks(np.random.default_rng(0).random((9, 3))), np.arange(9) < 4, np.arange(9), most=9, seed=1)
    bootstrap_auroc(np.random.default_rng(0).random((9, 3)).astype(np.float32), np.arange(9) < 4, np.ones((9, 2), np.float32))
    after = [len(kernel.signatures) for kernel in KERNELS]
    assert after == before and min(before) >= 1
