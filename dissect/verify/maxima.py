"""The highest IoU of every unit, and a layer summed up by it: what references are compared in.

Letters: U units, Q levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dissect.concepts.model import Vocabulary
from dissect.fingerprint import Plain
from dissect.probe.profile import Profile
from dissect.probe.tables import CountTables
from dissect.score.best import UNLABELLED_STATES, Ranked, best_concept
from dissect.score.count import FloatArray, scores
from dissect.score.detectors import THRESHOLD

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Levels of the quantiles that a summary gives."""


@dataclass(frozen=True)
class Rules:
    """How units are labelled: the rules of a run, which every reference must share.

    vocabulary, profile: of the counts. quantile: share q of activations above a threshold. min_images: concepts in fewer images are no
    labels. threshold: a unit whose IoU exceeds it is a detector.
    """

    vocabulary: Vocabulary
    profile: Profile
    quantile: float = 0.005
    min_images: int = 0
    threshold: float = THRESHOLD


@dataclass(frozen=True)
class Summary:
    """A layer in a few numbers.

    units: those that are neither dead nor constant. detectors: of them, those above the threshold. unique: distinct best concepts of
    detectors (Bau et al. 2017). median: of the units' highest IoU; quantiles (Q): the same at `LEVELS`; NaN where no unit is alive.
    """

    units: int
    detectors: int
    unique: int
    quantiles: tuple[float, ...]

    @property
    def median(self) -> float:
        """Median of the units' highest IoU."""
        return self.quantiles[LEVELS.index(0.5)]

    def as_plain(self) -> dict[str, Plain]:
        """For JSON; a quantile of nothing is null."""
        values: list[Plain] = [None if np.isnan(value) else value for value in self.quantiles]
        levels: list[Plain] = list(LEVELS)
        return {"units": self.units, "detectors": self.detectors, "unique": self.unique, "levels": levels, "quantiles": values}


def best_labels(tables: CountTables, states: Sequence[str], rules: Rules) -> Ranked:
    """The best concept (U, 1) of every unit under the rules, with its IoU and counts; concept -1 where there is none.

    `states` (U,): as in `UnitStats`; dead and constant units have no label.
    """
    return best_concept(scores(tables, rules.vocabulary, rules.profile, min_images=rules.min_images), states, rules.profile)


def alive(states: Sequence[str]) -> NDArray[np.bool_]:
    """(U,) which units can have a label at all."""
    return np.array([state not in UNLABELLED_STATES for state in states], np.bool_)


def summary(best: Ranked, states: Sequence[str], threshold: float = THRESHOLD) -> Summary:
    """A layer summed up from `best_labels`."""
    living = alive(states)
    highest: FloatArray = best.score[:, 0]
    detector = living & (highest > threshold) & (best.concept[:, 0] >= 0)
    values = np.quantile(highest[living], LEVELS) if living.any() else np.full(len(LEVELS), np.nan)
    unique = len(np.unique(best.concept[detector, 0]))
    return Summary(int(living.sum()), int(detector.sum()), unique, tuple(float(value) for value in values))
