"""Tables of INVERT (Bykov et al. 2023): `neuron,concept,concept_id,metric`, units from 0; the metric is an AUROC.

A concept may be a formula of several. A neuron may have several rows: the one of the highest metric is its label, the others follow.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dissect.exchange.importers.leaves import is_formula, leaves
from dissect.exchange.importers.model import UNKNOWN, Imported, LayerTable, Log, Options
from dissect.exchange.importers.table import Row, Table, need, number, shown, unit_number, words
from dissect.store import ConceptEntry, LabelEntry, StatsEntry, UnitResult

KIND = "invert"
NEEDED = ("neuron", "concept", "concept_id", "metric")
MOST_RANKS = 50


def read_invert(path: Path, table: Table, options: Options) -> Imported:
    """Understand a table of one layer.

    Raises:
        DataError: columns are missing.
    """
    need(path, table, KIND, NEEDED)
    layer, log = options.layer or "", Log(table.refused)
    units: dict[int, list[LabelEntry]] = {}
    for row in table.rows:
        unit = unit_number(row, "neuron", 0, options.width(layer), log)
        if unit is not None and (label := _label(row, unit, units, layer, options, log)) is not None:
            units.setdefault(unit, []).append(label)
    log.missing(layer, list(units), 0)
    concepts = {key: name for labels in units.values() for label in labels for key, name in _entries(label)}
    return Imported(
        KIND, "imported", "image", 0.0, table.columns, len(table.rows) + len(table.refused),
        (LayerTable(layer, tuple(_unit(unit, units[unit]) for unit in sorted(units))),),
        tuple(concepts.values()), tuple(log.refused), tuple(log.violations),
    )  # fmt: skip


def _label(row: Row, unit: int, units: dict[int, list[LabelEntry]], layer: str, options: Options, log: Log) -> LabelEntry | None:
    text, metric = words(row["concept"]), number(row["metric"])
    there = units.get(unit, [])
    if not text:
        log.refuse(row.line, f"neuron {unit} has no concept; add it or remove the row")
    elif metric is None or not 0 <= metric <= 1:
        log.refuse(row.line, f"metric is {shown(row['metric'])}, no AUROC from 0 to 1; correct it")
    elif len(there) == MOST_RANKS or any(label.text == text for label in there):
        log.refuse(row.line, f"neuron {unit} has concept {shown(text)} already, or {MOST_RANKS} others; remove the row")
    else:
        return _entry(row, unit, text, metric, layer, options, log)
    return None


def _entry(row: Row, unit: int, text: str, metric: float, layer: str, options: Options, log: Log) -> LabelEntry:
    several = is_formula(text)
    found = leaves(text) if several else ((text, 1),)
    if found is None:
        log.violate(row.line, layer, unit, f"concept {shown(text)} is no formula of AND, OR and NOT")
    details = {"concept_id": words(row["concept_id"])} | ({"violations": ["the formula cannot be read"]} if found is None else {})
    return LabelEntry(
        text, kind="formula" if several else "concept", method=KIND, formula=text if several else None, length=len(found or ()) or None,
        score=metric, score_kind="auroc", concepts=tuple(((options.category_of(name), name), sign) for name, sign in found or ()),
        details=details,
    )  # fmt: skip


def _entries(label: LabelEntry) -> list[tuple[object, ConceptEntry]]:
    """The label's concepts. A name of several, `tench, Tinca tinca`, gives each as a synonym; an id belongs to a single concept."""
    number_of = str(label.details.get("concept_id", "")) if label.kind == "concept" else ""
    found: list[tuple[object, ConceptEntry]] = []
    for (category, name), _ in label.concepts:
        names = tuple(part.strip() for part in name.split(",") if part.strip())
        found.append(((category, name), ConceptEntry(name, category, number_of, names if len(names) > 1 else ())))
    return found


def _unit(unit: int, labels: list[LabelEntry]) -> UnitResult:
    best = sorted(labels, key=lambda label: -(label.score or 0.0))
    ranks = {"concept": 0, "formula": 0}
    ranked = []
    for label in best:
        ranks[label.kind] += 1
        ranked.append(replace(label, rank=ranks[label.kind]))
    return UnitResult(unit, StatsEntry(state=UNKNOWN), tuple(ranked))
