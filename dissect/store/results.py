"""Writing one probed and scored layer: all rows of a layer of a run, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from dissect.errors import NotFoundError, StoreError
from dissect.store import listing, schema
from dissect.store.records import ConceptKey, LabelEntry, LayerResult, UnitResult
from dissect.store.words import cut
from dissect.store.write import concept_ids, find_concept, insert_all, save_layer

_LABEL_FIELDS = tuple(field.name for field in fields(LabelEntry) if field.name != "concepts")
_REPLACED = (schema.exemplar, schema.unit_concept, schema.label, schema.unit_stat)


@dataclass(frozen=True)
class Ids:
    """Row numbers that a layer's rows refer to."""

    run: int
    units: Mapping[int, int]
    images: Mapping[int, int]
    concepts: Mapping[ConceptKey, int]
    vocabulary: str
    profile: str
    layer: str

    def unit(self, index: int) -> int:
        return self._find(self.units, index, "unit")

    def image(self, index: int) -> int:
        return self._find(self.images, index, "image")

    def concept(self, key: ConceptKey) -> int:
        return find_concept(self.concepts, self.vocabulary, key)

    def _find(self, ids: Mapping[int, int], index: int, what: str) -> int:
        try:
            return ids[index]
        except KeyError:
            raise StoreError(f"layer {self.layer} of run {self.run} names {what} {index}, which the database does not have.") from None


def write_layer(connection: Connection, run_id: int, result: LayerResult) -> None:
    """Replace all rows of a layer of a run."""
    run = find_run(connection, run_id)
    layer_id = save_layer(connection, run.checkpoint_id, result.layer)
    ids = find_ids(connection, run, layer_id, result.layer.name)
    freed = _remove(connection, run_id, layer_id)
    insert_all(connection, schema.run_layer, [_run_layer(run_id, layer_id, result)])
    insert_all(connection, schema.unit_stat, [_stats(ids, unit) for unit in result.units])
    write_labels(connection, ids, [(unit.index, entry) for unit in result.units for entry in unit.labels], freed)
    insert_all(connection, schema.unit_concept, [row for unit in result.units for row in _unit_concepts(ids, unit)])
    insert_all(connection, schema.exemplar, [row for unit in result.units for row in _exemplars(ids, unit)])
    listing.refresh(connection, run_id, layer_id)


def find_run(connection: Connection, run_id: int) -> Any:
    """The row of a run.

    Raises:
        NotFoundError: there is none.
    """
    run = connection.execute(select(schema.run).where(schema.run.c.id == run_id)).first()
    if run is None:
        raise NotFoundError(f"there is no run {run_id}. `dissect runs list` shows what there is.")
    return run


def find_ids(connection: Connection, run: Any, layer_id: int, layer: str) -> Ids:
    """Row numbers of all that a layer of this run can name."""
    dataset, unit, image = schema.dataset, schema.unit, schema.image
    vocabulary = connection.execute(select(dataset.c.vocabulary).where(dataset.c.id == run.dataset_id)).scalar_one()
    units = connection.execute(select(unit.c.index, unit.c.id).where(unit.c.layer_id == layer_id)).all()
    images = connection.execute(select(image.c.index, image.c.id).where(image.c.dataset_id == run.dataset_id)).all()
    return Ids(
        run.id, {row[0]: row[1] for row in units}, {row[0]: row[1] for row in images},
        concept_ids(connection, vocabulary), vocabulary, run.profile, layer,
    )  # fmt: skip


def _remove(connection: Connection, run_id: int, layer_id: int) -> list[int]:
    """Delete the layer's rows. Returns the numbers that its labels had, in order."""
    units = select(schema.unit.c.id).where(schema.unit.c.layer_id == layer_id)
    mine = select(schema.label.c.id).where(schema.label.c.run_id == run_id, schema.label.c.unit_id.in_(units))
    freed = list(connection.execute(mine.order_by(schema.label.c.id)).scalars())
    listing.forget(connection, run_id, layer_id)
    for table in _REPLACED:
        connection.execute(delete(table).where(table.c.run_id == run_id, table.c.unit_id.in_(units)))
    for here in (schema.run_layer, schema.layer_method, schema.ablation):
        connection.execute(delete(here).where(here.c.run_id == run_id, here.c.layer_id == layer_id))
    return freed


def _run_layer(run_id: int, layer_id: int, result: LayerResult) -> dict[str, Any]:
    height, width = result.label_size or (None, None)
    summary = result.summary
    return {
        "run_id": run_id, "layer_id": layer_id, "fingerprint": result.fingerprint, "activation_dtype": result.activation_dtype,
        "label_height": height, "label_width": width, "images": result.images,
        "threshold": summary and summary.threshold, "detectors": summary and summary.detectors,
        "unique_detectors": summary and summary.unique, "unique_by_category": summary and summary.unique_by_category,
        "by_category": summary.by_category if summary else {},
    }  # fmt: skip


def _stats(ids: Ids, unit: UnitResult) -> dict[str, Any]:
    stats = {field.name: getattr(unit.stats, field.name) for field in fields(unit.stats)}
    stats["histogram"] = [int(count) for count in unit.stats.histogram]
    stats["edges"] = [float(edge) for edge in unit.stats.edges]
    return {"run_id": ids.run, "unit_id": ids.unit(unit.index), **stats}


def write_labels(connection: Connection, ids: Ids, entries: Sequence[tuple[int, LabelEntry]], freed: Sequence[int]) -> list[int]:
    """Write (unit index, label) under the numbers that the replaced ones had, then under new ones: a resumed run ends with the same rows.

    Returns the labels' numbers, in the order of `entries`.
    """
    if not entries:
        return []
    rows = [_label(ids, ids.unit(index), entry) for index, entry in entries]
    numbers = list(freed[: len(rows)])
    insert_all(connection, schema.label, [{"id": number, **row} for number, row in zip(numbers, rows, strict=False)])
    if rest := rows[len(numbers) :]:
        query = insert(schema.label).returning(schema.label.c.id, sort_by_parameter_order=True)
        numbers += connection.execute(query, rest).scalars().all()
    insert_all(connection, schema.label_concept, [
        {"label_id": label_id, "position": position, "concept_id": ids.concept(key), "sign": sign}
        for label_id, (_, entry) in zip(numbers, entries, strict=True)
        for position, (key, sign) in enumerate(entry.concepts)
    ])  # fmt: skip
    return numbers


def _label(ids: Ids, unit_id: int, entry: LabelEntry) -> dict[str, Any]:
    values = {name: getattr(entry, name) for name in _LABEL_FIELDS}
    return {"run_id": ids.run, "unit_id": unit_id, "profile": ids.profile, "words": cut(entry.text), **values}


def _unit_concepts(ids: Ids, unit: UnitResult) -> list[dict[str, Any]]:
    unit_id = ids.unit(unit.index)
    return [
        {
            "run_id": ids.run, "unit_id": unit_id, "concept_id": ids.concept(entry.concept), "rank": entry.rank, "score": entry.score,
            "intersection": entry.intersection, "unit_area": entry.unit_area, "concept_area": entry.concept_area,
            "reachable": entry.reachable, "images": entry.images,
        }
        for entry in unit.concepts
    ]  # fmt: skip


def _exemplars(ids: Ids, unit: UnitResult) -> list[dict[str, Any]]:
    unit_id = ids.unit(unit.index)
    return [
        {
            "run_id": ids.run, "unit_id": unit_id, "rank": entry.rank, "image_id": ids.image(entry.image_index),
            "activation": entry.activation, "mask": entry.mask,
            "mask_height": entry.mask_size and entry.mask_size[0], "mask_width": entry.mask_size and entry.mask_size[1],
        }
        for entry in unit.exemplars
    ]  # fmt: skip
