"""Reading layers and concepts in numbers. Every function works inside its caller's transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, case, func, or_, select

from dissect.errors import NotFoundError
from dissect.store import runs, schema
from dissect.store.database import remembered
from dissect.store.details import pair
from dissect.store.passing import is_layer
from dissect.store.views import ConceptView, LabelTests, LayerSummary, RunSize


def layers(connection: Connection, run_id: int) -> list[LayerSummary]:
    """The layers of a run, in order of computation."""
    runs.resolve(connection, run_id)
    return _summaries(connection, run_id, _query(run_id))


def layer_summary(connection: Connection, run_id: int, layer: str) -> LayerSummary:
    """One layer of a run, by name or alias.

    Raises:
        NotFoundError: the run has no such layer; those it has are listed.
    """
    query = _query(run_id).where(is_layer(layer))
    found = remembered(connection, ("layer", run_id, layer), lambda: _summaries(connection, run_id, query))
    if not found:
        names = ", ".join(summary.layer for summary in layers(connection, run_id)) or "none yet"
        raise NotFoundError(f"run {run_id} has no layer {layer!r}. Its layers: {names}.")
    return found[0]


def _query(run_id: int) -> Select[Any]:
    here, layer = schema.run_layer, schema.layer
    query = select(here, layer).join(layer, layer.c.id == here.c.layer_id).where(here.c.run_id == run_id)
    return query.order_by(layer.c.position, layer.c.id)


def _summaries(connection: Connection, run_id: int, query: Select[Any]) -> list[LayerSummary]:
    rows = connection.execute(query).mappings().all()
    aliases, states = _aliases(connection, [row["id"] for row in rows]), _states(connection, run_id)
    return [
        LayerSummary(
            run_id=run_id, layer=row["name"], aliases=tuple(sorted(aliases.get(row["id"], ()))), position=row["position"],
            units=row["units"], map_size=pair(row["map_height"], row["map_width"]), form=row["form"], fingerprint=row["fingerprint"],
            activation_dtype=row["activation_dtype"], label_size=pair(row["label_height"], row["label_width"]), images=row["images"],
            states=states.get(row["id"], {}), threshold=row["threshold"], detectors=row["detectors"], unique=row["unique_detectors"],
            unique_by_category=row["unique_by_category"], by_category=row["by_category"],
        )
        for row in rows
    ]  # fmt: skip


def _aliases(connection: Connection, layer_ids: list[int]) -> dict[int, list[str]]:
    alias = schema.layer_alias
    found: dict[int, list[str]] = defaultdict(list)
    for row in connection.execute(select(alias).where(alias.c.layer_id.in_(layer_ids))):
        found[row.layer_id].append(row.alias)
    return found


def _states(connection: Connection, run_id: int) -> dict[int, dict[str, int]]:
    stat, unit = schema.unit_stat, schema.unit
    query = select(unit.c.layer_id, stat.c.state, func.count()).join(unit, unit.c.id == stat.c.unit_id).where(stat.c.run_id == run_id)
    found: dict[int, dict[str, int]] = defaultdict(dict)
    for layer_id, state, number in connection.execute(query.group_by(unit.c.layer_id, stat.c.state)):
        found[layer_id][state] = number
    return found


def run_sizes(connection: Connection, run_ids: Sequence[int]) -> dict[int, RunSize]:
    """Units and detectors of each of these runs, over all its layers."""
    here, layer = schema.run_layer, schema.layer
    query = select(here.c.run_id, func.sum(layer.c.units), func.sum(here.c.detectors)).join(layer, layer.c.id == here.c.layer_id)
    rows = connection.execute(query.where(here.c.run_id.in_(run_ids)).group_by(here.c.run_id))
    return {row[0]: RunSize(int(row[1]), None if row[2] is None else int(row[2])) for row in rows}


def label_tests(connection: Connection, run_id: int, layer: str, chance: float) -> LabelTests:
    """What tests say of a layer's detectors, counted by the database; of each unit the best concept."""
    label, unit = schema.label, schema.unit
    doubted = case((label.c.q > chance, 1))
    query = select(func.count(label.c.q), func.count(doubted)).select_from(label)
    query = query.join(unit, unit.c.id == label.c.unit_id).join(schema.layer, schema.layer.c.id == unit.c.layer_id)
    query = query.where(label.c.run_id == run_id, label.c.rank == 1, label.c.kind == "concept", is_layer(layer))
    tested, may_be = connection.execute(query.where(label.c.detector.is_(True))).one()
    top = connection.execute(query.with_only_columns(func.max(label.c.score))).scalar()
    return LabelTests(tested, may_be, top)


def concepts(
    connection: Connection, vocabulary: str | None, category: str | None, run: int | str | None, names: Collection[str] | None = None
) -> list[ConceptView]:
    """Concepts by category and name, with the number of units whose label they are. names: those alone, without reading any other."""
    table = schema.concept
    query = select(table.c.id, table.c.vocabulary, table.c.name, table.c.synonyms, schema.category.c.name.label("category"))
    query = query.join(schema.category, schema.category.c.id == table.c.category_id)
    for column, value in ((table.c.vocabulary, vocabulary), (schema.category.c.name, category)):
        if value is not None:
            query = query.where(column == value)
    rows = connection.execute(query if names is None else query.where(table.c.name.in_(names))).all()
    only = None if names is None else [row.id for row in rows]
    broader, narrower = _ties(connection, only)
    carried = _carried(connection, None if run is None else runs.resolve(connection, run), only)
    views = [
        ConceptView(
            row.vocabulary, row.category, row.name, tuple(row.synonyms),
            tuple(sorted(broader.get(row.id, ()))), tuple(sorted(narrower.get(row.id, ()))), carried.get(row.id, 0),
        )
        for row in rows
    ]  # fmt: skip
    return sorted(views, key=lambda view: (view.vocabulary, view.category, view.name))


def concept_names(connection: Connection, category: str | None, carried: bool) -> list[str]:
    """Names of concepts, each once, in order; carried: of those alone that are the label of a detector."""
    table, link, label = schema.concept, schema.label_concept, schema.label
    query = select(table.c.name).distinct()
    if category is not None:
        query = query.join(schema.category, schema.category.c.id == table.c.category_id).where(schema.category.c.name == category)
    if carried:
        used = select(link.c.label_id).join(label, label.c.id == link.c.label_id).where(link.c.concept_id == table.c.id, *_counts())
        query = query.where(used.exists())
    return sorted(connection.execute(query).scalars())


def categories(connection: Connection) -> list[str]:
    """Names of all categories that some concept has."""
    query = select(schema.category.c.name).where(schema.category.c.id.in_(select(schema.concept.c.category_id)))
    return sorted(connection.execute(query).scalars())


def _ties(connection: Connection, only: Collection[int] | None) -> tuple[dict[int, list[str]], dict[int, list[str]]]:
    edge, low, high = schema.concept_edge, schema.concept.alias("low"), schema.concept.alias("high")
    query = select(edge.c.source_id, edge.c.target_id, low.c.name.label("low"), high.c.name.label("high"))
    query = query.join(low, low.c.id == edge.c.source_id).join(high, high.c.id == edge.c.target_id).where(edge.c.kind == "broader")
    if only is not None:
        query = query.where(or_(edge.c.source_id.in_(only), edge.c.target_id.in_(only)))
    broader, narrower = defaultdict(list), defaultdict(list)
    for row in connection.execute(query):
        broader[row.source_id].append(row.high)
        narrower[row.target_id].append(row.low)
    return broader, narrower


def _carried(connection: Connection, run_id: int | None, only: Collection[int] | None) -> dict[int, int]:
    link, label = schema.label_concept, schema.label
    query = select(link.c.concept_id, func.count()).join(label, label.c.id == link.c.label_id).group_by(link.c.concept_id)
    query = query.where(*_counts())
    if only is not None:
        query = query.where(link.c.concept_id.in_(only))
    if run_id is not None:
        query = query.where(label.c.run_id == run_id)
    return {row[0]: row[1] for row in connection.execute(query)}


def _counts() -> tuple[ColumnElement[bool], ...]:
    """That a label is the best concept of a detector."""
    label = schema.label
    return (label.c.kind == "concept", label.c.rank == 1, label.c.detector.is_(True))
