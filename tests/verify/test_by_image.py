"""I, A and G image by image: their sums are the run's own counts under every profile, and each image is what plain arithmetic says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dissect.compose.formula import And, Concept, Formula, Not, Or, areas, on_signatures
from dissect.compose.search import ratio
from dissect.compose.world import world
from dissect.errors import NotSupportedError, ShapeError
from dissect.probe.profile import PROFILES, profile
from dissect.probe.settings import ProbeResult
from dissect.score.best import best_concept
from dissect.score.count import scores
from dissect.verify.by_image import ByImage, concepts_by_image, formulas_by_image
from dissect.verify.intervals import bootstrap
from tests.probe.fakes import FakeNetwork, FakeSet
from tests.probe.helpers import run
from tests.verify.halves import plain_counts

UNITS = 12


def probed(folder: Path, name: str) -> tuple[ProbeResult, FakeSet]:
    data = FakeSet(folder / "images", bad_images=frozenset((3,)), bad_labels=frozenset((12,)))
    return run(folder, FakeNetwork(), data, profile=name, layers=("first",), label_size=(12, 12)), data


def by_image(result: ProbeResult, data: FakeSet, name: str, label: list[int]) -> ByImage:
    assert result.labels is not None
    parts = result.tallies["first"], result.labels, data.vocabulary, profile(name)
    return concepts_by_image(*parts, np.array(label), result.image_index)


@pytest.mark.parametrize("name", PROFILES)
def test_sums_over_images_are_the_counts_of_the_run(tmp_path: Path, name: str) -> None:
    result, data = probed(tmp_path, name)
    tables = result.layers[0].tables
    assert tables is not None
    whole = scores(tables, data.vocabulary, profile(name))
    for shift in range(len(whole.concept)):
        column = (np.arange(UNITS) + shift) % len(whole.concept)
        found = by_image(result, data, name, whole.concept[column].tolist())
        assert found.intersection.shape == (len(result.image_index), UNITS)
        rows = np.arange(UNITS)
        assert np.array_equal(found.intersection.sum(axis=0), whole.intersection[rows, column])
        union = whole.unit_area[rows, column] + whole.concept_area[column] - whole.intersection[rows, column]
        assert np.array_equal(found.union.sum(axis=0), union)


def test_each_image_is_what_plain_arithmetic_says(tmp_path: Path) -> None:
    data, network = FakeSet(tmp_path / "images"), FakeNetwork()
    result = run(tmp_path, network, data, layers=("first",))
    layer = result.layers[0]
    plain = plain_counts(network, data, layer.layer, result.label_size, layer.stats.threshold)
    label = [k % 10 + 1 for k in range(UNITS)]
    found = by_image(result, data, "standard", label)
    for unit, concept in enumerate(label):
        shared, area = plain.intersection[:, unit, concept - 1], plain.unit_area[:, unit, concept - 1]
        assert np.array_equal(found.intersection[:, unit], shared)
        assert np.array_equal(found.union[:, unit], area + plain.concept_area[:, concept - 1] - shared)


def test_the_score_of_an_interval_is_the_stored_one(tmp_path: Path) -> None:
    result, data = probed(tmp_path, "standard")
    tables, states = result.layers[0].tables, result.layers[0].stats.state
    assert tables is not None
    best = best_concept(scores(tables, data.vocabulary, profile("standard")), states, profile("standard"))
    found = bootstrap(by_image(result, data, "standard", best.concept[:, 0].tolist()))
    np.testing.assert_allclose(found.score, best.score[:, 0], rtol=1e-15)


def test_a_unit_without_a_label_has_no_pixels(tmp_path: Path) -> None:
    result, data = probed(tmp_path, "standard")
    found = by_image(result, data, "standard", [-1] * UNITS)
    assert not found.intersection.any() and not found.union.any()


FORMULAS: list[Formula | None] = [
    Concept(1), Or(Concept(1), Concept(7)), And(Concept(2), Not(Concept(8))), Or(And(Concept(3), Concept(9)), Concept(4)), None,
    Not(Concept(5)),
]  # fmt: skip


@pytest.mark.parametrize("name", ["standard", "compexp"])
def test_formulas_by_image_sum_to_their_areas_in_the_world(tmp_path: Path, name: str) -> None:
    result, data = probed(tmp_path, name)
    layer = result.layers[0]
    assert layer.tables is not None and result.labels is not None
    here = world(layer.tables, data.vocabulary, void=profile(name).void)
    label = [FORMULAS[unit % len(FORMULAS)] for unit in range(UNITS)]
    parts = result.tallies["first"], result.labels, data.vocabulary, profile(name)
    found = formulas_by_image(*parts, label, result.image_index)
    for unit, formula in enumerate(label):
        if formula is None:
            assert not found.union[:, unit].any()
            continue
        area, shared = areas(on_signatures(formula, here), here)
        assert found.intersection[:, unit].sum() == shared[unit]
        assert found.union[:, unit].sum() == here.unit_area[unit] + area - shared[unit]
        expected = ratio(shared[unit : unit + 1], np.array([area]), here.unit_area[unit : unit + 1])
        assert bootstrap(found).score[unit] == pytest.approx(expected[0], rel=1e-15)


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    result, data = probed(tmp_path, "netdissect")
    assert result.labels is not None
    parts = result.tallies["first"], result.labels, data.vocabulary, profile("netdissect")
    with pytest.raises(NotSupportedError, match="netdissect"):
        formulas_by_image(*parts, [None] * UNITS, result.image_index)
    with pytest.raises(ShapeError, match="labels of 3 units"):
        concepts_by_image(*parts, np.ones(3, np.int64), result.image_index)
    with pytest.raises(ShapeError, match="image_index"):
        concepts_by_image(*parts, np.ones(UNITS, np.int64), result.image_index[:5])
