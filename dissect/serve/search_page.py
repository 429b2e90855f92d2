"""The page of a search: units, not rows; why each was found; what there is instead where nothing was."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from dissect.exchange.plots import percent_of
from dissect.exchange.summary import NO_CATEGORY, category_of
from dissect.exchange.words import clip
from dissect.serve import links
from dissect.serve.auth import Limits, Read
from dissect.serve.cards import Card, cards
from dissect.serve.pages import colours, joined, macros, render, words_of
from dissect.serve.paging import fitted, steps
from dissect.serve.query import UnitQuery
from dissect.serve.read import Reader
from dissect.serve.routing import OneState
from dissect.serve.settings import Settings
from dissect.store import Facets, FacetValue

router = APIRouter(include_in_schema=False, route_class=OneState)
MOST_VALUES = 8
SAID = {
    "model": "network", "dataset": "data set", "min_iou": "IoU at least", "max_q": "q at most", "detectors": "detectors only",
    "all_runs": "older runs too", "survives": "only labels that survive every test",
}  # fmt: skip
"""Filters in words, where they differ from their names."""


@router.get("/units", response_class=HTMLResponse)
def units(read: Read, limits: Limits, asked: Annotated[UnitQuery, Query()]) -> str:
    """Units of all runs."""
    return render("search_page.html", **_values(read, limits, asked))


def _values(read: Reader, limits: Settings, asked: UnitQuery) -> dict[str, Any]:
    page = read.units(asked.filters(), **asked.part())
    shown, words = cards(limits.thumbnails, page.units), words_of(asked.q)
    hue = colours(read, {category_of(card.unit.label) for card in shown})
    made = macros("/help", "parts.html")
    top = max((card.unit.label.score or 0.0 for card in shown if card.unit.label and card.unit.label.measure == "iou"), default=0.0)
    rows = [str(made.found(card, hue[category_of(card.unit.label)], words, _share(card, top))) for card in shown]
    page, rows = fitted(page, rows, asked)
    found, table = read.facets(asked.filters()), _asked(asked, limit=None)
    return {
        "title": f"units for “{asked.q}”" if asked.q else "Units", "asked": asked, "q": asked.q or "", "rows": joined(rows),
        **steps("/units", asked, page), "active": _active(asked),
        "near": read.near(asked.q) if not rows and asked.q else [],
        "facets": _links(found, asked),
        "found": found,
        "everywhere": links.with_query("/units", _asked(asked, all_runs=True)),
        "models": _options(asked.model, (run.model for run in read.runs())), "categories": _options(asked.category, hue),
        "data": links.with_query("/units.json", asked.asked()), "table": links.with_query("/units.csv", table),
    }  # fmt: skip


def _options(asked: str | None, names: Iterable[str]) -> list[tuple[str, str]]:
    """What a field offers, with what was asked for among it."""
    return [("", "any")] + [(name, clip(name, 40)) for name in sorted({*names, asked or ""} - {"", NO_CATEGORY})]


def _links(found: Facets, asked: UnitQuery) -> list[tuple[str, list[tuple[str, str, int]]]]:
    """(what the list divides by, [(value, address with it, units)]) for every filter that is not set yet and has a choice."""
    groups = (
        ("model", found.models), ("layer", found.layers), ("category", found.categories), ("method", found.methods),
        ("concept", found.concepts),
    )  # fmt: skip
    def lines(name: str, values: tuple[FacetValue, ...]) -> list[tuple[str, str, int]]:
        with_it = [_asked(asked, **{name: each.name}) for each in values[:MOST_VALUES]]
        return [(each.name, links.with_query("/units", query), each.units) for each, query in zip(values, with_it, strict=False)]

    return [(name, lines(name, values)) for name, values in groups if len(values) > 1 and getattr(asked, name) is None]


def _share(card: Card, top: float) -> float:
    label = card.unit.label
    return percent_of(label.score, top) if label is not None and label.measure == "iou" else 0.0


def _asked(asked: UnitQuery, **changed: object) -> dict[str, object]:
    """The question with parts of it changed, from its first page on; None takes a part away."""
    return {**asked.question(), **changed}


def _active(asked: UnitQuery) -> list[tuple[str, str]]:
    """(what is asked for, the address without it) of every filter that is set."""
    found = []
    for name, value in asked.question().items():
        if name not in ("q", "limit", "order"):
            said = SAID.get(name, name) + ("" if value is True else f" {', '.join(value) if isinstance(value, list) else value}")
            said = "no narrower concepts" if value is False else said
            found.append((said, links.with_query("/units", _asked(asked, **{name: None}))))
    return found
