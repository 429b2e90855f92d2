"""Rows for every table of any schema, made from the schema itself; and what the tables hold, to be compared."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, Connection, DateTime, Engine, LargeBinary, MetaData, Table, insert, select, types

from dissect.store.database import reading, writing
from dissect.store.fulltext import is_index
from dissect.store.schema_version import VERSION_TABLE
from dissect.store.types import now

ALLOWED = {
    ("concept_edge", "kind"): "broader", ("label", "kind"): "concept", ("run", "state"): "done", ("shard", "state"): "done",
    ("label_concept", "sign"): -1, ("label", "p"): 0.5, ("label", "q"): 0.5,
    ("ablation", "how"): "mean", ("ablation", "dose"): 0.5, ("ablation", "p"): 0.5, ("ablation", "q"): 0.5,
    ("finding", "kind"): "mask", ("finding", "state"): "found", ("finding", "p"): 0.5, ("finding", "q"): 0.5,
}  # fmt: skip
JSON = {
    "card",
    "describe",
    "attributes",
    "settings",
    "versions",
    "counts",
    "by_category",
    "details",
    "summary",
    "balance",
    "groups",
    "matched",
    "synonyms",
}
Contents = dict[str, list[dict[str, Any]]]


def tables(connection: Connection) -> list[Table]:
    """Tables of the database as it is, owners before what they own."""
    found = MetaData()
    found.reflect(connection)
    return [table for table in found.sorted_tables if table.name != VERSION_TABLE and not is_index(table.name)]


def fill(engine: Engine, rows: int) -> None:
    """Write `rows` rows into every table; row i of a table refers to row i of its owners."""
    with writing(engine) as connection:
        for table in tables(connection):
            connection.execute(insert(table), [row(table, number) for number in range(1, rows + 1)])


def row(table: Table, number: int) -> dict[str, Any]:
    """One row that keeps every rule; an edge of the hierarchy ends where it begins."""
    return {column.name: value(table.name, column.name, column.type, number) for column in table.columns}


def value(table: str, column: str, kind: types.TypeEngine[Any], number: int) -> Any:
    if (table, column) in ALLOWED:
        return ALLOWED[table, column]
    if column in JSON:
        return "{}"
    if isinstance(kind, Boolean):
        return number % 2 == 0
    if isinstance(kind, DateTime):
        return now().replace(tzinfo=None, microsecond=number % 1000)
    if isinstance(kind, LargeBinary):
        return bytes([number % 256])
    if isinstance(kind, types.Float):
        return number / 3
    return number if isinstance(kind, types.Integer) else f"{column} {number} 'quoted' é"


def contents(engine: Engine) -> Contents:
    """Every row of every table, by table, in a fixed order."""
    with reading(engine) as connection:
        return {
            table.name: [dict(found) for found in connection.execute(select(table).order_by(*table.primary_key)).mappings()]
            for table in tables(connection)
        }


def lost(before: Contents, after: Contents) -> list[str]:
    """Where `after` lacks a row, or a value of a column that both have."""
    wrong = []
    for name, rows in before.items():
        common = set(rows[0]) & set(after[name][0]) if rows and after[name] else set()
        kept = [[{key: item[key] for key in common} for item in side] for side in (rows, after[name])]
        if len(rows) != len(after[name]) or kept[0] != kept[1]:
            wrong.append(name)
    return wrong
