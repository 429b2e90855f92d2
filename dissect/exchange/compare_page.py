"""A comparison of two runs, or a series of them, as files: one HTML page that needs nothing else and runs no script, JSON, and CSV."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from dissect import __version__, atomic
from dissect.audit.change_gate import ChangeVerdict
from dissect.audit.changes import LayerChange, RunChanges, UnitChange, unit_row
from dissect.errors import UsageError
from dissect.exchange.pages import TEMPLATES, environment
from dissect.exchange.summary import NO_CATEGORY, category_place, hues
from dissect.exchange.tables import harmless
from dissect.exchange.words import clean, some, two

PAGE, DATA, TABLE = "index.html", "comparison.json", "units.csv"
KIND = "dissect comparison"
MOST_ROWS, MOST_CONCEPTS = 200, 60


def write_comparison(changes: RunChanges, folder: Path, verdicts: Sequence[ChangeVerdict] = ()) -> Path:
    """Write a comparison's page, JSON and table of units into `folder` (made if needed; an earlier comparison is replaced).

    Returns the page.

    Raises:
        UsageError: the folder holds files of these names that are no comparison's.
        StorageError: they could not be written.
    """
    refuse_foreign(folder, KIND, (PAGE, DATA, TABLE), DATA)
    gates = [{"gate": str(each.clause), "failed": each.failed, "found": list(each.found)} for each in verdicts]
    plain = {"kind": KIND, **changes.as_plain(), "gates": gates}
    atomic.write_text(folder / DATA, json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    atomic.write_text(folder / TABLE, table_text(changes))
    atomic.write_text(folder / PAGE, html_text(changes, verdicts))
    return folder / PAGE


def html_text(changes: RunChanges, verdicts: Sequence[ChangeVerdict] = ()) -> str:
    """The page. Every name goes through escaping."""
    facts = page_facts(changes, verdicts)
    return standing_alone("compare_body.html", f"{changes.first} and {changes.second}", DATA, TABLE, facts)


def page_facts(
    changes: RunChanges, verdicts: Sequence[ChangeVerdict] = (), most: int = MOST_ROWS,
    addresses: Sequence[Callable[[str, int], str]] = (),
) -> dict[str, Any]:  # fmt: skip
    """What `compare_body.html` shows. most: changed units a layer. addresses: for each run, layer and unit -> the address of its page."""
    categories = [category for layer in changes.layers for category in layer.unique()]
    return {
        "changes": changes, "verdicts": verdicts, "sentence": sentence(changes), "hues": hues(list(dict.fromkeys(categories))),
        "tables": [_layer_tables(layer, most) for layer in changes.layers], "addresses": addresses,
    }  # fmt: skip


def standing_alone(body: str, title: str, data: str, table: str, facts: Mapping[str, Any]) -> str:
    """A page of one file around the template `body`. data, table: names of the files beside it."""
    style = (TEMPLATES / "dissect.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    page = environment().get_template("compare.html").render(
        body=body, policy=policy, style=Markup(style), program=__version__, title=title, data=data, table=table, **facts
    )  # fmt: skip
    return clean(page.strip() + "\n")


def in_usual_order(unique: Mapping[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    """Numbers by category, in the order of every other page; no category comes last."""
    return {category: unique[category] for category in sorted(unique, key=lambda name: category_place(name or NO_CATEGORY))}


def sentence(changes: RunChanges) -> str:
    """The comparison in one sentence."""
    totals = {change: sum(layer.counts()[change] for layer in changes.layers) for change in ("gained", "lost", "changed", "same")}
    alone = sum(layer.counts()["only first"] + layer.counts()["only second"] for layer in changes.layers)
    tail = f"; {some(alone, 'unit')} have no partner" if alone else ""
    return (
        f"In {some(len(changes.layers), 'layer')}, {some(totals['gained'], 'unit')} gained a label, {totals['lost']:,} lost one, "
        f"{totals['changed']:,} changed it, {totals['same']:,} kept it{tail}."
    )


def table_text(changes: RunChanges) -> str:
    """Every pair of units as CSV, one row each."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    rows = [(layer, unit_row(unit)) for layer in changes.layers for unit in layer.units]
    columns = list(unit_row(UnitChange(None, None, "none")))
    writer.writerow(["first_layer", "second_layer", *columns])
    for layer, row in rows:
        cells = [layer.first, layer.second, *(row[column] for column in columns)]
        writer.writerow([harmless(clean(cell)) if isinstance(cell, str) else "" if cell is None else cell for cell in cells])
    return buffer.getvalue()


def refuse_foreign(folder: Path, kind: str, files: Sequence[str], mark: str) -> None:
    """Let through what does not exist, or an earlier comparison of this kind.

    Raises:
        UsageError: anything else.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file. Name a folder for the comparison.")
    there = [name for name in files if (folder / name).exists()]
    if not there:
        return
    try:
        found = json.loads((folder / mark).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict) or found.get("kind") != kind:
        what = kind.removeprefix("dissect ")
        raise UsageError(f"{folder} holds a {there[0]} that is no {what}'s; nothing was touched. Name a new folder.")


def _layer_tables(layer: LayerChange, most: int) -> dict[str, Any]:
    moved = [concept for concept in layer.concepts() if concept.first != concept.second]
    rows = sorted((unit for unit in layer.units if unit.change in ("gained", "lost", "changed")), key=_weight)
    return {
        "change": layer, "sentence": layer_sentence(layer), "unique": in_usual_order(layer.unique()),
        "concepts": moved[:MOST_CONCEPTS], "more_concepts": max(0, len(moved) - MOST_CONCEPTS),
        "rows": rows[:most], "more_rows": max(0, len(rows) - most),
    }  # fmt: skip


def layer_sentence(layer: LayerChange) -> str:
    """One layer in a sentence."""
    counts = layer.counts()
    words = (
        f"{some(counts['gained'], 'unit')} gained a label, {counts['lost']:,} lost one, {counts['changed']:,} changed it, "
        f"{counts['same']:,} kept it, {counts['none']:,} have none in either run."
    )
    if layer.match != "activation":
        return f"{words} Units are paired by number."
    alone = counts["only first"] + counts["only second"]
    return (
        f"{words} Units are paired by what they answer to: mean correlation {two(layer.mean_correlation)}, against "
        f"{two(layer.chance_correlation)} with shuffled images; {some(alone, 'unit')} left without a partner."
    )


def _weight(unit: UnitChange) -> tuple[float, int]:
    """Strongest labels first."""
    scores = [side.score for side in (unit.first, unit.second) if side is not None and side.counts and side.score is not None]
    index = unit.first.index if unit.first is not None else unit.second.index if unit.second is not None else 0
    return -max(scores, default=0.0), index
