"""Tables as CSV: RFC 4180, with cells that no spreadsheet runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from fastapi import Response

from dissect.exchange.tables import harmless


def csv_answer(columns: Sequence[str], rows: Sequence[Mapping[str, object]], name: str) -> Response:
    """A table to be saved under a name."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(columns)
    writer.writerows([harmless(row[column]) for column in columns] for row in rows)
    return table_answer(buffer.getvalue(), name)


def table_answer(text: str, name: str) -> Response:
    """A table that is written already."""
    return Response(text, media_type="text/csv; charset=utf-8", headers={"Content-Disposition": f'attachment; filename="{name}"'})
