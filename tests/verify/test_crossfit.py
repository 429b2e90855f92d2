"""Held-out scores: against runs of the halves alone under every profile, against plain arithmetic, and on noise and a planted detector."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dissect.errors import ShapeError
from dissect.network.model import LayerInfo
from dissect.probe.levels import measured_units
from dissect.probe.profile import PROFILES
from dissect.probe.tally import merge_tally, tally_shard
from dissect.score.best import best_concept
from dissect.score.count import scores
from dissect.verify.crossfit import concept_held_out, no_split
from dissect.verify.folds import split_folds
from tests.probe.fakes import FakeNetwork, FakeSet
from tests.probe.helpers import run
from tests.probe.plain import maps_of
from tests.verify.halves import Some, counts_of, folds_of, made, plain_counts, plain_threshold, rules_of

QUANTILE = 0.05
FOLD = [k * 7 % 5 % 2 for k in range(20)]


@pytest.fixture
def data(tmp_path: Path) -> FakeSet:
    return FakeSet(tmp_path / "images")


def half(f: int) -> list[int]:
    return [k for k, fold in enumerate(FOLD) if fold == f]


@pytest.mark.parametrize("name", PROFILES)
def test_each_fold_counts_as_a_run_of_its_pictures_alone(tmp_path: Path, data: FakeSet, name: str) -> None:
    network, layers = FakeNetwork(), ("first",)
    whole = run(tmp_path / "whole", network, data, profile=name, layers=layers, label_size=(12, 12))
    rules = rules_of(whole, "first", data, network.input_size, name, QUANTILE)
    counts = counts_of(whole, "first", rules, folds_of(FOLD))
    alone = [run(tmp_path / str(f), network, Some(data, half(f)), profile=name, layers=layers, label_size=(12, 12)) for f in (0, 1)]
    for f in (0, 1):
        mine, other = alone[f], alone[1 - f]
        probed = mine.layers[0]
        assert probed.tables is not None and other.labels is not None
        assert np.array_equal(counts.thresholds[f].value, probed.stats.threshold) and counts.thresholds[f].state == probed.stats.state
        found, expected = (scores(each, rules.vocabulary, rules.profile) for each in (counts.tables[f][f], probed.tables))
        assert np.array_equal(found.iou, expected.iou) and np.array_equal(found.unit_area, expected.unit_area)
        # The other half's pictures under this half's thresholds.
        shards, tables = [], []
        for index, (first, stop) in enumerate(other.recorded["first"].plan.ranges):
            part = other.labels.part(first, stop)
            maps = other.recorded["first"].shard(index).maps
            shards.append(tally_shard(maps, counts.thresholds[f].cut, part, rules.over, rules.vocabulary, rules.profile))
            tables.append(part.table)
        across = scores(merge_tally(shards, tables, rules.over.size), rules.vocabulary, rules.profile)
        label = best_concept(expected, probed.stats.state, rules.profile).concept[:, 0]
        result = concept_held_out(counts, rules, label)
        assert np.array_equal(result.winner[:, f], label)
        for unit in np.flatnonzero(label >= 0):
            column = int(np.searchsorted(across.concept, label[unit]))
            assert result.scores.outside[unit, f] == across.iou[unit, column]
            assert result.scores.inside[unit, f] == expected.iou[unit, column]
            assert result.scores.label_outside[unit, f] == across.iou[unit, column]


def test_scores_are_those_of_plain_arithmetic(tmp_path: Path, data: FakeSet) -> None:
    network, info = FakeNetwork(), LayerInfo("first", 12, (6, 6), "conv")
    result = run(tmp_path, network, data, layers=("first",))
    rules = rules_of(result, "first", data, network.input_size, "standard", QUANTILE, least=2)
    counts = counts_of(result, "first", rules, folds_of(FOLD))
    fold = np.array(FOLD)
    maps = maps_of(network, data, info, list(range(20)), "float16")
    label = np.arange(12) % 10 + 1
    found = concept_held_out(counts, rules, label)
    for f in (0, 1):
        plain = plain_counts(network, data, info, result.label_size, plain_threshold(maps[fold == f], QUANTILE))
        inside, outside = plain.iou(fold == f), plain.iou(fold != f)
        allowed = (plain.concept_area[fold == f] > 0).sum(axis=0) >= 2
        best = np.where(allowed, np.nan_to_num(inside), -1).max(axis=1)
        for unit in range(12):
            winner = int(found.winner[unit, f])
            assert found.scores.inside[unit, f] == best[unit] == inside[unit, winner - 1]
            assert found.scores.outside[unit, f] == outside[unit, winner - 1]
            assert found.scores.label_inside[unit, f] == inside[unit, label[unit] - 1]
            assert found.scores.label_outside[unit, f] == outside[unit, label[unit] - 1]
    both = found.scores
    np.testing.assert_allclose(both.held_out, both.outside.mean(axis=1))
    np.testing.assert_allclose(both.label_optimism, (both.label_inside - both.label_outside).mean(axis=1))
    assert both.folds_agree.tolist() == (found.winner[:, 0] == found.winner[:, 1]).tolist()
    assert both.label_agrees.tolist() == ((found.winner == label[:, None]).all(axis=1)).tolist()
    assert both.testable.all() and 0 < both.folds_agree.sum() < 12


def noise_world(seed: int) -> tuple[NDArray[np.float16], NDArray[np.uint16]]:
    """Unit 0 shows where concept 1 is, the others noise; label maps of 8 x 8 with 60 rare concepts and a common one."""
    random = np.random.default_rng(seed)
    images, units = 120, 32
    ids = random.integers(2, 62, (images, 1, 1), dtype=np.uint16).repeat(8, 1).repeat(8, 2)
    ids[:, :, 4:] = random.integers(2, 62, (images, 1, 1), dtype=np.uint16)
    some = np.flatnonzero(random.random(images) < 0.3)
    ids[some, :4, :4] = 1
    maps = random.gamma(0.3, 1.0, (images, units, 1, 1)) * random.random((images, units, 8, 8))
    maps[:, 0] = (ids == 1) * (1 + random.random((images, 8, 8)))
    return maps.astype(np.float16), ids


def test_what_noise_memorised_is_lost_and_a_planted_detector_keeps_it(tmp_path: Path) -> None:
    maps, ids = noise_world(0)
    layer = made(tmp_path, maps, ids, 61, 0.05)
    folds = split_folds([f"{k}" for k in range(120)], [None] * 120)
    found = concept_held_out(layer.counts(folds), layer.rules, layer.label)
    held, optimism = found.scores.held_out, found.scores.choice_optimism
    noise = np.flatnonzero(found.scores.testable & (layer.label != 1))
    assert layer.label[0] == 1 and found.scores.testable[0] and found.scores.label_agrees[0]
    assert held[0] > 0.9 * layer.score[0] and abs(optimism[0]) < 0.1 * layer.score[0]
    assert len(noise) >= 15
    assert np.median(held[noise]) < 0.5 * np.median(layer.score[noise])
    assert (optimism[noise] > 0).mean() > 0.85
    assert found.scores.label_agrees[noise].mean() < 0.2
    # Both folds helped to choose the run's own label: a held-out threshold alone does not show the luck in it.
    assert np.nanmedian(found.scores.label_held_out[noise]) > 1.5 * np.median(held[noise])


def test_concepts_that_are_rare_in_a_fold_are_not_chosen_on_it(tmp_path: Path) -> None:
    maps, ids = noise_world(3)
    fold = np.arange(120) % 2
    here = np.stack([[(ids[fold == f] == c).any(axis=(1, 2)).sum() for c in range(62)] for f in (0, 1)])
    rarest = []
    for least in (0, 4):
        layer = made(tmp_path / str(least), maps, ids, 61, 0.05, least=least)
        winner = concept_held_out(layer.counts(folds_of(fold.tolist())), layer.rules, layer.label).winner
        rarest.append(min(int(here[f, winner[:, f][winner[:, f] >= 0]].min()) for f in (0, 1)))
    assert rarest[0] < 4 <= rarest[1]


def test_absent_concepts_and_units_that_never_change_say_why_they_are_not_tested(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    maps = random.random((40, 6, 4, 4)).astype(np.float16)
    ids = np.full((40, 4, 4), 1, np.uint16)
    ids[:, 2:] = 2
    fold = np.arange(40) % 2
    ids[0] = 3  # only in the first fold
    maps[:, 0] = 0
    maps[:, 1] = 2
    maps[fold == 1, 2] = 0.5
    maps[:, 3] = 0
    maps[0, 3] = 1 + random.random((4, 4))
    maps[1, 3, 0, 0] = 1
    maps[:, 4] = (ids == 2) * (1 + random.random((40, 4, 4)))
    layer = made(tmp_path, maps, ids, 4, 0.1, shard=7)
    found = concept_held_out(layer.counts(folds_of(fold.tolist())), layer.rules, layer.label).scores
    why = found.reason
    assert "dead in fold 1" in why[0] and "constant in fold 1" in why[1] and "constant in fold 2" in why[2]
    assert "chosen on fold 1 is absent from fold 2" in why[3] and why[4] == ""
    assert "no concept as label" in found.label_reason[0] and "absent from fold 2" in found.label_reason[3]
    assert all(reason.startswith("not testable: ") for reason in why if reason)
    assert np.array_equal(np.isnan(found.held_out), [bool(reason) for reason in why])
    assert np.array_equal(np.isnan(found.label_held_out), [bool(reason) for reason in found.label_reason])


def test_units_whose_maps_were_not_kept_are_named_and_the_others_are_right(tmp_path: Path) -> None:
    maps, ids = noise_world(2)
    dense = made(tmp_path / "dense", maps, ids, 61, 0.05)
    fold = [int(k >= 60) for k in range(120)]
    maps[:60, 5] *= 2  # the threshold of the second fold is far below that of all
    dense = made(tmp_path / "again", maps, ids, 61, 0.05)
    counts = dense.counts(folds_of(fold))
    cuts = np.stack([each.cut for each in counts.thresholds])
    whole = measured_units(dense.recorded, 0.05, dense.rules.profile)[0].cut
    floor = np.where(np.arange(32) == 5, whole, np.minimum(cuts.min(axis=0), whole)).astype(np.float32)
    sparse = made(tmp_path / "sparse", maps, ids, 61, 0.05, floor=floor)
    expected = concept_held_out(counts, dense.rules, dense.label).scores
    found = concept_held_out(sparse.counts(folds_of(fold)), sparse.rules, sparse.label).scores
    assert "raise --cache-limit" in found.reason[5] and found.label_reason[5]
    assert "1 units are not testable" in found.notes[0]
    others = np.arange(32) != 5
    assert np.array_equal(found.outside[others], expected.outside[others], equal_nan=True)
    assert [found.reason[unit] for unit in np.flatnonzero(others)] == [expected.reason[unit] for unit in np.flatnonzero(others)]


def test_where_there_is_no_split_every_unit_says_why() -> None:
    found = no_split(split_folds(["a", "b"], ["drive", "drive"]), 3)
    assert not found.testable.any() and np.isnan(found.held_out).all()
    assert all("all images are of one group" in reason for reason in found.reason)


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    maps, ids = noise_world(0)
    layer = made(tmp_path, maps[:20, :3], ids[:20], 61, 0.05)
    with pytest.raises(ShapeError, match="a split of 19 images"):
        layer.counts(folds_of([0, 1] * 9 + [0]))
    with pytest.raises(ShapeError, match="for 3 units"):
        concept_held_out(layer.counts(folds_of([0, 1] * 10)), layer.rules, np.ones(2, np.int64))
