"""Which labels count as survivors."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from dissect.pipeline.verify_layer import CONCEPTS, LabelTests, LayerTests
from dissect.pipeline.verify_rows import layer_summary
from dissect.verify.crossfit import HeldOut

Q = np.array([0.01, 0.01, 0.2, 0.01])
HELD = np.array([0.10, 0.10, 0.10, 0.01])
AGREES = np.array([True, False, True, True])
"""A label that passes all; one whose halves choose another; one that may be chance; one that falls below the threshold."""


def summary() -> dict[str, Any]:
    two = np.stack([HELD, HELD], axis=1)
    held = HeldOut(two, two, two, two, AGREES, AGREES, ("",) * 4, ("",) * 4, "split", (5, 5))
    null: Any = SimpleNamespace(best_p=Q, permutations=99, floor=0.01, blocks="labels are shuffled", notes=())
    tests = LabelTests(np.ones(4, np.bool_), null, held, (("", ""),) * 4, None)
    return layer_summary(LayerTests("conv", {CONCEPTS: tests}, None, ""), {CONCEPTS: Q}, 0.04)


def test_a_label_survives_that_passes_every_test() -> None:
    counts = summary()[CONCEPTS]
    assert (counts["significant"], counts["held_out_above"], counts["agree"], counts["survivors"]) == (3, 3, 3, 1)


def test_a_high_score_of_another_label_does_not_save_this_one() -> None:
    """Unit 1: its halves choose other labels, and theirs is the score."""
    lines = summary()["lines"]
    assert any(line.startswith("concepts: 1 labels survive: told from chance, chosen by both halves") for line in lines)
