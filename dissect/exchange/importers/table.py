"""Reading a published table from a CSV file, strictly: every fault names the file, the line and the remedy."""

from __future__ import annotations

import csv
import hashlib
import io
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dissect.errors import DataError, NotFoundError
from dissect.exchange.importers.model import Log, Refused
from dissect.exchange.tables import FORMULA_STARTS

MOST_BYTES = 256 * 1024 * 1024
MOST_ROWS = 2_000_000
MOST_CELL = 20_000
"""Characters of a cell."""
MOST_COLUMNS = 2_000
SHOWN = 60
"""Characters of a cell that a message repeats."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Row:
    """One row. line: of the file, from 1. cells: by column, without blanks around them."""

    line: int
    cells: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells[column]


@dataclass(frozen=True)
class Table:
    """A file's rows that have a cell for every column; those that have not are `refused`. name: of the file, without its folder."""

    name: str
    sha256: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    refused: tuple[Refused, ...]


def read_table(path: Path) -> Table:
    """Read a CSV file: UTF-8 (with or without mark), a header, commas, any line ends.

    Raises:
        NotFoundError: there is no such file.
        DataError: it is no such table; the line is named.
    """
    if not path.is_file():
        raise NotFoundError(f"there is no file {path} to import. Check the path.")
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise DataError(f"{path} has {size:,} bytes; tables of up to {MOST_BYTES:,} are read. Cut it into one file a layer.")
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}. Check who may read it.") from error
    lines = list(_lines(path, _text(path, data)))
    if not lines:
        raise DataError(f"{path}, line 1: the file is empty. A table begins with a header of column names.")
    columns = _header(path, *lines[0])
    rows, refused = _rows(columns, lines[1:])
    return Table(path.name, hashlib.sha256(data).hexdigest(), columns, tuple(rows), tuple(refused))


def _text(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}, line {line}: byte {error.start} is no UTF-8. Save the table as UTF-8, with commas.") from error


def _lines(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """(line at which it ends, cells) of every row that is not empty."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for number, cells in enumerate(reader):
            if number > MOST_ROWS:
                raise DataError(f"{path}, line {reader.line_num}: more than {MOST_ROWS:,} rows are not read. Cut it into one file a layer.")
            if cells:
                yield reader.line_num, cells
    except csv.Error as error:
        line = max(reader.line_num, 1)
        raise DataError(f"{path}, line {line}: this is no CSV: {error}. Save the table as UTF-8, with commas, quotes doubled.") from error


def _header(path: Path, line: int, cells: list[str]) -> tuple[str, ...]:
    columns = tuple(cell.strip() for cell in cells)
    for mark, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if len(columns) == 1 and mark in columns[0]:
            raise DataError(f"{path}, line {line}: the columns are parted by {name}. Save the table with commas between the cells.")
    if len(columns) > MOST_COLUMNS:
        raise DataError(f"{path}, line {line}: {len(columns):,} columns are more than any known table has. Check that this is the file.")
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise DataError(f"{path}, line {line}: column {shown(twice[0])} is there twice. Remove one of the two.")
    return columns


def _rows(columns: tuple[str, ...], lines: list[tuple[int, list[str]]]) -> tuple[list[Row], list[Refused]]:
    rows, refused = [], []
    for line, cells in lines:
        if len(cells) != len(columns):
            refused.append(Refused(line, f"{len(cells)} cells under {len(columns)} columns; correct the row"))
        elif any(len(cell) > MOST_CELL for cell in cells):
            refused.append(Refused(line, f"a cell of more than {MOST_CELL:,} characters; shorten it"))
        else:
            rows.append(Row(line, {name: cell.strip() for name, cell in zip(columns, cells, strict=True)}))
    return rows, refused


def need(path: Path, table: Table, kind: str, columns: tuple[str, ...]) -> None:
    """Refuse a table without these columns.

    Raises:
        DataError: the missing ones and those that are there are named.
    """
    missing = [name for name in columns if name not in table.columns]
    if missing:
        there = ", ".join(shown(name) for name in table.columns[:12]) + (", ..." if len(table.columns) > 12 else "")
        raise DataError(f"{path}, line 1: a table of {kind} needs the column {missing[0]}; it has: {there}. Check the file and the kind.")


def unit_number(row: Row, column: str, base: int, width: int, log: Log) -> int | None:
    """The unit of a row, counted from 0; None (and the row refused) where the cell is no unit. base: number of the table's first unit."""
    found = whole(row[column])
    if found is None or found < base:
        log.refuse(row.line, f"{column} is {shown(row[column])}; units are whole numbers from {base}; correct it")
        return None
    if found - base >= width:
        log.refuse(row.line, f"{column} is {found}, beyond the layer's {width:,} units; correct it, or say how many it has with --units")
        return None
    return found - base


def number(text: str) -> float | None:
    """A finite decimal number, or None."""
    if len(text) > 400 or not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def whole(text: str) -> int | None:
    """A whole number of at most 2^53, also written as 12.0, or None."""
    value = number(text)
    return int(value) if value is not None and value.is_integer() and abs(value) <= 2**53 else None


def words(text: str) -> str:
    """A text cell as it was meant: our own exports put an apostrophe before what a spreadsheet would run, which is taken off again."""
    if text.startswith("'") and text[1:].lstrip(" ").startswith(FORMULA_STARTS):
        return text[1:]
    return text


def shown(text: str) -> str:
    """A cell as a message repeats it."""
    return repr(text if len(text) <= SHOWN else text[: SHOWN - 3] + "...")
