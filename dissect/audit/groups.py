"""Who is compared with whom: images with attributes of the data set's card, put together by person, and the contrasts between them.

Group labels come from the card. They are never inferred from pictures. Letters: n images, R rows (persons, or images where persons
are not known), U units.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from dissect.audit.finding import Group
from dissect.concepts.model import ImageRecord
from dissect.errors import NotFoundError, ShapeError

MISSING = ("", "none", "unknown")
"""Values that say that an attribute is not known, or that nobody is there."""


@dataclass(frozen=True)
class Subjects:
    """The images of an audit.

    index (n,): their numbers in the data set. attributes: name -> (n,) values, "" where missing. member (n,): number of the person,
    drive or the like an image belongs to. grouped: whether the card says so; if not, every image is its own. present (n,): whether a
    face or person is annotated in the image. numeric: confounder -> (n,), NaN where not known.
    """

    index: NDArray[np.int32]
    attributes: Mapping[str, NDArray[np.str_]]
    member: NDArray[np.int64]
    grouped: bool
    present: NDArray[np.bool_]
    numeric: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def column(self, name: str) -> NDArray[np.str_]:
        """Values of one attribute.

        Raises:
            NotFoundError: the card has none of that name.
        """
        if name not in self.attributes:
            known = ", ".join(self.attributes) or "none"
            raise NotFoundError(f"there is no attribute {name!r}. The data set's card has: {known}.")
        return self.attributes[name]


@dataclass(frozen=True)
class Contrast:
    """A group against the rest, or one of two groups against the other.

    subject: the attribute, or two joined by ` x `. value: the first group's; other: what the second is called. image (m,): places in
    `Subjects`; row (m,): which row each belongs to. side (R,): rows of the first group. member (R,): a person that has images on both
    sides has two rows. reason: why it cannot be tested, or "". missing: images left out because the attribute is not known.
    uses: attributes that make the groups, which they cannot be matched on.
    """

    subject: str
    value: str
    other: str
    image: NDArray[np.intp]
    row: NDArray[np.intp]
    side: NDArray[np.bool_]
    member: NDArray[np.int64]
    grouped: bool
    uses: tuple[str, ...]
    missing: int = 0
    reason: str = ""

    @property
    def groups(self) -> tuple[Group, Group]:
        """The two groups with their sizes."""
        first = self.side[self.row]
        found = []
        for name, images, rows in ((self.value, first, self.side), (self.other, ~first, ~self.side)):
            found.append(Group(name, int(images.sum()), int(rows.sum()) if self.grouped else None))
        return found[0], found[1]

    @property
    def sizes(self) -> tuple[int, int]:
        """Rows of either side."""
        return int(self.side.sum()), int((~self.side).sum())

    def rows_of(self, values: NDArray[Any]) -> NDArray[Any]:
        """(R, U) from (n, U): the mean of each row's images, in the same type."""
        if len(self.row) == len(self.side) and (self.row == np.arange(len(self.row))).all():
            return np.asarray(values[self.image])
        sums = self._sums()
        return np.asarray((sums @ values[self.image].astype(np.float64)) / sums.sum(axis=1)[:, None]).astype(values.dtype)

    def numbers(self, column: NDArray[np.float64]) -> NDArray[np.float64]:
        """(R,) mean of a numeric confounder over each row's images that have it; NaN where none has."""
        known = np.isfinite(column[self.image])
        total = np.bincount(self.row[known], column[self.image][known], len(self.side))
        count = np.bincount(self.row[known], minlength=len(self.side))
        return np.asarray(np.divide(total, count, out=np.full(len(self.side), np.nan), where=count > 0), np.float64)

    def names(self, column: NDArray[np.str_]) -> NDArray[np.str_]:
        """(R,) the commonest value among each row's images (ties: the first in order)."""
        known, place = np.unique(column[self.image], return_inverse=True)
        counts = np.zeros((len(self.side), len(known)), np.int64)
        np.add.at(counts, (self.row, place), 1)
        return np.asarray(known[counts.argmax(axis=1)] if len(known) else np.zeros(len(self.side), np.str_))

    def _sums(self) -> Any:
        ones = np.ones(len(self.row))
        return csr_array((ones, (self.row, np.arange(len(self.row)))), shape=(len(self.side), len(self.row)))


def subjects(
    records: Sequence[ImageRecord],
    index: NDArray[np.int32],
    present: NDArray[np.bool_] | None = None,
    numeric: Mapping[str, NDArray[np.float64]] | None = None,
) -> Subjects:
    """The used images (`index`, ascending) of a data set with what its card says of them. present: None says in all.

    Raises:
        ShapeError: `present` or a confounder is not of these images.
    """
    chosen = [records[int(i)] for i in index]
    there = np.ones(len(chosen), np.bool_) if present is None else present
    for name, column in (("present", there), *(numeric or {}).items()):
        if len(column) != len(chosen):
            raise ShapeError(f"{name} has {len(column)} values for {len(chosen)} images.")
    names = sorted({name for record in chosen for name in record.attributes})
    attributes = {name: np.array([record.attributes.get(name, "") for record in chosen], np.str_) for name in names}
    groups = [record.group if record.group is not None else f"\0{record.index}" for record in chosen]
    member = np.unique(np.array(groups, np.str_), return_inverse=True)[1] if groups else np.zeros(0)
    grouped = any(record.group is not None for record in chosen)
    return Subjects(np.asarray(index, np.int32), attributes, np.asarray(member, np.int64), grouped, there, dict(numeric or {}))


def contrasts(of: Subjects, name: str, *, minimum: int, missing: Sequence[str] = MISSING) -> list[Contrast]:
    """The contrasts of one attribute among images where somebody is present: one for two values, each against the rest for more.

    Groups of fewer than `minimum` persons (images, where persons are not known) get a reason why they are not tested.

    Raises:
        NotFoundError: there is no such attribute.
    """
    values = np.where(of.present, of.column(name), "")
    return _against(of, name, values, (name,), minimum, missing)


def crossed(of: Subjects, first: str, second: str, *, minimum: int, missing: Sequence[str] = MISSING) -> list[Contrast]:
    """Each cell of two attributes against all other images that have both.

    Raises:
        NotFoundError: there is no such attribute.
    """
    one, two = of.column(first), of.column(second)
    known = of.present & ~np.isin(one, missing) & ~np.isin(two, missing)
    cells = np.where(known, np.char.add(np.char.add(one, ", "), two), "")
    return _against(of, f"{first} x {second}", cells, (first, second), minimum, missing, every=True)


def within(of: Subjects, cell: Contrast, name: str, *, minimum: int) -> Contrast:
    """A cell of `crossed` against the images that share its value of the attribute `name`, but not the other."""
    values = of.column(name)[cell.image]
    inside = cell.side[cell.row]
    shared = values[inside][0] if inside.any() else ""
    chosen = inside | (values == shared)
    return _contrast(of, cell.subject, cell.value, f"other {shared}", cell.image[chosen], inside[chosen], cell.uses, 0, minimum)


def _against(
    of: Subjects, subject: str, values: NDArray[np.str_], uses: tuple[str, ...], minimum: int, missing: Sequence[str], every: bool = False
) -> list[Contrast]:
    known = ~np.isin(values, missing)
    image = np.flatnonzero(known)
    lacking = int((of.present & ~known).sum())
    kinds = np.unique(values[image]).tolist()
    if len(kinds) < 2:
        only = kinds[0] if kinds else ""
        what = f"there is only one group, {only}" if kinds else "no image has a value"
        one = _contrast(of, subject, only, "", image, np.ones(len(image), np.bool_), uses, lacking, 0)
        return [_because(one, f"{what}: nothing to compare with")]
    made = []
    for kind in kinds if every or len(kinds) > 2 else kinds[:1]:
        other = kinds[1] if len(kinds) == 2 else "the rest"
        made.append(
            _contrast(of, subject, kind, other if other != kind else kinds[0], image, values[image] == kind, uses, lacking, minimum)
        )
    return made


def _contrast(
    of: Subjects, subject: str, value: str, other: str, image: NDArray[np.intp], inside: NDArray[np.bool_], uses: tuple[str, ...],
    lacking: int, minimum: int,
) -> Contrast:  # fmt: skip
    keys = np.stack([of.member[image], inside.astype(np.int64)], axis=1)
    rows, row = np.unique(keys, axis=0, return_inverse=True)
    row = row.reshape(-1)
    if len(rows) == len(image):  # one image a row: keep their order
        rows, row = keys, np.arange(len(image))
    made = Contrast(subject, value, other, image, np.asarray(row, np.intp), rows[:, 1] == 1, rows[:, 0], of.grouped, uses, lacking)
    what = "persons" if of.grouped else "images"
    for name, size in zip((value, other), made.sizes, strict=True):
        if size < minimum:
            return _because(made, f"{name} has {size} {what if size != 1 else what[:-1]}; at least {minimum} are needed")
    return made


def _because(contrast: Contrast, reason: str) -> Contrast:
    return Contrast(**{**{name: getattr(contrast, name) for name in contrast.__dataclass_fields__}, "reason": reason})
