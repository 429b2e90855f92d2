"""One label a unit of a whole layer, without what a page of a unit shows. Works inside its caller's transaction."""

from __future__ import annotations

from sqlalchemy import Connection, and_, select

from dissect.store import schema
from dissect.store.passing import is_layer
from dissect.store.views import HeadlineView


def headlines(connection: Connection, run_id: int, layer: str, method: str | None) -> list[HeadlineView]:
    """The headline of every unit of a layer, or its first label of a method, by index; `text` is None where there is none."""
    row, label = schema.listed, schema.label
    its_own = row.c.nth == 0 if method is None else row.c.method == method
    query = (
        select(row.c.index, row.c.state, label.c.text, label.c.category, label.c.score, label.c.detector, label.c.q)
        .join(schema.layer, schema.layer.c.id == row.c.layer_id)
        .outerjoin(label, and_(label.c.id == row.c.label_id, its_own))
        .where(row.c.run_id == run_id, is_layer(layer))
        .order_by(row.c.index, label.c.text.is_(None), row.c.nth)
    )
    found: dict[int, HeadlineView] = {}
    for each in connection.execute(query):
        found.setdefault(each[0], HeadlineView(*each))
    return list(found.values())


def methods(connection: Connection, run_id: int, layer: str) -> list[str]:
    """Methods of which a layer has first labels, by name."""
    row = schema.listed
    query = select(row.c.method).join(schema.layer, schema.layer.c.id == row.c.layer_id).where(row.c.run_id == run_id, is_layer(layer))
    return sorted(connection.execute(query.where(row.c.method.is_not(None)).distinct()).scalars())
