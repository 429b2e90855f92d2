"""A run as a table: one row a unit, with all labels and scores. CSV and JSON lines always, Parquet where pyarrow is installed.

Columns, in this order (empty or null where something was not computed):

    run, fingerprint, network, dataset, profile, layer, unit      what the row is about; units count from 0
    state, threshold, minimum, maximum, mean                      `ok`, `dead`, `constant`, `saturated`; activations
    active_share, active_images, twin                             positions and images above the threshold; unit with equal maps
    label, category, measure, score                               best concept; `iou` or `auroc`
    intersection, unit_area, concept_area, reachable              I, A, G in pixels; highest IoU the concept could have
    images                                                        images in which the concept occurs
    detector, held_out, low, high, p, q                           rule of the run passed; tests, 95 % interval
    formula, formula_iou, formula_certificate, formula_q          best formula; `optimal`, `gap` or `none` proven of it; its q
    description, description_pmi, description_detection           first description in words, PMI in nats, detection score (AUC)
    others, runners, exemplars                                    lists: further labels, next concepts, highest images

Rows stand in order of layer, then unit. In CSV the last three are JSON, and a text that a spreadsheet would take for a formula has an
apostrophe in front (so has a text that begins with one: take off one apostrophe to have the text back).
"""

from __future__ import annotations

import csv
import importlib
import io
import json
import math
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from dissect import atomic
from dissect.errors import MissingExtraError
from dissect.exchange.from_store import report_view
from dissect.exchange.view import ReportLabel, ReportLayer, ReportRun, ReportUnit
from dissect.store import Store

COLUMNS = (
    "run", "fingerprint", "network", "dataset", "profile", "layer", "unit", "state", "threshold", "minimum", "maximum", "mean",
    "active_share", "active_images", "twin", "label", "category", "measure", "score", "intersection", "unit_area", "concept_area",
    "reachable", "images", "detector", "held_out", "low", "high", "p", "q", "formula", "formula_iou",
    "formula_certificate", "formula_q", "description", "description_pmi", "description_detection", "others", "runners", "exemplars",
)  # fmt: skip
LISTS = ("others", "runners", "exemplars")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "'")
"""Beginnings that a spreadsheet program takes for a formula, and the apostrophe that marks them as text."""

UNWRITABLE = re.compile("[\0\ud800-\udfff]")

Row = dict[str, Any]


def export_csv(store: Store, run_id: int, path: Path) -> Path:
    """Write a run's units as CSV (UTF-8, header, CRLF as RFC 4180 has it). Returns `path`."""
    atomic.write_text(path, csv_text(report_view(store, run_id)))
    return path


def export_jsonl(store: Store, run_id: int, path: Path) -> Path:
    """Write a run's units as JSON, one line a unit. Returns `path`."""
    atomic.write_text(path, jsonl_text(report_view(store, run_id)))
    return path


def export_parquet(store: Store, run_id: int, path: Path) -> Path:
    """Write a run's units as Parquet; the lists are JSON text. Returns `path`.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    try:
        arrow, parquet = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise MissingExtraError("Writing Parquet", "parquet") from error
    flat = [row | {name: _json(row[name]) for name in LISTS} for row in rows(report_view(store, run_id))]
    atomic.write_with(path, lambda temporary: parquet.write_table(arrow.Table.from_pylist(flat), temporary))
    return path


def rows(view: ReportRun) -> Iterator[Row]:
    """The table, row by row, with every column of `COLUMNS`."""
    for layer in view.layers:
        for unit in sorted(layer.units, key=lambda unit: unit.index):
            yield _row(view, layer, unit)


def csv_text(view: ReportRun) -> str:
    """The table as CSV."""
    return csv_of(rows(view))


def jsonl_text(view: ReportRun) -> str:
    """The table as JSON lines."""
    return jsonl_of(rows(view))


def csv_of(listed: Iterable[Row]) -> str:
    """Rows as CSV."""
    return _csv(COLUMNS, ([row[name] if name not in LISTS else _json(row[name]) for name in COLUMNS] for row in listed))


def jsonl_of(listed: Iterable[Row]) -> str:
    """Rows as JSON lines."""
    return "".join(_json(row) + "\n" for row in listed)


def skipped_text(view: ReportRun) -> str:
    """Skipped images as CSV: image, reason."""
    return _csv(("image", "reason"), view.skipped)


def _row(view: ReportRun, layer: ReportLayer, unit: ReportUnit) -> Row:
    label = unit.label if unit.label is not None else ReportLabel("")
    described = _label(label)
    if unit.label is None:
        described = dict.fromkeys(described)
    head = {
        "run": view.run, "fingerprint": view.fingerprint, "network": view.network, "dataset": view.dataset, "profile": view.profile,
        "layer": layer.name, "unit": unit.index, "state": unit.state, "threshold": _finite(unit.threshold),
        "minimum": _finite(unit.minimum), "maximum": _finite(unit.maximum), "mean": _finite(unit.mean),
        "active_share": _finite(unit.active_share),
        "active_images": unit.active_images, "twin": unit.twin,
    }  # fmt: skip
    formula, said = unit.formula, unit.description
    tail = {
        "formula": formula.label.text if formula is not None else None,
        "formula_iou": _finite(formula.label.score) if formula is not None else None,
        "formula_certificate": formula.certificate if formula is not None else None,
        "formula_q": _finite(formula.label.q) if formula is not None else None,
        "description": next((each.text for each in (label, *unit.labels) if each.kind == "description"), None),
        "description_pmi": _finite(said.label.score) if said is not None and said.label.measure == "pmi" else None,
        "description_detection": _finite(said.detection.auc) if said is not None and said.detection is not None else None,
        "others": [{"kind": other.kind, "method": other.method, **_label(other)} for other in unit.labels],
        "runners": [{key: value for key, value in _label(runner).items() if value is not None} for runner in unit.runners],
        "exemplars": [
            {"image": view.images[e.image].key if e.image in view.images else str(e.image), "activation": _finite(e.activation)}
            for e in unit.exemplars
        ],
    }
    found = head | described | tail
    return {name: found[name] for name in COLUMNS}


def _label(label: ReportLabel) -> Row:
    low, high = label.interval if label.interval is not None else (None, None)
    return {
        "label": label.text, "category": label.category, "measure": label.measure, "score": _finite(label.score),
        "intersection": label.intersection, "unit_area": label.unit_area, "concept_area": label.concept_area,
        "reachable": _finite(label.reachable), "images": label.images, "detector": label.detector, "held_out": _finite(label.held_out),
        "low": _finite(low), "high": _finite(high), "p": _finite(label.p), "q": _finite(label.q),
    }  # fmt: skip


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, allow_nan=False)


def _csv(header: tuple[str, ...], lines: Any) -> str:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(header)
    for line in lines:
        writer.writerow([harmless(cell) for cell in line])
    return buffer.getvalue()


def harmless(cell: object) -> object:
    """A cell that no spreadsheet runs, and that UTF-8 can hold. Numbers stay numbers; NUL and half surrogates become �."""
    if not isinstance(cell, str):
        return cell
    text = UNWRITABLE.sub("\ufffd", cell)
    return "'" + text if text.lstrip(" ").startswith(FORMULA_STARTS) else text
