"""Causal effect of switching units off: what it does more to pictures with a concept, and more than matched controls do.

    contrast(S) = mean change of loss over pictures with the concept - the same over pictures without it, when S is off
    effect      = contrast(tested units) - mean over control sets of contrast(control)

Letters: N pictures, K control sets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dissect.errors import ShapeError
from dissect.verify.effects import Bools, Contrast, Floats, contrast, means_of, rank_p


@dataclass(frozen=True)
class Effect:
    """value, low, high: the effect and its 95 % bootstrap interval, None where it cannot be tested (too few pictures with or without).

    own: contrast of the tested units. control_mean, control_largest: of the control sets' contrasts. p: rank among them; 1 / (1 + K) is the
    least it can be. everywhere: mean change over all pictures; inside: over those with the concept. images: with the concept.
    """

    value: float | None
    low: float | None
    high: float | None
    own: float | None
    control_mean: float | None
    control_largest: float | None
    controls: int
    p: float | None
    everywhere: float
    inside: float | None
    images: int

    @property
    def shown(self) -> bool:
        """Whether an effect beyond the controls' was shown: the interval is above 0, and no more than one in twenty controls reach it."""
        return self.low is not None and self.low > 0 and (self.p is None or self.p <= 0.05)


def effect(plain: Floats, tested: Floats, controls: Floats, held: Bools, groups: NDArray[np.int64], *, seed: int = 0) -> Effect:
    """Effect of one tested set on one measure.

    plain, tested (N,): the measure before, and with the tested units off. controls (K, N): with each control set off. held (N,): pictures
    with the concept (none: no concept is meant, and means over all pictures are compared). groups (N,): pictures that belong together.

    The interval is over pictures: it draws groups anew and holds tested units and controls fixed.
    """
    if not plain.shape == tested.shape == held.shape == groups.shape or controls.shape[1:] != plain.shape:
        raise ShapeError(
            f"plain {plain.shape}, tested {tested.shape}, controls {controls.shape}, held {held.shape}: not the same pictures."
        )
    change, by_control = tested - plain, controls - plain
    beyond = change - by_control.mean(axis=0) if len(controls) else change
    found: Contrast = contrast(beyond, held, groups, seed=seed)
    inside = float(change[held].mean()) if held.any() else None
    if found.value is None:
        return Effect(None, None, None, None, None, None, len(controls), None, float(change.mean()), inside, int(held.sum()))
    own, others = float(means_of(change[None], held)[0]), means_of(by_control, held)
    return Effect(
        found.value, found.low, found.high, own, float(others.mean()) if len(others) else None,
        float(others.max()) if len(others) else None, len(controls), rank_p(own, others), float(change.mean()), inside, int(held.sum()),
    )  # fmt: skip
