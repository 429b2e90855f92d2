"""Tables of the program of Compositional Explanations (Mu and Andreas 2020): units from 0, the best formula and the best single concept.

`unit,category,label,score,length,...,category_noncomp,label_noncomp,score_noncomp`. The formula can be no worse than the best concept.
The published length counts each NOT as one more; ours counts concepts, and the published one is kept beside it. `NONE` is no label.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dissect.exchange.importers.leaves import Leaf, leaves, negations
from dissect.exchange.importers.model import IDENTITY, UNKNOWN, Imported, LayerTable, Log, Options
from dissect.exchange.importers.table import Row, Table, need, number, shown, unit_number, whole, words
from dissect.fingerprint import Plain
from dissect.store import ConceptEntry, ConceptKey, LabelEntry, StatsEntry, UnitResult

KIND = "compexp"
NEEDED = ("unit", "category", "label", "score", "length", "category_noncomp", "label_noncomp", "score_noncomp")
NOTHING = ("", "NONE")


def read_compexp(path: Path, table: Table, options: Options) -> Imported:
    """Understand a table of one layer.

    Raises:
        DataError: columns are missing.
    """
    need(path, table, KIND, NEEDED)
    layer, log = options.layer or "", Log(table.refused)
    units: dict[int, UnitResult] = {}
    for row in table.rows:
        unit = unit_number(row, "unit", 0, options.width(layer), log)
        scores = [number(row[name]) for name in ("score", "score_noncomp")]
        if unit is None:
            continue
        if unit in units:
            log.refuse(row.line, f"unit {unit} is there already; remove one of the two rows")
        elif any(score is None or not 0 <= score <= 1 for score in scores):
            both = f"{shown(row['score'])} and {shown(row['score_noncomp'])}"
            log.refuse(row.line, f"the scores are {both}, no IoU from 0 to 1; correct them")
        else:
            units[unit] = _unit(row, unit, layer, options, log)
    log.missing(layer, list(units), 0)
    found = tuple(units[unit] for unit in sorted(units))
    concepts = dict.fromkeys(key for unit in found for label in unit.labels for key, _ in label.concepts)
    return Imported(
        KIND, KIND, "masks", 0.005, table.columns, len(table.rows) + len(table.refused), (LayerTable(layer, found),),
        tuple(ConceptEntry(name, category) for category, name in concepts), tuple(log.refused), tuple(log.violations),
    )  # fmt: skip


def _unit(row: Row, unit: int, layer: str, options: Options, log: Log) -> UnitResult:
    score, single = number(row["score"]) or 0.0, number(row["score_noncomp"]) or 0.0
    text, name = words(row["label"]), words(row["label_noncomp"])
    found = leaves(text) if text not in NOTHING else ()
    faults = _faults(text, score, name, single, row["length"], found)
    for fault in faults:
        log.violate(row.line, layer, unit, fault)
    labels = []
    if text not in NOTHING:
        labels.append(_formula(row, text, score, found or (), options, faults))
    if name not in NOTHING:
        category = words(row["category_noncomp"])
        labels.append(LabelEntry(
            name, category=category, score=single, detector=_detects(single, options),
            concepts=(((category, name), 1),),
        ))  # fmt: skip
    return UnitResult(unit, StatsEntry(state=UNKNOWN), tuple(labels))


def _faults(text: str, score: float, name: str, single: float, length: str, found: Sequence[Leaf] | None) -> list[str]:
    """Where the row breaks what the search promises."""
    faults = []
    if score < single - IDENTITY:
        faults.append(f"the formula scores {score:g}, less than the single concept's {single:g}, which is a formula too")
    if score > 0 and text in NOTHING:
        faults.append(f"score is {score:g}, but there is no label")
    if single > 0 and name in NOTHING:
        faults.append(f"score_noncomp is {single:g}, but there is no label_noncomp")
    if found is None:
        faults.append(f"label {shown(text)} is no formula of AND, OR and NOT")
    elif text not in NOTHING and whole(length) not in (len(found), len(found) + negations(text)):
        faults.append(f"length is {shown(length)}, but the formula has {len(found)} concepts and {negations(text)} NOT")
    return faults


def _formula(row: Row, text: str, score: float, found: Sequence[Leaf], options: Options, faults: list[str]) -> LabelEntry:
    details: dict[str, Plain] = {"published_length": row["length"], **({"violations": faults} if faults else {})}
    concepts: tuple[tuple[ConceptKey, int], ...] = tuple(((options.category_of(name), name), sign) for name, sign in found)
    return LabelEntry(
        text, kind="formula", method="compositional", category=words(row["category"]) or None, formula=text, length=len(found) or None,
        score=score, detector=_detects(score, options), concepts=concepts, details=details,
    )  # fmt: skip


def _detects(score: float, options: Options) -> bool:
    return score >= options.threshold if options.inclusive else score > options.threshold
