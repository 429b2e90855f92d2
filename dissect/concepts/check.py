"""`dissect data check`: reads every picture and every label map of a set and tells all faults at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dissect.concepts.card import DataCard
from dissect.concepts.images import open_image
from dissect.concepts.model import VOID, Labels, ProbeSet
from dissect.concepts.open import open_set
from dissect.errors import DissectError

Progress = Callable[[int, int], None]
"""Called with (images done, images in all)."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one file: where, what, and what to do."""

    where: str
    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class ConceptCount:
    """How often a concept occurs in the images that are good: in how many images, on how many pixels of the stored maps."""

    name: str
    category: str
    images: int
    pixels: int


@dataclass(frozen=True)
class CheckReport:
    """Everything the check found. categories: in how many good images each is annotated."""

    name: str
    images: int
    good: int
    faults: tuple[Fault, ...]
    concepts: tuple[ConceptCount, ...]
    categories: dict[str, int]
    content_hash: str | None

    @property
    def clean(self) -> bool:
        """Whether there is nothing to mend."""
        return not self.faults


def check(card: DataCard, *, home: Path | None = None, limit: int | None = None, progress: Progress | None = None) -> CheckReport:
    """Read every image and label of all splits. Faults are reported, never raised; a set that cannot be opened is one fault.

    The card's sha256, where it has one, is compared with the content hash of the whole set.
    """
    try:
        opened = open_set(card, split="all", limit=limit, home=home)
    except DissectError as error:
        return CheckReport(card.name, 0, 0, (_fault(str(card.path), error),), (), {}, None)
    tally = _Tally(opened)
    for record in opened.records:
        tally.add(record.index)
        if progress is not None:
            progress(record.index + 1, len(opened.records))
    content = opened.content_hash()
    if card.sha256 is not None and limit is None and card.sha256 != content:
        what = f"the content hash is {content}, the card says {card.sha256}"
        tally.faults.append(Fault(str(card.path), what, "Get the data again, or take the new hash over if the change is wanted."))
    return tally.report(opened, content)


class _Tally:
    """Counts over the images looked at so far."""

    def __init__(self, data: ProbeSet) -> None:
        self.data = data
        self.faults: list[Fault] = []
        self.good = 0
        concepts = len(data.vocabulary)
        self.images = np.zeros(concepts + 1, dtype=np.int64)
        self.pixels = np.zeros(concepts + 1, dtype=np.int64)
        self.categories = dict.fromkeys(data.vocabulary.categories, 0)

    def add(self, index: int) -> None:
        record = self.data.records[index]
        faults: dict[str, DissectError] = {}
        labels = None
        try:
            open_image(record.path)
        except DissectError as error:
            faults[str(error)] = error
        try:
            labels = self.data.labels(index)
        except DissectError as error:
            faults[str(error)] = error
        self.faults.extend(_fault(record.key, error) for error in faults.values())
        if labels is not None and not faults:
            self._count(labels)

    def _count(self, labels: Labels) -> None:
        self.good += 1
        present = np.zeros(len(self.images), dtype=bool)
        for plane in labels.planes:
            counts = np.bincount(plane.ids.ravel(), minlength=VOID + 1)[: len(self.images)]
            self.pixels += counts
            present |= counts > 0
        present[list(labels.whole)] = True
        self.images += present
        for category in labels.annotated:
            self.categories[category] += 1

    def report(self, data: ProbeSet, content: str) -> CheckReport:
        counts = tuple(
            ConceptCount(concept.name, concept.category, int(self.images[concept.index]), int(self.pixels[concept.index]))
            for concept in data.vocabulary.concepts
        )
        return CheckReport(data.name, len(data.records), self.good, tuple(self.faults), counts, self.categories, content)


def _fault(where: str, error: DissectError) -> Fault:
    """A message is "what. remedy."; the last sentence is the remedy."""
    text = str(error).strip()
    what, dot, remedy = text.rstrip(".").rpartition(". ")
    return Fault(where, what, remedy + ".") if dot else Fault(where, text, "Mend the file or remove it.")
