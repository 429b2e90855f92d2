"""What an importer makes of a table: units by layer in the store's own records, and everything that was wrong with the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from dissect.fingerprint import Plain
from dissect.store import ConceptEntry, DetectorSummary, UnitResult

UNKNOWN = "unknown"
"""State of a unit of which only labels are known: whether it is dead or saturated, no table of labels says."""
MOST_UNITS = 65_536
"""Units a layer may have where neither the database nor the caller says how many there are: one wrong cell must not make millions."""
IDENTITY = 1e-6
"""How far a published number may be from what the others of its row give."""
THRESHOLD = 0.04

LabelKind = Literal["masks", "image", "none"]
CategoryOf = Callable[[str], str]
"""Name of a concept -> its category where the vocabulary knows one, else ""."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the caller says of a table.

    layer: of a table that has no column for it; else only this layer of it (by its own name). threshold, inclusive: a unit is a detector
    where its IoU is above the threshold, or at it if inclusive. width: layer (by its own name) -> how many units it may have.
    category_of: see `CategoryOf`; for methods that name concepts without their category.
    """

    layer: str | None = None
    threshold: float = THRESHOLD
    inclusive: bool = False
    width: Callable[[str], int] = lambda _: MOST_UNITS
    category_of: CategoryOf = lambda _: ""


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that cannot be an entry. line: of the file, from 1."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Violation:
    """A row (or, with line 0, a whole layer) that breaks what its method promises, imported as it stands. unit: counted from 0, or None."""

    line: int
    layer: str
    unit: int | None
    text: str


@dataclass(frozen=True)
class LayerTable:
    """One layer of a table. kept: what the store has no column for, to write the same table again, by unit (from 0) as text."""

    name: str
    units: tuple[UnitResult, ...]
    summary: DetectorSummary | None = None
    kept: Mapping[str, Plain] = field(default_factory=dict)


@dataclass(frozen=True)
class Imported:
    """A table as it was understood.

    kind: one of `KINDS`. rows: data rows of the file. columns: its header. quantile: of the published program, 0 where there is none.
    concepts: that its labels use.
    """

    kind: str
    profile: str
    label_kind: LabelKind
    quantile: float
    columns: tuple[str, ...]
    rows: int
    layers: tuple[LayerTable, ...]
    concepts: tuple[ConceptEntry, ...] = ()
    refused: tuple[Refused, ...] = ()
    violations: tuple[Violation, ...] = ()

    @property
    def units(self) -> int:
        """Units with a row."""
        return sum(len(layer.units) for layer in self.layers)


class Log:
    """Collects what is wrong with a table while it is read."""

    def __init__(self, refused: Sequence[Refused] = ()) -> None:
        self.refused = list(refused)
        self.violations: list[Violation] = []

    def refuse(self, line: int, reason: str) -> None:
        """This row is left out."""
        self.refused.append(Refused(line, reason))

    def violate(self, line: int, layer: str, unit: int | None, text: str) -> None:
        """This row is imported although it breaks a promise."""
        self.violations.append(Violation(line, layer, unit, text))

    def missing(self, layer: str, there: Sequence[int], base: int) -> None:
        """Note the units below the highest one that have no row. there: from 0. base: number of the table's first unit."""
        gone = sorted(set(range(max(there, default=-1) + 1)) - set(there))
        if gone:
            some = ", ".join(str(unit + base) for unit in gone[:10]) + (", ..." if len(gone) > 10 else "")
            self.violate(0, layer, None, f"{len(gone)} of the units up to {max(there) + base} have no row: {some}")
