"""What lists and searches read, kept beside the labels: the table `listed` and the full-text index.

Both only repeat what other tables hold. Whatever changes a label, a unit's state or a tie between concepts calls here in the same
transaction, so that a reader never sees one without the other.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, delete, insert, select, update

from dissect.concepts.hierarchy import shipped_above
from dissect.store import fulltext, schema
from dissect.store.database import reading, writing
from dissect.store.ties import CHUNK, Ties, below, ties
from dissect.store.words import cut, forms, words_of

CHANCE = 0.05
"""Largest q of a label that was told from chance."""
USUAL_THRESHOLD = 0.04
"""IoU above which a unit is a detector, where a layer does not say."""
UNSCORED = 1e300
"""The weakness of a label without a score: after all others."""
LAST_TEXT = "\U0010ffff"
"""Stands for the text of a unit without a label: after all others."""
MOST_NAME = 4
"""Words of a description that may still be one name."""
MOST_TEXT = 200
"""Characters by which labels are put in order: PostgreSQL's indices take no long ones."""
_TOKEN = re.compile(r"\(|\)|[^\s()]+")

Label = Any
Signs = Mapping[int, Sequence[tuple[int, int]]]


def refresh(connection: Connection, run_id: int, layer_id: int) -> None:
    """Write all rows of one layer of a run anew, from its labels."""
    forget(connection, run_id, layer_id)
    stats = _stats(connection, run_id, layer_id)
    labels = _labels(connection, run_id, layer_id)
    threshold = _threshold(connection, run_id, layer_id)
    first: dict[int, int] = defaultdict(int)
    rows = []
    for label in labels:
        if label.unit_id in stats:
            rows.append(_labelled(stats[label.unit_id], label, first[label.unit_id], threshold))
            first[label.unit_id] += 1
    rows += [_unlabelled(stat) for unit_id, stat in stats.items() if unit_id not in first]
    if rows:
        connection.execute(insert(schema.listed), rows)
    _write_documents(connection, labels)


def forget(connection: Connection, run_id: int, layer_id: int | None = None) -> None:
    """Take the rows of a run, or of one layer of it, out."""
    table = schema.listed
    mine = table.c.run_id == run_id if layer_id is None else table.c.place == place(run_id, layer_id)
    fulltext.erase(connection, list(connection.execute(select(table.c.id).where(mine, table.c.label_id.is_not(None))).scalars()))
    connection.execute(delete(table).where(mine))


def retie(connection: Connection, concepts: Iterable[int]) -> None:
    """Index the labels anew that use one of the concepts or something under them."""
    touched = sorted(below(connection, concepts))
    link, label = schema.label_concept, schema.label
    for start in range(0, len(touched), CHUNK):
        using = select(link.c.label_id).where(link.c.concept_id.in_(touched[start : start + CHUNK]), link.c.sign == 1)
        query = select(label.c.id, label.c.kind, label.c.text).where(label.c.rank == 1, label.c.id.in_(using))
        _write_documents(connection, connection.execute(query.order_by(label.c.id)).all())


def move(connection: Connection, layer_id: int, position: int) -> None:
    """A layer has another place in the order of computation."""
    table = schema.listed
    connection.execute(update(table).where(table.c.layer_id == layer_id).values(position=position))


def complete(engine: Engine) -> bool:
    """Fill both where a migration has just made them, all or nothing. Returns whether that was needed."""
    with reading(engine) as connection:
        if not _lacking(connection):
            return False
    with writing(engine) as connection:
        if not _lacking(connection):
            return False
        here = schema.run_layer
        for row in connection.execute(select(here.c.run_id, here.c.layer_id).order_by(here.c.run_id, here.c.layer_id)).all():
            refresh(connection, row.run_id, row.layer_id)
    return True


def place(run_id: int, layer_id: int) -> int:
    """Run and layer in one number."""
    return (run_id << 32) | layer_id


def _lacking(connection: Connection) -> bool:
    """Whether there are units in a layer of a run, and no list of them."""
    if connection.execute(select(schema.listed.c.id).limit(1)).first() is not None:
        return False
    here, stat, unit = schema.run_layer, schema.unit_stat, schema.unit
    query = select(here.c.run_id).join(stat, stat.c.run_id == here.c.run_id)
    query = query.join(unit, (unit.c.id == stat.c.unit_id) & (unit.c.layer_id == here.c.layer_id))
    return connection.execute(query.limit(1)).first() is not None


def _stats(connection: Connection, run_id: int, layer_id: int) -> dict[int, dict[str, Any]]:
    """Unit -> what every row of it holds."""
    stat, unit, layer = schema.unit_stat, schema.unit, schema.layer
    query = (
        select(stat.c.unit_id, stat.c.state, unit.c.index, layer.c.position)
        .join(unit, unit.c.id == stat.c.unit_id)
        .join(layer, layer.c.id == unit.c.layer_id)
        .where(stat.c.run_id == run_id, unit.c.layer_id == layer_id)
        .order_by(unit.c.index)
    )
    here = {"run_id": run_id, "layer_id": layer_id, "place": place(run_id, layer_id)}
    return {row["unit_id"]: {**here, **row} for row in connection.execute(query).mappings()}


def _labels(connection: Connection, run_id: int, layer_id: int) -> list[Label]:
    """First labels of every method, of each unit the headline first: a concept, then by number."""
    label, unit = schema.label, schema.unit
    names = ("id", "unit_id", "kind", "method", "category", "text", "score", "score_kind", "detector", "held_out_score", "held_out_agrees")
    query = select(*(label.c[name] for name in names), label.c.q).join(unit, unit.c.id == label.c.unit_id)
    found = connection.execute(query.where(label.c.run_id == run_id, label.c.rank == 1, unit.c.layer_id == layer_id)).all()
    return sorted(found, key=lambda row: (row.kind != "concept", row.id))


def _threshold(connection: Connection, run_id: int, layer_id: int) -> float:
    here = schema.run_layer
    found = connection.execute(select(here.c.threshold).where(here.c.run_id == run_id, here.c.layer_id == layer_id)).scalar()
    return USUAL_THRESHOLD if found is None else float(found)


def _labelled(stat: Mapping[str, Any], label: Label, nth: int, threshold: float) -> dict[str, Any]:
    iou = label.score if label.score_kind == "iou" else None
    return {
        **stat, "id": label.id, "label_id": label.id, "nth": nth, "kind": label.kind, "method": label.method, "category": label.category,
        "text": label.text[:MOST_TEXT], "score": label.score, "iou": iou, "q": label.q,
        "weakness": UNSCORED if label.score is None else -label.score,
        "detector": label.detector is True, "survives": _survives(label, threshold),
    }  # fmt: skip


def _unlabelled(stat: Mapping[str, Any]) -> dict[str, Any]:
    nothing = dict.fromkeys(("label_id", "kind", "method", "category", "score", "iou", "q"))
    number = -((stat["run_id"] << 32) | stat["unit_id"])
    return {**stat, **nothing, "id": number, "nth": 0, "text": LAST_TEXT, "weakness": UNSCORED, "detector": False, "survives": False}


def _survives(label: Label, threshold: float) -> bool:
    """A detector that is told from chance, that both halves of the images choose, and that is held out above the threshold."""
    told = label.detector is True and label.q is not None and label.q <= CHANCE
    return told and label.held_out_agrees is True and label.held_out_score is not None and label.held_out_score > threshold


def _write_documents(connection: Connection, labels: Sequence[Label]) -> None:
    for start in range(0, len(labels), CHUNK):
        some = labels[start : start + CHUNK]
        signs = _signs(connection, [label.id for label in some])
        tied = ties(connection, {concept for uses in signs.values() for concept, _ in uses})
        fulltext.write(connection, {label.id: _document(label, signs.get(label.id, ()), tied) for label in some})


def _signs(connection: Connection, numbers: Sequence[int]) -> Signs:
    """Label -> the concepts it uses, with their signs."""
    link = schema.label_concept
    found: dict[int, list[tuple[int, int]]] = defaultdict(list)
    query = select(link.c.label_id, link.c.concept_id, link.c.sign).where(link.c.label_id.in_(numbers))
    for row in connection.execute(query.order_by(link.c.label_id, link.c.position)):
        found[row.label_id].append((row.concept_id, row.sign))
    return found


def _document(label: Label, signs: Sequence[tuple[int, int]], tied: Ties) -> list[str]:
    used = list(dict.fromkeys(concept for concept, sign in signs if sign == 1))
    own = [cut(tied.names[concept][0]) for concept in used] if label.kind == "formula" and signs else own_texts(label.kind, label.text)
    named = [name for concept in used for name in tied.other_names(concept)]
    above = [name for concept in used for name in tied.broad_names(concept)]
    return fulltext.document(own, named, above or [cut(name) for name in above_text(label.kind, label.text)])


def above_text(kind: str, text: str) -> tuple[str, ...]:
    """What is above a description that is one name and no more, such as `terriers`, by the hierarchy that ships."""
    words = words_of(text) if kind == "description" else []
    if not 1 <= len(words) <= MOST_NAME:
        return ()
    return shipped_above(tuple(" ".join([*words[:-1], form]) for form in forms(words[-1])))


def own_texts(kind: str, text: str) -> list[str]:
    """The cut texts that a label is about: all of it, but of a formula the names that it does not exclude."""
    return [cut(part) for part in affirmed(text)] if kind == "formula" else [cut(text)]


def affirmed(formula: str) -> list[str]:
    """The names in a formula's text that stand outside every NOT; of one whose concepts nobody named in the database."""
    found: list[str] = []
    name: list[str] = []
    around, negated = [False], False
    for token in [*_TOKEN.findall(formula), ")"]:
        if token not in ("(", ")", "AND", "OR", "NOT"):
            name.append(token)
            continue
        if name and around[-1] == negated:
            found.append(" ".join(name))
        name = []
        if token == "(":
            around.append(around[-1] != negated)
        elif token == ")":
            around = around[:-1] or [False]
        negated = token == "NOT" and not negated
    return found
