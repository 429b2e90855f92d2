"""Reading units: which pass a filter, in which order, page by page. Every function works inside its caller's transaction."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, case, collate, func, select, tuple_

from dissect.errors import NotFoundError, UsageError
from dissect.store import fulltext, members, runs, schema
from dissect.store.details import CHUNK, fill
from dissect.store.listing import LAST_TEXT
from dissect.store.other_labels import other_labels
from dissect.store.passing import Passing, is_layer, passing
from dissect.store.question import Node, question
from dissect.store.views import UnitFilter, UnitView

ORDERS = ("score", "index", "concept", "category")
MOST_UNITS = 1_000_000
_SPARE = 10
"""Rows read beyond those wanted: some are labels of a unit that has a better one."""


@dataclass(frozen=True)
class Page:
    """Which part of which list. place: the sort keys to go on from, None for the start; back: ahead of them instead of behind."""

    order: str
    limit: int
    place: tuple[Any, ...] | None
    back: bool
    exemplars: int
    tree: Node | None = None

    @property
    def tiered(self) -> bool:
        """Whether labels that hold the words themselves come first."""
        return self.tree is not None and self.order == "score"


@dataclass(frozen=True)
class Found:
    """A unit with the label that passed (None for none), and its sort keys."""

    run_id: int
    unit_id: int
    label_id: int | None
    keys: tuple[Any, ...]


def page(order: str, limit: int, after: str | None, before: str | None, exemplars: int, text: str | None) -> Page:
    """A checked page.

    Raises:
        UsageError: an unknown order, a negative number, a text that is too long, or a place that is no cursor of this list.
    """
    if order not in ORDERS:
        raise UsageError(f"units cannot be ordered by {order!r}. Choose one of {', '.join(ORDERS)}.")
    if not 0 <= limit <= MOST_UNITS or exemplars < 0:
        raise UsageError(f"limit is {limit} and exemplars {exemplars}. Give numbers from 0, limit at most {MOST_UNITS}.")
    if after is not None and before is not None:
        raise UsageError("a page goes on behind a unit or ends ahead of one. Give `after` or `before`, not both.")
    cursor, tree = before if after is None else after, question(text or "")
    place = None if cursor is None else _cursor(cursor, order, tree is not None)
    return Page(order, limit, place, before is not None, min(exemplars, MOST_UNITS), tree)


def units(connection: Connection, filters: UnitFilter, wanted: Page) -> list[UnitView]:
    """One page of the units that pass, in order."""
    if filters.q and filters.q.strip() and wanted.tree is None:
        return []
    allowed = passing(connection, filters, wanted.tree)
    if allowed is None:
        return []
    found = _found(connection, allowed, wanted)
    return _views(connection, found[::-1] if wanted.back else found, wanted)


def unit(connection: Connection, model: str | None, layer: str, index: int, run: int | str | None, exemplars: int) -> UnitView:
    """One unit; of the newest run that has it unless a run is given.

    Raises:
        NotFoundError: no such run, model, layer or unit; the message says what there is.
    """
    number = None if run is None else runs.resolve(connection, run)
    allowed = passing(connection, UnitFilter(run=number, model=model, layer=layer), None)
    table = schema.listed
    row = None
    if allowed is not None:
        query = select(table.c.run_id, table.c.unit_id, table.c.label_id).where(*allowed.rows, table.c.nth == 0)
        query = query.where(table.c.index == (index if 0 <= index <= runs.MOST_ID else -1))
        row = connection.execute(query.order_by(table.c.run_id.desc(), table.c.unit_id).limit(1)).first()
    if row is None:
        raise NotFoundError(_missing(connection, model, layer, index, number))
    view = _views(connection, [Found(*row, ())], Page("score", 1, None, False, exemplars))[0]
    return replace(view, others=other_labels(connection, view.run_id, view.unit_id))


def _found(connection: Connection, allowed: Passing, wanted: Page) -> list[Found]:
    tiers: Sequence[int | None] = range(allowed.deepest + 1) if wanted.tiered else (None,)
    found: list[Found] = []
    for tier in reversed(tiers) if wanted.back else tiers:
        place = _inside(wanted, tier)
        if place is not None and len(found) < wanted.limit:
            found += _of_tier(connection, allowed, wanted, tier, place, wanted.limit - len(found))
    return found


def _inside(wanted: Page, tier: int | None) -> tuple[Any, ...] | None:
    """The place inside a tier from which to go on; () for its start, None where nothing of it is wanted."""
    if wanted.place is None:
        return ()
    if tier is None:
        return wanted.place
    reached = wanted.place[0]
    if reached == tier:
        return wanted.place[1:]
    return () if (tier < reached) == wanted.back else None


def _of_tier(connection: Connection, allowed: Passing, wanted: Page, tier: int | None, place: tuple[Any, ...], most: int) -> list[Found]:
    table = schema.listed
    keys = _keys(wanted.order, connection.dialect.name)
    named = [table.c.run_id, table.c.unit_id, table.c.label_id, table.c.nth]
    columns = [*named, *(key.label(f"key{n}") for n, key in enumerate(keys))]
    query = allowed.query(connection, columns, tier, sorts=wanted.order in ("concept", "category"))
    if not allowed.by_label:
        query = query.where(table.c.nth == 0)
    query = query.order_by(*(key.desc() if wanted.back else key for key in keys))
    found: list[Found] = []
    while len(found) < most:
        many = most - len(found) + (_SPARE if allowed.by_label else 0)
        there = tuple_(*keys) < tuple_(*place) if wanted.back else tuple_(*keys) > tuple_(*place)
        rows = connection.execute((query.where(there) if place else query).limit(members.most(many))).all()
        head = () if tier is None else (tier,)
        found += [Found(row[0], row[1], row[2], (*head, *row[4:])) for row in _chosen(connection, allowed, rows)]
        if len(rows) < many:
            break
        place = tuple(rows[-1][4:])
    return found[:most]


def _chosen(connection: Connection, allowed: Passing, rows: Sequence[Any]) -> list[Any]:
    """Of rows that pass those that stand for their unit: no label of it that comes earlier passes too."""
    doubtful = [row for row in rows if row.nth > 0]
    if not doubtful:
        return list(rows)
    first = _first(connection, allowed, doubtful)
    return [row for row in rows if row.nth == 0 or first[row.run_id, row.unit_id] == row.nth]


def _first(connection: Connection, allowed: Passing, rows: Sequence[Any]) -> dict[tuple[int, int], int]:
    """(run, unit) -> the earliest of its labels that passes."""
    table = schema.listed
    first: dict[tuple[int, int], int] = {}
    for start in range(0, len(rows), CHUNK):
        some = rows[start : start + CHUNK]
        these = members.one_of(connection, table.c.unit_id, {row.unit_id for row in some})
        mine = (table.c.run_id.in_({row.run_id for row in some}), these)
        query = select(table.c.id, table.c.run_id, table.c.unit_id, table.c.nth).where(*allowed.rows, *mine)
        passed = connection.execute(query).all()
        if allowed.tree is not None:
            holding = _holding(connection, allowed, [row.id for row in passed])
            passed = [row for row in passed if row.id in holding]
        for row in passed:
            key = (row.run_id, row.unit_id)
            first[key] = min(row.nth, first.get(key, row.nth))
    return first


def _holding(connection: Connection, allowed: Passing, numbers: Sequence[int]) -> set[int]:
    """Those labels that the question finds."""
    index, tree = fulltext.fulltext, allowed.tree
    if tree is None:
        return set(numbers)
    asked = fulltext.wanted(connection, tree, allowed.deepest, allowed.deepest)
    query = select(index.c.rowid).where(fulltext.matches(connection, asked), members.one_of(connection, index.c.rowid, numbers))
    return set(connection.execute(query).scalars())


def _views(connection: Connection, found: Sequence[Found], wanted: Page) -> list[UnitView]:
    views: list[UnitView] = []
    for start in range(0, len(found), CHUNK):
        some = found[start : start + CHUNK]
        rows = _rows(connection, some)
        whole = [{**rows[one.run_id, one.unit_id], "label_id": one.label_id} for one in some]
        cursors = [_write_cursor(wanted.order, one.keys) if one.keys else "" for one in some]
        views += fill(connection, whole, cursors, wanted.exemplars, wanted.tree)
    return views


def _rows(connection: Connection, found: Sequence[Found]) -> dict[tuple[int, int], Any]:
    """(run, unit) -> what the database says of the unit itself."""
    stat = schema.unit_stat
    query = select(
        stat, schema.unit.c.index, schema.layer.c.name.label("layer"), schema.model.c.name.label("model"),
        schema.dataset.c.name.label("dataset"), schema.run.c.profile, schema.run.c.quantile,
    ).select_from(_from())  # fmt: skip
    mine = (stat.c.run_id.in_({one.run_id for one in found}), members.one_of(connection, stat.c.unit_id, {one.unit_id for one in found}))
    return {(row["run_id"], row["unit_id"]): row for row in connection.execute(query.where(*mine)).mappings()}


def _from() -> FromClause:
    stat, item, layer, checkpoint = schema.unit_stat, schema.unit, schema.layer, schema.checkpoint
    return (
        stat.join(item, item.c.id == stat.c.unit_id)
        .join(layer, layer.c.id == item.c.layer_id)
        .join(checkpoint, checkpoint.c.id == layer.c.checkpoint_id)
        .join(schema.model, schema.model.c.id == checkpoint.c.model_id)
        .join(schema.run, schema.run.c.id == stat.c.run_id)
        .join(schema.dataset, schema.dataset.c.id == schema.run.c.dataset_id)
    )


def _keys(order: str, dialect: str) -> list[ColumnElement[Any]]:
    """Sort keys, all ascending, without NULL, and different for any two rows."""
    row = schema.listed.c
    last: list[ColumnElement[Any]] = [row.weakness, row.run_id, row.unit_id, row.nth]
    if order == "index":
        return [row.run_id, row.position, row.layer_id, row.index, row.nth]
    if order == "score":
        return last
    text = _by_code_point(row.text, dialect)
    return [text, *last] if order == "concept" else [_by_code_point(_category(), dialect), text, *last]


def _category() -> ColumnElement[str]:
    """The category; none comes first, a unit without a label last."""
    row = schema.listed.c
    return func.coalesce(row.category, case((row.label_id.is_(None), LAST_TEXT), else_=""))


def _by_code_point(column: ColumnElement[Any], dialect: str) -> ColumnElement[Any]:
    """Text in the one order that both databases share."""
    return collate(column, "C" if dialect == "postgresql" else "BINARY")


def _write_cursor(order: str, values: Sequence[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps([order, *values], separators=(",", ":")).encode()).decode()


_SHAPES = {"score": "niii", "index": "iiiii", "concept": "tniii", "category": "ttniii"}
"""Kinds of the sort keys: number, integer, text."""


def _cursor(text: str, order: str, words: bool) -> tuple[Any, ...]:
    values: list[Any] = []
    try:
        name, *values = json.loads(base64.urlsafe_b64decode(text.encode()))
    except (ValueError, TypeError):
        name = None
    shape = ("i" if words and order == "score" else "") + _SHAPES[order]
    if name != order or len(values) != len(shape) or not all(map(_is, values, shape)):
        raise UsageError("the place to go on from is no cursor of this list. Take `cursor` of the last unit, with the same order.")
    return tuple(values)


def _is(value: Any, kind: str) -> bool:
    if kind == "t":
        return isinstance(value, str)
    whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= runs.MOST_ID
    return whole if kind == "i" else whole or (isinstance(value, float) and abs(value) < float("inf"))


def _missing(connection: Connection, model: str | None, layer: str, index: int, run: int | None) -> str:
    """What of the address is wrong, and what there is instead."""
    models = connection.execute(select(schema.model.c.name).distinct()).scalars().all()
    if model is not None and model not in models:
        return f"there is no model {model!r} in the database. {_near(model, list(models))}"
    query = select(schema.layer.c.name, schema.layer.c.units).select_from(_from()).distinct()
    if model is not None:
        query = query.where(schema.model.c.name == model)
    if run is not None:
        query = query.where(schema.unit_stat.c.run_id == run)
    here = connection.execute(query.where(is_layer(layer))).first()
    if here is None:
        names = [row.name for row in connection.execute(query)]
        return f"there is no layer {layer!r} {'in run ' + str(run) if run else 'in any run'}. {_near(layer, names)}"
    return f"layer {here.name} has no unit {index}; its units are 0..{here.units - 1}."


def _near(name: str, names: list[str]) -> str:
    near = get_close_matches(name, names, n=5, cutoff=0.4) or sorted(names)[:10]
    return f"There is: {', '.join(near)}." if near else "The database holds none yet."
