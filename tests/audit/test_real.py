"""A full audit of a real network on real heads, which says plainly what so few pictures cannot support."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dissect.audit.response import Selectivity
from dissect.audit.response_findings import report
from tests.audit.heads import Audited, audited

pytestmark = [pytest.mark.shared, pytest.mark.slow]

SMALL = {"suit": 25, "tie": 10, "word": 12}
"""Groups of fewer than 50: heads with a suit, with a tie, and heads that captions call a man (two are called a woman)."""


@pytest.fixture(scope="module")
def found(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Audited:
    """Every fourth unit is switched off; `python -m benchmarks.audit --real` takes all."""
    return audited(shared, tmp_path_factory.mktemp("heads"), units=range(0, 512, 4))


def test_the_crops_are_heads_to_the_network(found: Audited) -> None:
    """Its card: of those with a dress 0.64 are called female, with a tie 0.25, with a suit 0.29, on other crops of the same pictures."""
    assert found.heads == (285, 18)
    assert found.called("dress") == pytest.approx((0.64, 74), abs=0.08)
    assert max(found.called("suit")[0], found.called("tie")[0]) < found.called("dress")[0] - 0.15


def test_effects_are_what_the_linear_read_out_says(found: Audited) -> None:
    """Switching a unit off takes its mean activation times its weight away, with the sign of the weight."""
    assert np.abs(found.effects - found.exact).max() < 1e-3 * np.abs(found.exact).max()
    fires = np.abs(found.effects) > 1e-4
    assert (np.sign(found.effects) == np.sign(found.weights[found.units]))[fires].all() and fires.any(axis=0).sum() > 30


def test_effects_rank_units_by_weight_times_what_it_reads_not_by_weight_alone(found: Audited) -> None:
    """Units that never fire have small weights, which is all that the weights alone tell: among the others they rank nothing."""
    assert 0.3 < found.live.mean() < 0.55 and not found.size[~found.live].any()
    assert 0.3 < found.rank() < 0.7 and abs(found.rank(found.live)) < 0.3
    assert found.rank_by_spread(found.live) > 0.85


@pytest.mark.parametrize("kind", ["response", "effect"])
def test_small_groups_are_refused_and_large_ones_tested(found: Audited, kind: str) -> None:
    result: Selectivity = getattr(found, kind)
    said = report("age and gender network", result)
    refused = {each.subject: each.reason for each in said.findings if each.state == "not testable" and each.unit is None}
    assert set(refused) == set(SMALL)
    for name, size in SMALL.items():
        assert f"has {size} images; at least 50 are needed" in refused[name]
        assert any(line.startswith(name) and "at least 50 are needed" in line for line in said.untested)
    tested = {(table.contrast.subject, bool(table.matched)): table.sizes for table in result.tables if not table.reason}
    assert tested[("dress", False)] == (211, 74) and tested[("sunglasses", False)] == (194, 91)
    assert tested[("dress", True)][0] >= 50 and tested[("sunglasses", True)][0] >= 50
    assert len(said.power) == 4 and all(0.5 < each.effect < 1 for each in said.power)


def test_units_that_never_fire_are_left_out_of_the_tests_and_counted(found: Audited) -> None:
    said = report("age and gender network", found.effect)
    assert said.families[0].tests <= 2 * found.live.sum() < 2 * len(found.units)
    assert any("never vary on these images" in line for line in said.untested)


def test_few_units_tell_sunglasses_and_none_is_found_once_matched(found: Audited) -> None:
    """The largest comparison there is. Half of the heads without have no partner, and what is left is too little for the same units."""
    units = {
        (table.contrast.subject, bool(table.matched)): int(table.found(0.05).sum()) for table in found.response.tables if not table.reason
    }
    assert 1 <= units[("sunglasses", False)] <= 15 and units[("sunglasses", True)] <= 5
    assert units[("dress", False)] == units[("dress", True)] == 0
