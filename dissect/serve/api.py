"""The API and the data twins of the pages: `/api/v1` mirrors their paths; `.json` behind one is the same answer, `.csv` its table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from dissect.exchange import audit_page, compare_page
from dissect.serve import answers, links, shapes
from dissect.serve.auth import Read
from dissect.serve.csv_out import csv_answer, table_answer
from dissect.serve.errors import ErrorAnswer
from dissect.serve.names import name_in
from dissect.serve.places import changes_of, concept_filters, layer_place
from dissect.serve.query import CompareQuery, LayerQuery, LayerTable, UnitQuery, UnitTable
from dissect.serve.read import Reader, UnitPage
from dissect.serve.routing import OneState

router = APIRouter(route_class=OneState)
ERRORS: dict[int | str, dict[str, Any]] = {
    404: {"model": ErrorAnswer, "description": "there is no such thing"},
    422: {"model": ErrorAnswer, "description": "a parameter is wrong"},
    "default": {"model": ErrorAnswer, "description": "any other error, in the same shape"},
}
Segment = Annotated[str, Path(description="A name; every byte but letters, digits and -_.:@,=+ is ~ and two hex digits.", max_length=1000)]
Number = Annotated[int, Path(ge=0, le=2**31 - 1)]
Reference = Annotated[str, Path(description="Number, beginning of the fingerprint, or latest.", max_length=80)]
CONCEPT_COLUMNS = ("category", "rank", "name", "score", "intersection", "unit_area", "concept_area", "reachable", "images")


def both(path: str, tag: str, model: type[shapes.Shape]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A route of the API, and the same as `.json` beside the page; only the former is in the OpenAPI document."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        router.get(links.API + path, tags=[tag], response_model=model, responses=ERRORS)(function)
        router.get(path + ".json", response_model=model, include_in_schema=False)(function)
        return function

    return register


def _go_on(request: Request, response: Response, page: UnitPage) -> None:
    """Say in a header where the pages beside this one are."""
    beside = (("next", "after", page.next), ("prev", "before", page.previous))
    found = [f'<{_address(request, name, cursor)}>; rel="{rel}"' for rel, name, cursor in beside if cursor is not None]
    if found:
        response.headers["Link"] = ", ".join(found)


def _address(request: Request, name: str, cursor: str) -> str:
    """The same question, from a cursor on (`after`) or up to it (`before`)."""
    asked = {name: tuple(request.query_params.getlist(name)) for name in request.query_params if name not in ("after", "before")}
    return links.with_query(request.url.path, {**asked, name: cursor})


@both("/runs", "runs", shapes.RunList)
def runs(read: Read) -> shapes.RunList:
    """The newest runs."""
    return _run_list(read, None)


@both("/m/{model}", "runs", shapes.RunList)
def model_runs(read: Read, model: Segment) -> shapes.RunList:
    """Runs of one network, newest first."""
    return _run_list(read, name_in(model))


def _run_list(read: Reader, model: str | None) -> shapes.RunList:
    records = read.runs(model)
    sizes = read.sizes(records)
    return shapes.RunList(runs=[answers.run_row(record, sizes.get(record.id)) for record in records])


@both("/runs/{run}", "runs", shapes.RunDocument)
def run(read: Read, run: Reference) -> shapes.RunDocument:
    """A run: layers, progress by shard, resolved configuration."""
    record = read.run(run)
    size = read.sizes([record]).get(record.id)
    return answers.run_document(record, size, read.layers(record), read.progress(record), read.audits(record))


@both("/units", "units", shapes.UnitList)
def units(read: Read, request: Request, response: Response, asked: Annotated[UnitQuery, Query()]) -> shapes.UnitList:
    """Units of all runs whose labels hold the words and pass the filters."""
    page = read.units(asked.filters(), **asked.part(), exemplars=0)
    _go_on(request, response, page)
    return answers.unit_list(page)


@router.get("/units.csv", include_in_schema=False)
def units_csv(read: Read, request: Request, asked: Annotated[UnitTable, Query()]) -> Response:
    """The same as a table."""
    return _table(request, read.units(asked.filters(), **asked.part(), exemplars=0))


@both("/m/{model}/r/{run}/{layer}/units", "layers", shapes.UnitList)
def layer_units(
    read: Read, request: Request, response: Response, model: Segment, run: Reference, layer: Segment,
    asked: Annotated[LayerQuery, Query()],
) -> shapes.UnitList:  # fmt: skip
    """The units of a layer."""
    record, summary = layer_place(read, model, run, layer)
    filters = asked.filters(run=record.id, layer=summary.layer)
    page = read.units(filters, **asked.part(), exemplars=0)
    _go_on(request, response, page)
    return answers.unit_list(page)


@router.get("/m/{model}/r/{run}/{layer}.csv", include_in_schema=False)
def layer_csv(
    read: Read, request: Request, model: Segment, run: Reference, layer: Segment, asked: Annotated[LayerTable, Query()]
) -> Response:
    """The units of a layer as a table."""
    record, summary = layer_place(read, model, run, layer)
    filters = asked.filters(run=record.id, layer=summary.layer)
    return _table(request, read.units(filters, **asked.part(), exemplars=0))


@router.get("/m/{model}/r/{run}/{layer}/{unit:int}.csv", include_in_schema=False)
def unit_csv(read: Read, model: Segment, run: Reference, layer: Segment, unit: Number) -> Response:
    """The concepts that describe a unit, as a table."""
    view = read.unit(*layer_place(read, model, run, layer), unit)
    rows = [{name: getattr(concept, name) for name in CONCEPT_COLUMNS} for concept in view.concepts]
    return csv_answer(CONCEPT_COLUMNS, rows, f"unit-{unit}.csv")


@both("/m/{model}/r/{run}/{layer}/{unit:int}", "units", shapes.UnitDocument)
def unit(read: Read, model: Segment, run: Reference, layer: Segment, unit: Number) -> shapes.UnitDocument:
    """A unit with everything that is known of it."""
    view = read.unit(*layer_place(read, model, run, layer), unit)
    return answers.unit_document(view, read.effects(view), read.findings(view), read.alike(view))


@both("/m/{model}/r/{run}/{layer}", "layers", shapes.LayerShape)
def layer(read: Read, model: Segment, run: Reference, layer: Segment) -> shapes.LayerShape:
    """A layer of a run in numbers."""
    return answers.layer_shape(*layer_place(read, model, run, layer))


@both("/c/{category}/{concept}", "concepts", shapes.ConceptDocument)
def concept(
    read: Read, request: Request, response: Response, category: Segment, concept: Segment, asked: Annotated[LayerQuery, Query()]
) -> shapes.ConceptDocument:
    """A concept, what is above and below it, and the units that carry or use it."""
    found = read.concept(name_in(category), name_in(concept))
    page = read.units(concept_filters(asked, found), **asked.part(), exemplars=0)
    _go_on(request, response, page)
    return answers.concept_document(found, page)


@router.get("/c/{category}/{concept}.csv", include_in_schema=False)
def concept_csv(
    read: Read, request: Request, category: Segment, concept: Segment, asked: Annotated[LayerTable, Query()]
) -> Response:
    """The units of a concept as a table."""
    found = read.concept(name_in(category), name_in(concept))
    return _table(request, read.units(concept_filters(asked, found), **asked.part(), exemplars=0))


@both("/compare", "compare", shapes.Comparison)
def compare(read: Read, asked: Annotated[CompareQuery, Query()]) -> shapes.Comparison:
    """Two runs beside each other, units paired by number."""
    return shapes.Comparison.model_validate(changes_of(read, asked).as_plain())


@router.get("/compare.csv", include_in_schema=False)
def compare_csv(read: Read, asked: Annotated[CompareQuery, Query()]) -> Response:
    """Every pair of units as a table."""
    return table_answer(compare_page.table_text(changes_of(read, asked)), "units.csv")


@both("/audits", "audits", shapes.AuditList)
def audits(read: Read) -> shapes.AuditList:
    """All audits, newest first."""
    return shapes.AuditList(audits=[answers.audit_row(record) for record in read.audits()])


@router.get("/audits/{audit:int}.csv", include_in_schema=False)
def audit_csv(read: Read, audit: Number) -> Response:
    """Every finding of an audit as a table."""
    return table_answer(audit_page.csv_text(read.audit(audit)[1]), f"audit-{audit}.csv")


@both("/audits/{audit:int}", "audits", shapes.AuditDocument)
def audit(read: Read, audit: Number) -> shapes.AuditDocument:
    """An audit with its report."""
    return answers.audit_document(*read.audit(audit))


def _table(request: Request, page: UnitPage) -> Response:
    rows = [answers.unit_row(view).model_dump() for view in page.units]
    answer = csv_answer(tuple(shapes.UnitRow.model_fields), rows, "units.csv")
    _go_on(request, answer, page)
    return answer
