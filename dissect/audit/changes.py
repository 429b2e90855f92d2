"""What became of the labels between two runs: kept, gained, lost or changed, unit by unit and concept by concept.

Plain data in, plain data out. A label *counts* if the rule of its run says so (a detector), or where there is no rule, if there is one.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from dissect.errors import UsageError

Change = Literal["same", "changed", "gained", "lost", "none", "only first", "only second"]
CHANGES: tuple[Change, ...] = ("same", "changed", "gained", "lost", "none", "only first", "only second")
"""`none`: neither unit has a label that counts. `only first`, `only second`: the unit has no partner in the other run."""


@dataclass(frozen=True, slots=True)
class UnitLabel:
    """A unit with its label, in one of the runs. text: None without a label. counts: see the module's text."""

    index: int
    text: str | None = None
    category: str | None = None
    score: float | None = None
    counts: bool = False
    state: str = "ok"
    q: float | None = None

    @property
    def key(self) -> tuple[str, str] | None:
        """(category, name in small letters) of a label that counts, else None."""
        return (self.category or "", self.text.casefold().strip()) if self.counts and self.text is not None else None


@dataclass(frozen=True, slots=True)
class UnitChange:
    """Two units that belong together, and what became of the label. correlation: of their responses; None where paired by number."""

    first: UnitLabel | None
    second: UnitLabel | None
    change: Change
    correlation: float | None = None


@dataclass(frozen=True, slots=True)
class ConceptChange:
    """How many units of either run carry a concept as a label that counts."""

    category: str
    name: str
    first: int
    second: int


@dataclass(frozen=True)
class LayerChange:
    """One layer of each run. first, second: names. match: `index` or `activation`. units: all pairs, by number.

    mean_correlation, chance_correlation: of the pairs, and of pairs found with shuffled images; None where paired by number.
    """

    first: str
    second: str
    match: str
    units: tuple[UnitChange, ...]
    mean_correlation: float | None = None
    chance_correlation: float | None = None

    def counts(self) -> dict[str, int]:
        """Pairs by what became of the label; every kind is there."""
        found = Counter(unit.change for unit in self.units)
        return {change: found.get(change, 0) for change in CHANGES}

    def concepts(self) -> tuple[ConceptChange, ...]:
        """Every concept that a label which counts names in either run, most moved first."""
        return self._concepts

    @functools.cached_property
    def _concepts(self) -> tuple[ConceptChange, ...]:
        return concept_changes((u.first for u in self.units), (u.second for u in self.units))

    def unique(self) -> dict[str, tuple[int, int]]:
        """Category -> distinct concepts of labels that count, in the first and in the second run; by name of category."""
        found: dict[str, list[int]] = {}
        for concept in self.concepts():
            here = found.setdefault(concept.category, [0, 0])
            here[0] += concept.first > 0
            here[1] += concept.second > 0
        return {category: (counts[0], counts[1]) for category, counts in sorted(found.items())}


@dataclass(frozen=True)
class RunChanges:
    """Two runs beside each other. first, second: their names in words. differences: setting -> its value in either run, where they differ.

    notes: what a reader must know before believing the numbers.
    """

    first: str
    second: str
    differences: Mapping[str, tuple[str, str]]
    layers: tuple[LayerChange, ...]
    notes: tuple[str, ...] = ()
    first_run: int | None = None
    second_run: int | None = None

    def as_plain(self) -> dict[str, object]:
        """All of it as plain data, for JSON."""
        return {
            "first": {"run": self.first_run, "name": self.first},
            "second": {"run": self.second_run, "name": self.second},
            "differences": {name: list(pair) for name, pair in self.differences.items()},
            "notes": list(self.notes),
            "layers": [_layer_plain(layer) for layer in self.layers],
        }


def unit_changes(
    first: Sequence[UnitLabel], second: Sequence[UnitLabel], pairs: Iterable[tuple[int, int, float | None]]
) -> tuple[UnitChange, ...]:
    """Every unit of both sides once. pairs: (index in first, index in second, correlation); who is in none has no partner.

    Raises:
        UsageError: a pair names a unit that is not there, or names one twice.
    """
    one, two = ({unit.index: unit for unit in side} for side in (first, second))
    found = []
    for here, there, correlation in pairs:
        if here not in one or there not in two:
            raise UsageError(f"units {here} and {there} cannot be paired: each must be there, and in one pair only.")
        mine, other = one.pop(here), two.pop(there)
        found.append(UnitChange(mine, other, change_of(mine, other), correlation))
    found += [UnitChange(unit, None, "only first") for unit in one.values()]
    found += [UnitChange(None, unit, "only second") for unit in two.values()]
    return tuple(sorted(found, key=_place))


def change_of(first: UnitLabel, second: UnitLabel) -> Change:
    """What became of the label from the first unit to the second."""
    before, after = first.key, second.key
    if before is None:
        return "none" if after is None else "gained"
    if after is None:
        return "lost"
    alike = before[1] == after[1] and (before[0] == after[0] or not (before[0] and after[0]))  # descriptions have no category
    return "same" if alike else "changed"


def concept_changes(first: Iterable[UnitLabel | None], second: Iterable[UnitLabel | None]) -> tuple[ConceptChange, ...]:
    """Concepts with the number of units on either side, those whose number moved most first."""
    names: dict[tuple[str, str], str] = {}
    sides = []
    for side in (first, second):
        labels = [(key, unit.text or "") for unit in side if unit is not None and (key := unit.key) is not None]
        names.update(labels)
        sides.append(Counter(key for key, _ in labels))
    found = [ConceptChange(key[0], names[key], sides[0].get(key, 0), sides[1].get(key, 0)) for key in names]
    return tuple(sorted(found, key=lambda each: (-abs(each.second - each.first), -each.first - each.second, each.category, each.name)))


def _place(unit: UnitChange) -> tuple[int, int]:
    return (unit.first.index, 0) if unit.first is not None else (unit.second.index if unit.second is not None else 0, 1)


def _layer_plain(layer: LayerChange) -> dict[str, object]:
    return {
        "first": layer.first,
        "second": layer.second,
        "match": layer.match,
        "mean_correlation": layer.mean_correlation,
        "chance_correlation": layer.chance_correlation,
        "counts": layer.counts(),
        "unique": {category: list(pair) for category, pair in layer.unique().items()},
        "concepts": [{"category": c.category, "name": c.name, "first": c.first, "second": c.second} for c in layer.concepts()],
        "units": [unit_row(unit) for unit in layer.units],
    }


def unit_row(unit: UnitChange) -> dict[str, object]:
    """One pair as a row: both indices, labels and scores."""
    sides = (("first", unit.first), ("second", unit.second))
    row: dict[str, object] = {name: None if side is None else side.index for name, side in sides}
    row |= {"change": unit.change, "correlation": unit.correlation}
    for name, side in sides:
        row |= {
            f"{name}_label": None if side is None else side.text,
            f"{name}_category": None if side is None else side.category,
            f"{name}_score": None if side is None else side.score,
            f"{name}_counts": None if side is None else side.counts,
        }
    return row
