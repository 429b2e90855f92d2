"""From one page of a list of units to the page ahead of it and the one behind. A page is as long as its rows are light."""

from __future__ import annotations

from collections.abc import Sequence

from dissect.serve import links
from dissect.serve.pages import fitting
from dissect.serve.query import LayerQuery
from dissect.serve.read import UnitPage


def fitted(page: UnitPage, rows: Sequence[str], asked: LayerQuery) -> tuple[UnitPage, list[str]]:
    """As many rows as fit, from the end at which the reader comes in, and the page that they make. rows: one for each unit."""
    back = asked.before is not None
    many = fitting(list(rows[::-1] if back else rows))
    if many >= len(rows):
        return page, list(rows)
    if back:
        units = page.units[-many:]
        return UnitPage(units, page.next, units[0].cursor), list(rows[-many:])
    units = page.units[:many]
    return UnitPage(units, units[-1].cursor, page.previous), list(rows[:many])


def steps(path: str, asked: LayerQuery, page: UnitPage, end: str = "") -> dict[str, str | None]:
    """Addresses for `go_on` of parts.html: the list's beginning, the page ahead, the page behind; None for what is not there.

    end: of each address, as `#units`.
    """

    def at(**place: str) -> str:
        return links.with_query(path, {**asked.question(), **place}) + end

    return {
        "beginning": at() if asked.after or asked.before else None,
        "previous": at(before=page.previous) if page.previous else None,
        "following": at(after=page.next) if page.next else None,
    }
