"""Making models, data sets and concepts known. Every function works inside its caller's transaction.

Rows are looked up before they are inserted: the numbers of a resumed run are then those of an uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, and_, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from dissect.errors import StoreError
from dissect.fingerprint import canonical
from dissect.store import listing, schema
from dissect.store.records import (
    CheckpointRecord,
    ConceptEdge,
    ConceptEntry,
    ConceptKey,
    DatasetRecord,
    ImageEntry,
    LayerRecord,
    ModelRecord,
)
from dissect.store.types import clean
from dissect.store.words import cut


def upsert(connection: Connection, table: Table, key: Mapping[str, Any], values: Mapping[str, Any]) -> int:
    """The id of the row with this key, which then holds these values."""
    here = and_(*(table.c[name] == value for name, value in key.items()))
    found = connection.execute(select(table.c.id).where(here)).scalar()
    if found is None:
        insert_missing(connection, table, [{**key, **values}])
        return int(connection.execute(select(table.c.id).where(here)).scalar_one())
    if values:
        connection.execute(update(table).where(table.c.id == found).values(**values))
    return int(found)


def insert_missing(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows; one that another writer was quicker with is left as it is."""
    if rows:
        dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
        connection.execute(dialect.insert(table).on_conflict_do_nothing(), [dict(row) for row in rows])


def insert_all(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert many rows at once."""
    if rows:
        connection.execute(insert(table), [dict(row) for row in rows])


def save_model(connection: Connection, record: ModelRecord) -> int:
    """Id of the model of that name."""
    values = {"source": record.source, "licence": record.licence, "card": record.card}
    return upsert(connection, schema.model, {"name": record.name}, values)


def save_checkpoint(connection: Connection, model_id: int, record: CheckpointRecord) -> int:
    """Id of the checkpoint with these weights."""
    key = {"model_id": model_id, "weights_hash": record.weights_hash}
    values: dict[str, Any] = {"file_sha256": record.file_sha256, "source": record.source, "describe": record.describe}
    if record.step is not None:  # a later run of the same weights need not know it
        values["step"] = record.step
    return upsert(connection, schema.checkpoint, key, values)


def save_layer(connection: Connection, checkpoint_id: int, record: LayerRecord) -> int:
    """Id of the layer; its units 0..units-1 and its aliases are there then."""
    height, width = record.map_size or (None, None)
    key = {"checkpoint_id": checkpoint_id, "name": record.name}
    table = schema.layer
    here = (table.c.checkpoint_id == checkpoint_id, table.c.name == record.name)
    before = connection.execute(select(table.c.position).where(*here)).scalar()
    layer_id = upsert(connection, schema.layer, key, {
        "position": record.position, "units": record.units, "map_height": height, "map_width": width,
        "form": record.form, "signed": record.signed,
    })  # fmt: skip
    if before not in (None, record.position):
        listing.move(connection, layer_id, record.position)
    there = set(connection.execute(select(schema.unit.c.index).where(schema.unit.c.layer_id == layer_id)).scalars())
    units = [{"layer_id": layer_id, "index": index} for index in range(record.units) if index not in there]
    insert_missing(connection, schema.unit, units)
    insert_missing(connection, schema.layer_alias, [{"layer_id": layer_id, "alias": alias} for alias in record.aliases])
    return layer_id


def save_dataset(connection: Connection, record: DatasetRecord) -> int:
    """Id of the data set with this content."""
    values = {
        "name": record.name, "vocabulary": record.vocabulary, "label_kind": record.label_kind, "images": record.images,
        "licence": record.licence, "source": record.source, "card": record.card,
    }  # fmt: skip
    return upsert(connection, schema.dataset, {"content_hash": record.content_hash}, values)


def save_images(connection: Connection, dataset_id: int, images: Iterable[ImageEntry]) -> None:
    """Insert new images, and fill in what was unknown or has changed of known ones."""
    table = schema.image
    known = {row["index"]: row for row in connection.execute(select(table).where(table.c.dataset_id == dataset_id)).mappings()}
    new, changed = [], []
    for entry in images:
        values = _image(entry)
        row = known.get(entry.index)
        if row is None:
            new.append({"dataset_id": dataset_id, "index": entry.index, **values})
            continue
        kept = {name: row[name] if value is None else value for name, value in values.items()}
        if any(row[name] != value for name, value in kept.items()):
            changed.append((row["id"], kept))
    insert_missing(connection, table, new)
    for image_id, kept in changed:
        connection.execute(update(table).where(table.c.id == image_id).values(**kept))


def _image(entry: ImageEntry) -> dict[str, Any]:
    width, height = entry.size or (None, None)
    return {
        "key": clean(entry.key), "sha256": entry.sha256, "width": width, "height": height,
        "group": None if entry.group is None else clean(entry.group), "split": entry.split, "attributes": dict(entry.attributes),
    }  # fmt: skip


def save_concepts(connection: Connection, vocabulary: str, concepts: Sequence[ConceptEntry], edges: Sequence[ConceptEdge]) -> None:
    """Insert or update the concepts of a vocabulary and the ties between them."""
    names = dict.fromkeys(entry.category for entry in concepts)
    categories = {name: upsert(connection, schema.category, {"name": name}, {}) for name in names}
    known = _known_concepts(connection, vocabulary)
    new, changed = [], []
    for entry in concepts:
        values = _concept(entry)
        found = known.get((clean(entry.category), clean(entry.name)))
        if found is None:
            new.append({"vocabulary": vocabulary, "category_id": categories[entry.category], "name": entry.name, **values})
        elif (found.source_id, canonical(found.synonyms)) != (clean(entry.source_id), canonical(values["synonyms"])):
            connection.execute(update(schema.concept).where(schema.concept.c.id == found.id).values(**values))
            changed.append(int(found.id))
    insert_missing(connection, schema.concept, new)
    changed += _save_edges(connection, vocabulary, edges)
    if changed:
        listing.retie(connection, changed)


def _concept(entry: ConceptEntry) -> dict[str, Any]:
    synonyms = [clean(synonym) for synonym in entry.synonyms]
    return {
        "source_id": entry.source_id, "synonyms": synonyms,
        "words": cut(entry.name), "synonym_words": "".join(cut(synonym) for synonym in synonyms) or " ",
    }  # fmt: skip


def _save_edges(connection: Connection, vocabulary: str, edges: Sequence[ConceptEdge]) -> list[int]:
    """Insert the ties that are new. Returns the concepts that they are about."""
    if not edges:
        return []
    ids = concept_ids(connection, vocabulary)
    table = schema.concept_edge
    there = {tuple(row) for row in connection.execute(select(table.c.source_id, table.c.target_id, table.c.kind))}
    rows = {}
    for edge in edges:
        row = (find_concept(ids, vocabulary, edge.source), find_concept(ids, vocabulary, edge.target), edge.kind)
        if row not in there and row[0] != row[1]:
            rows[row] = dict(zip(("source_id", "target_id", "kind"), row, strict=True))
    insert_missing(connection, table, list(rows.values()))
    return [number for source, target, kind in rows for number in ((source,) if kind == "broader" else (source, target))]


def _known_concepts(connection: Connection, vocabulary: str) -> dict[ConceptKey, Any]:
    query = select(schema.concept, schema.category.c.name.label("category")).join(schema.category)
    rows = connection.execute(query.where(schema.concept.c.vocabulary == vocabulary))
    return {(row.category, row.name): row for row in rows}


def concept_ids(connection: Connection, vocabulary: str) -> dict[ConceptKey, int]:
    """(category, name) -> id of every concept of a vocabulary."""
    return {key: int(row.id) for key, row in _known_concepts(connection, vocabulary).items()}


def find_concept(ids: Mapping[ConceptKey, int], vocabulary: str, key: ConceptKey) -> int:
    """The id of one concept.

    Raises:
        StoreError: it was never saved.
    """
    try:
        return ids[clean(key[0]), clean(key[1])]
    except KeyError:
        where = f"vocabulary {vocabulary}, category {key[0]!r}"
        raise StoreError(f"{where}: concept {key[1]!r} is not in the database; save the vocabulary first.") from None
