"""`dissect unit`: read one unit; and what lists of units share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from dissect.cli.described import description_lines
from dissect.cli.formulas import formula_lines
from dissect.cli.output import Format, shown, write_json, write_rows
from dissect.cli.reviewed import lines_of_reviews
from dissect.cli.state import State
from dissect.cli.tested import lines_of_tests
from dissect.errors import UsageError

if TYPE_CHECKING:
    from dissect.store import NeighbourView, UnitView

FormatOption = Annotated[Literal["table", "json", "csv"] | None, typer.Option("--format", help="table, json or csv.")]


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command()(unit)


def unit(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="MODEL/LAYER/UNIT", help="For example demo/layer6/99.")],
    run: Annotated[str | None, typer.Option(help="In this run; otherwise the newest that has it.")] = None,
    neighbours: Annotated[
        int, typer.Option(min=0, help="Instead, list so many units of other layers, runs and networks with the most similar concepts.")
    ] = 0,
    form: FormatOption = None,
) -> None:
    """Show what is known of one unit: labels, runner-ups, exemplars, statistics.

    Example: dissect unit demo/layer6/99
    """
    state: State = context.obj
    model, layer, index = split_name(name)
    store = state.store(create=False)
    view = store.unit(model, layer, index, run=run)
    how = chosen(form, state)
    if neighbours:
        rows = [_neighbour_row(each) for each in store.neighbours(view, limit=neighbours)]
        write_rows(rows, ("similarity", "run", "model", "layer", "unit", "label", "shared"), how)
        if not rows:
            state.say("no unit of another layer, run or network answers to the same concepts")
        return
    if how == "json":
        write_json(unit_document(view))
    elif how == "csv":
        write_rows(
            _concept_rows(view),
            ("category", "rank", "concept", "score", "intersection", "unit_area", "concept_area", "reachable", "images"),
            "csv",
        )
    else:
        print(_page(view))


def split_name(name: str, form: str = "MODEL/LAYER/UNIT, for example demo/layer6/99") -> tuple[str, str, int]:
    """MODEL/LAYER/UNIT (or another `form`) into its parts. Models may hold slashes: the last part is the unit, the one before the layer.

    Raises:
        UsageError: it has another form.
    """
    parts = name.split("/")
    if len(parts) < 3 or not parts[-1].isdecimal() or not all(parts):
        raise UsageError(f"{name!r} does not name a unit. Write it as {form}.")
    return "/".join(parts[:-2]), parts[-2], int(parts[-1])


def chosen(form: Format | None, state: State) -> Format:
    """--format wins, then --json, then a table."""
    return form or ("json" if state.json else "table")


def unit_row(view: UnitView) -> dict[str, object]:
    """One line of a list of units."""
    label = view.label
    return {
        "run": view.run_id,
        "model": view.model,
        "data": view.dataset,
        "layer": view.layer,
        "profile": view.profile,
        "quantile": view.quantile,
        "unit": view.index,
        "label": label.text if label else None,
        "category": label.category if label else None,
        "score": label.score if label else None,
        "kind": label.score_kind if label else None,
        "images": label.images if label else None,
        "state": view.stats.state,
        "why": view.why or None,
    }


def unit_document(view: UnitView) -> dict[str, object]:
    """All of one unit as plain data."""
    from dataclasses import asdict

    document = asdict(view)
    document.pop("cursor", None)
    document.pop("formula_masks", None)
    for exemplar in document["exemplars"]:
        exemplar.pop("mask", None)
    return document


def _neighbour_row(near: NeighbourView) -> dict[str, object]:
    return {
        "similarity": near.similarity, "run": near.run_id, "model": near.model, "layer": near.layer, "unit": near.index,
        "label": near.label, "shared": ", ".join(near.shared[:3]),
    }  # fmt: skip


def _concept_rows(view: UnitView) -> list[dict[str, object]]:
    return [
        {
            "category": c.category,
            "rank": c.rank,
            "concept": c.name,
            "score": c.score,
            "intersection": c.intersection,
            "unit_area": c.unit_area,
            "concept_area": c.concept_area,
            "reachable": c.reachable,
            "images": c.images,
        }
        for c in view.concepts
    ]


def _page(view: UnitView) -> str:
    from dissect.exchange.summary import category_place
    from dissect.exchange.words import presence, two

    stats, label = view.stats, view.label
    rules = f"profile {view.profile}, quantile {view.quantile:g}" if view.quantile is not None else f"profile {view.profile}"
    lines = [f"{view.model} / {view.layer} / unit {view.index}   (run {view.run_id}, data {view.dataset}, {rules})", ""]
    if label is None:
        lines.append(f"no label: the unit is {stats.state}" if stats.state in ("dead", "constant") else "no label")
    else:
        tested = f"q {two(label.q)}" if label.q is not None else "not tested for chance"
        counts = "" if label.intersection is None else f"   I {label.intersection}  A {label.unit_area}  G {label.concept_area}"
        reach = "" if label.reachable is None else f"  (reachable {shown(label.reachable)})"
        kind = label.kind if label.category is None else label.category
        score = "no score" if label.score is None else f"{label.score_kind} {shown(label.score)}"
        lines.append(f"{shown(label.text)}   [{kind}]   {score}{reach}   {tested}{counts}")
        if label.images is not None:
            lines.append(presence(label.images))
        if label.detector is not None:
            lines.append("counts as a detector" if label.detector else "below the detector threshold: read it as a hint, not a label")
    lines += formula_lines(view) + description_lines(view) + lines_of_tests(view) + lines_of_reviews(view)
    lines += ["", *_activity(view)]
    if stats.twin is not None:
        lines.append(f"bit-equal twin of unit {stats.twin}")
    if view.concepts:
        lines += ["", "what else it could be"]
        ordered = sorted(view.concepts, key=lambda c: (category_place(c.category), c.rank))
        lines += [f"  {c.category:10} {c.rank}. {shown(c.name):28} {shown(c.score):>6}   {presence(c.images)}".rstrip() for c in ordered]
    if view.exemplars:
        lines += ["", "images that drive it highest"]
        lines += [f"  {e.rank:2}. {shown(e.activation):>10}  {shown(e.key)}" for e in view.exemplars]
    return "\n".join(lines + _others(view))


def _activity(view: UnitView) -> list[str]:
    """What the unit does; nothing of it is known of an imported one."""
    stats = view.stats
    if stats.state == "unknown":
        return ["imported: its labels are all that is known of it"]
    share = f"{100 * stats.active_share:.2f} % of positions" if stats.active_share is not None else "?"
    return [
        f"state {stats.state}, threshold {shown(stats.threshold)}, maximum {shown(stats.maximum)}, mean {shown(stats.mean)}, active {share}"
    ]


def _others(view: UnitView) -> list[str]:
    """What other runs call the same unit, a line each."""
    if not view.others:
        return []
    lines = ["", "what other runs call it"]
    for each in view.others:
        score = "no score" if each.score is None else f"{each.score_kind} {shown(each.score)}"
        doubt = ", no detector" if each.detector is False else ""
        q = "" if each.q is None else f", q {shown(each.q)}"
        run = f"run {each.run_id}, {each.method}, data {shown(each.dataset)}" + (f", from {shown(each.source)}" if each.source else "")
        lines.append(f"  {shown(each.text):32} [{shown(each.category or each.kind)}]   {score}{doubt}{q}   ({run})")
    return lines
