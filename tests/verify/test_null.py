"""The independence null: counts against really permuted labels, statistics against their formulas, faults."""

from __future__ import annotations

from dataclasses import replace

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dissect.errors import CountError, NotSupportedError
from dissect.score.best import best_concept
from dissect.score.count import scores
from dissect.verify.columns import columns
from dissect.verify.null import count_p, independence_null, null_data, unit_counts, z_scores
from tests.verify.scenes import drawn, sources

PROFILES = ["standard", "netdissect", "lite", "compexp"]


@given(st.integers(0, 10**6), st.sampled_from(PROFILES))
def test_a_shuffle_counts_what_counting_really_permuted_labels_does(seed: int, name: str) -> None:
    here = drawn(seed, name)
    source = sources(len(here.scene.labels), 3, seed)
    data, masks = here.data(source), here.masks()
    true = scores(here.tally()[1], here.scene.vocabulary, replace(here.profile, categories=None))
    for shuffle, row in enumerate(source):
        expected = scores(here.tally(row)[1], here.scene.vocabulary, replace(here.profile, categories=None))
        assert np.array_equal(expected.concept_area, true.concept_area)
        for unit in range(here.scene.maps.shape[1]):
            intersection, area = unit_counts(masks, data, unit, true.concept, true.category)
            assert intersection[shuffle].tolist() == expected.intersection[unit].tolist()
            assert area[shuffle].tolist() == expected.unit_area[unit].tolist()


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.sampled_from(PROFILES))
def test_the_largest_iou_of_a_shuffle_is_the_best_label_of_permuted_labels(seed: int, name: str) -> None:
    here = drawn(seed, name)
    source = sources(len(here.scene.labels), 4, seed)
    result, layer = here.probed()
    found = independence_null(result, layer, here.data(source), masks=here.masks())
    for shuffle, row in enumerate(source):
        there = scores(here.tally(row)[1], here.scene.vocabulary, here.profile)
        best = best_concept(there, layer.stats.state, here.profile).score[:, 0]
        got = found.observed if shuffle == 0 else found.null[:, shuffle - 1]
        if there.scored.any():
            assert np.array_equal(got, best)
    assert found.permutations == 4 and found.floor == 0.2


def test_p_is_the_share_of_assignments_at_least_as_good() -> None:
    assert count_p(np.array([0.5, 0.1, 0.5, 0.7])) == 3 / 4
    assert count_p(np.array([0.5, 0.1, 0.4, 0.2])) == 1 / 4


def test_z_is_taken_over_all_assignments_and_is_zero_where_nothing_changes() -> None:
    score = np.array([[0.3, 0.1, 0.2], [0.1, 0.1, 0.2], [0.1, 0.1, 0.4], [0.3, 0.1, 0.0]])
    z = z_scores(score)
    for column in (0, 2):
        values = score[:, column]
        spread = (((values - values.mean()) ** 2).sum() / 4) ** 0.5
        assert np.allclose(z[:, column], (values - values.mean()) / spread, rtol=0, atol=1e-9)
    assert (z[:, 1] == 0).all()
    lone = np.zeros((101, 3))
    lone[[0, 5, 7], [0, 1, 2]] = 0.3, 0.7, 0.0123
    assert count_p(z_scores(lone).max(axis=1)) == 3 / 101 and z_scores(lone)[0, 0] == 10


def test_the_largest_z_is_that_of_all_scored_concepts() -> None:
    for seed in range(40):
        here = drawn(seed, "standard")
        source = sources(len(here.scene.labels), 19, seed)
        result, layer = here.probed()
        data, masks = here.data(source), here.masks()
        found = independence_null(result, layer, data, masks=masks)
        true = scores(here.tally()[1], here.scene.vocabulary, here.profile)
        for unit in range(len(found.p) if true.scored.any() else 0):
            both, area = unit_counts(masks, data, unit, true.concept, true.category)
            union = np.maximum(area + true.concept_area - both, 1)
            z = z_scores(both / union)
            assert abs(z[0].max() - found.z[unit]) < 1e-9 and found.z_concept[unit] in true.concept[z[0] > z[0].max() - 1e-9]
            assert found.z_p[unit] == count_p(z.max(axis=1))
            if found.concept[unit] > 0:
                assert found.label_z[unit] == z[0, true.concept == found.concept[unit]][0]


def test_the_number_of_threads_changes_nothing() -> None:
    here = drawn(5, "standard")
    result, layer = here.probed()
    data, masks = here.data(sources(len(here.scene.labels), 30, 1)), here.masks()
    before, found = numba.get_num_threads(), []
    for threads in (1, before):
        numba.set_num_threads(threads)
        found.append(independence_null(result, layer, data, masks=masks))
    numba.set_num_threads(before)
    assert np.array_equal(found[0].null, found[1].null) and np.array_equal(found[0].z, found[1].z)


def test_dead_units_and_labels_that_cannot_move_are_not_tested() -> None:
    here = drawn(5, "standard")
    result, layer = here.probed()
    data, masks = here.data(sources(len(here.scene.labels), 9, 1)), here.masks()
    units = len(layer.stats.state)
    dead = replace(layer, stats=replace(layer.stats, state=("dead",) * units))
    found = independence_null(result, dead, data, masks=masks)
    assert np.isnan(found.p).all() and (found.concept == -1).all() and np.isnan(found.null_95).all()
    still = replace(data, shuffles=replace(data.shuffles, movable=np.zeros(len(here.scene.labels), np.bool_)))
    assert np.isnan(independence_null(result, layer, still, masks=masks).z_p).all()


def test_rare_concepts_are_left_out_of_label_and_null() -> None:
    here = drawn(21, "standard")
    result, layer = here.probed()
    found = independence_null(
        result, layer, here.data(sources(len(here.scene.labels), 9, 1)), masks=here.masks(), min_images=len(here.scene.labels) + 1
    )
    assert (found.concept == -1).all() and (found.observed == 0).all() and found.min_images == len(here.scene.labels) + 1


def test_what_cannot_be_tested_is_refused_by_name() -> None:
    here = drawn(5, "standard")
    result, layer = here.probed()
    data, masks = here.data(sources(len(here.scene.labels), 2, 1)), here.masks()
    with pytest.raises(NotSupportedError, match="no label maps"):
        null_data(result, [], here.scene.vocabulary, here.profile)
    with pytest.raises(NotSupportedError, match="not counted"):
        independence_null(result, replace(layer, tables=None), data, masks=masks)
    with pytest.raises(NotSupportedError, match="not counted"):
        independence_null(result, layer, data)
    with pytest.raises(NotSupportedError, match="profile odd"):
        columns(data.labels, here.scene.vocabulary, replace(here.profile, name="odd", area="all"))
    assert layer.tables is not None
    wrong = replace(layer.tables, count=layer.tables.count - 1)
    with pytest.raises(CountError, match="do not give its counts"):
        independence_null(result, replace(layer, tables=wrong), data, masks=masks)
