"""Cityscapes: street scenes of 50 cities, one PNG of label ids a picture; a city's drive is a sequence of frames.

Files: `leftImg8bit/<split>/<city>/<city>_<sequence>_<frame>_leftImg8bit.png` and
`gtFine/<split>/<city>/<city>_<sequence>_<frame>_gtFine_labelIds.png`. The benchmark leaves 15 of the 34 ids out of its evaluation; here
their pixels are void. Groups of classes become broader concepts: a car is a vehicle.
Source: Cordts et al. 2016, "The Cityscapes Dataset for Semantic Urban Scene Understanding".

Every picture has the attributes `city` and `sequence` (city and drive), so that a card can say `[group] column = "sequence"`.
Card: further ids under `void`, and in `[options]`:

    images    folder of the pictures; default "leftImg8bit"
    labels    folder of the label maps; default "gtFine" (or "gtCoarse")
    ignored   ids that the benchmark ignores: "void" (default), or "label": those that mean a thing (parking, caravan ...) are concepts
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dissect.concepts.base import Entry, FileSet, NewConcept, make_vocabulary
from dissect.concepts.card import DataCard
from dissect.concepts.images import read_label_png
from dissect.concepts.indexed import ClassTable, pictures_below
from dissect.concepts.model import Labels, Plane, Vocabulary
from dissect.errors import DataError


@dataclass(frozen=True, slots=True)
class Label:
    """One label id. `evaluated` is False for ids that the benchmark ignores."""

    id: int
    name: str
    group: str
    evaluated: bool


def _labels() -> Iterator[Label]:
    """The ids in order; a star marks what the benchmark ignores."""
    groups = {
        "void": "unlabeled* ego-vehicle* rectification-border* out-of-roi* static* dynamic* ground*",
        "flat": "road sidewalk parking* rail-track*",
        "construction": "building wall fence guard-rail* bridge* tunnel*",
        "object": "pole polegroup* traffic-light traffic-sign",
        "nature": "vegetation terrain",
        "sky": "sky",
        "human": "person rider",
        "vehicle": "car truck bus caravan* trailer* train motorcycle bicycle",
    }
    number = 0
    for group, words in groups.items():
        for word in words.split():
            yield Label(number, word.rstrip("*").replace("-", " "), group, not word.endswith("*"))
            number += 1


LABELS = tuple(_labels())
LICENSE_PLATE = 255
"""License plates have the id -1, which a byte writes as 255; the benchmark ignores them."""

_NAME = re.compile(r"(?P<city>[^_]+)_(?P<sequence>[^_]+)_(?P<frame>[^_]+)_leftImg8bit")


def open_cityscapes(card: DataCard) -> CityscapesSet:
    """The Cityscapes set of a card.

    Raises:
        CardError: an option is unknown or wrong.
        DataError: there is no folder of pictures, or a picture is not named as Cityscapes names them.
    """
    table = card.option_table()
    images, labels = table.text("images", "leftImg8bit"), table.text("labels", "gtFine")
    ignored = table.choice("ignored", ("void", "label"), "void")
    table.finish()
    kept = [label for label in LABELS if label.evaluated or (ignored == "label" and label.group != "void")]
    kept = [label for label in kept if label.id not in card.void]
    new = [NewConcept(label.name, "object", str(label.id)) for label in kept]
    broader = tuple((label.name, label.group) for label in kept if label.group != label.name)
    vocabulary = replace(make_vocabulary(card.vocabulary, ("object",), new), broader=broader)
    return CityscapesSet(card, vocabulary, list(_entries(card.root, images, labels)))


class CityscapesSet(FileSet):
    """Street scenes with one map of label ids each."""

    def __init__(self, card: DataCard, vocabulary: Vocabulary, entries: Sequence[Entry]) -> None:
        super().__init__(card, vocabulary, entries)
        ids = {int(concept.source_id): concept.index for concept in vocabulary.concepts}
        void = {label.id for label in LABELS} - set(ids) | {LICENSE_PLATE} | set(card.void)
        self._classes = ClassTable(ids, void)

    def read(self, entry: Entry) -> Labels:
        """The label map of one picture."""
        path = entry.files[0]
        return Labels((Plane("object", self._classes.concepts(path, read_label_png(path))),), (), frozenset({"object"}))


def _entries(root: Path, images: str, labels: str) -> Iterator[Entry]:
    for key, path in pictures_below(root / images):
        match = _NAME.fullmatch(path.stem)
        if match is None or key.count("/") < 2:
            raise DataError(
                f"{path} is not named <split>/<city>/<city>_<sequence>_<frame>_leftImg8bit.png, so its label map cannot be found. "
                "Rename it or move it out."
            )
        split, stem = key.split("/")[0], path.stem.removesuffix("_leftImg8bit")
        folder = (root / labels / key).parent
        kind = Path(labels).name
        attributes = {"city": match["city"], "sequence": f"{match['city']}_{match['sequence']}"}
        name = key.removesuffix("_leftImg8bit")
        yield Entry(name, path, (folder / f"{stem}_{kind}_labelIds.png",), split, attributes)
