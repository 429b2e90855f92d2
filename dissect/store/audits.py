"""Audits of a run: written whole, read whole or by finding. Every function works inside its caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, delete, insert, select

from dissect.audit.finding import AuditReport, Finding, finding_from_plain, report_from_plain
from dissect.errors import NotFoundError, StoreError
from dissect.store import runs, schema
from dissect.store.results import find_run
from dissect.store.types import clean, now
from dissect.store.views import AuditRecord, FindingFilter, FindingView
from dissect.store.write import insert_all

_COLUMNS = (
    "kind", "state", "layer", "subject", "value", "effect", "effect_name", "p", "q", "matched", "balance", "reason", "text", "details",
    "groups",
)  # fmt: skip


def write_audit(connection: Connection, run_id: int, fingerprint: str, report: AuditReport) -> AuditRecord:
    """Write an audit of a run; one with the same fingerprint is replaced and keeps its number.

    Raises:
        NotFoundError: no such run.
        StoreError: a finding names a unit that the run does not have.
    """
    run = find_run(connection, run_id)
    units = _units(connection, run.checkpoint_id)
    rows = [_row(units, position, finding) for position, finding in enumerate(report.findings)]
    table, summary = schema.audit, {name: value for name, value in report.as_plain().items() if name != "findings"}
    same = (table.c.run_id == run_id, table.c.fingerprint == fingerprint)
    freed = connection.execute(select(table.c.id).where(*same)).scalar()
    connection.execute(delete(table).where(*same))
    values: dict[str, Any] = {
        "run_id": run_id, "fingerprint": fingerprint, "against": report.against, "settings": report.settings, "summary": summary,
        "created_at": now(), **({} if freed is None else {"id": freed}),
    }  # fmt: skip
    number = connection.execute(insert(table).values(**values).returning(table.c.id)).scalar_one()
    insert_all(connection, schema.finding, [row | {"audit_id": number} for row in rows])
    return audit(connection, int(number))[0]


def audits(connection: Connection, run: int | str | None) -> list[AuditRecord]:
    """Audits, newest first; of one run if it is named."""
    query = _listed()
    if run is not None:
        query = query.where(schema.audit.c.run_id == runs.resolve(connection, run))
    return [_record(row) for row in connection.execute(query.order_by(schema.audit.c.id.desc())).mappings()]


def audit(connection: Connection, number: int) -> tuple[AuditRecord, AuditReport]:
    """One audit by number, with its report as it was written.

    Raises:
        NotFoundError: there is none.
    """
    row = connection.execute(_listed().where(schema.audit.c.id == number)).mappings().one_or_none()
    if row is None:
        there = ", ".join(str(each.id) for each in audits(connection, None)[:10]) or "none"
        raise NotFoundError(f"there is no audit {number}. There are: {there}.")
    found = [each.finding for each in findings(connection, FindingFilter(audit=number))]
    report = report_from_plain({**row["summary"], "findings": [each.as_plain() for each in found]})
    return _record(row), report


def findings(connection: Connection, filters: FindingFilter) -> list[FindingView]:
    """Findings that pass the filters, newest audit first, in the order of the audit."""
    table, unit, layer = schema.finding, schema.unit, schema.layer
    query = (
        select(table, schema.audit.c.run_id, unit.c.index.label("unit"))
        .join(schema.audit, schema.audit.c.id == table.c.audit_id)
        .outerjoin(unit, unit.c.id == table.c.unit_id)
        .outerjoin(layer, layer.c.id == unit.c.layer_id)
    )
    if filters.run is not None:
        query = query.where(schema.audit.c.run_id == runs.resolve(connection, filters.run))
    wanted = {
        table.c.audit_id: filters.audit, table.c.kind: filters.kind, table.c.state: filters.state, table.c.subject: filters.subject,
        table.c.layer: filters.layer, unit.c.index: filters.unit,
    }  # fmt: skip
    for column, value in wanted.items():
        query = query if value is None else query.where(column == value)
    rows = connection.execute(query.order_by(table.c.audit_id.desc(), table.c.position)).mappings()
    return [FindingView(row["audit_id"], row["run_id"], _finding(row)) for row in rows]


def _units(connection: Connection, checkpoint_id: int) -> dict[tuple[str, int], int]:
    unit, layer = schema.unit, schema.layer
    query = select(layer.c.name, unit.c.index, unit.c.id).join(layer, layer.c.id == unit.c.layer_id)
    rows = connection.execute(query.where(layer.c.checkpoint_id == checkpoint_id))
    return {(str(row[0]), int(row[1])): int(row[2]) for row in rows}


def _row(units: Mapping[tuple[str, int], int], position: int, finding: Finding) -> dict[str, Any]:
    plain = finding.as_plain()
    unit = None if finding.unit is None else units.get((clean(finding.layer), finding.unit))
    if finding.unit is not None and unit is None:
        raise StoreError(f"a finding names unit {finding.unit} of layer {finding.layer!r}, which this run does not have.")
    low, high = finding.interval or (None, None)
    return {"position": position, "unit_id": unit, "interval_low": low, "interval_high": high, **{name: plain[name] for name in _COLUMNS}}


def _finding(row: RowMapping) -> Finding:
    low, high = row["interval_low"], row["interval_high"]
    interval = None if low is None or high is None else (low, high)
    return finding_from_plain({"unit": row["unit"], "interval": interval, **{name: row[name] for name in _COLUMNS}})


def _listed() -> Select[Any]:
    run, model = schema.run, schema.model
    query = select(schema.audit, model.c.name.label("model"), schema.dataset.c.name.label("dataset"))
    return (
        query.join(run, run.c.id == schema.audit.c.run_id)
        .join(schema.checkpoint, schema.checkpoint.c.id == run.c.checkpoint_id)
        .join(model, model.c.id == schema.checkpoint.c.model_id)
        .join(schema.dataset, schema.dataset.c.id == run.c.dataset_id)
    )


def _record(row: RowMapping) -> AuditRecord:
    return AuditRecord(
        row["id"], row["run_id"], row["fingerprint"], row["model"], row["dataset"], row["against"], row["settings"],
        row["summary"]["counts"], row["created_at"],
    )  # fmt: skip
