"""Reviews of labels over HTTP: read and added by programs, added by the form of a unit's page."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ConfigDict, Field

from dissect.serve import links
from dissect.serve.api import ERRORS, Number, Reference, Segment
from dissect.serve.auth import Read
from dissect.serve.places import layer_place
from dissect.serve.shapes import ReviewList, ReviewShape
from dissect.serve.write import Writable, person, program
from dissect.store.review_book import MOST_TEXT
from dissect.store.tokens import TokenRecord

router = APIRouter()
PLACE = "/m/{model}/r/{run}/{layer}/{unit:int}/reviews"
Verdict = Literal["accept", "reject", "relabel"]


class ReviewAsk(BaseModel):
    """A review. relabel: the better label, for the verdict `relabel`. method: whose label; by default the headline's.

    seen: the label as it was seen; if it is another by now, the review is refused.
    """

    model_config = ConfigDict(extra="forbid")

    verdict: Verdict
    relabel: Annotated[str | None, Field(max_length=MOST_TEXT)] = None
    comment: Annotated[str, Field(max_length=MOST_TEXT)] = ""
    method: Annotated[str | None, Field(max_length=200)] = None
    seen: Annotated[str | None, Field(max_length=10_000)] = None


@router.get(links.API + PLACE, tags=["reviews"], response_model=ReviewList, responses=ERRORS)
def history(read: Read, store: Writable, model: Segment, run: Reference, layer: Segment, unit: Number) -> ReviewList:
    """Every review of a unit, newest first."""
    record, summary = layer_place(read, model, run, layer)
    return ReviewList(reviews=[ReviewShape.model_validate(found) for found in store.reviews().history(record.id, summary.layer, unit)])


@router.post(links.API + PLACE, tags=["reviews"], response_model=ReviewShape, responses=ERRORS, status_code=201)
def add(
    read: Read, store: Writable, token: Annotated[TokenRecord, Depends(program("review"))], model: Segment, run: Reference, layer: Segment,
    unit: Number, asked: ReviewAsk,
) -> ReviewShape:  # fmt: skip
    """Review a unit's label. Needs a token with the scope `review`."""
    record, summary = layer_place(read, model, run, layer)
    found = store.reviews().add(record.id, summary.layer, unit, reviewer=token.name, **asked.model_dump())
    return ReviewShape.model_validate(found)


@router.post(PLACE, include_in_schema=False)
def send(
    read: Read, store: Writable, token: Annotated[TokenRecord, Depends(person("review"))], model: Segment, run: Reference, layer: Segment,
    unit: Number, verdict: Annotated[Verdict, Form()], relabel: Annotated[str, Form(max_length=MOST_TEXT)] = "",
    comment: Annotated[str, Form(max_length=MOST_TEXT)] = "", method: Annotated[str, Form(max_length=200)] = "",
    seen: Annotated[str, Form(max_length=10_000)] = "",
) -> RedirectResponse:  # fmt: skip
    """The form of a unit's page. A better label counts only with the verdict that it belongs to."""
    record, summary = layer_place(read, model, run, layer)
    better = relabel if verdict == "relabel" else None
    store.reviews().add(
        record.id, summary.layer, unit, verdict, token.name, relabel=better, comment=comment, method=method or None, seen=seen or None
    )  # fmt: skip
    return RedirectResponse(f"{links.unit(record.model, record.id, summary.layer, unit)}#review", 303)
