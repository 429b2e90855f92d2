"""Pages from templates: those of the reports and the service's own, in one environment. Every text goes through escaping."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from dissect import __version__
from dissect.exchange import pages as shared
from dissect.exchange.pages import TEMPLATES as SHARED
from dissect.exchange.summary import NO_CATEGORY, category_place, hues
from dissect.exchange.view import ReportRun
from dissect.exchange.words import clean
from dissect.serve import links
from dissect.serve.assets import asset_address
from dissect.serve.read import Reader
from dissect.store.question import Term, question, terms
from dissect.store.words import cut

OWN = Path(__file__).resolve().parent / "templates"
HELP = "/help"
BYTES = shared.BYTES_A_PAGE
"""Rows end a page early where their masks are large."""


@functools.cache
def environment() -> jinja2.Environment:
    """Our templates, then those of the reports: `base.html` is the service's, so that a report's page stands in its frame."""
    loader = jinja2.ChoiceLoader([jinja2.FileSystemLoader(OWN), jinja2.FileSystemLoader(SHARED)])
    found = shared.prepared(loader)
    found.globals.update(links=links, asset=asset_address, program=__version__)
    found.filters["marked"] = marked
    return found


def render(template: str, **values: Any) -> str:
    """One page. Unprintable characters of foreign names become �."""
    common: dict[str, Any] = {"q": "", "help_page": HELP, "path": [], "data": "", "table": ""}
    return clean(environment().get_template(template).render(common | values))


def warm() -> None:
    """Compile every template: the first visitors would wait for it, all at once."""
    templates = environment()
    for name in templates.list_templates(extensions=["html"]):
        templates.get_template(name)


def help_address(run: ReportRun) -> str:
    """The help in the terms of one run."""
    return f"{HELP}?run={run.run}"


def macros(help_page: str, template: str = "macros.html") -> Any:
    """The macros of a template, for rows that are rendered one by one."""
    return environment().get_template(template).make_module({"help_page": help_page})


def error_page(title: str, message: str) -> str:
    """What went wrong, on a page with the search still at hand."""
    return render("error.html", title=title, message=message)


def colours(read: Reader, further: Iterable[str] = ()) -> dict[str, str]:
    """Category -> hue, the same on every page of this database."""
    return hues(sorted({*read.categories(), *further, NO_CATEGORY} - {""}, key=category_place)) | {"": "none"}


def words_of(text: str | None) -> list[Term]:
    """The words and phrases that a question looks for, for marking them."""
    tree = question(text) if text else None
    return [] if tree is None else terms(tree)


def marked(text: str, words: Iterable[Term]) -> Markup:
    """A text with the words of a question marked."""
    wanted = list(words)
    if not wanted:
        return escape(text)
    parts = []
    for piece in text.split(" "):
        words_here = cut(piece)
        hit = any(word.found_in(words_here) or _in_phrase(words_here.strip(), word) for word in wanted)
        parts.append(Markup("<mark>{}</mark>").format(piece) if hit else escape(piece))
    return Markup(" ").join(parts)


def _in_phrase(word: str, phrase: Term) -> bool:
    return any(len(pattern) > 1 and word in pattern for pattern in phrase.patterns)


def fitting(rows: list[str]) -> int:
    """How many rows from the first on fit a page; at least one."""
    return next(iter(shared.paged(rows, most=len(rows) or 1, most_bytes=BYTES)))[1]


def joined(rows: Iterable[str]) -> Markup:
    """Rows that the templates made, as one piece of markup."""
    return Markup("").join(Markup(row) for row in rows)
