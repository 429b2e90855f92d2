"""Held-out scores of formulas: the search of a fold is that of a run of its pictures alone, and the score is membership on the other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dissect.compose.beam import beam
from dissect.compose.chain import to_formula
from dissect.compose.formula import And, Concept, Formula, Not, Or, areas, concepts, on_masks, on_signatures
from dissect.compose.logic import equivalent
from dissect.compose.published import published
from dissect.compose.world import world
from dissect.errors import NotSupportedError, ShapeError
from dissect.probe.profile import profile
from dissect.verify.crossfit_formulas import FormulaSearch, formula_held_out
from tests.probe.fakes import FakeNetwork, FakeSet
from tests.probe.helpers import run
from tests.probe.plain import bilinear
from tests.verify.halves import Some, counts_of, folds_of, made, rules_of

QUANTILE = 0.05
FOLD = [k * 7 % 5 % 2 for k in range(20)]


@pytest.mark.parametrize("name", ["standard", "compexp"])
def test_each_fold_searches_as_a_run_of_its_pictures_alone(tmp_path: Path, name: str) -> None:
    data, network, layers = FakeSet(tmp_path / "images"), FakeNetwork(), ("first",)
    result = run(tmp_path / "whole", network, data, profile=name, layers=layers)
    rules = rules_of(result, "first", data, network.input_size, name, QUANTILE)
    counts = counts_of(result, "first", rules, folds_of(FOLD))
    search = FormulaSearch(length=3, width=5, min_images=2, categories=("object",))
    label: list[Formula | None] = [None, *[Or(Concept(1), Concept(2))] * 11]
    found = formula_held_out(counts, rules, search, label)
    for f in (0, 1):
        half = [k for k, fold in enumerate(FOLD) if fold == f]
        alone = run(tmp_path / str(f), network, Some(data, half), profile=name, layers=layers)
        tables = alone.layers[0].tables
        assert tables is not None
        here = world(tables, data.vocabulary, min_images=2, categories=("object",), void=profile(name).void)
        chains = beam(here, length=3, width=5).chains if name == "standard" else published(here, beam=5, length=3).best
        for unit, chain in enumerate(chains):
            formula = found.winner[unit][f]
            assert (chain is None) == (formula is None)
            if chain is not None and formula is not None:
                assert equivalent(formula, to_formula(chain, here))
                area, shared = areas(on_signatures(formula, here), here)
                expected = shared[unit] / (here.unit_area[unit] + area - shared[unit])
                assert found.scores.inside[unit, f] == pytest.approx(expected, rel=1e-15)
    assert "no formula as label" in found.scores.label_reason[0] and found.scores.label_reason[1] == ""
    agree = [one is not None and two is not None and equivalent(one, two) for one, two in found.winner]
    assert found.scores.folds_agree.tolist() == agree


def test_a_profile_with_categories_of_its_own_searches_only_these(tmp_path: Path) -> None:
    data, network = FakeSet(tmp_path / "images"), FakeNetwork()
    result = run(tmp_path, network, data, profile="compexp", layers=("first",))
    rules = rules_of(result, "first", data, network.input_size, "compexp", QUANTILE)
    counts = counts_of(result, "first", rules, folds_of(FOLD))
    only = replace(rules, profile=replace(rules.profile, categories=("part", "scene")))
    found = formula_held_out(counts, only, FormulaSearch(length=2), [None] * 12)
    used = {c for pair in found.winner for formula in pair if formula is not None for c in concepts(formula)}
    assert used and used <= {7, 8, 9, 10}


def scene(seed: int) -> tuple[NDArray[np.float16], NDArray[np.uint16]]:
    """Unit 0 fires on concepts 1 and 2, unit 1 on 1 only; 3 and 4 are elsewhere; 5 is in pictures of the first half only."""
    random = np.random.default_rng(seed)
    ids = random.integers(1, 5, (48, 4, 4)).astype(np.uint16).repeat(2, 1).repeat(2, 2)
    ids[:24:3, 0] = 5
    maps = random.random((48, 3, 8, 8)) * 0.5
    maps[:, 0] += np.isin(ids, (1, 2)) * (random.random((48, 1, 1)) < 0.3)
    maps[:, 1] += ids == 1
    return maps.astype(np.float16), ids


def test_a_formula_is_scored_by_its_pixels_on_the_other_half(tmp_path: Path) -> None:
    maps, ids = scene(0)
    layer = made(tmp_path, maps, ids, 5, 0.1)
    fold = np.repeat([0, 1], 24)
    counts = layer.counts(folds_of(fold.tolist()))
    label: list[Formula | None] = [Or(Concept(1), Concept(2)), And(Concept(1), Not(Concept(5))), Or(Concept(1), Concept(5))]
    found = formula_held_out(counts, layer.rules, FormulaSearch(length=2), label)
    masks = {c: ids == c for c in range(1, 6)}
    large = bilinear(maps.astype(np.float64), (8, 8))
    for f in (0, 1):
        values = maps[fold == f].transpose(1, 0, 2, 3).reshape(3, -1)
        cut = np.sort(values, axis=1)[:, ::-1][:, int(0.1 * values.shape[1])]
        for unit in range(3):
            active = large[:, unit] > cut[unit]
            for formula, score in ((label[unit], found.scores.label_outside), (found.winner[unit][f], found.scores.outside)):
                assert formula is not None
                holds = on_masks(formula, masks)
                other = fold != f
                expected = (active & holds)[other].sum() / (active | holds)[other].sum()
                if unit == 2 and formula is label[2] and f == 0:
                    assert np.isnan(score[unit, f])
                else:
                    assert score[unit, f] == pytest.approx(expected, rel=1e-15)
    # A concept that is only excluded may be absent; one that is named may not.
    assert found.scores.label_reason[0] == found.scores.label_reason[1] == ""
    assert "the formula is absent from fold 2" in found.scores.label_reason[2]
    assert equivalent(found.winner[0][0] or Concept(9), Or(Concept(1), Concept(2))) and found.scores.label_agrees[0]


def test_concepts_that_are_rare_in_a_fold_are_in_no_formula_found_on_it(tmp_path: Path) -> None:
    maps, ids = scene(1)
    maps[:, 2] += ids == 5  # in 8 of the first 24 pictures
    layer = made(tmp_path, maps, ids, 5, 0.05)
    counts = layer.counts(folds_of([0] * 24 + [1] * 24))
    for least, uses in ((1, True), (8, True), (9, False)):
        found = formula_held_out(counts, layer.rules, FormulaSearch(length=2, min_images=least), [None] * 3)
        first = found.winner[2][0]
        assert first is not None and (5 in concepts(first)) == uses
        assert ("chosen on fold 1 is absent from fold 2" in found.scores.reason[2]) == uses


def test_profiles_without_formulas_are_refused_by_name(tmp_path: Path) -> None:
    data, network = FakeSet(tmp_path / "images"), FakeNetwork()
    result = run(tmp_path, network, data, profile="lite", layers=("first",))
    rules = rules_of(result, "first", data, network.input_size, "lite", QUANTILE)
    counts = counts_of(result, "first", rules, folds_of(FOLD))
    with pytest.raises(NotSupportedError, match="profile lite"):
        formula_held_out(counts, rules, FormulaSearch(), [None] * 12)


def test_formulas_of_other_units_are_refused(tmp_path: Path) -> None:
    maps, ids = scene(0)
    layer = made(tmp_path, maps, ids, 5, 0.1)
    with pytest.raises(ShapeError, match="2 formulas for 3 units"):
        formula_held_out(layer.counts(folds_of([0, 1] * 24)), layer.rules, FormulaSearch(), [None, None])
