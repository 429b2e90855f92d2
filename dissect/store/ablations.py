"""Effects of switching units off: written and read. Every function works inside its caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import Connection, delete, select

from dissect.errors import StoreError
from dissect.store import runs, schema
from dissect.store.formulas import layer_id
from dissect.store.records import AblationEntry
from dissect.store.results import Ids, find_ids, find_run
from dissect.store.views import AblationView
from dissect.store.write import insert_all

_PLAIN = tuple(field.name for field in fields(AblationEntry) if field.name not in ("members", "concept"))


def write_ablations(connection: Connection, run_id: int, layer: str, entries: Sequence[AblationEntry]) -> None:
    """Add effects to a layer of a run; what it held of the same units, concept and way of ablation is replaced.

    Raises:
        NotFoundError: no such run, or the run does not have this layer.
        StoreError: a set has no units, or a unit or a concept is unknown.
    """
    run = find_run(connection, run_id)
    number = layer_id(connection, run_id, layer)
    ids = find_ids(connection, run, number, layer)
    rows = [_row(ids, number, entry) for entry in entries]
    table = schema.ablation
    for members, concept_id, how in dict.fromkeys((row["members"], row["concept_id"], row["how"]) for row in rows):
        same = table.c.concept_id.is_(None) if concept_id is None else table.c.concept_id == concept_id
        mine = (table.c.run_id == run_id, table.c.layer_id == number, table.c.members == members, table.c.how == how, same)
        connection.execute(delete(table).where(*mine))
    insert_all(connection, table, rows)


def ablations(connection: Connection, run_id: int, layer: str | None = None) -> list[AblationView]:
    """Effects of a run in order of computation of the layers, then as they were written."""
    runs.resolve(connection, run_id)
    table, where, concept, category = schema.ablation, schema.layer, schema.concept, schema.category
    names = (where.c.name.label("layer"), concept.c.name.label("concept"), category.c.name.label("category"))
    query = select(table, *names).join(where, where.c.id == table.c.layer_id).outerjoin(concept, concept.c.id == table.c.concept_id)
    query = query.outerjoin(category, category.c.id == concept.c.category_id).where(table.c.run_id == run_id)
    if layer is not None:
        query = query.where(where.c.name == layer)
    return [_view(row) for row in connection.execute(query.order_by(where.c.position, where.c.id, table.c.id))]


def _row(ids: Ids, number: int, entry: AblationEntry) -> dict[str, Any]:
    units = [ids.unit(index) for index in entry.members]
    if not units:
        raise StoreError(f"layer {ids.layer} of run {ids.run}: an ablation names no units. Name at least one.")
    return {
        "run_id": ids.run, "layer_id": number, "unit_id": units[0] if len(units) == 1 else None,
        "members": ",".join(str(index) for index in entry.members),
        "concept_id": ids.concept(entry.concept) if entry.concept is not None else None,
        **{name: getattr(entry, name) for name in _PLAIN},
    }  # fmt: skip


def _view(row: Any) -> AblationView:
    members = tuple(int(part) for part in row.members.split(","))
    concept = (row.category, row.concept) if row.concept is not None else None
    return AblationView(id=row.id, layer=row.layer, members=members, concept=concept, **{name: getattr(row, name) for name in _PLAIN})
