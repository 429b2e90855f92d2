"""Audits, comparisons, the help, and what a program can ask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from dissect.audit.finding import Finding
from dissect.exchange import audit_page, compare_page
from dissect.exchange import help as glossary
from dissect.exchange.from_store import report_head
from dissect.exchange.view import ReportRun
from dissect.exchange.words import clip
from dissect.serve import links
from dissect.serve.api import Number
from dissect.serve.auth import Read
from dissect.serve.pages import render
from dissect.serve.places import changes_of
from dissect.serve.query import CompareQuery
from dissect.serve.read import Reader
from dissect.serve.routing import OneState

router = APIRouter(include_in_schema=False, route_class=OneState)
FINDINGS = 40
"""Rows a subject on an audit's page, and a layer on a comparison's; all of them are in the tables."""


@router.get("/audits", response_class=HTMLResponse)
def audits(read: Read) -> str:
    """All audits."""
    return render("audits.html", title="Audits", audits=read.audits(), path=[("Audits", "")], data="/audits.json")


@router.get("/audits/{audit:int}", response_class=HTMLResponse)
def audit(read: Read, audit: Number) -> str:
    """One audit."""
    record, report = read.audit(audit)
    here = links.audit(record.id)

    def address(finding: Finding) -> str:
        return "" if finding.unit is None else links.unit(record.model, record.run_id, finding.layer, finding.unit)

    return render(
        "audit_served.html", title=f"audit {record.id} of {record.model}", record=record, data=f"{here}.json", table=f"{here}.csv",
        data_href=f"{here}.json", table_href=f"{here}.csv", path=[("Audits", "/audits"), (f"audit {record.id}", "")],
        **audit_page.audit_values(report, most=FINDINGS, address=address),
    )  # fmt: skip


@router.get("/compare", response_class=HTMLResponse)
def compare(read: Read, asked: Annotated[CompareQuery, Query()]) -> str:
    """Two runs beside each other; a choice of runs while none is named."""
    runs = [(str(run.id), clip(f"{run.id}: {run.model} on {run.dataset}", 80)) for run in read.runs()]
    common = {"asked": asked, "runs": runs, "path": [("Compare", "")]}
    if asked.a is None or asked.b is None:
        return render("compare_served.html", title="Compare two runs", changes=None, **common)
    changes = changes_of(read, asked)
    addresses = [_units_of(read, number) for number in (asked.a, asked.b)]
    return render(
        "compare_served.html", title=f"{changes.first} and {changes.second}", data=links.with_query("/compare.json", asked.asked()),
        table=links.with_query("/compare.csv", asked.asked()), **common,
        **compare_page.page_facts(changes, most=FINDINGS, addresses=addresses),
    )  # fmt: skip


def _units_of(read: Reader, reference: str) -> Callable[[str, int], str]:
    """(layer, unit) -> the address of a unit of a run."""
    record = read.run(reference)
    return lambda layer, index: links.unit(record.model, record.id, layer, index)


@router.get("/help", response_class=HTMLResponse)
def explained(read: Read, run: Annotated[str | None, Query(max_length=80)] = None) -> str:
    """What every number means; in the terms of a run if one is named."""
    record = read.run(run) if run else None
    head = report_head(record, read.layers(record)) if record is not None else ReportRun("", "", "", (), {}, 0)
    return render(
        "help.html", run=head, title="How to read this", path=[("Help", "")], entries=glossary.entries(head), root="/", layer_folder="",
    )  # fmt: skip


@router.get("/api", response_class=HTMLResponse)
def programs(request: Request) -> str:
    """What a program can ask, from the API's own description."""
    described = request.app.openapi()
    routes = [
        (path, method.upper(), operation.get("summary", ""), operation.get("description", ""), operation.get("parameters", []))
        for path, operations in described["paths"].items()
        for method, operation in operations.items()
    ]
    return render("api.html", title="The API", routes=routes, path=[("API", "")], data=f"{links.API}/openapi.json")
