"""The page of a unit: the question "what is this?", answered with its evidence."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse

from dissect.exchange import help as glossary
from dissect.exchange.described import METHOD as DESCRIBED
from dissect.exchange.from_store import report_head, report_unit
from dissect.exchange.pages import unit_values, verify_command
from dissect.exchange.summary import category_of
from dissect.exchange.view import ReportLayer, ReportRun
from dissect.exchange.words import effect_words
from dissect.serve import links
from dissect.serve.album import Album
from dissect.serve.api import Number, Reference, Segment
from dissect.serve.auth import Limits, Read
from dissect.serve.cards import cards
from dissect.serve.pages import colours, help_address, render
from dissect.serve.places import layer_place
from dissect.serve.read import Reader
from dissect.serve.routing import OneState
from dissect.serve.settings import Settings
from dissect.serve.write import Who
from dissect.store import LayerSummary, RunRecord, UnitView

router = APIRouter(include_in_schema=False, route_class=OneState)


@router.get("/m/{model}/r/{run}/{layer}/random")
def some_unit(read: Read, model: Segment, run: Reference, layer: Segment) -> RedirectResponse:
    """Any unit of the layer."""
    record, summary = layer_place(read, model, run, layer)
    index = random.randrange(max(1, summary.units))
    return RedirectResponse(links.unit(record.model, record.id, summary.layer, index), 307, {"Cache-Control": "no-store"})


@router.get("/m/{model}/r/{run}/{layer}/{unit:int}", response_class=HTMLResponse)
def unit(read: Read, limits: Limits, who: Who, model: Segment, run: Reference, layer: Segment, unit: Number) -> str:
    """One unit."""
    record, summary = layer_place(read, model, run, layer)
    return render("unit_page.html", who=who, **_values(read, limits, record, summary, read.unit(record, summary, unit)))


def _values(read: Reader, limits: Settings, record: RunRecord, summary: LayerSummary, view: UnitView) -> dict[str, Any]:
    head = report_head(record, [summary])
    effects, shown = read.effects(view), report_unit(view)
    alone = next((effect for effect in effects if len(effect.members) == 1 and effect.dose == 0), None)
    if alone is not None and shown.label is not None and shown.label.kind == "concept":
        shown = replace(shown, label=replace(shown.label, effect=effect_words(alone)))
    album = Album(limits.thumbnails, [view])
    hue = colours(read, {category_of(label) for label in (shown.label, *shown.runners)})
    top = read.tests(summary).top or 1.0
    layer = ReportLayer(summary.layer, (), descriptions=read.summary(record, summary.layer, DESCRIBED))
    here = links.unit(record.model, record.id, summary.layer, view.index)
    return {
        **unit_values(head, layer, shown, album.pictures(shown, ""), album.shape, top, hue),
        **_around(record, summary, view), "run": head, "view": view, "hues": hue, "effects": effects, "effect_words": effect_words,
        "findings": read.findings(view), "neighbours": read.neighbours(view),
        "alike": cards(limits.thumbnails, read.alike(view)), "path": _path(head, record, summary, view), "verify": verify_command(head),
        "help_page": help_address(head), "score_help": f"{help_address(head)}#{glossary.score_anchor(head)}",
        "here": here, "data": f"{here}.json", "table": f"{here}.csv",
    }  # fmt: skip


def _around(record: RunRecord, summary: LayerSummary, view: UnitView) -> dict[str, Any]:
    """Addresses of the units beside it."""
    before = view.index - 1 if view.index > 0 else None
    after = view.index + 1 if view.index + 1 < summary.units else None
    layer = links.layer(record.model, record.id, summary.layer)
    return {"before": before, "after": after, "layer_href": layer}


def _path(head: ReportRun, record: RunRecord, summary: LayerSummary, view: UnitView) -> list[tuple[str, str]]:
    return [
        (record.model, links.model(record.model)), (f"{record.dataset}, run {record.id}", links.run(record.id)),
        (summary.layer, links.layer(record.model, record.id, summary.layer)), (f"unit {view.index}", ""),
    ]  # fmt: skip
