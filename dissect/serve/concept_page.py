"""The page of a concept: what is above and below it, and the units of all runs that carry or use it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from dissect.exchange.summary import category_of
from dissect.serve import links
from dissect.serve.api import Segment
from dissect.serve.auth import Limits, Read
from dissect.serve.cards import cards
from dissect.serve.names import name_in
from dissect.serve.pages import colours, render
from dissect.serve.paging import steps
from dissect.serve.places import concept_filters
from dissect.serve.query import LayerQuery
from dissect.serve.routing import OneState

router = APIRouter(include_in_schema=False, route_class=OneState)
CARDS_A_PAGE = 48


@router.get("/c/{category}/{concept}", response_class=HTMLResponse)
def concept(read: Read, limits: Limits, category: Segment, concept: Segment, asked: Annotated[LayerQuery, Query()]) -> str:
    """One concept."""
    found = read.concept(name_in(category), name_in(concept))
    part = asked.part() | {"limit": min(asked.limit, CARDS_A_PAGE)}
    page = read.units(concept_filters(asked, found), **part, exemplars=1)
    shown, here = cards(limits.thumbnails, page.units), links.concept(found.category, found.name)
    return render(
        "concept_page.html", title=f"{found.name or '(label 0)'} [{found.category}]", concept=found, cards=shown, here=here,
        hues=colours(read, {found.category, *(category_of(card.unit.label) for card in shown)}),
        path=[("Units", "/units"), (found.name or "(label 0)", "")],
        **steps(here, asked, page), data=f"{here}.json", table=f"{here}.csv",
    )  # fmt: skip
