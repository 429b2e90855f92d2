"""Reading units: which pass a filter, in which order, page by page. Every function works inside its caller's transaction."""

from __future__ import annotations

import base64
import json
import math
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Select, Text, and_, case, collate, func, or_, select, tuple_, type_coerce

from dissect.errors import NotFoundError, UsageError
from dissect.store import runs, schema
from dissect.store.details import fill
from dissect.store.other_labels import other_labels
from dissect.store.search import matches, nearness, uses
from dissect.store.views import UnitFilter, UnitView
from dissect.store.words import Word, question

ORDERS = ("score", "index", "concept", "category")
MOST_UNITS = 1_000_000


@dataclass(frozen=True)
class Page:
    """Which part of which list. words: the cut question, empty for none."""

    order: str
    limit: int
    after: str | None
    exemplars: int
    words: tuple[Word, ...] = ()


def page(order: str, limit: int, after: str | None, exemplars: int, text: str | None) -> Page:
    """A checked page.

    Raises:
        UsageError: an unknown order, a negative number, or a text that is too long.
    """
    if order not in ORDERS:
        raise UsageError(f"units cannot be ordered by {order!r}. Choose one of {', '.join(ORDERS)}.")
    if not 0 <= limit <= MOST_UNITS or exemplars < 0:
        raise UsageError(f"limit is {limit} and exemplars {exemplars}. Give numbers from 0, limit at most {MOST_UNITS}.")
    return Page(order, limit, after, min(exemplars, MOST_UNITS), tuple(question(text or "")))


def units(connection: Connection, filters: UnitFilter, wanted: Page) -> list[UnitView]:
    """One page of the units that pass."""
    if filters.q and filters.q.strip() and not wanted.words:
        return []
    label = schema.label.alias("chosen")
    query = _passing(connection, filters, wanted.words, label)
    keys = _keys(wanted.order, label, connection.dialect.name)
    if wanted.words and wanted.order == "score":
        keys.insert(0, nearness(label, wanted.words))
    if wanted.after is not None:
        query = query.where(tuple_(*keys) > tuple_(*_cursor(wanted.after, wanted.order, keys)))
    columns = [key.label(f"key{number}") for number, key in enumerate(keys)]
    rows = connection.execute(query.add_columns(*columns).order_by(*keys).limit(wanted.limit)).mappings().all()
    cursors = [_write_cursor(wanted.order, [row[f"key{number}"] for number in range(len(keys))]) for row in rows]
    return fill(connection, rows, cursors, wanted.exemplars, wanted.words)


def unit(connection: Connection, model: str | None, layer: str, index: int, run: int | str | None, exemplars: int) -> UnitView:
    """One unit; of the newest run that has it unless a run is given.

    Raises:
        NotFoundError: no such run, model, layer or unit; the message says what there is.
    """
    number = None if run is None else runs.resolve(connection, run)
    label = schema.label.alias("chosen")
    query = _passing(connection, UnitFilter(run=number, model=model, layer=layer), (), label)
    query = query.where(schema.unit.c.index == (index if 0 <= index <= runs.MOST_ID else -1))
    rows = connection.execute(query.order_by(schema.unit_stat.c.run_id.desc()).limit(1)).mappings().all()
    if not rows:
        raise NotFoundError(_missing(connection, model, layer, index, number))
    view = fill(connection, rows, [""], exemplars, ())[0]
    return replace(view, others=other_labels(connection, view.run_id, view.unit_id))


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


def _passing(connection: Connection, filters: UnitFilter, words: tuple[Word, ...], label: Any) -> Select[Any]:
    """Units with the label that passes, a concept before a formula; without any filter on labels, also units that have none."""
    inner = schema.label.alias("candidate")
    conditions = _label_conditions(filters, words, inner)
    stat = schema.unit_stat
    mine = select(inner.c.id).where(inner.c.run_id == stat.c.run_id, inner.c.unit_id == stat.c.unit_id, inner.c.rank == 1, *conditions)
    later: ColumnElement[Any] = case((inner.c.kind == "concept", 0), else_=1)
    chosen = mine.order_by(later, inner.c.id).limit(1).correlate(stat).scalar_subquery()
    source = _from().join(label, label.c.id == chosen, isouter=not conditions)
    query = select(
        stat, schema.unit.c.index, schema.layer.c.name.label("layer"), schema.model.c.name.label("model"),
        schema.dataset.c.name.label("dataset"), schema.run.c.profile, schema.run.c.quantile,
        label.c.id.label("label_id"),
    ).select_from(source)  # fmt: skip
    return query.where(*_unit_conditions(connection, filters))


def _unit_conditions(connection: Connection, filters: UnitFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if filters.run is not None:
        found.append(schema.unit_stat.c.run_id == runs.resolve(connection, filters.run))
    for column, value in ((schema.model.c.name, filters.model), (schema.dataset.c.name, filters.dataset)):
        if value is not None:
            found.append(column == value)
    if filters.newest and filters.run is None:
        found.append(tuple_(schema.unit_stat.c.run_id, schema.layer.c.id).in_(_newest()))
    if filters.state is not None:
        found.append(schema.unit_stat.c.state == filters.state)
    if filters.layer is not None:
        found.append(is_layer(filters.layer))
    return found


def _newest() -> Select[Any]:
    """(run, layer) of the newest finished run on each layer of each network and data set, by their names; and of every imported run."""
    here, run, layer = schema.run_layer, schema.run, schema.layer
    own: ColumnElement[Any] = case((type_coerce(run.c.settings, Text).like('{"import":{%'), run.c.id), else_=0)
    place = func.row_number().over(
        partition_by=(schema.checkpoint.c.model_id, schema.dataset.c.name, layer.c.name, own), order_by=here.c.run_id.desc()
    )
    ranked = (
        select(here.c.run_id, here.c.layer_id, place.label("place"))
        .join(run, run.c.id == here.c.run_id)
        .join(layer, layer.c.id == here.c.layer_id)
        .join(schema.checkpoint, schema.checkpoint.c.id == run.c.checkpoint_id)
        .join(schema.dataset, schema.dataset.c.id == run.c.dataset_id)
        .where(run.c.state == "done")
        .subquery()
    )
    return select(ranked.c.run_id, ranked.c.layer_id).where(ranked.c.place == 1)


def is_layer(name: str) -> ColumnElement[bool]:
    """The condition that a layer has this name or alias."""
    alias = schema.layer_alias
    return or_(schema.layer.c.name == name, schema.layer.c.id.in_(select(alias.c.layer_id).where(alias.c.alias == name)))


def _label_conditions(filters: UnitFilter, words: tuple[Word, ...], label: Any) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    for column, value in ((label.c.category, filters.category), (label.c.method, filters.method), (label.c.kind, filters.kind)):
        if value is not None:
            found.append(column == value)
    if filters.min_iou is not None:
        found.append(and_(label.c.score_kind == "iou", label.c.score >= _finite("min_iou", filters.min_iou)))
    if filters.max_q is not None:
        found.append(label.c.q <= _finite("max_q", filters.max_q))
    if filters.detectors:
        found.append(label.c.detector.is_(True))
    if filters.concept is not None:
        link, concept = schema.label_concept, schema.concept
        using = select(link.c.label_id).join(concept, concept.c.id == link.c.concept_id).where(concept.c.name == filters.concept)
        found.append(label.c.id.in_(using))
    found += [uses(label, name) for name in filters.uses]
    if words:
        found.append(matches(label, words))
    return found


def _finite(name: str, value: float) -> float:
    if not math.isfinite(value):
        raise UsageError(f"{name} is {value}. Give a finite number.")
    return value


def _keys(order: str, label: Any, dialect: str) -> list[ColumnElement[Any]]:
    """Sort keys, all ascending, without NULL, and different for any two rows."""
    stat, item, layer = schema.unit_stat, schema.unit, schema.layer
    last: list[ColumnElement[Any]] = [stat.c.run_id, stat.c.unit_id]
    if order == "index":
        return [stat.c.run_id, layer.c.position, item.c.layer_id, item.c.index]
    none: ColumnElement[Any] = case((label.c.score.is_(None), 1), else_=0)
    score: ColumnElement[Any] = func.coalesce(-label.c.score, 0.0)
    if order == "score":
        return [none, score, *last]
    unlabelled: ColumnElement[Any] = case((label.c.id.is_(None), 1), else_=0)
    text = _by_code_point(func.coalesce(label.c.text, ""), dialect)
    if order == "concept":
        return [unlabelled, text, none, score, *last]
    return [unlabelled, _by_code_point(func.coalesce(label.c.category, ""), dialect), text, none, score, *last]


def _by_code_point(column: ColumnElement[Any], dialect: str) -> ColumnElement[Any]:
    """Text in the one order that both databases share."""
    return collate(column, "C" if dialect == "postgresql" else "BINARY")


def _write_cursor(order: str, values: list[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps([order, *values], separators=(",", ":")).encode()).decode()


def _cursor(text: str, order: str, keys: list[ColumnElement[Any]]) -> list[Any]:
    values: list[Any] = []
    try:
        name, *values = json.loads(base64.urlsafe_b64decode(text.encode()))
    except (ValueError, TypeError):
        name = None
    plain = all(isinstance(value, str | float) or (isinstance(value, int) and abs(value) <= runs.MOST_ID) for value in values)
    if name != order or len(values) != len(keys) or not plain:
        raise UsageError("the place to go on from is no cursor of this list. Take `cursor` of the last unit, with the same order.")
    return values


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
