"""What a pixel under another image's labels adds to I and A of which concept, as lists that a kernel can walk.

I and A of every profile are sums of two kinds: pixels of a mask by the label signature under them, and whole masks by what is in the
image. Each local signature and each image gets the list of sums that it adds to. Letters: n images, L rows (local signatures of all
images), C concepts, K categories, V columns of `ConceptScores`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dissect.concepts.model import Vocabulary
from dissect.errors import NotSupportedError
from dissect.probe.areas import Content, content
from dissect.probe.profile import Profile
from dissect.probe.signatures import primary_categories
from dissect.probe.tables import ZERO_MARK, Int32, Int64
from dissect.score.count import LEAKED
from dissect.verify.spans import LabelSpans

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Lists:
    """CSR: item k adds to columns[offsets[k] : offsets[k+1]] (int32)."""

    offsets: Int64
    columns: Int32


@dataclass(frozen=True)
class Columns:
    """The sums of one data set under one profile.

    rows: of each of L rows, into X = 2 (C + 1) + K sums: pixels of each concept, with the leaked label 0 in front; void pixels of each
    category that leave A; void pixels of concepts that are present although their category is not annotated. images: of each image,
    into Y = K + C + 1 sums of whole masks: by category, and for those lone concepts. touches: categories of each row, where A counts only
    images whose active pixels touch the category.
    """

    rows: Lists
    images: Lists
    touches: Lists
    concepts: int
    categories: int
    profile: Profile

    @property
    def widths(self) -> tuple[int, int]:
        """X and Y."""
        return 2 * (self.concepts + 1) + self.categories, self.categories + self.concepts + 1

    def counts(self, rows: Int64, images: Int64, concept: Int64, category: Int64) -> tuple[Int64, Int64]:
        """I and A (B, V) from sums (B, X) and (B, Y), for columns with these concept ids and categories."""
        width = self.concepts + 1
        area = images[:, category] - rows[:, width + category]
        area += images[:, self.categories + concept] - rows[:, width + self.categories + concept]
        if self.profile.label_zero == "leak_no_area":
            area[:, concept == LEAKED] = 0
        return rows[:, concept], area


def columns(labels: LabelSpans, vocabulary: Vocabulary, profile: Profile) -> Columns:
    """The lists of a data set under a profile.

    Raises:
        NotSupportedError: the profile leaves void pixels out of an area that does not go by annotation; no shipped profile does.
    """
    if profile.void == "out" and profile.area != "annotated":
        raise NotSupportedError(
            f"the null of profile {profile.name} is not offered: it leaves void pixels out, and counts A by {profile.area!r} images. "
            "Use standard, netdissect, lite or compexp."
        )
    inside = content(labels.as_shard(), vocabulary, profile)
    owner = np.repeat(np.arange(len(labels)), np.diff(labels.local_offsets))
    lonely = _lonely(labels, inside, vocabulary, profile)
    rows = [_members(labels, len(vocabulary), profile), *_void(labels, inside, owner, lonely, vocabulary, profile)]
    count, categories = len(labels.row_signature), len(vocabulary.categories)
    touched = np.nonzero(inside.touches[labels.row_signature]) if profile.area == "touched" else _nothing()
    return Columns(
        _lists(rows, count), _lists([_whole(labels, inside, profile), (lonely[0], categories + lonely[1])], len(labels)),
        _lists([(touched[0], touched[1])], count), len(vocabulary), categories, profile,
    )  # fmt: skip


_Entries = tuple[Int64, Int64]
"""(item, column) of each entry."""


def _nothing() -> _Entries:
    return np.zeros(0, np.int64), np.zeros(0, np.int64)


def _lists(parts: list[_Entries], items: int) -> Lists:
    item, column = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    order = np.argsort(item, kind="stable")
    offsets = np.concatenate(([0], np.cumsum(np.bincount(item, minlength=items)))).astype(np.int64)
    return Lists(offsets, column[order].astype(np.int32))


def _members(labels: LabelSpans, concepts: int, profile: Profile) -> _Entries:
    """The concepts of each row, twice where they lie in two planes and the profile counts that, and the leaked label 0."""
    table = labels.table
    sizes = np.diff(table.offsets)[labels.row_signature]
    row = np.repeat(np.arange(len(sizes)), sizes)
    inside = np.arange(len(row)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    member = table.members[np.repeat(table.offsets[labels.row_signature], sizes) + inside].astype(np.int64)
    kept = member <= concepts
    if profile.label_zero != "drop":
        kept |= member == ZERO_MARK
    if profile.overlap == "union":
        kept[1:] &= (member[1:] != member[:-1]) | (row[1:] != row[:-1])
    return row[kept], np.where(member == ZERO_MARK, LEAKED, member)[kept]


def _lonely(labels: LabelSpans, inside: Content, vocabulary: Vocabulary, profile: Profile) -> _Entries:
    """(image, concept): concepts present although their primary category is not annotated (rule `annotated`)."""
    if profile.area != "annotated":
        return _nothing()
    image, concept = np.nonzero(inside.present[:, 1:] & ~labels.annotated[:, primary_categories(vocabulary)[1:]])
    return image, concept + 1


def _void(
    labels: LabelSpans, inside: Content, owner: Int64, lonely: _Entries, vocabulary: Vocabulary, profile: Profile
) -> list[_Entries]:  # fmt: skip
    """Void pixels: of annotated categories, and of the categories of lone concepts."""
    if inside.void is None or profile.void == "unlabelled":
        return []
    concepts = len(vocabulary)
    void = inside.void[labels.row_signature]
    row, category = np.nonzero(void & labels.annotated[owner])
    image, concept = lonely
    sizes = np.diff(labels.local_offsets)[image]
    lone = np.repeat(concept, sizes)
    place = np.arange(len(lone)) - np.repeat(np.cumsum(sizes) - sizes, sizes) + np.repeat(labels.local_offsets[image], sizes)
    hit = void[place, primary_categories(vocabulary)[lone]]
    return [(row, concepts + 1 + category), (place[hit], concepts + 1 + len(vocabulary.categories) + lone[hit])]


def _whole(labels: LabelSpans, inside: Content, profile: Profile) -> _Entries:
    """(image, category): images whose active pixels count as A for concepts of a category."""
    if profile.area == "touched":
        return _nothing()
    rule = {"annotated": labels.annotated, "holding": inside.held, "all": np.ones_like(labels.annotated)}
    image, category = np.nonzero(rule[profile.area])
    return image, category
