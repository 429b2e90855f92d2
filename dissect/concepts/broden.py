"""Broden exactly as published, and anything written in its layout.

    index.csv      image,split,ih,iw,sh,sw,<category>...   a cell holds items joined by `;`: PNG paths (planes, dominant first) or
                   integers (whole-image labels); pictures and planes lie below images/
    label.csv      number,name,category,frequency,coverage,syns   category like `material(36);object(3)`; number 0 is "unlabelled"
    category.csv   name,first,last,count,frequency   gives the order of the categories
    c_<category>.csv   code,number,name,frequency,coverage

A PNG pixel is R + 256 * G. A category is annotated in an image if its cell is not empty. The whole-image label 0 is passed on as 0:
two published programs count it by mistake, and their profiles must be able to. [options] of the card: none.
Source: D. Bau et al., "Network Dissection", 2017, and its published data.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from dissect.concepts.base import UNKNOWN, Entry, FileSet, NewConcept, id_table, make_vocabulary
from dissect.concepts.card import DataCard
from dissect.concepts.images import read_label_png
from dissect.concepts.model import UNLABELLED, VOID, LabelMap, Labels, Plane, Vocabulary
from dissect.concepts.tables import below, read_csv
from dissect.errors import DataError, LabelMapError
from dissect.fingerprint import Plain

_COUNTED = re.compile(r"(.+?)\((\d+)\)")
_FIXED = ("image", "split", "ih", "iw", "sh", "sw")


@dataclass(frozen=True, slots=True)
class _Cell:
    """One category of one image: its planes and its whole-image numbers."""

    category: str
    planes: tuple[Path, ...]
    whole: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Row:
    """The annotated cells of one image, and the size (h, w) of its planes."""

    cells: tuple[_Cell, ...]
    size: tuple[int, int]


class Broden(FileSet):
    """See the module's text."""

    def __init__(
        self, card: DataCard, entries: Sequence[Entry], vocabulary: Vocabulary, table: NDArray[np.uint16], shared: Sequence[Path]
    ) -> None:
        size = _one_size(card, entries)
        super().__init__(card, vocabulary, entries, label_size=size, shared=shared, keep_order=True, any_aspect=True)
        self._table = table

    def read(self, entry: Entry) -> Labels:
        row = cast(_Row, entry.source)
        planes: list[Plane] = []
        whole: list[int] = []
        for cell in row.cells:
            planes.extend(Plane(cell.category, self._plane(path, row.size)) for path in cell.planes)
            for number in cell.whole:
                known = int(self._table[number]) if number < UNKNOWN else UNKNOWN
                if known == UNKNOWN:
                    raise LabelMapError(f"{entry.key} has the whole-image label {number}, which label.csv lacks. Add it or mend index.csv.")
                # Only the number 0 is passed on as 0; a label of a category that is not kept is no label here.
                if known != VOID and (known != UNLABELLED or number == 0):
                    whole.append(known)
        return Labels(tuple(planes), tuple(whole), frozenset(cell.category for cell in row.cells))

    def listed(self, entry: Entry) -> Plain:
        return [[cell.category, len(cell.planes), list(cell.whole)] for cell in cast(_Row, entry.source).cells]

    def _plane(self, path: Path, size: tuple[int, int]) -> LabelMap:
        stored = read_label_png(path)
        if stored.shape[:2] != size:
            shown = f"{stored.shape[1]}x{stored.shape[0]}"
            raise LabelMapError(f"{path} has {shown} pixels, index.csv says {size[1]}x{size[0]}. Mend one of them.")
        numbers = plane_numbers(stored)
        ids: LabelMap = self._table.take(numbers)
        strange = ids == UNKNOWN
        if strange.any():
            values = np.unique(numbers[strange])[:8].tolist()
            raise LabelMapError(f"{path} holds {', '.join(map(str, values))}, which label.csv lacks. Add them or remove the image.")
        return ids


def plane_numbers(stored: NDArray[np.uint8 | np.uint16]) -> LabelMap:
    """Label numbers (h, w) of a stored plane: R + 256 * G of (h, w, 3), widened before it is multiplied; grey is the number."""
    if stored.ndim == 2:
        return stored.astype(np.uint16)
    wide = np.array(stored[..., 1], dtype=np.uint16)
    wide <<= 8
    wide |= stored[..., 0]
    return wide


def open_broden(card: DataCard) -> Broden:
    """Open a folder in Broden's layout.

    Raises:
        CardError: the card has options.
        NotFoundError: one of the CSV files is missing.
        DataError: one of them is malformed, or the planes have several sizes and the card does not give `label_size`.
    """
    card.option_table().finish()
    root = card.root
    index, label, category = (root / f"{name}.csv" for name in ("index", "label", "category"))
    rows = list(read_csv(index, _FIXED))
    columns = [column for column in (rows[0][1] if rows else {}) if column not in _FIXED]
    categories = _categories(category, columns, card.categories)
    vocabulary, table = _vocabulary(card, label, categories)
    entries = [_entry(card, index, line, row, categories) for line, row in rows]
    codes = [root / f"c_{name}.csv" for name in categories if (root / f"c_{name}.csv").is_file()]
    return Broden(card, entries, vocabulary, table, [label, category, *codes])


def _categories(path: Path, columns: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
    """Categories in the order of category.csv, as far as index.csv has a column for them and the card wants them."""
    names = [row["name"].strip() for _, row in read_csv(path, ("name",))]
    lost = [column for column in columns if column not in names]
    if lost:
        raise DataError(f"{path} does not list {', '.join(lost)}, which index.csv has as columns. Add them.")
    absent = [name for name in wanted if name not in columns]
    if absent:
        raise DataError(f"the card asks for {', '.join(absent)}; index.csv has {', '.join(columns) or 'no categories'}. Mend the card.")
    return tuple(name for name in names if name in columns and (not wanted or name in wanted))


def _vocabulary(card: DataCard, path: Path, categories: Sequence[str]) -> tuple[Vocabulary, NDArray[np.uint16]]:
    """The concepts of label.csv in the order of their numbers, and the lookup from number to id."""
    coverage = {name: _coverage(card.root / f"c_{name}.csv") for name in categories}
    found: dict[int, NewConcept] = {}
    ignored = set()
    for line, row in read_csv(path, ("number", "name", "category")):
        number = _whole(path, line, "number", row["number"])
        if number == 0:
            continue
        if number in found or number in ignored:
            raise DataError(f"{path}, line {line}: number {number} is there twice. Keep one row a label.")
        counts = _counts(path, line, row["category"])
        kept = tuple(name for name in counts if name in categories)
        if not kept:
            ignored.add(number)
            continue
        primary = max(kept, key=lambda name: (coverage[name].get(number, 0.0) if coverage[name] else counts[name], categories.index(name)))
        synonyms = tuple(part.strip() for part in row.get("syns", "").split(";") if part.strip())
        found[number] = NewConcept(row["name"].strip(), primary, str(number), kept, synonyms)
    vocabulary = make_vocabulary(card.vocabulary, categories, _told_apart([found[number] for number in sorted(found)]))
    internal = {0: 0, **dict.fromkeys(ignored, 0)}
    internal |= {number: position for position, number in enumerate(sorted(found), start=1)}
    return vocabulary, id_table(internal, card.void, UNKNOWN + 2)


def _told_apart(concepts: Sequence[NewConcept]) -> list[NewConcept]:
    """Concepts of one name in one category get their number behind the name: published tables hold a few such pairs."""
    seen: set[tuple[str, str]] = set()
    result = []
    for concept in concepts:
        twice = (concept.category, concept.name) in seen
        seen.add((concept.category, concept.name))
        name = f"{concept.name} ({concept.source_id})" if twice else concept.name
        result.append(NewConcept(name, concept.category, concept.source_id, concept.categories, concept.synonyms))
    return result


def _coverage(path: Path) -> Mapping[int, float]:
    """Coverage by label number from c_<category>.csv; empty where the file is not there (frequencies then decide)."""
    if not path.is_file():
        return {}
    rows = read_csv(path, ("number", "coverage"))
    return {_whole(path, line, "number", row["number"]): _float(path, line, row["coverage"]) for line, row in rows}


def _counts(path: Path, line: int, text: str) -> dict[str, float]:
    """`material(36);object(3)` as a mapping; a name without a count counts 0."""
    counts = {}
    for item in filter(None, (part.strip() for part in text.split(";"))):
        match = _COUNTED.fullmatch(item)
        counts[match[1] if match else item] = float(match[2][:15]) if match else 0.0
    if not counts:
        raise DataError(f"{path}, line {line}: no category. Write it as `object(12)`, several joined by `;`.")
    return counts


def _entry(card: DataCard, path: Path, line: int, row: Mapping[str, str], categories: Sequence[str]) -> Entry:
    images = card.root / "images"
    cells = []
    for category in categories:
        items = [item.strip() for item in row[category].split(";") if item.strip()]
        if items:
            planes = tuple(below(images, item, f"{path}, line {line}") for item in items if not item.isdecimal())
            whole = tuple(_whole(path, line, category, item) for item in items if item.isdecimal())
            cells.append(_Cell(category, planes, whole))
    height, width = (_whole(path, line, name, row[name]) for name in ("sh", "sw"))
    files = tuple(plane for cell in cells for plane in cell.planes)
    key = row["image"].strip()
    picture = below(images, key, f"{path}, line {line}")
    return Entry(key, picture, files, row["split"].strip() or None, {}, _Row(tuple(cells), (height, width)))


def _one_size(card: DataCard, entries: Sequence[Entry]) -> tuple[int, int] | None:
    sizes = {entry.source.size for entry in entries if isinstance(entry.source, _Row) and entry.files}
    if len(sizes) > 1 and card.label_size is None:
        shown = ", ".join(f"{height}x{width}" for height, width in sorted(sizes)[:4])
        raise DataError(f"{card.name}: index.csv gives planes of several sizes ({shown}, ...). Write one `label_size` into the card.")
    return sizes.pop() if len(sizes) == 1 else None


def _whole(path: Path, line: int, column: str, text: str) -> int:
    stripped = text.strip()
    if stripped.isascii() and stripped.isdecimal() and len(stripped) <= 9:
        return int(stripped)
    raise DataError(f"{path}, line {line}: {column} is {text[:40]!r}, not a whole number. Mend the line.")


def _float(path: Path, line: int, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise DataError(f"{path}, line {line}: coverage is {text[:40]!r}, not a number. Mend the line.") from None
