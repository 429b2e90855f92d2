"""What people say of labels, written: accepted, rejected, or called otherwise. Reviews are only added; the newest counts.

If the method's label is another by then, the review is *stale*: it is shown as that, and counts for nothing.
"""

from __future__ import annotations

from sqlalchemy import Connection, Engine, insert, select

from dissect.errors import NotFoundError, UsageError
from dissect.store import schema, units
from dissect.store.database import reading, writing
from dissect.store.reviews import views
from dissect.store.types import clean, now
from dissect.store.views import LabelView, ReviewView, UnitView

VERDICTS = ("accept", "reject", "relabel")
MOST_TEXT = 500


class ReviewBook:
    """The reviews of a database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(
        self, run: int | str, layer: str, unit: int, verdict: str, reviewer: str, *, relabel: str | None = None, comment: str = "",
        method: str | None = None, seen: str | None = None,
    ) -> ReviewView:  # fmt: skip
        """Review a unit's label by a method (by default the headline's). seen: the label as the person saw it, if that may have changed.

        Raises:
            NotFoundError: no such run, layer or unit, or the unit has no label of that method.
            UsageError: an unknown verdict, a relabel without text or a text without relabel, a text that is too long, or the label is
                no longer what was seen.
        """
        words = _words(verdict, relabel, comment)
        with writing(self._engine) as connection:
            view = units.unit(connection, None, layer, unit, run, 0)
            label = _label(view, method)
            if seen is not None and clean(seen) != label.text:
                raise UsageError(f"the label of unit {unit} is {label.text!r} now, not {seen[:80]!r}. Look at it again, then review it.")
            values = {
                "run_id": view.run_id, "unit_id": view.unit_id, "method": label.method, "text": label.text, "verdict": verdict, **words,
                "reviewer": reviewer, "created_at": now(),
            }  # fmt: skip
            connection.execute(insert(schema.review).values(**values))
            return _history(connection, view)[0]

    def history(self, run: int | str, layer: str, unit: int) -> list[ReviewView]:
        """Every review of a unit in a run, newest first; `NotFoundError` as in `add`."""
        with reading(self._engine) as connection:
            return _history(connection, units.unit(connection, None, layer, unit, run, 0))


def _words(verdict: str, relabel: str | None, comment: str) -> dict[str, str | None]:
    if verdict not in VERDICTS:
        raise UsageError(f"there is no verdict {verdict[:80]!r}. Verdicts: {', '.join(VERDICTS)}.")
    text = " ".join((relabel or "").split())
    if (verdict == "relabel") != bool(text):
        raise UsageError("a relabel needs the better label" if verdict == "relabel" else f"a better label does not go with {verdict}")
    if max(len(text), len(comment)) > MOST_TEXT:
        raise UsageError(f"a label or a comment has at most {MOST_TEXT} characters.")
    return {"relabel": text or None, "comment": comment.strip()}


def _label(view: UnitView, method: str | None) -> LabelView:
    """The first label of a method, or the headline."""
    mine = [label for label in view.labels if label.rank == 1]
    found = view.label if method is None else next((label for label in mine if label.method == method), None)
    if found is None:
        methods = ", ".join(dict.fromkeys(label.method for label in mine)) or "none: the unit has no label"
        where = f"unit {view.index} of layer {view.layer}, run {view.run_id}"
        raise NotFoundError(f"{where}: there is no label of method {method or 'any'}. Methods: {methods}.")
    return found


def _history(connection: Connection, view: UnitView) -> list[ReviewView]:
    table = schema.review
    query = select(table).where(table.c.run_id == view.run_id, table.c.unit_id == view.unit_id).order_by(table.c.id.desc())
    return list(views(connection.execute(query).mappings().all(), view.labels))
