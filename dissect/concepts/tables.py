"""CSV files somebody wrote by hand: read strictly, faults named by line."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from dissect.errors import DataError, NotFoundError


def read_csv(path: Path, needed: Sequence[str] = (), delimiter: str = ",") -> Iterator[tuple[int, dict[str, str]]]:
    """Rows of a UTF-8 CSV with a header, as (line number, column -> text). Empty lines are left out.

    Raises:
        NotFoundError: no such file.
        DataError: it cannot be read, lacks a needed column, or a row has another number of cells than the header.
    """
    for number, cells in _numbered(path, delimiter):
        if number == 0:
            header = _header(path, cells, needed)
        elif len(cells) != len(header):
            raise DataError(f"{path}, line {number}: {len(cells)} cells, but the header names {len(header)}. Mend the line.")
        else:
            yield number, dict(zip(header, cells, strict=True))


def below(root: Path, name: str, where: object) -> Path:
    """The file `name` below `root`; `where` is the file that names it.

    Raises:
        DataError: the name is empty, absolute, or leads out of the root.
    """
    path = Path(name)
    if not name.strip() or "\0" in name or path.is_absolute() or ".." in path.parts:
        raise DataError(f"{where}: {name!r} is not the path of a file below {root}. Mend it.")
    return root / path


def _numbered(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The header as line 0, then every row with its line."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            header = next(reader, None)
            if not header:
                raise DataError(f"{path} is empty. It needs a header line.")
            yield 0, header
            yield from ((reader.line_num, cells) for cells in reader if cells)
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no {path}. Check the card's root and options.") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as CSV in UTF-8: {error}. Save it again as UTF-8 with commas.") from error


def _header(path: Path, cells: list[str], needed: Sequence[str]) -> list[str]:
    header = [cell.strip() for cell in cells]
    missing = [column for column in needed if column not in header]
    if missing:
        raise DataError(f"{path} has no column {', '.join(missing)}. It has: {', '.join(header)}.")
    if len(set(header)) != len(header):
        raise DataError(f"{path} names one column twice. Rename one of them.")
    return header
