"""Tables of descriptions, units from 0: MILAN's `layer,unit,description` (Hernandez et al. 2022), and CLIP-Dissect's with `similarity`
(Oikarinen and Weng 2023). A similarity is no IoU; no threshold is applied to it.
"""

from __future__ import annotations

from pathlib import Path

from dissect.errors import DataError
from dissect.exchange.importers.model import UNKNOWN, Imported, LayerTable, Log, Options
from dissect.exchange.importers.table import Row, Table, need, number, shown, unit_number, words
from dissect.store import LabelEntry, StatsEntry, UnitResult

MILAN, CLIP_DISSECT = "milan", "clip-dissect"
NEEDED = {MILAN: ("layer", "unit", "description"), CLIP_DISSECT: ("layer", "unit", "description", "similarity")}
SIMILARITY = "similarity"
UNSCORED = "none"
"""Score kind of a label that came without a score."""
MOST_LAYERS = 1_000


def read_descriptions_of(kind: str, path: Path, table: Table, options: Options) -> Imported:
    """Understand a table of one or several layers.

    Raises:
        DataError: columns are missing, or the table has no row of the layer that was asked for.
    """
    need(path, table, kind, NEEDED[kind])
    log = Log(table.refused)
    layers: dict[str, dict[int, UnitResult]] = {}
    for row in table.rows:
        if options.layer is not None and row["layer"] != options.layer:
            continue
        _take(kind, row, layers, options, log)
    if options.layer is not None and not layers and not log.refused:
        names = ", ".join(sorted({shown(row["layer"]) for row in table.rows})[:20])
        raise DataError(f"{path}, line 2: no row is of layer {options.layer}. Name one of its layers: {names or 'none'}.")
    for name, units in layers.items():
        log.missing(name, list(units), 0)
    found = tuple(LayerTable(name, tuple(units[unit] for unit in sorted(units))) for name, units in layers.items())
    rows = len(table.rows) + len(table.refused)
    return Imported(
        kind, "imported", "none", 0.0, table.columns, rows, found, (), tuple(log.refused), tuple(log.violations)
    )


def _take(kind: str, row: Row, layers: dict[str, dict[int, UnitResult]], options: Options, log: Log) -> None:
    layer, text = row["layer"], words(row["description"])
    if not layer:
        log.refuse(row.line, "layer is empty; name the layer")
        return
    if layer not in layers and len(layers) == MOST_LAYERS:
        log.refuse(row.line, f"layer {shown(layer)} is one more than the {MOST_LAYERS:,} that are read; check the column layer")
        return
    unit = unit_number(row, "unit", 0, options.width(layer), log)
    if unit is None:
        return
    score = number(row[SIMILARITY]) if kind == CLIP_DISSECT else None
    if unit in layers.get(layer, {}):
        log.refuse(row.line, f"unit {unit} of layer {layer} is there already; remove one of the two rows")
    elif not text:
        log.refuse(row.line, f"unit {unit} of layer {layer} has no description; add it or remove the row")
    elif kind == CLIP_DISSECT and score is None:
        log.refuse(row.line, f"similarity is {shown(row[SIMILARITY])}, no number; correct it")
    else:
        label = LabelEntry(text, kind="description", method=kind, score=score, score_kind=UNSCORED if score is None else SIMILARITY)
        layers.setdefault(layer, {})[unit] = UnitResult(unit, StatsEntry(state=UNKNOWN), (label,))
