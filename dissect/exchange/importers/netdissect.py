"""Tables of Network Dissection (Bau et al. 2017) and of NetDissect-Lite: units from 1, the best concept of each category, pixel counts.

`unit, category, label, score`, and for each category X: `X-label, X-truth, X-activation, X-intersect, X-iou`, in any order of columns and
rows. truth, activation and intersect are G, A and I. Both programs promise that X-iou is I / (A + G - I) and that score is the largest
X-iou, with its category and label. An empty X-label means that no concept of the category was found; the counts beside it say nothing
and are kept only to be written out again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dissect.errors import DataError
from dissect.exchange.importers.model import IDENTITY, UNKNOWN, Imported, LayerTable, Log, Options
from dissect.exchange.importers.table import Row, Table, need, number, shown, unit_number, whole, words
from dissect.store import ConceptEntry, ConceptScore, DetectorSummary, LabelEntry, StatsEntry, UnitResult

KIND = "netdissect"
HEAD = ("unit", "category", "label", "score")
PARTS = ("label", "truth", "activation", "intersect", "iou")
BASE = 1


@dataclass(frozen=True, slots=True)
class Cell:
    """What a row says of one category. A number that cannot be read is None."""

    category: str
    label: str
    truth: int | None
    activation: int | None
    intersect: int | None
    iou: float | None
    raw: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether it names a concept and all its numbers can be read; what is not whole is kept as it stands, to be written out again."""
        numbers = (self.truth, self.activation, self.intersect, self.iou)
        return bool(self.label) and None not in numbers and self.usable

    @property
    def usable(self) -> bool:
        """Whether the concept can be entered."""
        return bool(self.label) and self.iou is not None and 0 <= self.iou <= 1


def read_netdissect(path: Path, table: Table, options: Options) -> Imported:
    """Understand a table of one layer.

    Raises:
        DataError: columns are missing.
    """
    need(path, table, KIND, HEAD)
    categories = _categories(path, table)
    layer, log = options.layer or "", Log(table.refused)
    units: dict[int, UnitResult] = {}
    kept: dict[str, dict[str, list[str]]] = {}
    for row in table.rows:
        unit = unit_number(row, "unit", BASE, options.width(layer), log)
        if unit is None or _unusable(row, unit, units, log):
            continue
        cells = [_cell(row, category) for category in categories]
        units[unit] = _unit(row, unit, cells, layer, options, log)
        if blank := {cell.category: list(cell.raw) for cell in cells if not cell.whole}:
            kept[str(unit)] = blank
    log.missing(layer, list(units), BASE)
    found = tuple(units[unit] for unit in sorted(units))
    concepts = dict.fromkeys(score.concept for unit in found for score in unit.concepts)
    concepts |= dict.fromkeys(key for unit in found for label in unit.labels for key, _ in label.concepts)
    return Imported(
        KIND, "imported", "masks", 0.005, table.columns, len(table.rows) + len(table.refused),
        (LayerTable(layer, found, _summary(found, categories, options), kept),),
        tuple(ConceptEntry(name, category) for category, name in concepts), tuple(log.refused), tuple(log.violations),
    )  # fmt: skip


def _categories(path: Path, table: Table) -> list[str]:
    found = [name.removesuffix("-label") for name in table.columns if name.endswith("-label") and name != "-label"]
    if not found:
        raise DataError(f"{path}, line 1: a table of {KIND} has the columns X-label to X-iou of every category X. Check the file.")
    need(path, table, KIND, tuple(f"{category}-{part}" for category in found for part in PARTS))
    return found


def _unusable(row: Row, unit: int, units: dict[int, UnitResult], log: Log) -> bool:
    score = number(row["score"])
    if unit in units:
        log.refuse(row.line, f"unit {unit + BASE} is there already; remove one of the two rows")
    elif score is None or not 0 <= score <= 1:
        log.refuse(row.line, f"score is {shown(row['score'])}, no IoU between 0 and 1; correct it")
    else:
        return False
    return True


def _cell(row: Row, category: str) -> Cell:
    raw = tuple(row[f"{category}-{part}"] for part in PARTS)
    return Cell(category, words(raw[0]), _count(raw[1]), _count(raw[2]), _count(raw[3]), number(raw[4]), raw)


def _count(text: str) -> int | None:
    value = whole(text)
    return value if value is not None and value >= 0 else None


def _unit(row: Row, unit: int, cells: Sequence[Cell], layer: str, options: Options, log: Log) -> UnitResult:
    text, category, score = words(row["label"]), words(row["category"]), number(row["score"]) or 0.0
    faults = [*_faults_of_cells(cells), *_faults_of_label(text, category, score, cells)]
    for fault in faults:
        log.violate(row.line, layer, unit, fault)
    scores = tuple(_score(cell) for cell in cells if cell.usable)
    labels = (_label(text, category, score, cells, options, faults),) if text else ()
    return UnitResult(unit, StatsEntry(state=UNKNOWN), labels, scores)


def _faults_of_cells(cells: Sequence[Cell]) -> list[str]:
    """Where X-iou is not what its counts give."""
    found = []
    for cell in cells:
        truth, activation, intersect = cell.truth, cell.activation, cell.intersect
        if not any(cell.raw):
            continue
        if truth is None or activation is None or intersect is None or cell.iou is None:
            found.append(f"the numbers of {cell.category} are {', '.join(map(shown, cell.raw[1:]))}, no pixel counts and IoU")
            continue
        union = activation + truth - intersect
        right = intersect / union if union else 0.0
        if abs(right - cell.iou) > IDENTITY:
            found.append(f"{cell.category}-iou is {cell.iou:g}, but I / (A + G - I) = {intersect} / {union} = {right:.6g}")
    return found


def _faults_of_label(text: str, category: str, score: float, cells: Sequence[Cell]) -> list[str]:
    """Where the headline is not that of the best category."""
    found = []
    best = max((cell.iou for cell in cells if cell.iou is not None), default=0.0)
    mine = next((cell for cell in cells if cell.category == category), None)
    if abs(best - score) > IDENTITY:
        found.append(f"score is {score:g}, but the largest IoU of its categories is {best:g}")
    if score > 0 and not text:
        found.append(f"score is {score:g}, but there is no label")
    if text and mine is None:
        found.append(f"category {shown(category)} is none of the table's")
    elif text and mine is not None and mine.label != text:
        found.append(f"label is {shown(text)}, but {category}-label is {shown(mine.label)}")
    return found


def _reachable(first: int | None, second: int | None) -> float | None:
    """The most that two areas can overlap, as IoU."""
    return min(first, second) / max(first, second) if first is not None and second is not None and max(first, second) > 0 else None


def _score(cell: Cell) -> ConceptScore:
    return ConceptScore(
        (cell.category, cell.label), 1, cell.iou, cell.intersect, cell.activation, cell.truth, _reachable(cell.activation, cell.truth)
    )


def _label(text: str, category: str, score: float, cells: Sequence[Cell], options: Options, faults: list[str]) -> LabelEntry:
    mine = next((cell for cell in cells if cell.category == category and cell.label == text), None)
    intersect, activation, truth = (None, None, None) if mine is None else (mine.intersect, mine.activation, mine.truth)
    return LabelEntry(
        text, method=KIND, category=category, score=score, intersection=intersect, unit_area=activation, concept_area=truth,
        reachable=_reachable(activation, truth), detector=_detects(score, options), concepts=(((category, text), 1),),
        details={"violations": faults} if faults else {},
    )  # fmt: skip


def _detects(score: float | None, options: Options) -> bool:
    if score is None:
        return False
    return score >= options.threshold if options.inclusive else score > options.threshold


def _summary(units: Sequence[UnitResult], categories: Sequence[str], options: Options) -> DetectorSummary:
    """Both published counts: detectors with their distinct best concepts, and distinct concepts of each category, summed."""
    labels = [label for unit in units for label in unit.labels if label.detector]
    counted = Counter((label.category or "", label.text) for label in labels)
    by_category: dict[str, dict[str, int]] = {category: {} for category in categories}
    for (category, name), units_of in counted.items():
        by_category.setdefault(category, {})[name] = units_of
    inside = {score.concept for unit in units for score in unit.concepts if _detects(score.score, options)}
    return DetectorSummary(options.threshold, len(labels), len(counted), len(inside), by_category)
