"""Facets: how many units each further setting of a filter would leave. Works inside its caller's transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, select

from dissect.store import schema
from dissect.store.members import one_of
from dissect.store.passing import passing
from dissect.store.question import question
from dissect.store.views import Facets, FacetValue, UnitFilter

MOST_LABELS = 3_000
"""Labels that are looked at: a word that more of them hold is counted in the first ones only."""
MOST_VALUES = 100


def facets(connection: Connection, filters: UnitFilter, most: int) -> Facets:
    """Numbers of units by model, layer, category, method and concept of the labels that pass."""
    tree = question(filters.q or "")
    allowed = None if filters.q and filters.q.strip() and tree is None else passing(connection, filters, tree)
    if allowed is None:
        return Facets(0, False)
    row = schema.listed.c
    query = allowed.newest(connection, (row.run_id, row.unit_id, row.layer_id, row.category, row.method, row.label_id), most + 1)
    if not allowed.by_label:
        query = query.where(row.nth == 0)
    rows = connection.execute(query).all()
    seen = rows[:most]
    units = [(run_id << 32) | unit_id for run_id, unit_id, *_ in seen]
    places = _places(connection, {found[2] for found in seen})
    whose = {found[5]: unit for found, unit in zip(seen, units, strict=True) if found[5] is not None}
    concepts = _concepts(connection, whose)
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


def _concepts(connection: Connection, whose: Mapping[int, int]) -> list[tuple[str, int]]:
    """(concept, unit) for each concept that a label uses and does not exclude. whose: label -> unit."""
    link, concept = schema.label_concept, schema.concept
    query = select(link.c.label_id, link.c.concept_id).where(one_of(connection, link.c.label_id, whose), link.c.sign == 1)
    used = connection.execute(query).all()
    named = select(concept.c.id, concept.c.name).where(one_of(connection, concept.c.id, {number for _, number in used}))
    names = {row[0]: row[1] for row in connection.execute(named)}
    return [(names[number], whose[label]) for label, number in used]
