"""Planted units: what they compute, how noisy they are, and that their labels are found again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import scipy.stats

from dissect.compose.formula import And, Concept, Formula, Not, Or
from dissect.errors import DataError, ShapeError, UsageError
from dissect.probe.profile import profile
from dissect.probe.signatures import LabelShard
from dissect.verify.maxima import Rules
from dissect.verify.planted import covered, drawn_labels, holds, noise_fields, noise_maps, planted_maps, shuffled_labels
from dissect.verify.recovery import recovery, small_concepts


def ids(labels: LabelShard, image: int) -> list[set[int]]:
    """Members at every pixel, read with loops."""
    found = []
    for local in labels.signature_map[image]:
        row = labels.local_signature[labels.local_offsets[image] + local]
        found.append(set(labels.table.members[labels.table.offsets[row] : labels.table.offsets[row + 1]].tolist()))
    return found


def test_a_planted_unit_is_the_share_of_each_place_on_which_its_formula_holds() -> None:
    labels, _ = drawn_labels(3, images=5)
    formulas: list[Formula] = [Concept(2), Or(Concept(1), Concept(4)), And(Concept(2), Not(Concept(20))), Not(Concept(3))]
    truths: list[Callable[[set[int]], bool]] = [
        lambda s: 2 in s,
        lambda s: 1 in s or 4 in s,
        lambda s: 2 in s and 20 not in s,
        lambda s: 3 not in s,
    ]
    found = planted_maps(labels, formulas, (8, 8))
    values = found.maps.values.reshape(5, 4, 8, 8)
    for image in range(5):
        members = ids(labels, image)
        for unit, truth in enumerate(truths):
            mask = np.array([truth(s) for s in members]).reshape(32, 32)
            assert (holds(formulas[unit], labels)[image] == mask).all()
            for y in range(8):
                for x in range(8):
                    assert values[image, unit, y, x] == pytest.approx(mask[4 * y : 4 * y + 4, 4 * x : 4 * x + 4].mean())
    assert np.isinf(found.signal_to_noise).all() and (found.maps.maxima == values.max(axis=(2, 3))).all()


def test_noise_has_the_level_it_says() -> None:
    labels, _ = drawn_labels(4, images=60)
    found = planted_maps(labels, [Concept(1)] * 3, (8, 8), noise=[0, 0.5, 2], seed=1)
    clean = planted_maps(labels, [Concept(1)], (8, 8)).maps.values.reshape(60, 64)
    rest = found.maps.values.reshape(60, 3, 64) - clean[:, None]
    assert rest.std(axis=(0, 2)) == pytest.approx([0, 0.5, 2], rel=0.05)
    assert found.signal_to_noise[1:] == pytest.approx([clean.var() / 0.25, clean.var() / 4], rel=1e-5)
    assert not np.array_equal(planted_maps(labels, [Concept(1)], (8, 8), noise=1, seed=2).maps.values, found.maps.values[:60])


@pytest.mark.parametrize("smoothness", [0.0, 0.7, 2.0])
def test_noise_fields_are_standard_and_smooth(smoothness: float) -> None:
    fields = noise_fields(np.random.default_rng(1), (4000, 1, 6, 6), smoothness)[:, 0]
    assert np.abs(fields.mean(axis=0)).max() < 0.07 and np.abs(fields.std(axis=0) - 1).max() < 0.05
    assert scipy.stats.kstest(fields[:, 2, 3], "norm").pvalue > 1e-3
    beside = np.corrcoef(fields[:, 2, 2], fields[:, 2, 3])[0, 1]
    assert beside == pytest.approx(np.exp(-1 / (4 * smoothness**2)) if smoothness else 0, abs=0.1)


def test_noise_maps_depend_on_the_seed_alone() -> None:
    one, again, other = (noise_maps(4, 3, (5, 6), seed=seed) for seed in (1, 1, 2))
    assert (one.values == again.values).all() and not (one.values == other.values).any()
    assert one.values.shape == (12, 30) and one.map_size == (5, 6)


def test_shuffled_label_maps_belong_to_other_images() -> None:
    labels, _ = drawn_labels(5, images=6)
    order = np.array([2, 0, 1, 5, 4, 3])
    moved = shuffled_labels(labels, order)
    for image in range(6):
        assert ids(moved, image) == ids(labels, int(order[image]))
    back = shuffled_labels(moved, np.argsort(order))
    assert all((back.to_arrays()[name] == array).all() for name, array in labels.to_arrays().items())
    with pytest.raises(ShapeError, match="permutation"):
        shuffled_labels(labels, np.zeros(6, np.int64))


def test_what_cannot_be_planted_is_refused() -> None:
    labels, vocabulary = drawn_labels(6, images=4)
    with pytest.raises(ShapeError, match="cannot be cut"):
        covered(np.zeros((1, 10, 9), np.bool_), (5, 2))
    with pytest.raises(ShapeError, match="2 noise levels for 1"):
        planted_maps(labels, [Concept(1)], (8, 8), noise=[1, 2])
    with pytest.raises(UsageError, match="0 or more"):
        planted_maps(labels, [Concept(1)], (8, 8), noise=-1)
    with pytest.raises(DataError, match="nothing can be planted"):
        small_concepts(labels, Rules(vocabulary, profile("standard"), 1e-6))


def test_only_concepts_that_a_unit_can_reach_are_planted() -> None:
    labels, vocabulary = drawn_labels(7, images=40)
    rules = Rules(vocabulary, profile("standard"), 0.005, min_images=5)
    chosen = set(small_concepts(labels, rules).tolist())
    for concept in range(1, 37):
        mask = holds(Concept(concept), labels)
        fits = 0 < mask.mean() <= 0.01 and mask.any(axis=(1, 2)).sum() >= 5
        assert (concept in chosen) == fits
    assert 10 < len(chosen) < 36


def test_labels_of_noiseless_planted_units_are_recovered() -> None:
    """At the resolution of the labels; what coarser maps lose by upsampling is printed."""
    labels, vocabulary = drawn_labels(8)
    rules = Rules(vocabulary, profile("standard"), 0.005)
    found, coarse = recovery(labels, rules, (32, 32)), recovery(labels, rules, (8, 8))
    print("\n".join(found.lines() + coarse.lines()))
    assert found.units >= 30 and found.recovered[0] >= 0.99 * found.units
    assert coarse.units == found.units and coarse.recovered[0] < found.recovered[0]
    assert found.noise[0] == 0 and np.isinf(found.signal_to_noise[0]) and found.as_plain()["signal_to_noise"][0] is None  # type: ignore[index]


def test_noise_that_drowns_the_signal_loses_labels() -> None:
    labels, vocabulary = drawn_labels(8)
    found = recovery(labels, Rules(vocabulary, profile("standard"), 0.005), (16, 16), noise=(0, 20))
    assert found.recovered[1] < 0.3 * found.units
