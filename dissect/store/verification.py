"""What the tests say of labels that are there already. Every function works inside its caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from dissect.errors import StoreError
from dissect.store import listing, schema
from dissect.store.formulas import layer_id, replace_method
from dissect.store.records import LayerMethod, VerifiedLabel
from dissect.store.results import find_run

KEPT = "verification"
"""Where a label's details hold what has no column of its own."""
_COLUMNS = tuple(field.name for field in fields(VerifiedLabel) if field.name not in ("index", "method", "details"))


def write_verification(connection: Connection, run_id: int, done: LayerMethod, results: Sequence[VerifiedLabel]) -> None:
    """Enter the tests of a layer's labels; those of an earlier verification are taken away, also of labels that are not named now.

    Raises:
        NotFoundError: no such run, or the run does not have this layer.
        StoreError: a unit has no label of that method.
    """
    find_run(connection, run_id)
    number = layer_id(connection, run_id, done.layer)
    there = _labels(connection, run_id, number)
    given = {(result.index, result.method): result for result in results}
    missing = [key for key in given if key not in there]
    if missing:
        index, method = missing[0]
        raise StoreError(f"layer {done.layer} of run {run_id}: unit {index} has no label of method {method!r} that a test could be about.")
    rows = [_row(label, given.get(key)) for key, label in there.items() if key in given or KEPT in label.details]
    if rows:
        table = schema.label
        values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in (*_COLUMNS, "details")}
        connection.execute(update(table).where(table.c.id == bindparam("label_id")).values(values), rows)
        listing.refresh(connection, run_id, number)
    replace_method(connection, run_id, number, done)


def _labels(connection: Connection, run_id: int, number: int) -> dict[tuple[int, str], Any]:
    """(unit index, method) -> row of every first label of a layer."""
    label, unit = schema.label, schema.unit
    query = select(unit.c.index, label.c.method, label.c.id, label.c.details).join(unit, unit.c.id == label.c.unit_id)
    query = query.where(label.c.run_id == run_id, label.c.rank == 1, unit.c.layer_id == number)
    return {(int(row[0]), str(row[1])): row for row in connection.execute(query.order_by(label.c.id))}


def _row(label: Any, result: VerifiedLabel | None) -> dict[str, Any]:
    details: Mapping[str, Any] = {name: value for name, value in label.details.items() if name != KEPT}
    if result is not None:
        details = {**details, KEPT: dict(result.details)}
    columns = {f"new_{name}": getattr(result, name) if result is not None else None for name in _COLUMNS}
    return {"label_id": label.id, "new_details": details, **columns}
