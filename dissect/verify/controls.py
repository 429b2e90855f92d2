"""Control sets: units of the same layer that do not carry the concept and are as like the tested units as can be.

Letters: U units, F features, m units of a set, K control sets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dissect.errors import ShapeError

CLOSE = 0.25
"""Standardised difference after matching up to which a feature counts as balanced (Rubin's rule of thumb)."""
TRIES = 50
"""Draws of a set before it is accepted that there are no more different ones."""


@dataclass(frozen=True)
class Balance:
    """One feature. before, after: (mean of the tested units - mean of all eligible units, of the controls) / sd over eligible units."""

    feature: str
    before: float
    after: float

    @property
    def good(self) -> bool:
        """Whether the controls are like the tested units in it."""
        return abs(self.after) <= CLOSE


@dataclass(frozen=True)
class Controls:
    """K sets of m units each, ascending, all different, and how alike they are."""

    sets: tuple[tuple[int, ...], ...]
    balance: tuple[Balance, ...]


def matched_controls(
    members: tuple[int, ...],
    eligible: NDArray[np.bool_],
    features: NDArray[np.float64],
    names: tuple[str, ...],
    *,
    count: int,
    seed: int = 0,
) -> Controls:
    """At most `count` control sets for the tested `members`, fewer where the layer has no more.

    eligible (U,): units that may be controls (alive, not carrying the concept); members never are. features (U, F): finite numbers to be
    matched on. A single unit gets its nearest units; in a set of several, each member is replaced by one drawn from those nearest to it, no
    unit twice. The same arguments give the same sets.
    """
    if features.shape != (len(eligible), len(names)):
        raise ShapeError(f"features {features.shape} for {len(eligible)} units and {len(names)} names.")
    allowed = eligible.copy()
    allowed[list(members)] = False
    pool = np.flatnonzero(allowed)
    if len(pool) < len(members) or not members or count < 1:
        return Controls((), ())
    spread = features[pool].std(axis=0)
    scaled = features / np.where(spread > 0, spread, 1.0)
    nearest = [pool[np.argsort(((scaled[pool] - scaled[unit]) ** 2).sum(axis=1), kind="stable")] for unit in members]
    sets = tuple((int(unit),) for unit in nearest[0][:count]) if len(members) == 1 else _drawn(nearest, count, seed)
    return Controls(sets, _balance(members, sets, pool, features, spread, names))


def _drawn(nearest: list[NDArray[np.int64]], count: int, seed: int) -> tuple[tuple[int, ...], ...]:
    random = np.random.default_rng(seed)
    wide = max(3, -(-count // len(nearest)))
    found: dict[tuple[int, ...], None] = {}
    for _ in range(count * TRIES):
        taken: set[int] = set()
        for place in random.permutation(len(nearest)):
            free = [int(unit) for unit in nearest[place] if unit not in taken][:wide]
            taken.add(free[random.integers(len(free))])
        found[tuple(sorted(taken))] = None
        if len(found) == count:
            break
    return tuple(found)


def _balance(
    members: tuple[int, ...], sets: tuple[tuple[int, ...], ...], pool: NDArray[np.int64], features: NDArray[np.float64],
    spread: NDArray[np.float64], names: tuple[str, ...],
) -> tuple[Balance, ...]:  # fmt: skip
    own = features[list(members)].mean(axis=0)
    before, after = own - features[pool].mean(axis=0), own - features[np.array(sets).ravel()].mean(axis=0)
    safe = np.where(spread > 0, spread, 1.0)
    return tuple(Balance(name, float(first), float(last)) for name, first, last in zip(names, before / safe, after / safe, strict=True))
