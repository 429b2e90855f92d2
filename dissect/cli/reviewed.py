"""Reviews as lines of text, for `dissect unit` and `dissect review`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dissect.cli.output import shown

if TYPE_CHECKING:
    from dissect.store import ReviewView, UnitView


def lines_of_reviews(view: UnitView) -> list[str]:
    """The reviews of a unit that count, for its page."""
    return ["", *(line(each) for each in view.reviews)] if view.reviews else []


def line(found: ReviewView) -> str:
    """One review in words."""
    words = {"accept": "accepted", "reject": "rejected", "relabel": f"relabelled {shown(found.relabel)!r}"}[found.verdict]
    tail = f": {shown(found.comment)}" if found.comment else ""
    stale = " (stale: the label has changed since)" if found.stale else ""
    return f"{found.method} label {shown(found.text)!r} {words} by {found.reviewer}, {found.created_at:%Y-%m-%d %H:%M}{stale}{tail}"
