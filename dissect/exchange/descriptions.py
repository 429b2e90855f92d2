"""Tables of unit descriptions: `layer,unit,description` (or `summary`, `label`), one row a description, several a unit if several said."""

from __future__ import annotations

import csv
from pathlib import Path

from dissect.audit.words import Description
from dissect.errors import DataError, NotFoundError

TEXTS = ("description", "summary", "label")
"""Columns that may hold the text; the first that is there counts."""
MOST_UNIT = 10_000_000


def read_descriptions(path: Path) -> list[Description]:
    """Every description of a CSV file (UTF-8, header; further columns are ignored). `unit` is taken as it is written.

    Raises:
        NotFoundError: there is no such file.
        DataError: a column is missing, or a row is malformed; the line is named.
    """
    if not path.is_file():
        raise NotFoundError(f"there is no file {path} with descriptions. Check the path.")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            layer, unit, text = _columns(path, reader.fieldnames or ())
            return [_row(path, reader.line_num, row, layer, unit, text) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as CSV in UTF-8: {error}. Save it as UTF-8 with commas.") from error


def _columns(path: Path, header: object) -> tuple[str, str, str]:
    names = [name for name in header if isinstance(name, str)] if isinstance(header, list) else []
    text = next((name for name in TEXTS if name in names), None)
    if text is None or "layer" not in names or "unit" not in names:
        raise DataError(f"{path} needs the columns layer, unit and one of {', '.join(TEXTS)}; it has: {', '.join(names) or 'none'}.")
    return "layer", "unit", text


def _row(path: Path, line: int, row: dict[str, str], layer: str, unit: str, text: str) -> Description:
    number, said = row[unit] or "", row[text]
    if not (number.isascii() and number.isdecimal() and len(number) <= 8 and int(number) <= MOST_UNIT) or not row[layer] or said is None:
        raise DataError(f"{path}, line {line}: layer {row[layer]!r}, unit {number!r} is no unit with a description. Correct or remove it.")
    return Description(row[layer], int(number), said)
