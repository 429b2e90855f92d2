"""Units that answer to the same concepts as one unit, in other layers, runs or networks. Works inside its caller's transaction.

A unit's profile is the score of each of its top concepts (`unit_concept`), by the concept's name as it is cut for search, so that two
vocabularies meet; scores below zero count as zero. Two units are as near as the cosine between their profiles. Looked at are the units
that answer strongest to one of the unit's five strongest concepts, `REACH` for each.
"""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select

from dissect.store import schema
from dissect.store.members import one_of
from dissect.store.views import NeighbourView, UnitView

STRONGEST = 5
REACH = 2_000
COMPARED = 1_000
CHUNK = 500

Key = tuple[int, int]
Profile = Mapping[str, float]


def neighbours(connection: Connection, unit: UnitView, limit: int, elsewhere: bool) -> list[NeighbourView]:
    """The nearest units, nearest first; those of the same similarity by run and number. elsewhere: of other layers alone."""
    me = (unit.run_id, unit.unit_id)
    mine = _profiles(connection, [me]).get(me, {})
    names = heapq.nsmallest(STRONGEST, mine, key=lambda name: (-mine[name], name))
    near = _near(connection, {name: mine[name] for name in names})
    near.pop(me, None)
    if elsewhere:
        near = _elsewhere(connection, near, me)
    wanted = heapq.nsmallest(COMPARED, near, key=lambda key: (-near[key], key))
    profiles = _profiles(connection, wanted)
    scored = [(cosine(mine, profiles[key]), key) for key in wanted if key in profiles]
    best = heapq.nsmallest(limit, (pair for pair in scored if pair[0] > 0), key=lambda pair: (-pair[0], pair[1]))
    return _views(connection, best, mine, profiles)


def cosine(one: Profile, other: Profile) -> float:
    """Cosine of the angle between two profiles, in [0, 1]; 0 where one is empty."""
    product = sum(value * other.get(name, 0.0) for name, value in one.items())
    size = math.sqrt(sum(value * value for value in one.values()) * sum(value * value for value in other.values()))
    return min(product / size, 1.0) if size else 0.0


def _near(connection: Connection, wanted: Profile) -> dict[Key, float]:
    """Units that answer strongest to one of the concepts -> sum of products over those."""
    table, concept = schema.unit_concept, schema.concept
    query = select(concept.c.id, concept.c.words).where(concept.c.words.in_(list(wanted)))
    ids: dict[str, list[int]] = defaultdict(list)
    for row in connection.execute(query):
        ids[row.words].append(row.id)
    found: dict[Key, float] = defaultdict(float)
    for name, value in wanted.items():
        for number in ids[name]:
            strongest = select(table.c.run_id, table.c.unit_id, table.c.score).where(table.c.concept_id == number, table.c.score > 0)
            order = (table.c.score.desc(), table.c.run_id.desc(), table.c.unit_id.desc())
            for run_id, unit_id, score in connection.execute(strongest.order_by(*order).limit(REACH)):
                found[run_id, unit_id] += value * score
    return found


def _elsewhere(connection: Connection, near: Mapping[Key, float], me: Key) -> dict[Key, float]:
    """Without the units of the unit's own layer in its own run."""
    unit = schema.unit
    layer = select(unit.c.layer_id).where(unit.c.id == me[1]).scalar_subquery()
    beside = set(connection.execute(select(unit.c.id).where(unit.c.layer_id == layer)).scalars())
    return {key: value for key, value in near.items() if key[0] != me[0] or key[1] not in beside}


def _profiles(connection: Connection, keys: Sequence[Key]) -> dict[Key, dict[str, float]]:
    table, concept = schema.unit_concept, schema.concept
    query = select(table.c.run_id, table.c.unit_id, table.c.score, concept.c.words).join(concept, concept.c.id == table.c.concept_id)
    wanted, found = set(keys), defaultdict[Key, dict[str, float]](dict)
    for start in range(0, len(keys), CHUNK):
        some = keys[start : start + CHUNK]
        units = one_of(connection, table.c.unit_id, {unit for _, unit in some})
        mine = (units, table.c.run_id.in_({run for run, _ in some}), table.c.score > 0)
        for run_id, unit_id, score, words in connection.execute(query.where(*mine)):
            if (run_id, unit_id) in wanted:
                profile = found[run_id, unit_id]
                profile[words] = max(score, profile.get(words, 0.0))
    return found


def _views(
    connection: Connection, best: Sequence[tuple[float, Key]], mine: Profile, profiles: Mapping[Key, Profile]
) -> list[NeighbourView]:
    places = _places(connection, [key for _, key in best])
    views = []
    for similarity, key in best:
        model, layer, index, label = places[key]
        shared = sorted(set(mine) & set(profiles[key]), key=lambda name: (-mine[name] * profiles[key][name], name))
        views.append(NeighbourView(key[0], model, layer, index, label, similarity, tuple(name.strip() for name in shared)))
    return views


def _places(connection: Connection, keys: Iterable[Key]) -> dict[Key, tuple[str, str, int, str | None]]:
    """(model, layer, index, headline) of units."""
    keys = list(keys)
    row, layer, checkpoint, model, label = schema.listed, schema.layer, schema.checkpoint, schema.model, schema.label
    query: Any = (
        select(
            row.c.run_id, row.c.unit_id, model.c.name.label("model"), layer.c.name.label("layer"), row.c.index.label("number"), label.c.text
        )
        .join(layer, layer.c.id == row.c.layer_id)
        .join(checkpoint, checkpoint.c.id == layer.c.checkpoint_id)
        .join(model, model.c.id == checkpoint.c.model_id)
        .outerjoin(label, label.c.id == row.c.label_id)
        .where(row.c.nth == 0, row.c.run_id.in_({run for run, _ in keys}), row.c.unit_id.in_({unit for _, unit in keys}))
    )
    return {(one.run_id, one.unit_id): (one.model, one.layer, one.number, one.text) for one in connection.execute(query)}
