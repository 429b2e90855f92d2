"""How many units detect a concept, and how many concepts are detected: the summaries that papers print.

Source: Bau et al. 2017: a unit is a detector when its best concept has IoU > 0.04; "unique detectors" are the distinct concepts among them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dissect.errors import ShapeError, UsageError
from dissect.score.best import Ranked

THRESHOLD = 0.04


@dataclass(frozen=True)
class Detectors:
    """Counts of one layer.

    units: units whose best concept is above the threshold; of exact duplicates only one. unique: distinct best concepts among them.
    category_units, category_unique (K): the same for the best concept inside each category; their sum counts a unit once for every
    category in which it detects something. detector (U,) bool: which units are above the threshold, duplicates too.
    """

    threshold: float
    units: int
    unique: int
    category_units: tuple[int, ...]
    category_unique: tuple[int, ...]
    detector: NDArray[np.bool_]

    @property
    def category_sum(self) -> int:
        """Distinct concepts summed over categories, the other published rule of "unique detectors"."""
        return sum(self.category_unique)


def detectors(
    best: Ranked, per_category: Ranked, twin: NDArray[np.int32], *, threshold: float = THRESHOLD, inclusive: bool = False
) -> Detectors:
    """Count detectors from `best_concept` (U, 1), `best_per_category` (U, K) and `UnitStats.twin` (U,).

    A unit is one where IoU > threshold; `inclusive` counts equality too, as some imported tables do.

    Raises:
        ShapeError: the arrays are not of the same units.
        UsageError: the threshold is not between 0 and 1.
    """
    if not 0 <= threshold <= 1:
        raise UsageError(f"the detector threshold is an IoU between 0 and 1, not {threshold}.")
    if not len(best.concept) == len(per_category.concept) == len(twin):
        raise ShapeError(f"{len(best.concept)}, {len(per_category.concept)} and {len(twin)} units cannot be counted together.")
    single = twin < 0
    detector = _above(best, threshold, inclusive)[:, 0]
    inside = _above(per_category, threshold, inclusive)
    return Detectors(
        threshold,
        int((detector & single).sum()),
        len(np.unique(best.concept[detector, 0])),
        tuple(int(count) for count in (inside & single[:, None]).sum(axis=0)),
        tuple(len(np.unique(per_category.concept[inside[:, category], category])) for category in range(inside.shape[1])),
        detector,
    )


def _above(ranked: Ranked, threshold: float, inclusive: bool) -> NDArray[np.bool_]:
    above: NDArray[np.bool_] = ranked.score >= threshold if inclusive else ranked.score > threshold
    return above & (ranked.concept >= 0)
