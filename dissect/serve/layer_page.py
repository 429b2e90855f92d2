"""The page of a layer: one sentence, the categories as bars, then its units in the order and with the filters of the address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from dissect.exchange import help as glossary
from dissect.exchange.described import METHOD as DESCRIBED
from dissect.exchange.formulas import METHOD
from dissect.exchange.from_store import report_head
from dissect.exchange.pages import MOST_BARS, BarGroup, BarLine, verify_command
from dissect.exchange.plots import percent_of
from dissect.exchange.summary import LayerFacts, category_of, category_place, layer_sentence
from dissect.exchange.view import ReportLayer
from dissect.serve import links
from dissect.serve.api import Reference, Segment
from dissect.serve.auth import Limits, Read
from dissect.serve.cards import Card, cards
from dissect.serve.pages import colours, help_address, joined, macros, render
from dissect.serve.paging import fitted, steps
from dissect.serve.places import layer_place
from dissect.serve.query import LayerQuery
from dissect.serve.read import Reader
from dissect.serve.routing import OneState
from dissect.serve.settings import Settings
from dissect.store import LabelTests, LayerSummary, RunRecord

router = APIRouter(include_in_schema=False, route_class=OneState)


@router.get("/m/{model}/r/{run}/{layer}", response_class=HTMLResponse)
def layer(read: Read, limits: Limits, model: Segment, run: Reference, layer: Segment, asked: Annotated[LayerQuery, Query()]) -> str:
    """One layer of a run."""
    record, summary = layer_place(read, model, run, layer)
    return render("layer_page.html", **_values(read, limits, record, summary, asked))


def facts_of(summary: LayerSummary, tests: LabelTests) -> LayerFacts:
    """A layer in numbers, counted by the database."""
    return LayerFacts(
        units=summary.units, states=summary.states, detectors=summary.detectors or 0, concepts=summary.unique or 0, tested=tests.tested,
        chance=tests.chance, top=tests.top or 1.0, histogram=(), measured=summary.detectors is not None,
    )  # fmt: skip


def sentence(read: Reader, record: RunRecord, summary: LayerSummary, facts: LayerFacts) -> str:
    """The layer's first line."""
    formulas, said = (read.summary(record, summary.layer, method) for method in (METHOD, DESCRIBED))
    return layer_sentence(ReportLayer(summary.layer, (), formulas=formulas, descriptions=said), facts, report_head(record, [summary]))


def bars_of(by_category: Mapping[str, Mapping[str, int]], here: str) -> list[BarGroup]:
    """The histogram; each bar leads to the units of its concept."""
    groups = []
    for category in sorted(filter(by_category.get, by_category), key=category_place):
        counted = sorted(by_category[category].items(), key=lambda pair: (-pair[1], pair[0]))
        lines = [
            BarLine(
                name or "(label 0, which has no name)", units, _narrowed(here, category=category, concept=name, detectors=True),
                f"{name}: {units:,} {'unit' if units == 1 else 'units'}",
            )
            for name, units in counted
        ]  # fmt: skip
        groups.append(BarGroup(category, lines, sum(line.units for line in lines)))
    return groups


def _narrowed(here: str, **asked: object) -> str:
    return links.with_query(here, asked) + "#units"


def _values(read: Reader, limits: Settings, record: RunRecord, summary: LayerSummary, asked: LayerQuery) -> dict[str, Any]:
    head, tests, here = report_head(record, [summary]), read.tests(summary), links.layer(record.model, record.id, summary.layer)
    facts, first = facts_of(summary, tests), not asked.asked()
    page = read.units(asked.filters(run=record.id, layer=summary.layer), **asked.part())
    shown = cards(limits.thumbnails, page.units)
    hue = colours(read, {category_of(card.unit.label) for card in shown} | set(summary.by_category))
    score_help = f"{help_address(head)}#{glossary.score_anchor(head)}"
    said = read.summary(record, summary.layer, DESCRIBED)
    rows = _rows(shown, hue, facts, score_help, help_address(head), bool(said))
    page, rows = fitted(page, rows, asked)
    histogram = bars_of(summary.by_category, here) if first else []
    details = {
        "form of the output": summary.form or "not known", "activations kept as": summary.activation_dtype or "not known",
        "fingerprint of the counts": summary.fingerprint or "not known", "other names": ", ".join(summary.aliases) or "none",
    }  # fmt: skip
    return {
        "run": head, "title": f"{summary.layer}, {record.model}", "facts": facts, "sentence": sentence(read, record, summary, facts),
        "untested": facts.detectors > 0 and tests.tested == 0, "verify": verify_command(head), "first": first, "histogram": histogram,
        "hues": hue, "tallest": max((line.units for group in histogram for line in group.bars), default=1), "most_bars": MOST_BARS,
        "all_concepts": _narrowed(here, order="concept"), "rows": joined(rows),
        "shape": shown[0].shape if shown else "square", "score_help": score_help, "help_page": help_address(head),
        "layer": ReportLayer(
            summary.layer, (), map_size=summary.map_size, label_size=summary.label_size, details=details,
            unique_best=summary.unique, unique_per_category=summary.unique_by_category, descriptions=said,
        ),
        "asked": asked, "here": here, "summary": summary, "shown": len(rows),
        "offered": [(name, name) for name in sorted(set(summary.by_category) | {asked.category or ""} - {""}, key=category_place)],
        "states": [(name, f"{name} ({number:,})") for name, number in sorted(summary.states.items())],
        **steps(here, asked, page, "#units"),
        "path": _path(record, summary), "data": f"{here}.json", "table": links.with_query(f"{here}.csv", _without_place(asked)),
    }  # fmt: skip


def _without_place(asked: LayerQuery) -> dict[str, object]:
    return {name: value for name, value in asked.question().items() if name != "limit"}


def _rows(
    shown: list[Card], hue: Mapping[str, str], facts: LayerFacts, score_help: str, help_page: str, described: bool
) -> list[str]:
    made = macros(help_page)
    rows = []
    for card in shown:
        label = card.unit.label
        share = percent_of(label.score if label is not None and label.kind != "description" else None, facts.top)
        rows.append(str(made.row(card.unit, card.href, card.pics, hue[category_of(label)], share, score_help, described)))
    return rows


def _path(record: RunRecord, summary: LayerSummary) -> list[tuple[str, str]]:
    return [
        (record.model, links.model(record.model)), (f"{record.dataset}, run {record.id}", links.run(record.id)), (summary.layer, ""),
    ]  # fmt: skip
