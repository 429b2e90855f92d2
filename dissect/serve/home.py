"""The first page: what is in the database, and some of the strongest detectors to begin with."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse

from dissect.serve import links
from dissect.serve.api import Reference, Segment
from dissect.serve.auth import Limits, Read
from dissect.serve.cards import best_cards
from dissect.serve.names import name_in
from dissect.serve.pages import colours, render
from dissect.serve.read import Reader
from dissect.serve.routing import OneState
from dissect.serve.settings import Settings
from dissect.store import UnitFilter

router = APIRouter(include_in_schema=False, route_class=OneState)


@router.get("/", response_class=HTMLResponse)
def first(read: Read, limits: Limits) -> str:
    """Networks and runs."""
    return _runs(read, limits, None)


@router.get("/runs")
async def runs() -> RedirectResponse:
    """The first page lists the runs."""
    return RedirectResponse("/", 307)


@router.get("/m/{model}", response_class=HTMLResponse)
def model(read: Read, limits: Limits, model: Segment) -> str:
    """Runs of one network."""
    return _runs(read, limits, name_in(model))


@router.get("/m/{model}/r/{run}")
def model_run(read: Read, model: Segment, run: Reference) -> RedirectResponse:
    """A run has its page at its number."""
    return RedirectResponse(links.run(read.run(run, name_in(model)).id), 307)


def _runs(read: Reader, limits: Settings, model_name: str | None) -> str:
    records = read.runs(model_name)
    newest = UnitFilter(model=model_name, detectors=True, kind="concept", newest=True)
    return render(
        "home.html", title=model_name or "Networks and runs", model=model_name, runs=records, sizes=read.sizes(records),
        cards=best_cards(read, limits.thumbnails, newest), hues=colours(read),
        path=[("Networks", "/"), (model_name, "")] if model_name is not None else [],
        data="/runs.json" if model_name is None else f"{links.model(model_name)}.json",
    )  # fmt: skip
