"""What every reader gives: records, labels, a vocabulary. One interface for every format.

Internal concept ids run 1..C in vocabulary order; 0 is unlabelled; `VOID` marks pixels that count for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dissect.errors import DataError

LabelMap = NDArray[np.uint16]

UNLABELLED = 0
VOID = 65_535
MOST_CONCEPTS = 65_000
"""Ids above this are kept for void marks; a larger vocabulary is refused by name."""


@dataclass(frozen=True, slots=True)
class Concept:
    """One thing a unit may detect.

    index: internal id, 1..C. category: its primary category (the one with the largest coverage; ties: the last).
    categories: every category it is annotated in. source_id: the number or name the data set itself uses.
    """

    index: int
    name: str
    category: str
    categories: tuple[str, ...]
    source_id: str
    synonyms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Vocabulary:
    """All concepts of a data set. `concepts[i].index == i + 1`; `categories` is in the data set's own order."""

    name: str
    categories: tuple[str, ...]
    concepts: tuple[Concept, ...]
    broader: tuple[tuple[str, str], ...] = ()
    """Hierarchy: (narrower concept name, broader name) pairs."""

    def __post_init__(self) -> None:
        if len(self.concepts) > MOST_CONCEPTS:
            raise DataError(
                f"vocabulary {self.name} has {len(self.concepts)} concepts; at most {MOST_CONCEPTS} can be told apart. "
                "Drop rare concepts or merge synonyms in the card."
            )
        for position, concept in enumerate(self.concepts, start=1):
            if concept.index != position:
                raise DataError(f"vocabulary {self.name}: concept {concept.name} has id {concept.index}, expected {position}.")

    def __len__(self) -> int:
        return len(self.concepts)

    def category_index(self, category: str) -> int:
        """Position of a category; `DataError` if there is none of that name."""
        try:
            return self.categories.index(category)
        except ValueError:
            raise DataError(f"vocabulary {self.name} has no category {category}. It has: {', '.join(self.categories)}.") from None


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """One image of the probe set. `index` counts 0..N-1 over the records of this set, after split and limit."""

    index: int
    key: str
    """Name inside the data set, with `/`: stable over machines."""
    path: Path
    group: str | None = None
    """Images of one group (a video, a person) are kept together by permutations and folds; its frames are in record order."""
    split: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    ordered: bool = False
    """The images of its group are a sequence, so that neighbours resemble each other: permutations shift them in a circle."""


@dataclass(frozen=True, slots=True)
class Plane:
    """One label map: ids (h, w) of concepts annotated under one category, 0 = unlabelled, `VOID` = leave out."""

    category: str
    ids: LabelMap


@dataclass(frozen=True, slots=True)
class Labels:
    """All that is annotated in one image.

    planes: any number, also several of one category (overlapping instances, parts of parts), each at the data set's own size.
    whole: ids that hold for the whole image (scenes, textures); may hold 0, which two published programs count by mistake.
    annotated: the categories that were annotated in this image, even if nothing of them is in it.
    """

    planes: tuple[Plane, ...]
    whole: tuple[int, ...]
    annotated: frozenset[str]


class ProbeSet(Protocol):
    """A data set as the probe sees it. `concepts.open_set` makes one from a card."""

    @property
    def name(self) -> str: ...

    @property
    def vocabulary(self) -> Vocabulary: ...

    @property
    def records(self) -> Sequence[ImageRecord]: ...

    @property
    def label_kind(self) -> str:
        """`masks` (planes, perhaps whole-image labels too), `image` (whole-image labels only) or `none` (pictures only)."""
        ...

    @property
    def default_label_size(self) -> tuple[int, int] | None:
        """(H, W) of the label maps if the card or the format fixes it, else None: half the network's input is used."""
        ...

    def labels(self, index: int) -> Labels:
        """Labels of one record, at the data set's own size; planes are turned as the image is (EXIF).

        Raises:
            LabelMapError: this image's annotation cannot be used; the message names the file, the fault and the remedy.
        """
        ...

    def content_hash(self) -> str:
        """SHA-256 over the content of every file used and every setting of the card that changes what is read."""
        ...
