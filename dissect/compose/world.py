"""The world that formulas are searched in: label signatures with their pixels, and every unit's active pixels by signature.

A formula over concepts is true or false for a whole signature, so its area and its overlap with a unit are sums over signatures, to
the last pixel, whatever the number of planes. Letters: U units, C columns (concepts), S signatures, T pairs of unit and signature.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dissect.concepts.model import Vocabulary
from dissect.errors import CountError, ShapeError, UsageError
from dissect.probe.signatures import primary_categories
from dissect.probe.tables import VOID_MARK, ZERO_MARK, CountTables, Int32, Int64, SignatureTable

Void = Literal["out", "unlabelled"]

MOST_PIXELS = 1 << 53
"""Pixel counts up to here are exact in float64 too."""


@dataclass(frozen=True)
class World:
    """What a search over formulas needs, and nothing else.

    concept (C,) int64: internal ids of the columns, ascending; category (C,) int64: number of each one's primary category; presence
    (C,) int64: images that hold it. offsets (S+1,) int64 and members int32: the columns (0..C-1) of each signature, ascending, no two
    signatures alike. pixels (S,) int64: pixels of the data set. unit_offsets (U+1,) int64, unit_signature int32 (T,), unit_count
    int64 (T,): active pixels of each unit by signature, signatures ascending. unit_area (U,) int64: their sum.
    """

    concept: Int64
    category: Int64
    offsets: Int64
    members: Int32
    pixels: Int64
    unit_offsets: Int64
    unit_signature: Int32
    unit_count: Int64
    unit_area: Int64
    presence: Int64

    @property
    def units(self) -> int:
        """U."""
        return len(self.unit_area)

    @cached_property
    def total(self) -> int:
        """Pixels of the data set that count."""
        return int(self.pixels.sum())

    @cached_property
    def posting_offsets(self) -> Int64:
        """(C+1,): the signatures of column c are posting[posting_offsets[c] : posting_offsets[c + 1]]."""
        return _starts(np.bincount(self.members, minlength=len(self.concept)))

    @cached_property
    def posting(self) -> Int32:
        """Signatures of each column, ascending (CSR with `posting_offsets`)."""
        return self._owner[np.argsort(self.members, kind="stable")]

    @cached_property
    def concept_area(self) -> Int64:
        """(C,) pixels of each concept."""
        area = np.zeros(len(self.concept), np.int64)
        np.add.at(area, self.members, self.pixels[self._owner])
        return area

    @property
    def _owner(self) -> Int32:
        """Signature of each entry of `members`."""
        return np.repeat(np.arange(len(self.pixels), dtype=np.int32), np.diff(self.offsets))


def world(
    tables: CountTables, vocabulary: Vocabulary,
    *, min_images: int = 0, categories: tuple[str, ...] | None = None, void: Void = "out",
) -> World:  # fmt: skip
    """The world of one layer's counts. Concepts in fewer than `min_images` images, or of other primary categories, are no columns.

    A pixel that is void for any category is left out of everything (`void="out"`), or is taken for one that nobody labelled for that
    category (`"unlabelled"`). Signatures that become equal are merged.

    Raises:
        ShapeError: the tables hold concepts that the vocabulary does not.
        UsageError: a category that the vocabulary does not have, or an unknown rule for void pixels.
        CountError: 2^53 pixels or more, or counts that no data can give.
    """
    if void not in ("out", "unlabelled"):
        raise UsageError(f"void pixels are left 'out' or taken as 'unlabelled', not {void!r}.")
    chosen = _columns(tables, vocabulary, min_images, categories)
    place, offsets, members = _merged(tables.signatures, _column_numbers(chosen, len(vocabulary)), void)
    pixels = _sums(place, tables.signature_pixels, len(offsets) - 1)
    if int(pixels.sum()) >= MOST_PIXELS:
        raise CountError(f"{int(pixels.sum())} pixels are more than can be compared exactly (2^53). Choose a smaller label size.")
    unit_offsets, unit_signature, unit_count = _units(tables, place, len(pixels))
    if (unit_count > pixels[unit_signature]).any():
        raise CountError("a unit has more active pixels than there are; the counts are damaged, delete them and run again.")
    area = np.add.reduceat(np.append(unit_count, 0), unit_offsets[:-1]) * (np.diff(unit_offsets) > 0)
    return World(
        chosen, primary_categories(vocabulary)[chosen], offsets, members, pixels,
        unit_offsets, unit_signature, unit_count, area.astype(np.int64), tables.presence[chosen - 1].astype(np.int64),
    )  # fmt: skip


def signature_places(
    tables: CountTables, vocabulary: Vocabulary,
    *, min_images: int = 0, categories: tuple[str, ...] | None = None, void: Void = "out",
) -> Int64:  # fmt: skip
    """(S,) which signature of `world` with the same options each signature of the tables became, -1 where it was left out.

    Raises:
        ShapeError, UsageError: as `world`.
    """
    chosen = _columns(tables, vocabulary, min_images, categories)
    return _merged(tables.signatures, _column_numbers(chosen, len(vocabulary)), void)[0]


def _columns(tables: CountTables, vocabulary: Vocabulary, min_images: int, categories: tuple[str, ...] | None) -> Int64:
    """Concept ids of the columns, ascending."""
    members = tables.signatures.members
    if tables.presence.shape != (len(vocabulary),) or (members[members < VOID_MARK] > len(vocabulary)).any():
        raise ShapeError(
            f"the counts hold concepts that a vocabulary of {len(vocabulary)} does not have; they belong to another data set. "
            "Open the data set that the run was made with."
        )
    kept = tables.presence >= min_images
    if categories is not None:
        strange = [name for name in categories if name not in vocabulary.categories]
        if strange:
            raise UsageError(f"{vocabulary.name} has no category {', '.join(strange)}. It has: {', '.join(vocabulary.categories)}.")
        kept &= np.isin(primary_categories(vocabulary)[1:], [vocabulary.categories.index(name) for name in categories])
    return np.flatnonzero(kept) + 1


def _column_numbers(chosen: Int64, concepts: int) -> Int64:
    """Column of every value that a member of a signature can have; -1 for those that are no column."""
    number = np.full(1 << 16, -1, np.int64)
    number[chosen] = np.arange(len(chosen))
    return number


def _merged(table: SignatureTable, number: Int64, void: Void) -> tuple[Int64, Int64, Int32]:
    """Where each signature went (S,), -1 for those left out, and the merged ones as CSR, in order of first appearance."""
    owner = np.repeat(np.arange(len(table)), np.diff(table.offsets))
    column = number[table.members]
    out = np.zeros(len(table), np.bool_)
    if void == "out":
        out[owner[(table.members >= VOID_MARK) & (table.members < ZERO_MARK)]] = True
    kept = column >= 0
    kept[1:] &= (column[1:] != column[:-1]) | (owner[1:] != owner[:-1])
    column, lengths = column[kept].astype("<i4"), np.bincount(owner[kept], minlength=len(table))
    starts = _starts(lengths)
    buffer, ends = column.tobytes(), (4 * starts).tolist()
    found: dict[bytes, int] = {}
    place = [-1 if skip else found.setdefault(buffer[ends[i] : ends[i + 1]], len(found)) for i, skip in enumerate(out.tolist())]
    members = np.frombuffer(b"".join(found), "<i4").astype(np.int32)
    return np.array(place, np.int64), _starts(np.array([len(row) // 4 for row in found], np.int64)), members


def _units(tables: CountTables, place: Int64, signatures: int) -> tuple[Int64, Int32, Int64]:
    """The units' counts on the merged signatures, as CSR."""
    where = place[tables.signature] if len(tables.signature) else np.zeros(0, np.int64)
    seen = (where >= 0) & (tables.count > 0)
    keys, inverse = np.unique(tables.unit[seen] * np.int64(max(signatures, 1)) + where[seen], return_inverse=True)
    count = _sums(inverse.astype(np.int64), tables.count[seen], len(keys))
    unit, signature = np.divmod(keys, max(signatures, 1))
    return _starts(np.bincount(unit, minlength=len(tables.unit_area))), signature.astype(np.int32), count


def _sums(place: Int64, amount: Int64, size: int) -> Int64:
    """(size,) sums of the amounts that go to each place; negative places are left out."""
    total = np.zeros(size, np.int64)
    np.add.at(total, place[place >= 0], amount[place >= 0])
    return total


def _starts(lengths: NDArray[np.int64]) -> Int64:
    return np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
