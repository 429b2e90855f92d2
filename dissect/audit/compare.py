"""Two networks, or two checkpoints, on the same images: do they hold another number of selective units, and do units answer otherwise?

Both are asked by drawing the images (persons whole) anew for both networks alike, so that what is special to the images cancels.
Letters: n images, U units, B draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from dissect.audit import selectivity
from dissect.audit.finding import Comparison
from dissect.audit.groups import Contrast
from dissect.audit.intervals import LEVELS, bootstrap_auroc, resampled
from dissect.errors import ShapeError, UsageError

Float64 = NDArray[np.float64]
MARGIN = 0.1
"""A unit counts as selective here if its AUROC is this far from 1/2."""


@dataclass(frozen=True)
class UnitChanges:
    """Unit by unit, second network less first: difference of AUROC (U,), its 95 % interval (2, U), p and q (U,)."""

    difference: Float64
    ends: Float64
    p: Float64
    q: Float64


def compare_counts(
    first: NDArray[Any], second: NDArray[Any], contrast: Contrast, *, names: tuple[str, str] = ("first", "second"), margin: float = MARGIN,
    draws: int = 1000, seed: int = 0,
) -> Comparison:  # fmt: skip
    """Shares of units whose AUROC for a contrast is at least `margin` from 1/2, in two networks: (n, U) and (n, V) responses.

    The interval of the difference (first less second) is the bootstrap's, about what was observed (`basic`: drawing anew adds noise, which
    lifts the shares of both); p is twice the share of draws on the other side of 0, at least 1 / (1 + B).

    Raises:
        ShapeError: responses are not of the same images. UsageError: the contrast cannot be tested, or the margin makes no sense.
    """
    _check(first, second, contrast)
    if not 0 < margin < 0.5:
        raise UsageError(f"the margin is {margin}; it lies between 0 and 0.5.")
    weights = resampled(contrast.member, draws, seed)
    shares, drawn, counts = [], [], []
    for values in (first, second):
        rows = contrast.rows_of(values)
        flags = np.abs(selectivity.auroc_of_ranks(selectivity.centred_ranks(rows), contrast.side) - 0.5) >= margin
        counts.append(int(flags.sum()))
        shares.append(flags.mean())
        drawn.append((np.abs(bootstrap_auroc(rows, contrast.side, weights) - 0.5) >= margin).mean(axis=0))
    difference = float(shares[0] - shares[1])
    moved = drawn[0] - drawn[1]
    low, high = (2 * difference - float(np.quantile(moved, level)) for level in reversed(LEVELS))
    p = _p_of(moved - moved.mean() + difference)
    text = (
        f"{counts[0]} of {first.shape[1]} units of {names[0]} and {counts[1]} of {second.shape[1]} of {names[1]} are selective for "
        f"{contrast.value} (AUROC at least {margin:g} from 0.5); difference of the shares {difference:.3f} ({low:.3f} to {high:.3f})."
    )
    return Comparison(
        "response", f"{contrast.subject}: {contrast.value}", names[0], names[1], first.shape[1], second.shape[1], counts[0], counts[1],
        difference, (low, high), p, None, "bootstrap over persons" if contrast.grouped else "bootstrap over images", text,
    )  # fmt: skip


def compare_units(
    first: NDArray[Any], second: NDArray[Any], contrast: Contrast, *, draws: int = 1000, most: int = 20_000, seed: int = 0
) -> UnitChanges:
    """Unit k of two checkpoints of one network, (n, U) each: change of AUROC, paired by image.

    p: the two checkpoints are swapped person by person, after each unit's responses were ranked in either; exact if a person's ranks could
    as well have come from the other checkpoint. q: Benjamini-Hochberg over the units.

    Raises:
        ShapeError: the checkpoints differ in images or units. UsageError: the contrast cannot be tested.
    """
    _check(first, second, contrast)
    if first.shape != second.shape:
        raise ShapeError(f"responses of {first.shape[1]} and {second.shape[1]} units cannot be compared unit by unit.")
    one, two = contrast.rows_of(first), contrast.rows_of(second)
    ranks = selectivity.centred_ranks(two) - selectivity.centred_ranks(one)
    weights = resampled(contrast.member, draws, seed)
    moved = bootstrap_auroc(two, contrast.side, weights) - bootstrap_auroc(one, contrast.side, weights)
    tested = _swapped(ranks, contrast, most, seed + 1)
    difference = selectivity.auroc_of_ranks(ranks, contrast.side) - 0.5
    return UnitChanges(difference, np.asarray(np.quantile(moved, LEVELS, axis=1)), tested.p, false_discovery_control(tested.p, method="bh"))


def _swapped(ranks: Float64, contrast: Contrast, most: int, seed: int) -> selectivity.Tested:
    """Rows on the first side count n2 times, those on the second -n1 times: whole numbers, and proportional to the change of AUROC."""
    first, second = contrast.sizes
    signed = ranks * np.where(contrast.side, float(second), -float(first))[:, None]
    _, place = np.unique(contrast.member, return_inverse=True)
    sums = np.zeros((int(place.max()) + 1, ranks.shape[1]))
    np.add.at(sums, place, signed)
    return selectivity.flipped(sums, most=most, seed=seed)


def _check(first: NDArray[Any], second: NDArray[Any], contrast: Contrast) -> None:
    if contrast.reason:
        raise UsageError(f"{contrast.subject} cannot be compared: {contrast.reason}.")
    if len(first) != len(second):
        raise ShapeError(f"responses to {len(first)} and to {len(second)} images; both networks must see the same.")


def _p_of(drawn: Float64) -> float:
    below, above = int((drawn <= 0).sum()), int((drawn >= 0).sum())
    return min(1.0, 2 * (1 + min(below, above)) / (1 + len(drawn)))
