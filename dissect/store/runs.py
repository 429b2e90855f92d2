"""Runs: begun, taken up again, finished, listed, deleted. Every function works inside its caller's transaction."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row, Select, case, delete, func, select, update

from dissect.errors import NotFoundError
from dissect.store import listing, schema
from dissect.store.database import remembered
from dissect.store.records import RunSpec
from dissect.store.types import now
from dissect.store.views import CacheStage, RunRecord, SkippedView, StageProgress, StageUse
from dissect.store.write import insert_all, upsert

MOST_ID = 2**31 - 1
_PREFIX = re.compile(r"[0-9a-f]{4,64}")


def begin(connection: Connection, spec: RunSpec) -> RunRecord:
    """The run with this fingerprint, running unless it is done."""
    table = schema.run
    state = connection.execute(select(table.c.state).where(table.c.fingerprint == spec.fingerprint)).scalar()
    if state is None:
        upsert(connection, table, {"fingerprint": spec.fingerprint}, {
            "checkpoint_id": spec.checkpoint_id, "dataset_id": spec.dataset_id, "methods": list(spec.methods), "profile": spec.profile,
            "quantile": spec.quantile, "seed": spec.seed, "settings": spec.settings, "versions": spec.versions,
            "state": "running", "message": "", "created_at": now(), "finished_at": None,
        })  # fmt: skip
    elif state != "done":
        connection.execute(update(table).where(table.c.fingerprint == spec.fingerprint).values(state="running", message=""))
    return _records(connection, _query().where(table.c.fingerprint == spec.fingerprint), found=state)[0]


def end(connection: Connection, run_id: int, state: str, message: str = "") -> RunRecord:
    """Mark a run as done, failed or interrupted. One that is done stays so: what another process finished has not failed."""
    table = schema.run
    finished = now() if state == "done" else None
    open_run = (table.c.id == run_id, table.c.state != "done")
    connection.execute(update(table).where(*open_run).values(state=state, message=message, finished_at=finished))
    return find(connection, run_id)


def find(connection: Connection, reference: int | str) -> RunRecord:
    """One run by number, beginning of its fingerprint, or "latest"."""
    number = resolve(connection, reference)
    return remembered(connection, ("record", number), lambda: _records(connection, _query().where(schema.run.c.id == number))[0])


def resolve(connection: Connection, reference: int | str) -> int:
    """The number of the run that is meant.

    Raises:
        NotFoundError: there is none, or several fingerprints begin so.
    """
    text = str(reference).strip().lower()
    return remembered(connection, ("run", text), lambda: _resolve(connection, text, reference))


def _resolve(connection: Connection, text: str, reference: int | str) -> int:
    ids = select(schema.run.c.id).order_by(schema.run.c.id.desc())
    if text == "latest":
        found = connection.execute(ids.limit(1)).scalars().all()
    else:
        found = connection.execute(ids.where(schema.run.c.id == _number(text))).scalars().all()
        if not found and _PREFIX.fullmatch(text):
            found = connection.execute(ids.where(schema.run.c.fingerprint.startswith(text)).limit(5)).scalars().all()
    if len(found) == 1:
        return int(found[0])
    if found:
        raise NotFoundError(f"several runs begin with {text}: {', '.join(map(str, found))}. Give more digits, or the number.")
    raise NotFoundError(f"there is no run {str(reference)[:80]!r}. {_what_there_is(connection)}")


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 11 and int(text) <= MOST_ID else -1


def _what_there_is(connection: Connection) -> str:
    ids = connection.execute(select(schema.run.c.id).order_by(schema.run.c.id.desc()).limit(10)).scalars().all()
    return f"Runs: {', '.join(map(str, ids))}." if ids else "The database holds no run yet; `dissect run` makes one."


def listed(
    connection: Connection, model: str | None, dataset: str | None, state: str | None, method: str | None, limit: int
) -> list[RunRecord]:
    """Runs that pass the filters, newest first."""
    query = _query().order_by(schema.run.c.id.desc())
    for column, value in ((schema.model.c.name, model), (schema.dataset.c.name, dataset), (schema.run.c.state, state)):
        if value is not None:
            query = query.where(column == value)
    records = _records(connection, query)
    return [record for record in records if method is None or method in record.methods][: max(limit, 0)]


def delete_run(connection: Connection, run_id: int) -> list[CacheStage]:
    """Delete a run and the stages that only it used."""
    run, link, stage = schema.run, schema.run_stage, schema.stage
    if connection.execute(select(run.c.id).where(run.c.id == run_id)).first() is None:
        raise NotFoundError(f"there is no run {run_id}. {_what_there_is(connection)}")
    mine = connection.execute(select(link.c.stage_id).where(link.c.run_id == run_id)).scalars().all()
    listing.forget(connection, run_id)
    connection.execute(delete(run).where(run.c.id == run_id))
    unused = [number for number in mine if connection.execute(select(link.c.run_id).where(link.c.stage_id == number)).first() is None]
    gone = [connection.execute(select(stage.c.step, stage.c.fingerprint).where(stage.c.id == number)).one() for number in unused]
    for number in unused:
        connection.execute(delete(stage).where(stage.c.id == number))
    return [CacheStage(row.step, row.fingerprint) for row in gone]


def write_skipped(connection: Connection, run_id: int, skipped: Iterable[tuple[str, str]]) -> None:
    """Replace a run's list of skipped images."""
    connection.execute(delete(schema.skipped).where(schema.skipped.c.run_id == run_id))
    rows = {key: {"run_id": run_id, "key": key, "reason": reason} for key, reason in skipped}
    insert_all(connection, schema.skipped, list(rows.values()))


def skipped(connection: Connection, run_id: int) -> list[SkippedView]:
    """A run's skipped images, by key."""
    query = select(schema.skipped.c.key, schema.skipped.c.reason).where(schema.skipped.c.run_id == run_id)
    return sorted((SkippedView(row.key, row.reason) for row in connection.execute(query)), key=lambda view: view.key)


def progress(connection: Connection, run_id: int) -> list[StageProgress]:
    """Shards done of each stage of a run, in the order the stages were opened."""
    stage, shard, link = schema.stage, schema.shard, schema.run_stage
    done = func.sum(case((shard.c.state == "done", 1), else_=0))
    query = (
        select(stage.c.fingerprint, stage.c.step, stage.c.layer, done, func.count(shard.c.index), func.sum(shard.c.size))
        .join(link, link.c.stage_id == stage.c.id)
        .outerjoin(shard, shard.c.stage_id == stage.c.id)
        .where(link.c.run_id == run_id)
        .group_by(stage.c.id, stage.c.fingerprint, stage.c.step, stage.c.layer)
        .order_by(stage.c.id)
    )
    return [StageProgress(row[0], row[1], row[2], int(row[3] or 0), int(row[4]), int(row[5] or 0)) for row in connection.execute(query)]


def stage_uses(connection: Connection) -> dict[str, StageUse]:
    """Fingerprint of every stage -> whose it is."""
    stage, link, run = schema.stage, schema.run_stage, schema.run
    query = (
        select(stage.c.fingerprint, stage.c.layer, run.c.id, schema.model.c.name, schema.dataset.c.name)
        .join(link, link.c.stage_id == stage.c.id)
        .join(run, run.c.id == link.c.run_id)
        .join(schema.checkpoint, schema.checkpoint.c.id == run.c.checkpoint_id)
        .join(schema.model, schema.model.c.id == schema.checkpoint.c.model_id)
        .join(schema.dataset, schema.dataset.c.id == run.c.dataset_id)
        .order_by(run.c.id)
    )
    found: dict[str, list[Any]] = {}
    for row in connection.execute(query):
        found.setdefault(row[0], []).append(row)
    return {
        fingerprint: StageUse(rows[0][1], *(tuple(dict.fromkeys(row[column] for row in rows)) for column in (3, 4, 2)))
        for fingerprint, rows in found.items()
    }


def _query() -> Select[Any]:
    run, checkpoint, model, dataset = schema.run, schema.checkpoint, schema.model, schema.dataset
    left_out = select(func.count()).where(schema.skipped.c.run_id == run.c.id).correlate(run).scalar_subquery()
    used = select(func.max(schema.run_layer.c.images)).where(schema.run_layer.c.run_id == run.c.id).correlate(run).scalar_subquery()
    return (
        select(
            run, model.c.name.label("model"), checkpoint.c.weights_hash, checkpoint.c.step, dataset.c.name.label("dataset"),
            dataset.c.content_hash.label("dataset_hash"), dataset.c.vocabulary, dataset.c.label_kind, dataset.c.images,
            left_out.label("skipped"), used.label("used"), model.c.source.label("model_source"), model.c.licence.label("model_licence"),
            dataset.c.source.label("dataset_source"), dataset.c.licence.label("dataset_licence"),
        )
        .join(checkpoint, checkpoint.c.id == run.c.checkpoint_id)
        .join(model, model.c.id == checkpoint.c.model_id)
        .join(dataset, dataset.c.id == run.c.dataset_id)
    )  # fmt: skip


def _records(connection: Connection, query: Select[Any], found: str | None = None) -> list[RunRecord]:
    rows = connection.execute(query).all()
    layers = _layers(connection, [row.id for row in rows])
    return [_record(row, layers.get(row.id, ()), found) for row in rows]


def _record(row: Row[Any], layers: tuple[str, ...], found: str | None) -> RunRecord:
    values = dict(row._mapping)
    values["methods"] = tuple(values["methods"])
    return RunRecord(layers=layers, found=found, **values)


def _layers(connection: Connection, run_ids: list[int]) -> dict[int, tuple[str, ...]]:
    here, layer = schema.run_layer, schema.layer
    query = select(here.c.run_id, layer.c.name).join(layer, layer.c.id == here.c.layer_id).order_by(layer.c.position, layer.c.id)
    found: dict[int, list[str]] = {}
    wanted = set(run_ids)
    for row in connection.execute(query if len(run_ids) > 100 else query.where(here.c.run_id.in_(run_ids))):
        if row.run_id in wanted:
            found.setdefault(row.run_id, []).append(row.name)
    return {number: tuple(names) for number, names in found.items()}
