"""Everything a unit's page shows, for many units at once: a fixed number of queries, whatever the number of units."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from sqlalchemy import Connection, Select, select

from dissect.store import reviews, schema
from dissect.store.members import one_of
from dissect.store.question import Node
from dissect.store.search import reasons
from dissect.store.views import ConceptScoreView, ExemplarView, LabelView, StatsView, UnitView

Row = Mapping[str, Any]
Key = tuple[int, int]
MaskKey = tuple[int, int, int, tuple[int, int] | None]
FORMULA_METHOD = "compositional"
"""The method whose first label is a unit's formula, and whose masks are shown."""
PARTS = ("meanings", "ranges")
"""Methods whose labels are parts of what another method says."""
CHUNK = 500
"""Units a query: SQLite binds at most 32,766 values."""

_STATS = tuple(field.name for field in fields(StatsView))
_LABEL = tuple(field.name for field in fields(LabelView) if field.name != "concepts")


def fill(connection: Connection, rows: Sequence[Row], cursors: Sequence[str], exemplars: int, tree: Node | None) -> list[UnitView]:
    """Views of the units found (at most `CHUNK`), in the same order; with a question also why each was found."""
    found = _fill(connection, rows, cursors, exemplars)
    if tree is None:
        return found
    why = reasons(connection, [view.label for view in found if view.label], tree)
    return [replace(view, why=why[view.label.id]) if view.label else view for view in found]


def _fill(connection: Connection, rows: Sequence[Row], cursors: Sequence[str], exemplars: int) -> list[UnitView]:
    labels = _labels(connection, rows)
    concepts = _concepts(connection, rows)
    images = _exemplars(connection, rows, exemplars) if exemplars else {}
    masks = _formula_masks(connection, labels, exemplars) if exemplars else {}
    said = reviews.newest(connection, {row["run_id"] for row in rows}, {row["unit_id"] for row in rows})
    views = []
    for row, cursor in zip(rows, cursors, strict=True):
        key = (row["run_id"], row["unit_id"])
        mine = labels.get(key, [])
        chosen = next((label for label in mine if label.id == row["label_id"]), None)
        views.append(UnitView(
            key[0], key[1], row["model"], row["dataset"], row["layer"], row["index"], row["profile"], _stats(row), chosen,
            tuple(mine), tuple(concepts.get(key, ())), tuple(images.get(key, ())), cursor,
            quantile=row["quantile"] or None,
            formula_masks=tuple(masks.get((*key, one.rank, one.mask_size)) for one in images.get(key, ())),
            reviews=reviews.views(said.get(key, ()), mine),
        ))  # fmt: skip
    return views


def _stats(row: Row) -> StatsView:
    values = {name: row[name] for name in _STATS}
    return StatsView(**{**values, "histogram": tuple(row["histogram"]), "edges": tuple(row["edges"])})


def _of(connection: Connection, query: Select[Any], table: Any, rows: Sequence[Row]) -> Select[Any]:
    """Restrict to these units, in their runs (a superset where several runs share units)."""
    run_ids = {row["run_id"] for row in rows}
    return query.where(table.c.run_id.in_(run_ids), one_of(connection, table.c.unit_id, {row["unit_id"] for row in rows}))


def _labels(connection: Connection, rows: Sequence[Row]) -> dict[Key, list[LabelView]]:
    table = schema.label
    query = _of(connection, select(table), table, rows).order_by(table.c.id)
    found = connection.execute(query).mappings().all()
    uses = _uses(connection, rows)
    views: dict[Key, list[LabelView]] = defaultdict(list)
    for row in found:
        view = LabelView(**{name: row[name] for name in _LABEL}, concepts=tuple(uses.get(row["id"], ())))
        views[row["run_id"], row["unit_id"]].append(view)
    for mine in views.values():
        mine.sort(key=lambda view: (view.rank > 1, view.id))
    return views


def _uses(connection: Connection, rows: Sequence[Row]) -> dict[int, list[tuple[str, str, int]]]:
    link, concept, category = schema.label_concept, schema.concept, schema.category
    query = (
        select(link.c.label_id, category.c.name.label("category"), concept.c.name, link.c.sign)
        .join(schema.label, schema.label.c.id == link.c.label_id)
        .join(concept, concept.c.id == link.c.concept_id)
        .join(category, category.c.id == concept.c.category_id)
        .order_by(link.c.label_id, link.c.position)
    )
    found: dict[int, list[tuple[str, str, int]]] = defaultdict(list)
    for row in connection.execute(_of(connection, query, schema.label, rows)):
        found[row.label_id].append((row.category, row.name, row.sign))
    return found


def _concepts(connection: Connection, rows: Sequence[Row]) -> dict[Key, list[ConceptScoreView]]:
    table, concept, category = schema.unit_concept, schema.concept, schema.category
    query = (
        select(table, category.c.name.label("category"), concept.c.name)
        .join(concept, concept.c.id == table.c.concept_id)
        .join(category, category.c.id == concept.c.category_id)
    )
    views: dict[Key, list[ConceptScoreView]] = defaultdict(list)
    names = [field.name for field in fields(ConceptScoreView)]
    for row in connection.execute(_of(connection, query, table, rows)).mappings():
        views[row["run_id"], row["unit_id"]].append(ConceptScoreView(**{name: row[name] for name in names}))
    for mine in views.values():
        mine.sort(key=lambda view: (view.category, view.rank, view.name))
    return views


def _exemplars(connection: Connection, rows: Sequence[Row], most: int) -> dict[Key, list[ExemplarView]]:
    table, image = schema.exemplar, schema.image
    query = (
        select(table, image.c.index.label("image_index"), image.c.key, image.c.sha256, image.c.width, image.c.height, image.c.group)
        .join(image, image.c.id == table.c.image_id)
        .where(table.c.rank <= most)
        .order_by(table.c.rank)
    )
    views: dict[Key, list[ExemplarView]] = defaultdict(list)
    for row in connection.execute(_of(connection, query, table, rows)).mappings():
        views[row["run_id"], row["unit_id"]].append(ExemplarView(
            row["rank"], row["image_index"], row["key"], row["sha256"], pair(row["width"], row["height"]), row["group"],
            row["activation"], bytes(row["mask"]), pair(row["mask_height"], row["mask_width"]),
        ))  # fmt: skip
    return views


def _formula_masks(connection: Connection, labels: Mapping[Key, Sequence[LabelView]], most: int) -> dict[MaskKey, bytes]:
    """Masks of the units' formulas by run, unit, exemplar rank and size."""
    table = schema.label_mask
    owner = {label.id: key for key, mine in labels.items() for label in mine if label.method == FORMULA_METHOD and label.rank == 1}
    query = select(table).where(one_of(connection, table.c.label_id, owner), table.c.rank <= most)
    return {
        (*owner[row["label_id"]], row["rank"], (row["mask_height"], row["mask_width"])): bytes(row["mask"])
        for row in connection.execute(query).mappings()
    }


def pair(first: int | None, second: int | None) -> tuple[int, int] | None:
    """Two numbers that are known together."""
    return None if first is None or second is None else (first, second)
