"""Which rows of `listed` a filter and a question let pass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Select, func, or_, select

from dissect.errors import UsageError
from dissect.store import fulltext, members, runs, schema
from dissect.store.database import remembered
from dissect.store.listing import place
from dissect.store.question import Node
from dissect.store.reviews import reviewed
from dissect.store.search import uses
from dissect.store.views import UnitFilter

FEW, FEW_SORTED = 2_000, 20_000
"""Rows that are quicker looked up one by one than found by walking a list in its order, and than sorting a list."""
Conditions = list[ColumnElement[bool]]


@dataclass(frozen=True)
class Passing:
    """What must hold. rows: of a row of `listed`. by_label: whether a label is asked for; if not, a unit's headline stands for it.

    tree, deepest: the question, and how far from the label its words may stand (2: in what is broader).
    """

    rows: tuple[ColumnElement[bool], ...]
    by_label: bool
    tree: Node | None = None
    deepest: int = 2

    def query(
        self, connection: Connection, columns: Sequence[Any], tier: int | None = None, *, apart: bool = True, sorts: bool = False
    ) -> Select[Any]:
        """Rows that pass; with a tier only those that the question finds there and (apart) in no nearer one.

        sorts: the rows are wanted in an order that no index has.
        """
        table = schema.listed
        if self.tree is None:
            return select(*columns).select_from(table).where(*self.rows)
        here = self.deepest if tier is None else tier
        asked = (fulltext.only_there if tier is not None and apart else fulltext.wanted)(connection, self.tree, here, self.deepest)
        few = fulltext.few(connection, asked, FEW_SORTED if sorts else FEW)
        if few is not None:
            return select(*columns).select_from(table).where(members.one_of(connection, table.c.id, few), *self.rows)
        query = select(*columns).select_from(fulltext.ahead_of(table, table.c.id == fulltext.fulltext.c.rowid))
        return query.where(fulltext.matches(connection, asked), *self.rows)

    def newest(self, connection: Connection, columns: Sequence[Any], most: int) -> Select[Any]:
        """The newest rows that pass, newest first, at most `most`."""
        table = schema.listed
        if self.tree is None:
            return self.query(connection, columns).order_by(table.c.id.desc()).limit(members.most(most))
        if not self.rows and (found := fulltext.newest(connection, self.tree, self.deepest, most)) is not None:
            query = select(*columns).select_from(table).where(members.one_of(connection, table.c.id, found))
            return query.order_by(table.c.id.desc())
        number = fulltext.fulltext.c.rowid if connection.dialect.name == "sqlite" else table.c.id
        return self.query(connection, columns).order_by(number.desc()).limit(members.most(most))


def passing(connection: Connection, filters: UnitFilter, tree: Node | None) -> Passing | None:
    """The conditions of a filter; None where nothing can pass.

    Raises:
        NotFoundError: no such run. UsageError: a bound that is no finite number.
    """
    rows: Conditions = []
    places = _places(connection, filters)
    if places is not None:
        if not places:
            return None
        rows.append(schema.listed.c.place.in_(places))
    if filters.state is not None:
        rows.append(schema.listed.c.state == filters.state)
    of_labels = _of_labels(filters)
    return Passing((*rows, *of_labels), bool(of_labels) or tree is not None, tree, 2 if filters.narrower else 1)


def _places(connection: Connection, filters: UnitFilter) -> list[int] | None:
    """The layers of runs that are meant, as numbers; None for all."""
    wanted = (filters.run, filters.model, filters.dataset, filters.layer)
    if all(value is None for value in wanted) and not filters.newest:
        return None
    query = _every_place()
    if filters.run is not None:
        query = query.where(schema.run.c.id == runs.resolve(connection, filters.run))
    for column, value in ((schema.model.c.name, filters.model), (schema.dataset.c.name, filters.dataset)):
        if value is not None:
            query = query.where(column == value)
    if filters.layer is not None:
        query = query.where(is_layer(filters.layer))
    found = {place(row.run_id, row.layer_id) for row in connection.execute(query)}
    if filters.newest and filters.run is None:
        found &= remembered(connection, "newest places", lambda: _newest(connection))
    every = connection.execute(select(func.count()).select_from(schema.run_layer)).scalar_one()
    return None if found and len(found) == every else sorted(found)


def _every_place() -> Select[Any]:
    here = schema.run_layer
    return (
        select(here.c.run_id, here.c.layer_id)
        .join(schema.run, schema.run.c.id == here.c.run_id)
        .join(schema.layer, schema.layer.c.id == here.c.layer_id)
        .join(schema.checkpoint, schema.checkpoint.c.id == schema.run.c.checkpoint_id)
        .join(schema.model, schema.model.c.id == schema.checkpoint.c.model_id)
        .join(schema.dataset, schema.dataset.c.id == schema.run.c.dataset_id)
    )


def _newest(connection: Connection) -> set[int]:
    """Of the finished runs on each layer of each network and data set, by their names, the newest; and every imported run."""
    best: dict[tuple[Any, ...], tuple[int, int]] = {}
    query = _every_place().where(schema.run.c.state == "done").order_by(schema.run.c.id)
    query = query.add_columns(
        schema.checkpoint.c.model_id, schema.dataset.c.name.label("data"), schema.layer.c.name.label("layer"), schema.run.c.settings
    )
    for row in connection.execute(query):
        own = row.run_id if "import" in row.settings else 0
        best[row.model_id, row.data, row.layer, own] = (row.run_id, row.layer_id)
    return {place(*where) for where in best.values()}


def is_layer(name: str) -> ColumnElement[bool]:
    """The condition that a layer has this name or alias."""
    alias = schema.layer_alias
    return or_(schema.layer.c.name == name, schema.layer.c.id.in_(select(alias.c.layer_id).where(alias.c.alias == name)))


def _of_labels(filters: UnitFilter) -> Conditions:
    row, found = schema.listed, Conditions()
    for column, value in ((row.c.category, filters.category), (row.c.method, filters.method), (row.c.kind, filters.kind)):
        if value is not None:
            found.append(column == value)
    for name in ("min_iou", "min_score", "max_score", "max_q"):
        value = getattr(filters, name)
        if value is not None:
            found.append(_bound(row, name, value))
    if filters.detectors:
        found.append(row.c.detector.is_(True))
    if filters.survives:
        found.append(row.c.survives.is_(True))
    if filters.concept is not None:
        link, concept = schema.label_concept, schema.concept
        using = select(link.c.label_id).join(concept, concept.c.id == link.c.concept_id).where(concept.c.name == filters.concept)
        found.append(row.c.label_id.in_(using))
    if filters.reviewed is not None:
        found.append(reviewed(row.c.label_id, filters.reviewed))
    return found + [uses(row, name) for name in filters.uses]


def _bound(row: FromClause, name: str, value: float) -> ColumnElement[bool]:
    if not math.isfinite(value):
        raise UsageError(f"{name} is {value}. Give a finite number.")
    column = row.c[name.partition("_")[2]]
    bound: ColumnElement[bool] = column >= value if name.startswith("min") else column <= value
    return bound
