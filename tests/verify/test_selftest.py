"""The self-test: what it measures on sound tests, and that it fails where one is not."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dissect.compose.formula import Concept
from dissect.errors import UsageError
from dissect.probe.profile import profile
from dissect.verify.in_memory import layer_in_memory, null_in_memory
from dissect.verify.maxima import Rules
from dissect.verify.planted import beside, drawn_labels, noise_maps, planted_maps
from dissect.verify.recovery import small_concepts
from dissect.verify.selftest import NOISE, PERMUTATIONS, UNITS, SelfTest, judged, random_maps, self_test


@pytest.fixture(scope="module")
def measured() -> SelfTest:
    return self_test(tuple(range(4)))


def test_a_sound_installation_passes(measured: SelfTest) -> None:
    print("\n".join(measured.lines()))
    assert measured.passed
    assert [each.what for each in measured.calibrations] == ["noise maps", "shuffled label maps", "noise maps, formulas"]
    assert [each.p.shape for each in measured.calibrations] == [(4, UNITS)] * 3
    assert all(each.p.min() >= 1 / (1 + PERMUTATIONS) for each in measured.calibrations)
    assert measured.powers[0].power >= 0.9 > measured.powers[-1].power
    assert [each.noise for each in measured.powers] == list(NOISE)
    assert all(each.false_share <= 0.2 for each in measured.powers)


def test_references_are_no_check(measured: SelfTest) -> None:
    """Their units depend on the pictures, so small p-values are right."""
    assert [each.what for each in measured.references] == ["rotated basis of planted units", "random network"]
    assert all((each.p <= 0.05).mean() > 0.2 for each in measured.references)
    assert all("not a check" in line for each in measured.references for line in each.lines())


def test_the_plain_form_is_json_and_the_last_line_is_the_verdict(measured: SelfTest) -> None:
    text = json.dumps(measured.as_plain(), allow_nan=False)
    assert json.loads(text)["passed"] is True and json.loads(text)["permutations"] == PERMUTATIONS
    assert measured.lines()[-1].endswith("as it should be")


def test_the_same_seeds_give_the_same_numbers() -> None:
    labels, vocabulary = drawn_labels(2, images=40)
    rules = Rules(vocabulary, profile("standard"), 0.005)
    one, two = (null_in_memory(noise_maps(40, 3, (16, 16), seed=1), labels, rules, permutations=19, seed=4) for _ in range(2))
    assert (one.p == two.p).all() and (one.null == two.null).all()


def test_uniform_p_values_pass_and_others_do_not() -> None:
    random = np.random.default_rng(1)
    fair = np.ceil(random.random((40, 10)) * 200) / 200
    assert judged("fair", fair, 199).passed
    assert not judged("too small", np.ceil(random.random((40, 10)) ** 1.5 * 200) / 200, 199).passed
    assert not judged("too large", np.ceil(random.random((40, 10)) ** 0.5 * 200) / 200, 199).passed
    eager = fair.copy()
    eager[:12, 0] = 1 / 200
    found = judged("eager", eager, 199)
    assert found.rejecting >= 12 and found.interval[0] > 0.05 and not found.passed
    assert found.lines()[-1].endswith("NOT CALIBRATED")


def test_steps_of_p_are_no_departure_from_uniform() -> None:
    """With 19 permutations p has 20 values; taken as they are they would fail the test."""
    p = np.ceil(np.random.default_rng(3).random((400, 10)) * 20) / 20
    assert judged("coarse", p, 19).ks_p > 0.01


def test_a_layer_in_memory_is_labelled_like_any_other() -> None:
    labels, vocabulary = drawn_labels(9)
    rules = Rules(vocabulary, profile("standard"), 0.005)
    chosen = small_concepts(labels, rules)[:4]
    planted = planted_maps(labels, [Concept(int(c)) for c in chosen], (32, 32))
    both = beside(planted.maps, noise_maps(len(labels.included), 2, (32, 32)))
    layer, tally = layer_in_memory(both, labels, rules)
    assert layer.tables is not None and layer.layer.units == 6 and tally.images == len(labels.included)
    found = null_in_memory(both, labels, rules, permutations=99)
    assert (found.concept[:4] == chosen).all() and (found.p[:4] == 0.01).all()


def test_random_maps_depend_on_the_pictures_and_the_seed() -> None:
    labels, _ = drawn_labels(2, images=6)
    one, again, other = (random_maps(labels, seed) for seed in (1, 1, 2))
    assert one.map_size == (16, 16) and one.units == UNITS
    assert (one.values == again.values).all() and not np.array_equal(one.values, other.values)


def test_no_seeds_and_equal_seeds_are_refused() -> None:
    for seeds in ((), (1, 1)):
        with pytest.raises(UsageError, match="each seed once"):
            self_test(seeds)
