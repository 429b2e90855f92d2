"""Where imported results go: the checkpoint and the layers that they are about. Every function works inside its caller's transaction.

A table names a network, not its weights. Its results hang on a placeholder checkpoint of that name, whose weights hash says so, until
somebody says which real checkpoint they are of.
"""

from __future__ import annotations

from sqlalchemy import Connection, select

from dissect.store import schema
from dissect.store.details import pair
from dissect.store.records import CheckpointRecord, DatasetRecord, LayerRecord, ModelRecord
from dissect.store.write import save_checkpoint, save_dataset, save_model

PLACEHOLDER = "imported:"
"""How the weights hash of a placeholder and the content hash of a data set that nobody has seen begin."""


def placeholder_checkpoint(connection: Connection, model: str) -> tuple[int, str]:
    """(id, weights hash) of the placeholder of a network. What is known of the network of that name stays as it is."""
    number = connection.execute(select(schema.model.c.id).where(schema.model.c.name == model)).scalar()
    weights = f"{PLACEHOLDER}{model}"
    if number is None:
        number = save_model(connection, ModelRecord(model, source="imported tables"))
    return save_checkpoint(connection, int(number), CheckpointRecord(weights, source="imported tables; no weights were seen")), weights


def placeholder_dataset(connection: Connection, name: str, label_kind: str) -> tuple[int, str]:
    """(id, content hash) of a data set that is known by name and by its kind of labels alone; its concepts are those of that name."""
    content = f"{PLACEHOLDER}{name} ({label_kind})"
    record = DatasetRecord(name, content, name, label_kind, source="imported tables; its content was not seen")
    return save_dataset(connection, record), content


def checkpoint_layers(connection: Connection, checkpoint_id: int) -> tuple[LayerRecord, ...]:
    """The layers of a checkpoint as they were saved, in order, with their aliases."""
    table, alias = schema.layer, schema.layer_alias
    rows = connection.execute(select(table).where(table.c.checkpoint_id == checkpoint_id).order_by(table.c.position, table.c.id)).all()
    names: dict[int, list[str]] = {}
    for row in connection.execute(select(alias).where(alias.c.layer_id.in_([row.id for row in rows])).order_by(alias.c.alias)):
        names.setdefault(row.layer_id, []).append(row.alias)
    return tuple(
        LayerRecord(
            row.name, row.units, row.position, pair(row.map_height, row.map_width), row.form, row.signed, tuple(names.get(row.id, ()))
        )
        for row in rows
    )
