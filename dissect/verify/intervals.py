"""Bootstrap intervals of a label's IoU: what the score could have been with other images of the same kind.

Whole images are drawn with replacement, or whole groups where images come in groups; the threshold and the label stay as they are, so
that an interval is conditional on the label: it does not know that the label was the best of many. The statistic of a draw is
sum I / (sum A + sum G - sum I). Bias-corrected and accelerated ends (BCa), the acceleration from the influence of each image or group.
Source: Efron 1987, "Better bootstrap confidence intervals". Letters: n images, m images or groups that are drawn, U units, B draws.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.special
from numpy.typing import NDArray

from dissect.errors import ShapeError, UsageError
from dissect.probe.tables import Int64
from dissect.verify.by_image import ByImage

FloatArray = NDArray[np.float64]

DRAWS = 1000
LEVEL = 0.95
FEWEST = 20
"""Images (or groups) in which unit and label overlap, below which there is no interval. Measured with areas of long tails, at a level of
95 %: intervals cover the truth in .95 of cases where 100 images overlap, .94 at 25, .91 at 10, .88 at 6."""

_UNITS, _DRAWN = 64, 100
"""Units and draws worked on at a time."""


@dataclass(frozen=True)
class Intervals:
    """Intervals of the labels of a layer. NaN where there is none.

    score (U,): IoU over all images. low, high (U,): ends. level: of confidence. draws: B. seed. drawn: `images` or `groups`, and count,
    how many there are. reason (U,): why there is no interval, empty where there is one.
    """

    score: FloatArray
    low: FloatArray
    high: FloatArray
    level: float
    draws: int
    seed: int
    drawn: str
    count: int
    reason: tuple[str, ...]

    @property
    def note(self) -> str:
        """For the reader."""
        return (
            f"{self.level:.0%} bootstrap interval (BCa, {self.draws} draws of {self.count} {self.drawn}, seed {self.seed}), "
            "conditional on the label and its threshold"
        )


def bootstrap(counts: ByImage, group: Int64 | None = None, *, draws: int = DRAWS, level: float = LEVEL, seed: int = 0) -> Intervals:
    """Intervals of the IoU of one label a unit.

    group (n,) int64: number of each image's group, 0..m-1 (`folds.group_numbers`); None, or all different: images are drawn. The same
    draws serve every unit.

    Raises:
        ShapeError: groups of other images. UsageError: fewer than 100 draws, or a level that is not between 0 and 1.
    """
    images, units = counts.intersection.shape
    if group is not None and group.shape != (images,):
        raise ShapeError(f"{images} images with groups of shape {group.shape}.")
    if draws < 100 or not 0 < level < 1:
        raise UsageError(f"a bootstrap needs 100 draws or more and a level between 0 and 1, not {draws} and {level}.")
    whole = group is None or len(np.unique(group)) == images
    intersection, union = (each if whole or group is None else _grouped(each, group) for each in (counts.intersection, counts.union))
    several, drawn = len(intersection), "images" if whole else "groups"
    reason = _reasons(intersection, union, drawn)
    weights = _weights(several, draws, seed)
    ends = np.full((2, units), np.nan)
    for first in range(0, units, _UNITS):
        some = slice(first, min(first + _UNITS, units))
        ends[:, some] = _ends(intersection[:, some].astype(np.float64), union[:, some].astype(np.float64), weights, level)
    ends[:, [bool(why) for why in reason]] = np.nan
    score = _ratio(intersection.sum(axis=0, dtype=np.float64), union.sum(axis=0, dtype=np.float64))
    return Intervals(score, ends[0], ends[1], level, draws, seed, drawn, several, reason)


def _grouped(values: NDArray[np.int32], group: Int64) -> Int64:
    """(m, U) sums over groups."""
    sums = np.zeros((int(group.max(initial=-1)) + 1, values.shape[1]), np.int64)
    np.add.at(sums, group, values)
    return sums


def _reasons(intersection: NDArray[np.integer], union: NDArray[np.integer], drawn: str) -> tuple[str, ...]:
    several = len(union)
    if several < FEWEST:
        return (f"no interval: there are {several} {drawn}, and {FEWEST} are needed",) * int(union.shape[1])
    reasons = []
    for overlapping, area in zip((intersection > 0).sum(axis=0), union.sum(axis=0), strict=True):
        few = f"no interval: unit and label overlap in {int(overlapping)} {drawn}, and {FEWEST} are needed"
        reasons.append("no interval: the unit has no label" if area == 0 else few if overlapping < FEWEST else "")
    return tuple(reasons)


def _weights(several: int, draws: int, seed: int) -> NDArray[np.uint16]:
    """(B, m) how often each was drawn."""
    random = np.random.default_rng(seed)
    counts = np.empty((draws, several), np.uint16)
    for row in counts:
        row[:] = np.bincount(random.integers(0, several, several), minlength=several)
    return counts


def _ends(intersection: FloatArray, union: FloatArray, weights: NDArray[np.uint16], level: float) -> FloatArray:
    """(2, U) BCa ends."""
    drawn = np.empty((len(weights), intersection.shape[1]))
    for first in range(0, len(weights), _DRAWN):
        some = weights[first : first + _DRAWN].astype(np.float64)
        drawn[first : first + _DRAWN] = _ratio(some @ intersection, some @ union)
    total = union.sum(axis=0)
    score = _ratio(intersection.sum(axis=0), total)
    influence = _ratio(intersection - score * union, np.broadcast_to(total, union.shape))
    return bca(drawn, score, influence, level)


def bca(drawn: FloatArray, score: FloatArray, influence: FloatArray, level: float) -> FloatArray:
    """(2, U) ends of bias-corrected and accelerated intervals.

    drawn (B, U): the statistic of every draw; score (U,): of the data; influence (m, U): of each image or group, up to a factor.
    Where all draws agree, both ends are the score. Source: Efron 1987, eq. 2.3 and 7.3; ties with the score count half.
    """
    below = ((drawn < score).sum(axis=0) + (drawn == score).sum(axis=0) / 2) / len(drawn)
    bias = scipy.special.ndtri(np.clip(below, 0.5 / len(drawn), 1 - 0.5 / len(drawn)))
    squares = (influence**2).sum(axis=0)
    skew = _ratio((influence**3).sum(axis=0), 6 * squares**1.5)
    ordered = np.sort(drawn, axis=0)
    ends = []
    for side in (-1, 1):
        z = bias + side * scipy.special.ndtri((1 + level) / 2)
        share = scipy.special.ndtr(bias + z / np.maximum(1 - skew * z, 1e-6))
        ends.append(_quantile(ordered, share))
    return np.stack(ends)


def _quantile(ordered: FloatArray, share: FloatArray) -> FloatArray:
    """(U,) quantile of each column of sorted draws (B, U), its own share each, interpolated at (B + 1) share as Efron counts."""
    place = np.clip((len(ordered) + 1) * share - 1, 0, len(ordered) - 1)
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, len(ordered) - 1)
    column = np.arange(ordered.shape[1])
    return ordered[low, column] + (ordered[high, column] - ordered[low, column]) * (place - low)


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    found = np.zeros(part.shape)
    np.divide(part, whole, out=found, where=whole > 0)
    return found
