"""The page of a run: how far it is, what came out layer by layer, how it was set."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from dissect.exchange.from_store import report_head
from dissect.exchange.report import MOST_SKIPPED
from dissect.serve import links
from dissect.serve.api import Reference
from dissect.serve.auth import Limits, Read
from dissect.serve.cards import best_cards
from dissect.serve.layer_page import facts_of, sentence
from dissect.serve.pages import colours, help_address, render
from dissect.serve.read import Reader
from dissect.serve.routing import OneState
from dissect.serve.settings import Settings
from dissect.store import LayerSummary, RunRecord, UnitFilter

router = APIRouter(include_in_schema=False, route_class=OneState)
CARDED_LAYERS = 6
"""Layers whose strongest detectors are shown; a run of a hundred layers would make a page of thousands of pictures."""


@router.get("/runs/{run}", response_class=HTMLResponse)
def run(read: Read, limits: Limits, run: Reference) -> str:
    """One run."""
    record = read.run(run)
    summaries, skipped = read.layers(record), read.skipped(record)
    head = report_head(record, summaries, (), skipped)
    return render(
        "run_page.html", title=f"run {record.id}: {record.model} on {record.dataset}", run=head, record=record, hues=colours(read),
        layers=[_layer(read, limits, record, summary, place) for place, summary in enumerate(summaries)], progress=read.progress(record),
        audits=read.audits(record), skipped=head.skipped[:MOST_SKIPPED], help_page=help_address(head), data=f"{links.run(record.id)}.json",
        path=[(record.model, links.model(record.model)), (f"run {record.id}", "")],
    )  # fmt: skip


def _layer(read: Reader, limits: Settings, record: RunRecord, summary: LayerSummary, place: int) -> dict[str, Any]:
    facts = facts_of(summary, read.tests(summary))
    strongest = UnitFilter(run=record.id, layer=summary.layer, detectors=True, kind="concept")
    return {
        "name": summary.layer, "href": links.layer(record.model, record.id, summary.layer), "units": summary.units,
        "sentence": sentence(read, record, summary, facts),
        "cards": best_cards(read, limits.thumbnails, strongest) if place < CARDED_LAYERS else [],
    }  # fmt: skip
