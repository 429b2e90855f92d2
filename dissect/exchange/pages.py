"""Pages from templates. Every text goes through Jinja's escaping; only what a template made is trusted as markup."""

from __future__ import annotations

import functools
import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from dissect import __version__
from dissect.exchange import help as glossary
from dissect.exchange import words
from dissect.exchange.described import lines_of_description, reason_words, world_words
from dissect.exchange.pictures import PictureBook, drawn
from dissect.exchange.plots import gain_plot, histogram_plot, percent_of, runner_bars
from dissect.exchange.summary import (
    CategoryBars,
    ConceptBar,
    LayerFacts,
    category_of,
    category_place,
    hues,
    layer_facts,
    layer_sentence,
    orders,
)
from dissect.exchange.tested import lines_of_tests
from dissect.exchange.view import ReportLabel, ReportLayer, ReportRun, ReportUnit

TEMPLATES = Path(__file__).resolve().parent / "templates"
POLICY = (
    "default-src 'none'; img-src 'self' file: data:; style-src 'self' file:; script-src 'self' file:; base-uri 'none'; form-action 'none'"
)
"""`file:` because browsers do not agree that a page opened from disk is itself ('self')."""
HELP = "help.html"
ROWS_A_PAGE = 64
BYTES_A_PAGE = 220_000
"""Rows end a page early where their masks are large: a page stays below 300 kB with its head and histogram."""
STRIP = 5
MOST_BARS = 16
CARDS = 8
FILTERS = (
    "two", "full", "percent", "count", "some", "clip", "sentence", "name_of", "verdict", "chance_words", "state_words", "oddities",
    "duration", "is_rare", "presence", "certificate_words", "meanings_words", "range_words", "listed",
)  # fmt: skip
ORDERS = {"score": "by score", "index": "by index", "concept": "by concept", "category": "by category"}


@dataclass(frozen=True, slots=True)
class PageLink:
    """One step of a pager."""

    name: str
    href: str
    here: bool


@dataclass(frozen=True, slots=True)
class BarLine:
    """One concept of a layer's histogram: how many units carry it, where the bar leads, and what it says when pointed at."""

    name: str
    units: int
    href: str
    title: str


@dataclass(frozen=True, slots=True)
class BarGroup:
    """One category of a layer's histogram. units: of all its bars."""

    category: str
    bars: list[BarLine]
    units: int


@functools.cache
def environment() -> jinja2.Environment:
    """The templates with their filters: escaping is on, unknown names are errors."""
    return prepared(jinja2.FileSystemLoader(TEMPLATES))


def prepared(loader: jinja2.BaseLoader) -> jinja2.Environment:
    """An environment in which our templates work, whichever way they are found."""
    found = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, auto_reload=False,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    for name in FILTERS:
        found.filters[name] = getattr(words, name)
    found.filters.update(measure=_measure, plain=_plain, drawn=drawn)
    return found


def _measure(name: str) -> str:
    return glossary.MEASURES.get(name, name)


def _tested(unit: ReportUnit) -> list[tuple[ReportLabel, list[tuple[str, str, str]]]]:
    """The labels of a unit that were tested, each with what the tests found."""
    labels = [label for label in (unit.label, *unit.labels) if label is not None]
    return [(label, lines) for label in labels if (lines := lines_of_tests(label))]


def _plain(value: object) -> str:
    """A setting as a person writes it."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple) and not any(isinstance(item, list | tuple | dict) for item in value):
        return ", ".join(_plain(item) for item in value) or "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _unit_list(bar: ConceptBar) -> str:
    listed = ", ".join(str(unit.index) for unit in bar.units[:16])
    more = f" and {len(bar.units) - 16:,} more" if len(bar.units) > 16 else ""
    return f"{words.clip(bar.name)}: {'unit' if len(bar.units) == 1 else 'units'} {listed}{more}"


def _bars(group: CategoryBars, anchors: dict[str, str]) -> BarGroup:
    bars = [BarLine(bar.name, len(bar.units), anchors[bar.anchor], _unit_list(bar)) for bar in group.bars]
    return BarGroup(group.category, bars, group.units)


def verify_command(run: ReportRun) -> str:
    """The command that tests this run's labels for chance."""
    return f"dissect verify {shlex.quote(run.run)}"


def unit_reference(run: ReportRun, layer: ReportLayer, unit: ReportUnit) -> str:
    """The unit as commands name it, quoted for a shell."""
    return shlex.quote(f"{words.clip(run.network, 400)}/{words.clip(layer.name, 400)}/{unit.index}")


def unit_values(
    run: ReportRun, layer: ReportLayer, unit: ReportUnit, pictures: Sequence[Any], shape: str, top: float, colours: Mapping[str, str]
) -> dict[str, Any]:
    """What a unit's page shows. top: where bars end; colours: category -> hue."""
    label = words.clip(words.name_of(unit.label), 60) if unit.label is not None else "no label"
    groups = runner_bars(unit, top)
    return {
        "unit": unit, "pics": pictures, "shape": shape, "top": top, "hue": colours[category_of(unit.label)],
        "title": f"unit {unit.index}: {label}", "plot": histogram_plot(unit), "tested": _tested(unit),
        "runners": [(category, colours[category], bars) for category, bars in groups],
        "measure": _measure(groups[0][1][0].label.measure) if groups else "",
        "curve": gain_plot(unit.formula.curve) if unit.formula is not None else None,
        "said": lines_of_description(unit.description) if unit.description is not None else [],
        "world": world_words(unit.description) if unit.description is not None else "",
        "unsaid": reason_words(layer.descriptions, unit.index),
        "command": f"dissect unit {unit_reference(run, layer, unit)} --run {shlex.quote(run.run)}",
    }  # fmt: skip


def run_title(run: ReportRun) -> str:
    """Network, data set and number, for titles and the way back."""
    return f"{words.clip(run.network, 60)} · {words.clip(run.dataset, 60)} · run {words.clip(run.run, 20)}"


def render(template: str, run: ReportRun, **values: Any) -> str:
    """One page. Unprintable characters of foreign names become �: no template holds any."""
    page = environment().get_template(template)
    common = {"run": run, "policy": POLICY, "program": __version__, "verify": verify_command(run), "help_page": values["root"] + HELP}
    return words.clean(page.render(common | values))


def paged(rows: Sequence[str], most: int = ROWS_A_PAGE, most_bytes: int = BYTES_A_PAGE) -> Iterator[tuple[int, int]]:
    """Ranges (first, stop) of rows that make a page: at most so many, and at most so many bytes (one row is always let in)."""
    first = size = 0
    for position, row in enumerate(rows):
        length = len(row.encode())
        if position > first and (position - first >= most or size + length > most_bytes):
            yield first, position
            first, size = position, 0
        size += length
    yield first, len(rows)


def page_name(order: str, number: int) -> str:
    """File of one page of the grid; a layer's first page is the first by score."""
    return "index.html" if order == "score" and number == 0 else f"{order}-{number + 1}.html"


def _joined(rows: Sequence[str]) -> Markup:
    """Rows that the templates made, as one piece of markup."""
    return Markup("").join(Markup(row) for row in rows)


class LayerPages:
    """All pages of one layer: its units in four orders, its concepts, one page a unit. Yields (path below the report, text)."""

    def __init__(self, run: ReportRun, layer: ReportLayer, folder: str, book: PictureBook) -> None:
        self.run, self.layer, self.folder, self.book = run, layer, folder, book
        self.facts: LayerFacts = layer_facts(layer)
        self.sentence = layer_sentence(layer, self.facts, run)
        self.hues = hues(self._categories())
        self.score_help = f"../{HELP}#{glossary.score_anchor(run)}"
        self.untested = self.facts.detectors > 0 and self.facts.tested == 0
        self.macros: Any = environment().get_template("macros.html").make_module({"help_page": f"../{HELP}"})
        self.rows: dict[int, str] = {}
        self.cards: list[dict[str, Any]] = []

    def _categories(self) -> list[str]:
        """The data set's categories and what else the labels name."""
        found = {category_of(label) for unit in self.layer.units for label in (unit.label, *unit.runners)}
        return sorted(found | set(self.run.categories), key=category_place)

    def pages(self) -> Iterator[tuple[str, str]]:
        """Every page. Unit pages first: a unit's masks are drawn once, for its page and for its row."""
        ordered = orders(self.layer)
        carded = {unit.index for unit in self._cards(ordered["score"])}
        by_index = ordered["index"]
        kept = {}
        for position, unit in enumerate(by_index):
            pictures = self.book.pictures(unit, "../")
            self.rows[unit.index] = self._row(unit, pictures[:STRIP])
            if unit.index in carded and pictures:
                kept[unit.index] = pictures[0]
            before = by_index[position - 1].index if position else None
            after = by_index[position + 1].index if position + 1 < len(by_index) else None
            yield f"{self.folder}/unit-{unit.index}.html", self._unit(unit, pictures, before, after)
        self.cards = [{"unit": u, "pic": kept[u.index]} for u in self._cards(ordered["score"]) if u.index in kept]
        yield from self._grids(ordered)
        yield from self._concepts()
        yield f"{self.folder}/units.js", self._index(ordered["score"])

    def _cards(self, by_score: Sequence[ReportUnit]) -> list[ReportUnit]:
        """Best unit of each of the strongest concepts; the first ones that fire where nothing is labelled."""
        best: dict[str, ReportUnit] = {}
        for unit in by_score:
            if unit.label is not None and unit.label.detector:
                best.setdefault(words.name_of(unit.label), unit)
        firing = [unit for unit in by_score if unit.state == "ok" and unit.exemplars]
        return list(best.values())[:CARDS] or firing[:CARDS]

    def _hue(self, unit: ReportUnit) -> str:
        return self.hues[category_of(unit.label)]

    def _row(self, unit: ReportUnit, pictures: Sequence[Any]) -> str:
        bars = unit.label is not None and unit.label.kind != "description"  # PMI has no common end to draw a bar to
        share = percent_of(unit.label.score if unit.label is not None and bars else None, self.facts.top)
        described = bool(self.layer.descriptions)
        return str(self.macros.row(unit, f"unit-{unit.index}.html", pictures, self._hue(unit), share, self.score_help, described))

    def _path(self, *further: tuple[str, str]) -> list[tuple[str, str]]:
        return [(run_title(self.run), "../index.html"), *further]

    def _unit(self, unit: ReportUnit, pictures: Sequence[Any], before: int | None, after: int | None) -> str:
        return render(
            "unit.html", self.run, root="../", layer_folder=self.folder, before=before, after=after, score_help=self.score_help,
            path=self._path((self.layer.name, "index.html"), (f"unit {unit.index}", "")),
            **unit_values(self.run, self.layer, unit, pictures, self.book.shape, self.facts.top, self.hues),
        )  # fmt: skip

    def _grids(self, ordered: dict[str, list[ReportUnit]]) -> Iterator[tuple[str, str]]:
        offered = [order for order in ORDERS if order in ("score", "index") or self.run.label_kind != "none"]
        links = [(order, f"{page_name(order, 0)}#units", ORDERS[order]) for order in offered]
        anchors: dict[str, str] = {}
        for order in sorted(offered, key=lambda order: order == "score"):  # last the pages by score: they link into those by concept
            rows = [self.rows[unit.index] for unit in ordered[order]]
            ranges = list(paged(rows))
            for number, (first, stop) in enumerate(ranges):
                name = page_name(order, number)
                if order == "concept":
                    anchors |= {f"u{unit.index}": f"{name}#u{unit.index}" for unit in ordered[order][first:stop]}
                pager = [PageLink(str(n + 1), f"{page_name(order, n)}#units", n == number) for n in range(len(ranges))]
                yield f"{self.folder}/{name}", self._grid(order, rows[first:stop], pager, links, anchors, number == 0)

    def _grid(
        self, order: str, rows: list[str], pager: list[PageLink], links: list[tuple[str, str, str]], anchors: dict[str, str], first: bool
    ) -> str:
        tallest = max((len(bar.units) for group in self.facts.histogram for bar in group.bars), default=1)
        shown = [_bars(group, anchors) for group in self.facts.histogram] if first and order == "score" else []
        return render(
            "layer.html", self.run, root="../", layer_folder=self.folder, title=f"{words.clip(self.layer.name, 60)}, units {ORDERS[order]}",
            path=self._path((self.layer.name, "")), layer=self.layer, facts=self.facts, sentence=self.sentence, untested=self.untested,
            first=first and order == "score", hues=self.hues, histogram=shown, tallest=tallest, most_bars=MOST_BARS, order=order,
            all_concepts="concepts.html",
            order_links=links, pages=pager, rows=_joined(rows), shape=self.book.shape, score_help=self.score_help,
        )  # fmt: skip

    def _concepts(self) -> Iterator[tuple[str, str]]:
        if not self.facts.histogram:
            return
        macro: Any = environment().get_template("concept_row.html").module
        bars = sorted((bar for group in self.facts.histogram for bar in group.bars), key=lambda bar: (bar.name.casefold(), bar.category))
        rows = [str(macro.row(bar, self.hues[bar.category])) for bar in bars]
        ranges = list(paged(rows, most=400))
        names = ["concepts.html" if number == 0 else f"concepts-{number + 1}.html" for number in range(len(ranges))]
        for number, (first, stop) in enumerate(ranges):
            pager = [PageLink(str(place + 1), name, place == number) for place, name in enumerate(names)]
            yield f"{self.folder}/{names[number]}", render(
                "concepts.html", self.run, root="../", layer_folder=self.folder, title=f"concepts of {words.clip(self.layer.name, 60)}",
                path=self._path((self.layer.name, "index.html"), ("concepts", "")), layer=self.layer, facts=self.facts, pages=pager,
                rows=_joined(rows[first:stop]), score_help=self.score_help,
            )  # fmt: skip

    def _index(self, units: Sequence[ReportUnit]) -> str:
        """What the script searches, best score first: plain ASCII JSON, with `<` and the like written as escapes."""
        listed = []
        for unit in units:
            label = unit.label
            name, category = (words.clip(words.name_of(label), 80), label.category or "") if label is not None else ("", "")
            score = words.two(label.score) if label is not None and label.score is not None else ""
            listed.append([unit.index, name, category, unit.state, score])
        text = json.dumps(listed, ensure_ascii=True, separators=(",", ":"))
        for character in "<>&":
            text = text.replace(character, f"\\u{ord(character):04x}")
        return f"window.dissectUnits={text};\n"
