"""What a comparison of two groups of given sizes could have seen."""

from __future__ import annotations

import math

from scipy.stats import norm

POWER = 0.8
_RANKS = math.sqrt(3 / math.pi)
"""Root of the efficiency of ranks against means where responses are normal."""


def detectable(first: int, second: int, level: float, power: float = POWER) -> float:
    """Smallest standardised difference that a two-sided rank test of this level finds with this probability; infinite for empty groups.

    Normal approximation: (z[1 - level / 2] + z[power]) * sqrt(1 / n1 + 1 / n2) / sqrt(3 / pi).
    """
    if first < 1 or second < 1:
        return math.inf
    return float((norm.ppf(1 - level / 2) + norm.ppf(power)) * math.sqrt(1 / first + 1 / second) / _RANKS)


def as_auroc(difference: float) -> float:
    """AUROC of two normal groups that are this standardised difference apart."""
    return float(norm.cdf(difference / math.sqrt(2)))
