"""Which labels count as survivors."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dissect.pipeline.verify_layer import CONCEPTS, LabelTests, LayerTests
from dissect.pipeline.verify_rows import layer_summary
from dissect.verify.crossfit import HeldOut

Q = np.array([0.01, 0.01, 0.2, 0.01, 0.01])
HELD = np.array([0.10, 0.10, 0.10, 0.01, 0.10])
AGREES = np.array([True, False, True, True, True])
SCORE = np.array([0.20, 0.20, 0.20, 0.20, 0.03])
"""A label that passes all; one whose halves choose another; one that may be chance; one that falls below the threshold; no detector."""


def summary(units: Sequence[int] = range(5)) -> dict[str, Any]:
    """The layer's counts, of these units."""
    chosen = np.array(units)
    two, agrees, nothing = np.stack([HELD, HELD], axis=1)[chosen], AGREES[chosen], ("",) * len(chosen)
    held = HeldOut(two, two, two, two, agrees, agrees, nothing, nothing, "split", (5, 5))
    null: Any = SimpleNamespace(best_p=Q[chosen], observed=SCORE[chosen], permutations=99, floor=0.01, blocks="labels move", notes=())
    tests = LabelTests(np.ones(len(chosen), np.bool_), null, held, (("", ""),) * len(chosen), None)
    return layer_summary(LayerTests("conv", {CONCEPTS: tests}, None, ""), {CONCEPTS: Q[chosen]}, 0.04)


def test_a_detector_survives_that_passes_every_test() -> None:
    counts = summary()[CONCEPTS]
    assert (counts["significant"], counts["held_out_above"], counts["agree"], counts["detectors"]) == (4, 4, 4, 4)
    assert counts["survivors"] == 1


@pytest.mark.parametrize(("unit", "why"), [*enumerate(["", "halves choose another", "may be chance", "falls", "no detector"])])
def test_each_test_alone_can_fail_a_label(unit: int, why: str) -> None:
    assert summary([unit])[CONCEPTS]["survivors"] == (0 if why else 1)


def test_a_person_is_told_of_how_many() -> None:
    assert any(
        line.startswith("concepts: 1 of 4 detectors survive: told from chance, chosen by both halves") for line in summary()["lines"]
    )
