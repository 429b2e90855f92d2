"""What people say of labels, read beside them. A review belongs to (run, unit, method) and to the text that was reviewed, not to the
label's row: rows are written anew whenever a layer is scored again. Only the newest of a method counts, and only while the text stands.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, func, select

from dissect.errors import UsageError
from dissect.store import schema
from dissect.store.views import LabelView, ReviewView

STATES = {"accepted": "accept", "rejected": "reject", "relabelled": "relabel"}
"""Filter -> verdict; besides there are `stale` and `unreviewed`."""
REVIEWED = (*STATES, "stale", "unreviewed")


def newest(connection: Connection, run_ids: set[int], unit_ids: set[int]) -> dict[tuple[int, int], list[RowMapping]]:
    """The rows that count, at most one a method, by (run, unit)."""
    table = schema.review
    last = (
        select(func.max(table.c.id)).where(table.c.run_id.in_(run_ids), table.c.unit_id.in_(unit_ids))
        .group_by(table.c.run_id, table.c.unit_id, table.c.method)
    )  # fmt: skip
    found: dict[tuple[int, int], list[RowMapping]] = defaultdict(list)
    for row in connection.execute(select(table).where(table.c.id.in_(last)).order_by(table.c.id)).mappings():
        found[row["run_id"], row["unit_id"]].append(row)
    return found


def views(rows: Sequence[RowMapping], labels: Sequence[LabelView]) -> tuple[ReviewView, ...]:
    """Rows beside the labels that the unit has now."""
    texts = texts_of(labels)
    return tuple(_view(row, texts) for row in rows)


def texts_of(labels: Sequence[LabelView]) -> dict[str, str]:
    """Method -> its first label."""
    return {label.method: label.text for label in reversed(labels) if label.rank == 1}


def reviewed(label_id: ColumnElement[Any], state: str) -> ColumnElement[bool]:
    """The SQL condition that the newest review of a label, by its number, says this.

    Raises:
        UsageError: an unknown state.
    """
    if state not in REVIEWED:
        raise UsageError(f"--reviewed is {state[:80]!r}. Choose one of {', '.join(REVIEWED)}.")
    table, mine = schema.review, schema.label.alias("reviewed")
    last = select(func.max(table.c.id)).group_by(table.c.run_id, table.c.unit_id, table.c.method)
    here = and_(
        mine.c.run_id == table.c.run_id, mine.c.unit_id == table.c.unit_id, mine.c.method == table.c.method, mine.c.rank == 1,
        table.c.id.in_(last),
    )  # fmt: skip
    query = select(mine.c.id).join(table, here)
    if state in STATES:
        query = query.where(mine.c.text == table.c.text, table.c.verdict == STATES[state])
    elif state == "stale":
        query = query.where(mine.c.text != table.c.text)
    found: ColumnElement[bool] = label_id.not_in(query) if state == "unreviewed" else label_id.in_(query)
    return found


def _view(row: RowMapping, texts: dict[str, str]) -> ReviewView:
    names = ("id", "method", "text", "verdict", "relabel", "comment", "reviewer", "created_at")
    return ReviewView(**{name: row[name] for name in names}, stale=texts.get(row["method"]) != row["text"])
