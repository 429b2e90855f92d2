"""Facets: how many units each further setting of a filter would leave. Works inside its caller's transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select

from dissect.store import schema
from dissect.store.passing import passing
from dissect.store.question import question
from dissect.store.ties import CHUNK
from dissect.store.views import Facets, FacetValue, UnitFilter

MOST_LABELS = 10_000
"""Labels that are looked at: a word that more of them hold is counted in the first ones only."""
MOST_VALUES = 100

Unit = tuple[int, int]


def facets(connection: Connection, filters: UnitFilter, most: int) -> Facets:
    """Numbers of units by model, layer, category, method and concept of the labels that pass."""
    tree = question(filters.q or "")
    allowed = None if filters.q and filters.q.strip() and tree is None else passing(connection, filters, tree)
    if allowed is None:
        return Facets(0, False)
    row = schema.listed.c
    columns = (row.id, row.run_id, row.unit_id, row.layer_id, row.category, row.method, row.label_id)
    query = allowed.query(connection, columns)
    if not allowed.by_label:
        query = query.where(row.nth == 0)
    rows = connection.execute(query.order_by(row.id.desc()).limit(most + 1)).all()
    seen = rows[:most]
    places = _places(connection, {found.layer_id for found in seen})
    return Facets(
        len({(found.run_id, found.unit_id) for found in seen}), len(rows) > most,
        _values((places[found.layer_id][0], found) for found in seen), _values((places[found.layer_id][1], found) for found in seen),
        _values((found.category, found) for found in seen), _values((found.method, found) for found in seen),
        _values(_concepts(connection, {found.label_id: found for found in seen if found.label_id is not None})),
    )  # fmt: skip


def _values(pairs: Iterable[tuple[str | None, Any]]) -> tuple[FacetValue, ...]:
    """Values by falling number of units, then by name."""
    units: dict[str, set[Unit]] = defaultdict(set)
    for name, row in pairs:
        if name:
            units[name].add((row.run_id, row.unit_id))
    found = [FacetValue(name, len(which)) for name, which in units.items()]
    return tuple(sorted(found, key=lambda value: (-value.units, value.name))[:MOST_VALUES])


def _places(connection: Connection, layer_ids: Iterable[int]) -> dict[int, tuple[str, str]]:
    """Layer -> (model, layer) by name."""
    layer, checkpoint, model = schema.layer, schema.checkpoint, schema.model
    query = select(layer.c.id, model.c.name.label("model"), layer.c.name).join(checkpoint, checkpoint.c.id == layer.c.checkpoint_id)
    query = query.join(model, model.c.id == checkpoint.c.model_id).where(layer.c.id.in_(sorted(layer_ids)))
    return {row.id: (row.model, row.name) for row in connection.execute(query)}


def _concepts(connection: Connection, rows: Mapping[int, Any]) -> list[tuple[str, Any]]:
    """(concept, row) for each concept that a label uses and does not exclude."""
    link, concept = schema.label_concept, schema.concept
    numbers: Sequence[int] = sorted(rows)
    used: list[tuple[int, int]] = []
    for start in range(0, len(numbers), CHUNK):
        query = select(link.c.label_id, link.c.concept_id).where(link.c.sign == 1, link.c.label_id.in_(numbers[start : start + CHUNK]))
        used += [(row[0], row[1]) for row in connection.execute(query)]
    found = sorted({number for _, number in used})
    names: dict[int, str] = {}
    for start in range(0, len(found), CHUNK):
        query = select(concept.c.id, concept.c.name).where(concept.c.id.in_(found[start : start + CHUNK]))
        names |= {row[0]: row[1] for row in connection.execute(query)}
    return [(names[number], rows[label]) for label, number in used]
