"""A run in the columns of published tables: NetDissect's (units from 1), MILAN's and CLIP-Dissect's (units from 0).

What was imported from such a table goes out with the same numbers and labels; a run of our own goes out as far as the columns reach.
A text that a spreadsheet would run as a formula has an apostrophe in front; our importers take it off again.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from dissect import atomic
from dissect.errors import NotFoundError, UsageError
from dissect.exchange.importers.descriptions import CLIP_DISSECT, MILAN, NEEDED, SIMILARITY
from dissect.exchange.importers.netdissect import BASE, HEAD, KIND, PARTS
from dissect.exchange.tables import harmless
from dissect.fingerprint import Plain
from dissect.store import ConceptScoreView, LabelView, RunRecord, Store, UnitFilter, UnitView

PUBLISHED = (KIND, MILAN, CLIP_DISSECT)
ORDER = ("color", "object", "part", "material", "scene", "texture")
"""Categories in the order of the published tables; others follow by name."""
AT_ONCE = 512


def export_published(store: Store, run_id: int, form: str, path: Path, *, layer: str | None = None) -> Path:
    """Write a run in the columns of `netdissect`, `milan` or `clip-dissect`. Returns `path`. Raises: as `published_text`."""
    atomic.write_text(path, published_text(store, run_id, form, layer=layer))
    return path


def published_text(store: Store, run_id: int, form: str, *, layer: str | None = None) -> str:
    """The table as text: UTF-8, comma, LF.

    Raises:
        UsageError: netdissect holds one layer and the run has several, or the run has no similarities or descriptions.
        NotFoundError: the run has no such layer.
    """
    record = store.run(run_id)
    names = [store.layer_summary(record.id, layer).layer] if layer is not None else list(record.layers)
    if not names:
        raise NotFoundError(f"run {record.id} has no layer yet. Finish it first.")
    if form == KIND:
        return _netdissect(store, record, names)
    return _described(store, record, names, form)


def _described(store: Store, record: RunRecord, names: Sequence[str], form: str) -> str:
    rows = []
    for name in names:
        for view in _views(store, record, name):
            label = _said(view, form)
            if label is not None:
                rows.append([name, view.index, label.text, *([label.score] if form == CLIP_DISSECT else [])])
    if not rows:
        what = "similarity" if form == CLIP_DISSECT else "label"
        raise UsageError(f"run {record.id} has no {what} to write in the columns of {form}. Choose another --format, such as csv.")
    return _csv(NEEDED[form], rows)


def _said(view: UnitView, form: str) -> LabelView | None:
    """The unit's description, else its formula, else its concept. CLIP-Dissect's columns take only what has a similarity."""
    first = [label for label in view.labels if label.rank == 1]
    if form == CLIP_DISSECT:
        return next((label for label in first if label.score_kind == SIMILARITY and label.score is not None), None)
    described = next((label for label in first if label.kind == "description"), None)
    return described or view.label


def _netdissect(store: Store, record: RunRecord, names: Sequence[str]) -> str:
    if len(names) > 1:
        raise UsageError(f"a table of netdissect holds one layer; run {record.id} has {', '.join(names[:20])}. Name one with --layer.")
    if record.label_kind != "masks":
        raise UsageError(f"run {record.id} has no pixel counts, which a table of netdissect is made of. Choose another --format.")
    views = list(_views(store, record, names[0]))
    table = next((done.summary for done in store.layer_methods(record.id) if done.method == "import" and done.layer == names[0]), {})
    kept = _mapping(table.get("kept"))
    columns = _columns(table, views)
    return _csv(columns, ([cells.get(name) for name in columns] for cells in (_cells(view, kept) for view in views)))


def _columns(table: Mapping[str, Plain], views: Sequence[UnitView]) -> list[str]:
    """Those that the table had, else the published ones for the categories that the units have."""
    given = table.get("columns")
    known = [str(name) for name in given] if isinstance(given, list) and table.get("kind") == KIND else []
    if known:
        return known
    there = {concept.category for view in views for concept in view.concepts}
    categories = [name for name in ORDER if name in there] + sorted(there - set(ORDER))
    return [*HEAD, *(f"{category}-{part}" for category in categories for part in PARTS)]


def _cells(view: UnitView, kept: Mapping[str, Plain]) -> dict[str, object]:
    label = next((each for each in view.labels if each.kind == "concept" and each.rank == 1), None)
    cells: dict[str, object] = {"unit": view.index + BASE, "category": "", "label": "", "score": 0}
    if label is not None:
        cells |= {"category": label.category or "", "label": label.text, "score": label.score}
    for concept in view.concepts:
        if concept.rank == 1:
            cells |= _category_cells(concept)
    for category, raw in _mapping(kept.get(str(view.index))).items():
        values = [str(each) for each in raw] if isinstance(raw, list) else []
        cells |= {f"{category}-{part}": value for part, value in zip(PARTS, values, strict=False)}
    return cells


def _category_cells(concept: ConceptScoreView) -> dict[str, object]:
    values = (concept.name, concept.concept_area, concept.unit_area, concept.intersection, concept.score)
    return {f"{concept.category}-{part}": value for part, value in zip(PARTS, values, strict=True)}


def _mapping(value: object) -> Mapping[str, Plain]:
    return value if isinstance(value, Mapping) else {}


def _views(store: Store, record: RunRecord, layer: str) -> Iterator[UnitView]:
    after: str | None = None
    filters = UnitFilter(run=record.id, layer=layer)
    while page := store.units(filters, order="index", limit=AT_ONCE, after=after, exemplars=0):
        yield from page
        after = page[-1].cursor


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([harmless(name) for name in header])
    for row in rows:
        writer.writerow(["" if cell is None else harmless(cell) for cell in row])
    return buffer.getvalue()
