"""The basis null: are a layer's own units more interpretable than other directions of the same layer?

Every rotation of a layer mixes its units into as many others that carry the same information about the pictures. They answer to the
pictures just as the units do, so rotated units *do* match concepts beyond chance; the independence null, which asks whether a unit's
overlap could come from maps that know nothing of the labels, is another question. The p of the two are never combined or compared.
Source: Bau et al. 2017, "Network Dissection", section 3.2. Letters: U units, R rotations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dissect.errors import UsageError
from dissect.fingerprint import Plain
from dissect.probe.labelling import LabelSource
from dissect.probe.levels import RecordedLayer
from dissect.probe.tables import CountTables
from dissect.probe.upsample import Grid
from dissect.score.count import FloatArray
from dissect.verify.maxima import Rules, Summary, alive, best_labels, summary
from dissect.verify.rotations import MEMORY, Rotation, haar, require_dense, rotated_labels

PUBLISHED_DROP = 80.0
"""Percent of unique detectors lost under a full random rotation of AlexNet's conv5 (Bau et al. 2017, section 3.2)."""


@dataclass(frozen=True)
class BasisNull:
    """Where a layer's units rank among units of rotated bases.

    layer: its name. observed (U,): highest IoU of every unit, 0 where it has none. rotated (R, U): highest IoU of every rotated unit.
    p (U,): (1 + number of rotated units with at least this IoU) / (1 + R U); NaN for dead and constant units. It is a rank among
    directions of the layer, not a probability under independence of the labels.
    own, after (R): the layer summed up in its own basis and in each rotated one. seed: of the rotations. notes: what to know of the
    result.
    """

    layer: str
    observed: FloatArray
    rotated: FloatArray
    p: FloatArray
    own: Summary
    after: tuple[Summary, ...]
    seed: int
    notes: tuple[str, ...] = ()

    @property
    def floor(self) -> float:
        """The smallest p that so many rotated units allow."""
        return 1 / (1 + self.rotated.size)

    @property
    def mean_unique(self) -> float:
        """Unique detectors of a rotated basis, mean over rotations."""
        return float(np.mean([each.unique for each in self.after]))

    @property
    def drop(self) -> float:
        """Unique detectors lost by rotating, in percent; NaN where the layer has none."""
        return 100 * (1 - self.mean_unique / self.own.unique) if self.own.unique else float("nan")

    def lines(self) -> list[str]:
        """For people."""
        lost = "no unique detectors to lose" if np.isnan(self.drop) else f"{self.drop:.0f} % lost (AlexNet conv5: {PUBLISHED_DROP:.0f} %)"
        tested = int(np.isfinite(self.p).sum())
        return [
            f"{self.layer}: {self.own.unique} unique detectors, {self.mean_unique:.1f} after rotation (mean of {len(self.after)}): {lost}",
            f"{self.layer}: median best IoU {self.own.median:.4f}, {np.median(self.rotated):.4f} of rotated units",
            f"{self.layer}: {int((self.p <= 0.05).sum())} of {tested} units lie among the top 5 % of rotated units",
            *self.notes,
        ]

    def as_plain(self) -> dict[str, Plain]:
        """For JSON; the units' p without NaN."""
        p: list[Plain] = [None if np.isnan(value) else float(value) for value in self.p]
        after: list[Plain] = [each.as_plain() for each in self.after]
        drop: Plain = None if np.isnan(self.drop) else self.drop
        return {
            "layer": self.layer, "seed": self.seed, "rotations": len(self.after), "own": self.own.as_plain(), "rotated": after,
            "drop_percent": drop, "published_drop_percent": PUBLISHED_DROP, "floor": self.floor, "p": p, "notes": list(self.notes),
        }  # fmt: skip


def basis_null(
    recorded: RecordedLayer, labels: LabelSource | None, tables: CountTables | None, states: tuple[str, ...], over: Grid, rules: Rules,
    *, rotations: int = 5, seed: int = 0, memory: int = MEMORY,
) -> BasisNull:  # fmt: skip
    """Rank every unit's highest IoU among those of `rotations` times U rotated units.

    recorded, labels, tables, states (U,): of one layer of a `ProbeResult` (`recorded[name]`, `labels`, `layers[k].tables`,
    `layers[k].stats.state`). over: the run's grid from maps to labels. rules: those of the run. Each rotation costs a product of
    U x U with every position, and one more counting of the layer.

    Raises:
        UsageError: fewer than one rotation, or a data set without label maps.
        NotSupportedError: not all of the layer's maps were kept.
    """
    if rotations < 1:
        raise UsageError(f"at least one rotation is needed, not {rotations}.")
    if labels is None or tables is None:
        raise UsageError("the basis null compares overlaps with label maps, and this data set has none.")
    require_dense(recorded)
    best = best_labels(tables, states, rules)
    own, observed, rotated, after = summary(best, states, rules.threshold), best.score[:, 0], [], []
    for number in range(rotations):
        found, rotated_states = rotated_labels(recorded, labels, haar(recorded.units, seed, number), over, rules, memory=memory)
        rotated.append(found.score[:, 0])
        after.append(summary(found, rotated_states, rules.threshold))
    pool = np.stack(rotated)
    p = np.where(alive(states), rank_p(observed, pool), np.nan)
    return BasisNull(recorded.plan.layer.name, observed, pool, p, own, tuple(after), seed, tuple(_notes(recorded, states)))


def rank_p(observed: FloatArray, pool: FloatArray) -> FloatArray:
    """(1 + number of pool values >= observed) / (1 + size of the pool), for every observed value."""
    ordered = np.sort(pool, axis=None)
    above = ordered.size - np.searchsorted(ordered, observed, side="left")
    p: FloatArray = (1 + above) / (1 + ordered.size)
    return p


def _notes(recorded: RecordedLayer, states: tuple[str, ...]) -> list[str]:
    notes = [
        "another question than the independence null: rotated units answer to the pictures too, and p is a rank among directions of the "
        "same layer"
    ]
    silent = int((~alive(states)).sum())
    if silent:
        notes.append(f"{silent} of {len(states)} units are dead or constant: they have no p, and add nothing to rotated units")
    if recorded.units < 2:
        notes.append("a layer of one unit has no other basis: its rotation is the unit itself")
    return notes


__all__ = ["PUBLISHED_DROP", "BasisNull", "Rotation", "basis_null", "rank_p"]
