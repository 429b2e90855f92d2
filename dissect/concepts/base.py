"""What all readers share: records, splits, groups, attributes, EXIF turning of label maps, and the content hash.

A reader lists `Entry` objects and says how the labels of one entry are read; `FileSet` does the rest.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dissect.concepts.card import DataCard
from dissect.concepts.contents import content_hashes
from dissect.concepts.hierarchy import read_hierarchy
from dissect.concepts.images import fit_labels, frame
from dissect.concepts.model import UNLABELLED, VOID, Concept, ImageRecord, LabelMap, Labels, Plane, Vocabulary
from dissect.concepts.tables import read_csv
from dissect.errors import CardError, DataError, NotFoundError, UsageError
from dissect.fingerprint import Plain, fingerprint

READING = 1
"""Raised whenever this room reads the same files differently: part of every content hash."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One image as its reader lists it.

    key: name inside the data set, with `/`. files: its own label files (for the hash and the check). source: whatever the reader
    needs to read its labels. attributes: columns of the format's own index.
    """

    key: str
    path: Path
    files: tuple[Path, ...] = ()
    split: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    source: object = None


@dataclass(frozen=True, slots=True)
class NewConcept:
    """A concept before it has an internal id."""

    name: str
    category: str
    source_id: str
    categories: tuple[str, ...] = ()
    synonyms: tuple[str, ...] = ()


def make_vocabulary(name: str, categories: Sequence[str], concepts: Iterable[NewConcept]) -> Vocabulary:
    """Number concepts 1..C in the order given.

    Raises:
        DataError: too many concepts, one name twice in one category, or a category that is not in `categories`.
    """
    numbered, seen = [], set()
    for index, new in enumerate(concepts, start=1):
        if (new.category, new.name) in seen:
            raise DataError(f"vocabulary {name}: {new.name!r} is twice in category {new.category}. Give each class its own name.")
        if new.category not in categories:
            raise DataError(f"vocabulary {name}: {new.name!r} is in {new.category!r}, which is not among {', '.join(categories)}.")
        seen.add((new.category, new.name))
        numbered.append(Concept(index, new.name, new.category, new.categories or (new.category,), new.source_id, new.synonyms))
    return Vocabulary(name, tuple(categories), tuple(numbered))


class FileSet:
    """A probe set (`model.ProbeSet`) whose images and labels are files. Readers derive from it and write `read`.

    entries are sorted by key unless `keep_order`. shared: files that hold the labels of all images (an index, a JSON).
    label_kind and label_size are the format's own; the card's label_size comes first. any_aspect: label maps need not have the
    picture's proportions.

    Raises:
        DataError: no entries, one key twice, or a group or attribute rule that does not fit the images.
    """

    def __init__(
        self,
        card: DataCard,
        vocabulary: Vocabulary,
        entries: Iterable[Entry],
        *,
        label_kind: str = "masks",
        label_size: tuple[int, int] | None = None,
        shared: Sequence[Path] = (),
        keep_order: bool = False,
        any_aspect: bool = False,
    ) -> None:
        self.card = card
        self.label_kind = label_kind
        self.default_label_size = card.label_size or label_size
        self.shared = tuple(shared)
        self._any_aspect = any_aspect
        listed = list(entries) if keep_order else sorted(entries, key=lambda entry: entry.key)
        if not listed:
            raise DataError(f"{card.name} has no images in {card.root}. Check the card's root and options.")
        self.entries: Sequence[Entry] = listed
        self.records: Sequence[ImageRecord] = _records(card, listed)
        own = read_hierarchy(card.file(card.hierarchy)).broader if card.hierarchy else ()
        broader = tuple(dict.fromkeys((*vocabulary.broader, *own)))
        self._lookup, self.vocabulary = _restricted(replace(vocabulary, broader=broader), card)

    @property
    def name(self) -> str:
        return self.card.name

    def read(self, entry: Entry) -> Labels:
        """Labels of one entry as its files hold them, not turned; ids of the full vocabulary. Readers write this.

        Raises:
            LabelMapError: this image's annotation cannot be used.
        """
        raise NotImplementedError

    def listed(self, entry: Entry) -> Plain:
        """What the format's index itself says about an entry's labels, for the content hash: whole-image labels, say."""
        return None

    def labels(self, index: int) -> Labels:
        """Labels of one record, turned as the image is; see `model.ProbeSet`.

        Raises:
            LabelMapError: this image's annotation cannot be used.
            ImageError: the image itself cannot be opened, so that nobody knows how its labels lie.
        """
        entry = self.entries[index]
        found = self.read(entry)
        planes = tuple(plane for plane in found.planes if plane.category in self.vocabulary.categories)
        if planes:
            shape = frame(entry.path)
            planes = tuple(
                Plane(plane.category, self._kept(fit_labels(plane.ids, shape, entry.path, any_aspect=self._any_aspect))) for plane in planes
            )
        whole = found.whole
        if self._lookup is not None:
            numbers = [(concept, int(self._lookup[concept])) for concept in whole]
            whole = tuple(new for old, new in numbers if new != UNLABELLED or old == UNLABELLED)
        return Labels(planes, whole, self._annotated(planes, whole, found.annotated))

    def select(self, split: str | None = None, limit: int | None = None) -> FileSet:
        """The same set with the images of a split only, and at most `limit` of them, taken evenly from first to last.

        Raises:
            NotFoundError: no image has that split; the splits are listed.
            UsageError: limit is below 1.
        """
        kept = [i for i, entry in enumerate(self.entries) if split in (None, "all") or entry.split in str(split).split(",")]
        present = {self.entries[i].split for i in kept}
        missing = [] if split in (None, "all") else [name for name in str(split).split(",") if name not in present]
        if missing:
            known = sorted({entry.split for entry in self.entries if entry.split is not None})
            raise NotFoundError(f"{self.name} has no split {', '.join(map(repr, missing))}. Splits: {', '.join(known) or 'none'}.")
        if limit is not None and limit < 1:
            raise UsageError(f"the limit is {limit}. Give a number of images of at least 1, or leave it out.")
        if limit is not None and limit < len(kept):
            kept = [kept[i * len(kept) // limit] for i in range(limit)]
        chosen = copy.copy(self)
        chosen.entries = [self.entries[i] for i in kept]
        chosen.records = [replace(self.records[i], index=new) for new, i in enumerate(kept)]
        return chosen

    def content_hash(self) -> str:
        """SHA-256 over the content of every image and label file of these records, their keys, groups and attributes, the
        vocabulary and the settings of the card that change what is read. No path, date or name of the card is in it."""
        files = [path for entry in self.entries for path in (entry.path, *entry.files)]
        hashes = content_hashes([*files, *self.shared])
        images = [
            [record.key, hashes[entry.path], [hashes[p] for p in entry.files], self.listed(entry), record.group, dict(record.attributes)]
            for entry, record in zip(self.entries, self.records, strict=True)
        ]
        return fingerprint(
            {
                "reading": READING,
                "images": images,
                "shared": [hashes[path] for path in self.shared],
                "vocabulary": vocabulary_content(self.vocabulary),
                "settings": self._settings(),
            }
        )

    def _settings(self) -> dict[str, Plain]:
        card = self.card
        annotated = list(card.annotated) if isinstance(card.annotated, tuple) else card.annotated
        return {
            "format": card.format,
            "void": list(card.void),
            "label_size": self.default_label_size,
            "annotated": annotated,
            "label_kind": self.label_kind,
            "options": plain(card.options),
        }

    def _kept(self, ids: LabelMap) -> LabelMap:
        return ids if self._lookup is None else self._lookup.take(ids)

    def _annotated(self, planes: Sequence[Plane], whole: Sequence[int], told: frozenset[str]) -> frozenset[str]:
        rule = self.card.annotated
        if rule is None:
            return told & frozenset(self.vocabulary.categories)
        if rule == "all":
            return frozenset(self.vocabulary.categories)
        everywhere = frozenset(rule) if isinstance(rule, tuple) else frozenset()
        seen = {plane.category for plane in planes if ((plane.ids != UNLABELLED) & (plane.ids != VOID)).any()}
        seen |= {self.vocabulary.concepts[concept - 1].category for concept in whole if concept != UNLABELLED}
        return everywhere | seen


def id_table(ids: Mapping[int, int], void: Iterable[int], size: int) -> NDArray[np.uint16]:
    """Lookup from source ids 0..size-1 to internal ids. Ids that mean nothing give UNKNOWN (65,534); void ids give VOID."""
    table = np.full(size, UNKNOWN, dtype=np.uint16)
    for source, internal in ids.items():
        if 0 <= source < size:
            table[source] = internal
    for source in void:
        if 0 <= source < size:
            table[source] = VOID
    return table


UNKNOWN = 65_534
"""Mark of a source id that the classes do not list; never leaves a reader."""


def vocabulary_content(vocabulary: Vocabulary) -> Plain:
    """A vocabulary as plain data for a fingerprint; its own name is not in it."""
    concepts = [[c.name, c.category, list(c.categories), c.source_id, list(c.synonyms)] for c in vocabulary.concepts]
    return [list(vocabulary.categories), concepts, [list(pair) for pair in vocabulary.broader]]


def plain(value: object) -> Plain:
    """A TOML value as plain data (dates become text)."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _records(card: DataCard, entries: Sequence[Entry]) -> list[ImageRecord]:
    attributes = _attribute_rows(card)
    records, seen = [], set()
    for index, entry in enumerate(entries):
        if entry.key in seen:
            raise DataError(f"{card.name} lists the image {entry.key} twice. Keep one of the two.")
        seen.add(entry.key)
        merged = {**entry.attributes, **attributes.get(entry.key, {})}
        ordered = card.group is not None and card.group.ordered
        records.append(ImageRecord(index, entry.key, entry.path, _group(card, entry.key, merged), entry.split, merged, ordered))
    if attributes and not seen & attributes.keys():
        raise DataError(f"{card.path}: no image key of {card.name} is in the attribute file; a key is {entries[0].key!r}.")
    return records


def _attribute_rows(card: DataCard) -> dict[str, dict[str, str]]:
    rule = card.attributes
    if rule is None:
        return {}
    path = card.file(rule.file)
    rows = {}
    for number, row in read_csv(path, (rule.key, *rule.columns)):
        key = row.pop(rule.key)
        if key in rows:
            raise DataError(f"{path}, line {number}: {key!r} is there twice. Keep one row an image.")
        rows[key] = {column: row[column] for column in rule.columns} if rule.columns else row
    return rows


def _group(card: DataCard, key: str, attributes: Mapping[str, str]) -> str | None:
    rule = card.group
    if rule is None:
        return None
    if rule.pattern is not None:
        match = rule.pattern.search(key)
        if match is None or match.group(1) is None:
            raise CardError(f"{card.path}: the group pattern {rule.pattern.pattern!r} does not match the key {key!r}. Mend it.")
        return match.group(1)
    if rule.column not in attributes:
        raise CardError(f"{card.path}: image {key!r} has no column {rule.column!r}. Columns: {', '.join(attributes) or 'none'}.")
    return attributes[str(rule.column)]


def _restricted(vocabulary: Vocabulary, card: DataCard) -> tuple[LabelMap | None, Vocabulary]:
    """The vocabulary with the card's categories only, and the lookup from old to new ids (None where nothing changes)."""
    unknown = [name for name in _named_categories(card) if name not in vocabulary.categories]
    if unknown:
        raise CardError(
            f"{card.path}: there is no category {', '.join(map(repr, unknown))}. The set has: {', '.join(vocabulary.categories)}."
        )
    kept = tuple(category for category in vocabulary.categories if not card.categories or category in card.categories)
    if kept == vocabulary.categories:
        return None, vocabulary
    lookup = np.zeros(VOID + 1, dtype=np.uint16)
    lookup[VOID] = VOID
    concepts: list[Concept] = []
    for concept in vocabulary.concepts:
        categories = tuple(category for category in concept.categories if category in kept)
        if categories:
            primary = concept.category if concept.category in kept else categories[-1]
            concepts.append(replace(concept, index=len(concepts) + 1, category=primary, categories=categories))
            lookup[concept.index] = len(concepts)
    return lookup, replace(vocabulary, categories=kept, concepts=tuple(concepts))


def _named_categories(card: DataCard) -> Iterator[str]:
    yield from card.categories
    if isinstance(card.annotated, tuple):
        yield from card.annotated
