"""Tables of FALCON (Kalibhat et al. 2023): `group,Unnamed: 0,concept_set_words,concept_set_noun_phrases`, for some units, from 0.

The last two cells are Python literals, lists of (text, score). They are read by `ast.literal_eval`, which runs nothing, and only up to a
bounded length and depth. A group of several units is explained together; that is no label of one unit, so such rows are refused.
"""

from __future__ import annotations

import ast
import math
from pathlib import Path

from dissect.exchange.importers.descriptions import SIMILARITY, UNSCORED
from dissect.exchange.importers.model import UNKNOWN, Imported, LayerTable, Log, Options
from dissect.exchange.importers.table import Row, Table, need, shown, unit_number, words
from dissect.fingerprint import Plain
from dissect.store import LabelEntry, StatsEntry, UnitResult

KIND = "falcon"
NEEDED = ("group", "concept_set_words", "concept_set_noun_phrases")
MOST_LITERAL = 20_000
MOST_BRACKETS = 2_000
"""Opening brackets in a literal: the reader goes down a level for each, and Python's own limit must not be met."""
MOST_DEPTH = 6
MOST_PHRASES = 10
MOST_WORDS = 20

Phrase = tuple[str, float | None]


def read_falcon(path: Path, table: Table, options: Options) -> Imported:
    """Understand a table of one layer.

    Raises:
        DataError: columns are missing.
    """
    need(path, table, KIND, NEEDED)
    layer, log = options.layer or "", Log(table.refused)
    units: dict[int, UnitResult] = {}
    for row in table.rows:
        if "," in row["group"]:
            reason = "has several units; an explanation of a group is no label of a unit; remove the row"
            log.refuse(row.line, f"group {shown(row['group'])} {reason}")
            continue
        unit = unit_number(row, "group", 0, options.width(layer), log)
        if unit is not None and (found := _unit(row, unit, units, log)) is not None:
            units[unit] = found
    return Imported(
        KIND, "imported", "none", 0.0, table.columns, len(table.rows) + len(table.refused),
        (LayerTable(layer, tuple(units[unit] for unit in sorted(units))),), (), tuple(log.refused), tuple(log.violations),
    )  # fmt: skip


def _unit(row: Row, unit: int, units: dict[int, UnitResult], log: Log) -> UnitResult | None:
    if unit in units:
        log.refuse(row.line, f"group {unit} is there already; remove one of the two rows")
        return None
    cells = {name: phrases(row[name]) for name in NEEDED[1:]}
    for name, found in cells.items():
        if found is None:
            log.refuse(row.line, f"{name} is {shown(row[name])}, no list of (text, score) that can be read; correct it")
            return None
    single, said = cells["concept_set_words"] or [], cells["concept_set_noun_phrases"] or []
    best = said or single
    if not best:
        log.refuse(row.line, f"group {unit} has neither words nor noun phrases; add them or remove the row")
        return None
    plain: list[Plain] = [[text, score] for text, score in single[:MOST_WORDS]]
    labels = tuple(_label(rank, phrase, plain if rank == 1 else []) for rank, phrase in enumerate(best[:MOST_PHRASES], start=1))
    return UnitResult(unit, StatsEntry(state=UNKNOWN), labels)


def _label(rank: int, phrase: Phrase, single: list[Plain]) -> LabelEntry:
    text, score = phrase
    kind = UNSCORED if score is None else SIMILARITY
    details: dict[str, Plain] = {"words": single} if single else {}
    return LabelEntry(text, kind="description", method=KIND, rank=rank, score=score, score_kind=kind, details=details)


def phrases(cell: str) -> list[Phrase] | None:
    """The (text, score) of a literal list; texts alone have no score. None if the cell holds anything else."""
    if not cell:
        return []
    if len(cell) > MOST_LITERAL or sum(cell.count(opening) for opening in "([{") > MOST_BRACKETS or _depth(cell) > MOST_DEPTH:
        return None
    try:
        value = ast.literal_eval(cell)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    if not isinstance(value, list | tuple):
        return None
    found = [_phrase(item) for item in value]
    return None if any(item is None for item in found) else [item for item in found if item is not None]


def _depth(cell: str) -> int:
    """The most brackets, and signs before a number, that stand open at once; brackets inside quotes count too."""
    deepest = depth = 0
    for letter in cell:
        depth += (letter in "([{") - (letter in ")]}")
        deepest = max(deepest, depth)
    signs = max((len(run) for run in "".join(letter if letter in "+-~" else " " for letter in cell).split()), default=0)
    return max(deepest, signs)


def _phrase(item: object) -> Phrase | None:
    if isinstance(item, str):
        text, score = item, None
    elif isinstance(item, list | tuple) and len(item) == 2 and isinstance(item[0], str):
        text, score = item[0], item[1]
    else:
        return None
    if score is not None and (isinstance(score, bool) or not isinstance(score, int | float) or not _finite(score)):
        return None
    text = words(text.strip())
    return (text, None if score is None else float(score)) if text else None


def _finite(score: float) -> bool:
    try:
        return math.isfinite(float(score))
    except OverflowError:
        return False
