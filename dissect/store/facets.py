"""Facets: how many units each further setting of a filter would leave. Works inside its caller's transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Select, select

from dissect.store import fulltext, schema
from dissect.store.passing import passing
from dissect.store.question import question
from dissect.store.ties import CHUNK
from dissect.store.views import Facets, FacetValue, UnitFilter

MOST_LABELS = 5_000
"""Labels that are looked at: a word that more of them hold is counted in the first ones only."""
MOST_VALUES = 100


def facets(connection: Connection, filters: UnitFilter, most: int) -> Facets:
    """Numbers of units by model, layer, category, method and concept of the labels that pass."""
    tree = question(filters.q or "")
    allowed = None if filters.q and filters.q.strip() and tree is None else passing(connection, filters, tree)
    if allowed is None:
        return Facets(0, False)
    row = schema.listed.c
    query = allowed.query(connection, (row.run_id, row.unit_id, row.layer_id, row.category, row.method, row.label_id))
    if not allowed.by_label:
        query = query.where(row.nth == 0)
    query = query.order_by((row.id if tree is None else fulltext.fulltext.c.rowid).desc())
    rows = connection.execute(query.limit(most + 1)).all()
    seen = rows[:most]
    units = [(run_id << 32) | unit_id for run_id, unit_id, *_ in seen]
    places = _places(connection, {found[2] for found in seen})
    whose = dict(zip((found[5] for found in seen), units, strict=True))
    concepts = _concepts(connection, query.with_only_columns(row.label_id).limit(most), whose)
    return Facets(
        len(set(units)), len(rows) > most,
        _values((places[found[2]][0], unit) for found, unit in zip(seen, units, strict=True)),
        _values((places[found[2]][1], unit) for found, unit in zip(seen, units, strict=True)),
        _values((found[3], unit) for found, unit in zip(seen, units, strict=True)),
        _values((found[4], unit) for found, unit in zip(seen, units, strict=True)), _values(concepts),
    )  # fmt: skip


def _values(pairs: Iterable[tuple[str | None, int]]) -> tuple[FacetValue, ...]:
    """Values by falling number of units, then by name."""
    units: dict[str, set[int]] = defaultdict(set)
    for name, unit in pairs:
        if name:
            units[name].add(unit)
    found = [FacetValue(name, len(which)) for name, which in units.items()]
    return tuple(sorted(found, key=lambda value: (-value.units, value.name))[:MOST_VALUES])


def _places(connection: Connection, layer_ids: Iterable[int]) -> dict[int, tuple[str, str]]:
    """Layer -> (model, layer) by name."""
    layer, checkpoint, model = schema.layer, schema.checkpoint, schema.model
    query = select(layer.c.id, model.c.name.label("model"), layer.c.name).join(checkpoint, checkpoint.c.id == layer.c.checkpoint_id)
    query = query.join(model, model.c.id == checkpoint.c.model_id).where(layer.c.id.in_(sorted(layer_ids)))
    return {row.id: (row.model, row.name) for row in connection.execute(query)}


def _concepts(connection: Connection, labels: Select[Any], whose: Mapping[int, int]) -> list[tuple[str, int]]:
    """(concept, unit) for each concept that a label uses and does not exclude. labels: the query for their numbers."""
    link, concept = schema.label_concept, schema.concept
    some = labels.subquery()
    query = select(link.c.label_id, link.c.concept_id).join(some, some.c.label_id == link.c.label_id).where(link.c.sign == 1)
    used = connection.execute(query).all()
    found = sorted({number for _, number in used})
    names: dict[int, str] = {}
    for start in range(0, len(found), CHUNK):
        mine = select(concept.c.id, concept.c.name).where(concept.c.id.in_(found[start : start + CHUNK]))
        names |= {row[0]: row[1] for row in connection.execute(mine)}
    return [(names[number], whose[label]) for label, number in used]
