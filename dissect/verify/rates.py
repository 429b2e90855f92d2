"""Error rates over many tests: q-values, and exact intervals of a share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from dissect.errors import CountError, UsageError

FloatArray = NDArray[np.float64]


def q_values(p: FloatArray) -> FloatArray:
    """Benjamini-Hochberg q-values, in the shape of p: the smallest false-discovery rate at which each test is still a discovery.

    q of the k-th smallest of m p-values is the least of p_j m / j over j >= k, at most 1; equal p-values have equal q. NaN says "not
    tested": it stays NaN and does not count among the m. Holds for independent and for positively dependent tests.
    Source: Benjamini & Hochberg 1995, "Controlling the false discovery rate".

    Raises:
        CountError: a p-value below 0 or above 1.
    """
    tested = ~np.isnan(p)
    values = p[tested]
    if ((values < 0) | (values > 1)).any():
        raise CountError(f"{values.min():g} to {values.max():g} are no p-values; they lie between 0 and 1.")
    q = np.full(p.shape, np.nan)
    order = np.argsort(values, kind="stable")
    scaled = values[order] * len(values) / np.arange(1, len(values) + 1)
    least = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    found = np.empty(len(values))
    found[order] = least
    q[tested] = found
    return q


def share_interval(hits: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Clopper-Pearson interval of a share of `hits` among `trials` independent ones; (0, 1) where there were none.

    Source: Clopper & Pearson 1934, "The use of confidence or fiducial limits".

    Raises:
        UsageError: more hits than trials, a negative number, or a confidence outside (0, 1).
    """
    if not (0 <= hits <= trials and 0 < confidence < 1):
        raise UsageError(f"no interval of {hits} among {trials} at confidence {confidence}.")
    if trials == 0:
        return 0.0, 1.0
    tail = (1 - confidence) / 2
    low = 0.0 if hits == 0 else float(stats.beta.ppf(tail, hits, trials - hits + 1))
    high = 1.0 if hits == trials else float(stats.beta.ppf(1 - tail, hits + 1, trials - hits))
    return low, high
