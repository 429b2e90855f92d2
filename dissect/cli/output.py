"""Data on stdout: a table for people, JSON or CSV for programs."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol

Format = Literal["table", "json", "csv"]
Row = Mapping[str, object]


def write_json(value: object) -> None:
    """One JSON document and a line end. NaN and infinities become null, since JSON has none."""
    print(json.dumps(_plain(value), ensure_ascii=False, indent=1, allow_nan=False), flush=True)


class Outcome(Protocol):
    """What a step of a run gives back."""

    def lines(self) -> list[str]: ...

    def as_plain(self) -> dict[str, object]: ...


def write_outcome(outcome: Outcome, page: Path | None, *, as_json: bool) -> None:
    """What came of a step, and where the run's report is, if it was written anew."""
    if as_json:
        write_json({**outcome.as_plain(), "report": str(page) if page else None})
        return
    for line in outcome.lines():
        print(line)
    if page:
        print(f"report: {page}")


def write_rows(rows: Sequence[Row], columns: Sequence[str], form: Format) -> None:
    """The rows' `columns`, in order. JSON is a list of objects; CSV has a header; the table is aligned."""
    if form == "json":
        write_json([dict(row) for row in rows])
    elif form == "csv":
        sys.stdout.write(csv_text(rows, columns))
    elif rows:
        print(table_text(rows, columns), flush=True)


def csv_text(rows: Sequence[Row], columns: Sequence[str]) -> str:
    """RFC 4180 text. A cell that a spreadsheet would run as a formula is made text with a leading apostrophe."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)
    return buffer.getvalue()


def table_text(rows: Sequence[Row], columns: Sequence[str]) -> str:
    """Columns padded to their widest cell; numbers to the right."""
    cells = [[shown(row.get(column)) for column in columns] for row in rows]
    widths = [max(len(column), *(len(line[position]) for line in cells)) for position, column in enumerate(columns)]
    numeric = [all(isinstance(row.get(column), int | float | None) for row in rows) for column in columns]
    lines = [
        "  ".join(
            column.rjust(width) if right else column.ljust(width) for column, width, right in zip(columns, widths, numeric, strict=True)
        )
    ]
    for line in cells:
        lines.append(
            "  ".join(text.rjust(width) if right else text.ljust(width) for text, width, right in zip(line, widths, numeric, strict=True))
        )
    return "\n".join(line.rstrip() for line in lines)


def shown(value: object) -> str:
    """A value as a person reads it: three significant digits below 1, nothing for None, control characters made visible."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}" if math.isfinite(value) and abs(value) < 1000 else f"{value:.4g}"
    text = str(value)
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def size_text(size: float) -> str:
    """Bytes for people: 1.4 GB."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def _cell(value: object) -> object:
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return "'" + value
    return "" if value is None else value


def _plain(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)
