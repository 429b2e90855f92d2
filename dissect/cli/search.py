"""`dissect search`: find units by the words of their labels, by filters, or by a picture."""

from __future__ import annotations

import difflib
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from dissect.cli.output import Format, write_json, write_rows
from dissect.cli.read import FormatOption, chosen, unit_row
from dissect.cli.state import State
from dissect.errors import UsageError

if TYPE_CHECKING:
    from dissect.store import Facets, Store, UnitFilter

COLUMNS = (
    "run", "model", "data", "layer", "profile", "quantile", "unit", "label", "category", "score", "kind", "images", "state", "why",
)  # fmt: skip
DRIVEN = ("drive", "maximum", "share", "run", "model", "layer", "unit", "label", "category", "score")
RULES = ("profile", "quantile")
"""Columns that a table for people leaves out where all rows agree."""
FILTERS = {
    "model": "--model", "dataset": "--data", "layer": "--layer", "category": "--category", "method": "--method", "kind": "--kind",
    "state": "--state", "uses": "--uses", "min_iou": "--min-iou", "min_score": "--min-score", "max_score": "--max-score",
    "max_q": "--max-q", "detectors": "--detectors", "survives": "--survives", "reviewed": "--reviewed", "run": "--run",
}  # fmt: skip
VALUES = {"model": "models", "layer": "layers", "category": "categories", "method": "methods"}
"""Filter -> the facet that counts its values."""


def register(app: typer.Typer) -> None:
    """Add this file's command."""
    app.command()(search)



def search(
    context: typer.Context,
    text: Annotated[str, typer.Argument(help='Words that must all be found; OR, NOT or -word, "a phrase", word* and parentheses.')] = "",
    model: Annotated[str | None, typer.Option(help="Only units of this network.")] = None,
    layer: Annotated[str | None, typer.Option(help="Only units of this layer.")] = None,
    run: Annotated[str | None, typer.Option(help="Only this run: number, fingerprint prefix or latest.")] = None,
    data: Annotated[str | None, typer.Option(help="Only runs on this data set.")] = None,
    category: Annotated[str | None, typer.Option(help="Only labels of this category.")] = None,
    method: Annotated[str | None, typer.Option(help="Only labels of this method.")] = None,
    kind: Annotated[Literal["concept", "formula", "description"] | None, typer.Option(help="Only labels of this kind.")] = None,
    status: Annotated[str | None, typer.Option("--state", help="Only units in this state: ok, dead, constant, ...")] = None,
    uses: Annotated[
        list[str] | None, typer.Option(help="Only formulas that use this concept; NOT before its name: that exclude it. May be repeated.")
    ] = None,
    min_iou: Annotated[float | None, typer.Option(help="Only labels with at least this IoU.")] = None,
    min_score: Annotated[float | None, typer.Option(help="Only labels with at least this score, of whatever kind.")] = None,
    max_score: Annotated[float | None, typer.Option(help="Only labels with at most this score, of whatever kind.")] = None,
    max_q: Annotated[float | None, typer.Option(help="Only labels whose q-value is at most this (untested ones are left out).")] = None,
    detectors: Annotated[bool, typer.Option("--detectors", help="Only units that count as detectors.")] = False,
    survives: Annotated[
        bool, typer.Option("--survives", help="Only detectors told from chance, chosen by both halves, and held out above the threshold.")
    ] = False,
    reviewed: Annotated[str | None, typer.Option(help="Only labels that are accepted, rejected, relabelled, stale or unreviewed.")] = None,
    narrower: Annotated[
        bool, typer.Option("--narrower/--no-narrower", help="Whether a word also finds what is under it: dog finds terriers.")
    ] = True,
    all_runs: Annotated[
        bool, typer.Option("--all-runs", help="Also older and unfinished runs on the same layer, network and data set.")
    ] = False,
    order: Annotated[Literal["score", "index", "concept", "category"], typer.Option(help="How to sort.")] = "score",
    facets: Annotated[bool, typer.Option("--facets", help="Instead, count units by model, layer, category, method and concept.")] = False,
    image: Annotated[
        Path | None, typer.Option(help="Instead, a picture: the units of --run that it drives hardest above their thresholds.")
    ] = None,
    after: Annotated[str | None, typer.Option(help="Go on behind the unit with this cursor (--json gives cursors).")] = None,
    before: Annotated[str | None, typer.Option(help="The page that ends ahead of the unit with this cursor.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many units.")] = 20,
    form: FormatOption = None,
) -> None:
    """Find units by the words of their labels; those named so first, then by synonym, then by a broader concept.

    Of several runs on the same layer, network and data set only the newest finished one is searched, unless --run or --all-runs is given.

    Example: dissect search "car" --layer layer6 --min-iou 0.04
    """
    from dissect.store import UnitFilter

    state: State = context.obj
    filters = UnitFilter(
        run=run, model=model, dataset=data, layer=layer, category=category, method=method, kind=kind, state=status, min_iou=min_iou,
        min_score=min_score, max_score=max_score, max_q=max_q, detectors=detectors, survives=survives, narrower=narrower, reviewed=reviewed,
        newest=not all_runs, uses=tuple(uses or ()), q=text if text.strip() else None,
    )  # fmt: skip
    if image is not None:
        _by_picture(state, image, run, layer, limit, form)
    elif facets:
        _show_facets(state, state.store(create=False).facets(filters), form)
    else:
        _by_words(state, filters, order, after, before, limit, form)


def _by_words(
    state: State, filters: UnitFilter, order: str, after: str | None, before: str | None, limit: int, form: Format | None
) -> None:
    store = state.store(create=False)
    found = store.units(filters, order=order, limit=limit, after=after, before=before, exemplars=0)
    how = chosen(form, state)
    rows = [unit_row(view) for view in found]
    if how == "json":
        write_json([{**row, "cursor": view.cursor} for row, view in zip(rows, found, strict=True)])
    else:
        write_rows(rows, _columns(rows) if how == "table" else COLUMNS, how)
    if not found:
        state.say(_nothing_found(store, filters))
    elif len(found) == limit:
        state.say(f"the first {limit}; more with --limit")


def _by_picture(state: State, image: Path, run: str | None, layer: str | None, limit: int, form: Format | None) -> None:
    from dissect.pipeline.picture_units import units_for

    if run is None:
        raise UsageError("--image is compared with the units of one run. Name it with --run: a number, a fingerprint prefix or latest.")
    found = units_for(state.store(create=False), state.config, run, image, layers=(layer,) if layer else (), limit=limit)
    rows = [{"drive": one.drive, "maximum": one.maximum, "share": one.share, **unit_row(one.unit)} for one in found]
    write_rows(rows, DRIVEN, chosen(form, state))
    if not found:
        state.say("the picture drives no unit above its threshold")


def _show_facets(state: State, found: Facets, form: Format | None) -> None:
    how = chosen(form, state)
    if how == "json":
        write_json(asdict(found))
        return
    names = ("models", "layers", "categories", "methods", "concepts")
    rows = [{"facet": name, "value": value.name, "units": value.units} for name in names for value in getattr(found, name)]
    write_rows(rows, ("facet", "value", "units"), how)
    state.say(f"{found.total:,}+ units; more labels pass than were counted" if found.capped else f"{found.total:,} units")


def _columns(rows: list[dict[str, object]]) -> tuple[str, ...]:
    """All but the rules of the run, which are shown only where the rows differ in them."""
    return tuple(name for name in COLUMNS if name not in RULES or len({row[name] for row in rows}) > 1)


def _nothing_found(store: Store, filters: UnitFilter) -> str:
    """Why that may be: another run holds it, one filter shuts all out, or the word is none."""
    from dissect.store import UnitFilter

    if store.units(replace(filters, newest=False), limit=1, exemplars=0):
        return "nothing found in the newest finished runs; older or unfinished ones hold something: --all-runs"
    for name, option in FILTERS.items():
        off = getattr(UnitFilter(), name)
        without = replace(filters, **{name: off})
        if getattr(filters, name) != off and store.units(without, limit=1, exemplars=0):
            value = getattr(filters, name)
            shown = option if value is True else f"{option} {value[0] if isinstance(value, tuple) else value}"
            return f"nothing found with {shown}; without it there is" + _instead(store, without, name)
    words = (filters.q or "").split()
    small = [word for word in words if word in ("or", "and", "not")]
    if small:
        return f"nothing found; {small[0]} is looked for as a word, {small[0].upper()} is the operator"
    names = sorted({view.name for view in store.concepts()})
    near = difflib.get_close_matches(filters.q or "", names, n=5, cutoff=0.5)
    several = "; all words must stand in one label" if len(words) > 1 and not set(words) & {"OR", "AND", "NOT"} else ""
    return f"nothing found{several}" + (f"; concepts that do exist: {', '.join(near)}" if near else "")


def _instead(store: Store, without: UnitFilter, name: str) -> str:
    """Values of the filter that would let something through."""
    if name not in VALUES:
        return " something"
    found = getattr(store.facets(without), VALUES[name])
    return f": {', '.join(value.name for value in found[:8])}" if found else " something"
