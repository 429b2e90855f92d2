"""What other runs say of the same unit: labels of other methods, data sets and rules, so that they meet on its page."""

from __future__ import annotations

from sqlalchemy import Connection, select

from dissect.store import schema
from dissect.store.details import PARTS
from dissect.store.views import OtherLabel

MOST = 200
"""Labels of other runs that are shown of one unit; the newest are kept."""


def other_labels(connection: Connection, run_id: int, unit_id: int) -> tuple[OtherLabel, ...]:
    """First labels of a unit in other finished runs; of several runs of one method, rules and data set those of the newest.

    Every imported table counts: two of one method are two opinions.
    """
    label, run, dataset = schema.label, schema.run, schema.dataset
    query = (
        select(label, dataset.c.name.label("dataset"), run.c.settings)
        .join(run, run.c.id == label.c.run_id)
        .join(dataset, dataset.c.id == run.c.dataset_id)
        .where(label.c.unit_id == unit_id, label.c.run_id != run_id, label.c.rank == 1, run.c.state == "done")
        .where(label.c.method.not_in(PARTS))
        .order_by(label.c.run_id.desc(), label.c.id)
        .limit(MOST)
    )
    found: dict[tuple[str, ...], OtherLabel] = {}
    for row in connection.execute(query):
        table = row.settings.get("import") or {}
        key = (row.kind, row.method, row.profile, row.dataset, table.get("sha256", ""))
        found.setdefault(key, OtherLabel(
            row.run_id, row.dataset, row.profile, row.kind, row.method, row.text, row.category, row.score, row.score_kind, row.detector,
            row.q, table.get("file", ""),
        ))  # fmt: skip
    return tuple(sorted(found.values(), key=lambda each: (each.run_id, each.method, each.kind)))
