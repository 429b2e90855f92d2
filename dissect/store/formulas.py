"""What later methods say of a layer: formulas, with where they are true. Every function works inside its caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, select

from dissect.errors import NotFoundError, StoreError
from dissect.store import listing, runs, schema
from dissect.store.records import FormulaResult, LayerMethod
from dissect.store.results import find_ids, find_run, write_labels
from dissect.store.write import insert_all


def write_formulas(
    connection: Connection, run_id: int, done: LayerMethod, results: Sequence[FormulaResult], methods: Sequence[str]
) -> None:
    """Replace the labels of `methods` of a layer of a run, and say that the method is done.

    Raises:
        NotFoundError: no such run, or the run does not have this layer.
        StoreError: a label is of another method, a mask has no label or no size, or a unit or a concept is unknown.
    """
    _check(done, results, methods)
    run = find_run(connection, run_id)
    number = layer_id(connection, run_id, done.layer)
    ids = find_ids(connection, run, number, done.layer)
    listing.forget(connection, run_id, number)
    freed = _remove(connection, run_id, number, methods)
    entries = [(result.index, entry) for result in results for entry in result.labels]
    numbers = write_labels(connection, ids, entries, freed)
    insert_all(connection, schema.label_mask, _masks(results, numbers))
    listing.refresh(connection, run_id, number)
    replace_method(connection, run_id, number, done)


def layer_methods(connection: Connection, run_id: int) -> list[LayerMethod]:
    """Which later methods are done for which layers of a run, in order of computation, then by method."""
    runs.resolve(connection, run_id)
    table, layer = schema.layer_method, schema.layer
    query = select(layer.c.name, table).join(layer, layer.c.id == table.c.layer_id).where(table.c.run_id == run_id)
    rows = connection.execute(query.order_by(layer.c.position, layer.c.id)).all()
    found = [LayerMethod(row.name, row.method, row.fingerprint, row.settings, row.summary) for row in rows]
    places = {layer: place for place, layer in enumerate(dict.fromkeys(method.layer for method in found))}
    return sorted(found, key=lambda method: (places[method.layer], method.method))


def _check(done: LayerMethod, results: Sequence[FormulaResult], methods: Sequence[str]) -> None:
    where = f"layer {done.layer}"
    for result in results:
        foreign = {entry.method for entry in result.labels} - set(methods)
        if foreign:
            raise StoreError(
                f"{where}, unit {result.index}: a label is of method {sorted(foreign)[0]!r}, which is not among those to be replaced "
                f"({', '.join(methods)}). Name every method that is written."
            )
        if result.masks and (result.mask_size is None or not result.labels):
            raise StoreError(f"{where}, unit {result.index}: masks were given without {_lacking(result)}. Give both or neither.")


def _lacking(result: FormulaResult) -> str:
    return "the label they are of" if result.mask_size is not None else "their size"


def layer_id(connection: Connection, run_id: int, name: str) -> int:
    """Number of a layer of a run; `NotFoundError` lists those it has."""
    here, layer = schema.run_layer, schema.layer
    query = select(layer.c.name, layer.c.id).join(here, here.c.layer_id == layer.c.id).where(here.c.run_id == run_id)
    there = {row.name: int(row.id) for row in connection.execute(query)}
    if name not in there:
        names = ", ".join(sorted(there)) or "none yet"
        raise NotFoundError(f"run {run_id} has no layer {name!r}. Its layers: {names}.")
    return there[name]


def _remove(connection: Connection, run_id: int, number: int, methods: Sequence[str]) -> list[int]:
    """Delete the layer's labels of these methods, with what hangs on them. Returns the numbers that they had, in order."""
    label, unit = schema.label, schema.unit
    units = select(unit.c.id).where(unit.c.layer_id == number)
    mine = (label.c.run_id == run_id, label.c.unit_id.in_(units), label.c.method.in_(list(methods)))
    freed = list(connection.execute(select(label.c.id).where(*mine).order_by(label.c.id)).scalars())
    connection.execute(delete(label).where(*mine))
    return freed


def _masks(results: Sequence[FormulaResult], numbers: Sequence[int]) -> list[dict[str, Any]]:
    """Rows of the masks; they belong to each unit's first label."""
    rows, place = [], 0
    for result in results:
        height, width = result.mask_size or (0, 0)
        rows += [
            {"label_id": numbers[place], "rank": rank, "mask": mask, "mask_height": height, "mask_width": width}
            for rank, mask in sorted(result.masks.items())
        ]
        place += len(result.labels)
    return rows


def replace_method(connection: Connection, run_id: int, number: int, done: LayerMethod) -> None:
    """Say that a method is done for the layer of this number."""
    table = schema.layer_method
    key = {"run_id": run_id, "layer_id": number, "method": done.method}
    connection.execute(delete(table).where(*(table.c[name] == value for name, value in key.items())))
    values = {"fingerprint": done.fingerprint, "settings": done.settings, "summary": done.summary}
    insert_all(connection, table, [key | values])
