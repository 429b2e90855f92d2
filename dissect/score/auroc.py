"""Units against image-level labels: how well the spatial maximum tells images with a concept from images without it.

AUROC is the probability that a random positive scores above a random negative, ties counting one half: the Mann-Whitney U statistic
over n1 * n0 (Hanley & McNeil 1982), worked out from average ranks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from dissect.errors import ActivationError, ShapeError


def auroc(maxima: NDArray[np.float32], presence: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(U, C) AUROC of maxima (N, U) against presence (N, C); NaN where a concept is in no image or in all.

    Raises:
        ShapeError: the arrays do not agree in N.
        ActivationError: a maximum is NaN, which has no rank.
    """
    if maxima.ndim != 2 or presence.ndim != 2 or len(maxima) != len(presence):
        raise ShapeError(f"maxima of shape {maxima.shape} and presence of shape {presence.shape} are not of the same images.")
    if np.isnan(maxima).any():
        image, unit = (int(index) for index in np.argwhere(np.isnan(maxima))[0])
        raise ActivationError(f"the maximum of unit {unit} in image {image} is NaN; it cannot be ranked.")
    images, units = maxima.shape
    if images == 0:
        return np.full((units, presence.shape[1]), np.nan)
    positives = presence.sum(axis=0, dtype=np.int64)
    # Average ranks are whole or half numbers, so twice their sum is an exact integer in float64.
    doubled = (2 * rankdata(maxima, axis=0)).T @ presence.astype(np.float64)  # U C
    wins = doubled - positives * (positives + 1)
    pairs = 2 * positives * (images - positives)
    result = np.full(wins.shape, np.nan)
    np.divide(wins, pairs, out=result, where=np.broadcast_to(pairs > 0, wins.shape))
    return result
