"""Held-out scores, intervals and effects in the self-test: sound tests pass, and every broken one that is tried here fails."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from dissect.errors import ShapeError
from dissect.probe.maps import MapShard
from dissect.probe.profile import Profile
from dissect.probe.signatures import LabelShard
from dissect.score.best import Ranked, top_concepts
from dissect.score.count import ConceptScores
from dissect.verify import ablation, crossfit, intervals, selftest_held_out, selftest_interval
from dissect.verify.ablation import effect
from dissect.verify.effects import Contrast, contrast, means_of
from dissect.verify.fold_counts import FoldCounts
from dissect.verify.folds import Folds, split_folds
from dissect.verify.in_memory import folds_in_memory, layer_in_memory
from dissect.verify.maxima import Rules
from dissect.verify.planted import noise_maps
from dissect.verify.selftest import UNITS, world_of
from dissect.verify.selftest_ablation import ALIKE, CONTROLS, EACH, SIZES, ablation_truth, drawn
from dissect.verify.selftest_held_out import held_out_truth
from dissect.verify.selftest_interval import SAMPLES, SCENARIOS, coverages, population

FEW = (0, 1, 2)


def test_held_out_scores_of_noise_are_what_independence_gives() -> None:
    found = held_out_truth(FEW)
    assert found.passed and found.planted == found.right == 3 * UNITS
    assert len(found.outside) == 3 * UNITS and 0.5 < found.ratio < 1.5 < found.flattery
    assert found.planted_outside > 0.5 and found.lines()[-1].endswith(": as it should be")
    assert json.loads(json.dumps(found.as_plain(), allow_nan=False))["passed"] is True


def test_scores_of_the_fold_that_chose_the_label_do_not_pass_for_held_out(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = crossfit.HeldOut
    monkeypatch.setattr(crossfit, "HeldOut", lambda inside, outside, *more: whole(inside, inside, *more))
    found = held_out_truth(FEW)
    assert not found.passed and found.p < 1e-3 and found.ratio > 2
    assert found.lines()[-1].endswith("NOT AS IT SHOULD BE")


def test_a_label_that_was_chosen_on_all_images_does_not_pass_for_held_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def leaky(maps: MapShard, labels: LabelShard, rules: Rules, folds: Folds) -> FoldCounts:
        counts, every = folds_in_memory(maps, labels, rules, folds), layer_in_memory(maps, labels, rules)[0].tables
        assert every is not None
        return replace(counts, tables=((every, counts.tables[0][1]), (counts.tables[1][0], every)))

    monkeypatch.setattr(selftest_held_out, "folds_in_memory", leaky)
    found = held_out_truth(FEW)
    assert not found.passed and found.p < 1e-3 and found.ratio > 1.5 and found.right == found.planted


def test_a_label_that_is_not_the_best_of_its_fold_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """The choice is what a cross-fit is about: the second best is neither flattered as much nor the planted concept."""

    def second(scores: ConceptScores, states: Sequence[str], profile: Profile) -> Ranked:
        found = top_concepts(scores, states, profile, 2)
        return Ranked(*(getattr(found, each.name)[:, 1:] for each in fields(found)))

    monkeypatch.setattr(crossfit, "best_concept", second)
    found = held_out_truth((0,))
    assert not found.passed and found.right == 0


def test_counts_of_folds_in_memory_add_up_to_those_of_the_layer() -> None:
    world = world_of(1)
    images = len(world.labels.included)
    maps = noise_maps(images, 3, (32, 32), seed=2)
    values = maps.values.reshape(images, 3, 32 * 32)
    folds = split_folds([str(k) for k in range(images)], [None] * images, seed=0)
    found = folds_in_memory(maps, world.labels, world.rules, folds)
    for f in (0, 1):
        assert sum(found.tables[f][g].images for g in (0, 1)) == images
        cut = np.quantile(values[folds.fold == f].transpose(1, 0, 2).reshape(3, -1), 1 - world.rules.quantile, axis=1)
        for g in (0, 1):
            areas = (values[folds.fold == g] > cut[:, None]).sum(axis=(0, 2))
            assert np.allclose(found.tables[f][g].unit_area, areas, atol=1)
    everything = layer_in_memory(maps, world.labels, world.rules)[0].tables
    assert everything is not None
    pixels = [found.tables[0][g].signature_pixels.sum() for g in (0, 1)]
    assert sum(pixels) == everything.signature_pixels.sum() == images * 32 * 32
    with pytest.raises(ShapeError, match="a split of 2 images"):
        folds_in_memory(maps, world.labels, world.rules, Folds(np.array([0, 1], np.int8), (1, 1), (1, 1), ""))


def test_intervals_hold_the_truth_in_every_scenario() -> None:
    found = coverages(FEW)
    assert [each.what for each in found] == [each.what for each in SCENARIOS]
    assert all(each.passed and each.intervals + each.without == 3 * SAMPLES for each in found)
    assert all(0.88 < each.share < 0.99 and 0 < each.width < each.truth for each in found)
    json.dumps([each.as_plain() for each in found], allow_nan=False)


@pytest.mark.parametrize("level", [0.8, 0.99999])
def test_intervals_that_are_too_narrow_or_too_wide_fail(level: float, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = intervals.bootstrap
    monkeypatch.setattr(selftest_interval, "bootstrap", lambda counts, group, *, seed: whole(counts, group, level=level, seed=seed))
    monkeypatch.setattr(selftest_interval, "SAMPLES", 400)
    monkeypatch.setattr(selftest_interval, "SCENARIOS", SCENARIOS[:1])
    (found,) = coverages((0,))
    assert not found.passed and found.lines()[0].endswith("NOT AS IT SHOULD BE")


def test_intervals_that_ignore_groups_fail_where_there_are_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = intervals.bootstrap
    monkeypatch.setattr(selftest_interval, "bootstrap", lambda counts, group, *, seed: whole(counts, None, seed=seed))
    monkeypatch.setattr(selftest_interval, "SCENARIOS", SCENARIOS[2:])
    (found,) = coverages(range(6))
    assert "groups" in found.what and not found.passed


def test_made_up_areas_have_long_tails_and_a_union_no_less_than_the_overlap() -> None:
    shared, union = population(SCENARIOS[0], 0, 20_000)
    assert shared.shape == union.shape == (20_000, 1) and (shared <= union).all() and (shared >= 0).all()
    assert 0.1 < (shared > 0).mean() < 0.3 and union.max() > 10 * np.median(union[union > 0])


def test_units_like_their_controls_are_seldom_called_effective_and_large_effects_are_found() -> None:
    found = ablation_truth(FEW[:2])
    assert found.passed and [each.units for each in found.by_size] == [2 * ALIKE] + [2 * EACH] * (len(SIZES) - 1)
    shown = [each.shown / each.units for each in found.by_size]
    assert shown == sorted(shown) and shown[0] <= 0.1 and shown[-1] >= 0.9
    assert json.loads(json.dumps(found.as_plain(), allow_nan=False))["passed"] is True
    assert found.lines()[-1].endswith(": as it should be")


def test_a_rank_that_leaves_the_unit_itself_out_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ablation, "rank_p", lambda value, controls: float((controls >= value).mean()))
    found = ablation_truth((0,))
    assert not found.passed and found.by_size[0].least == 0.0


def test_controls_taken_from_other_units_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Controls that differ less than the tested units: their rank is not uniform."""
    monkeypatch.setattr(ablation, "means_of", lambda change, held: means_of(change, held) * (1 if len(change) == 1 else 0.3))
    assert not ablation_truth((0,)).passed


def test_intervals_of_an_effect_that_are_too_narrow_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def narrow(*given: Any, **more: Any) -> Contrast:
        found = contrast(*given, **more)
        assert found.value is not None and found.low is not None and found.high is not None
        half = (found.high - found.low) / 4
        return Contrast(found.value, found.value - half, found.value + half)

    monkeypatch.setattr(ablation, "contrast", narrow)
    assert not ablation_truth((0,)).passed


def test_the_true_effect_is_that_of_many_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dissect.verify.selftest_ablation.PICTURES", 200_000)
    given = drawn(np.random.default_rng(3), 0.5)
    assert given.controls.shape == (CONTROLS, 200_000)
    found = effect(given.plain, given.tested, given.controls, given.held, np.arange(200_000) // 1000)
    assert found.value == pytest.approx(given.truth, abs=0.015)
