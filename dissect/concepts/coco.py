"""COCO instances: outlines or run lengths of every object, overlapping ones on planes of their own; keypoints as parts.

Card, `[options]`:

    annotations      the JSON file of instances; default "instances.json"
    images           folder of the pictures; default "images"
    crowd            "label" (crowd regions count as their category, the default) or "void" (their pixels count for nothing)
    category         what the categories are called together; default "object" (for the stuff annotations: "stuff")
    keypoints        JSON file of person keypoints; visible ones become small discs of category `part`; default: none
    keypoint_radius  radius of a disc as a share of the square root of the person's box; default 0.03
    sides            "merge" (left eye and right eye are both `eye`, the default) or "keep"
    orphans          annotations of pictures that the file does not list: "refuse" (default) or "drop"
    parts            instead of the above files: a list of tables with `split`, `annotations`, `images` and perhaps `keypoints`

A picture's split is its part's, else the entry's own `split`. Supercategories become broader concepts. Captions are not read.
`part` is annotated in a picture unless a person in it has no marked keypoint: that person's eyes are there all the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dissect.concepts.base import Entry, FileSet, NewConcept, make_vocabulary
from dissect.concepts.card import DataCard
from dissect.concepts.coco_entry import box_side, is_crowd, keypoints_of, region_of
from dissect.concepts.coco_file import (
    CocoCategory,
    CocoFile,
    CocoImage,
    Part,
    broader_pairs,
    entry_of,
    read_coco,
    read_parts,
    same_categories,
)
from dissect.concepts.coco_panoptic import open_coco_panoptic as open_coco_panoptic
from dissect.concepts.model import VOID, Labels, Plane, Vocabulary
from dissect.concepts.regions import PlaneStack, Region, from_disc
from dissect.errors import LabelMapError

_VISIBLE = 2
_MARKED = 1


@dataclass(frozen=True, slots=True)
class _Source:
    """What is needed to read one picture's labels."""

    file: CocoFile
    image: CocoImage
    keypoints: CocoFile | None


@dataclass(frozen=True, slots=True)
class _Settings:
    crowd: str
    category: str
    radius: float
    merge: bool
    orphans: str
    parts: tuple[Part, ...]


def open_coco(card: DataCard) -> CocoSet:
    """The COCO instances of a card.

    Raises:
        CardError: an option is unknown or wrong.
        NotFoundError: an annotation file is not there.
        DataError: an annotation file is no COCO file, or the parts disagree in their categories.
    """
    settings = _settings(card)
    loaded = []
    for part in settings.parts:
        file = read_coco(card.file(part.annotations), settings.orphans)
        # a keypoint file may hold the people of more pictures than this set has
        points = read_coco(card.file(part.keypoints), "drop") if part.keypoints else None
        loaded.append((part, file, points))
    categories = same_categories([file for _, file, _ in loaded])
    named = _keypoint_names([points for _, _, points in loaded if points], settings.merge)
    vocabulary = _vocabulary(card.vocabulary, settings.category, categories, named)
    entries = [
        entry_of(card, part.split, len(loaded) > 1, part.images, file, image, _Source(file, image, points))
        for part, file, points in loaded
        for image in file.images
    ]
    shared = [file.path for _, files, points in loaded for file in (files, points) if file]
    return CocoSet(card, vocabulary, entries, shared, settings, categories, named)


class CocoSet(FileSet):
    """Pictures with instances, each keeping all its pixels however many cover it."""

    def __init__(
        self,
        card: DataCard,
        vocabulary: Vocabulary,
        entries: Sequence[Entry],
        shared: Sequence[Path],
        settings: _Settings,
        categories: Sequence[CocoCategory],
        named: Mapping[str, int],
    ) -> None:
        super().__init__(card, vocabulary, entries, shared=shared)
        self._settings_of_coco = settings
        self._known = {category.id: index for index, category in enumerate(categories, start=1)}
        self._first_part = len(categories) + 1
        self._named = named

    def read(self, entry: Entry) -> Labels:
        """Instances (and keypoints) of one picture, larger ones on earlier planes."""
        source = entry.source
        if not isinstance(source, _Source):
            raise LabelMapError(f"{entry.path}: no annotation file belongs to this picture. Open the set again from its card.")
        category = self._settings_of_coco.category
        planes, annotated = self._instances(source), {category}
        if source.keypoints is not None:
            parts, complete = self._keypoints(source, source.keypoints)
            planes += parts
            annotated |= {"part"} if complete else set()
        return Labels(planes, (), frozenset(annotated))

    def _instances(self, source: _Source) -> tuple[Plane, ...]:
        size = source.file.size_of(source.image)
        found: list[tuple[int, Region]] = []
        for entry in source.file.annotations[source.image.id]:
            source.file.check_entry(entry)
            concept = source.file.category_of(entry, self._known)
            if is_crowd(entry, source.file.where(entry)) and self._settings_of_coco.crowd == "void":
                concept = VOID
            found.append((concept, region_of(entry, size, source.file.where(entry))))
        stack = PlaneStack(self._settings_of_coco.category, size)
        for concept, region in sorted(found, key=lambda item: -item[1].pixels):  # stable: equal sizes in file order
            stack.add(concept, region)
        return stack.planes()

    def _keypoints(self, source: _Source, points: CocoFile) -> tuple[tuple[Plane, ...], bool]:
        """Planes of the visible keypoints, and whether every person has marked ones."""
        size = source.file.size_of(source.image)
        stack, complete = PlaneStack("part", size), True
        names = {category.id: category.keypoints for category in points.categories}
        for entry in points.annotations.get(source.image.id, []):
            points.check_entry(entry)
            where = points.where(entry)
            triples = keypoints_of(entry, names.get(_whole(entry.get("category_id")), ()), where)
            complete &= bool((triples[:, 2] >= _MARKED).any())
            radius = self._settings_of_coco.radius * box_side(entry, where)
            for name, (x, y, seen) in zip(names[_whole(entry.get("category_id"))], triples.tolist(), strict=True):
                if seen == _VISIBLE:
                    stack.add(self._first_part - 1 + self._named[name], from_disc(x + 0.5, y + 0.5, radius, size))
        return stack.planes(), complete


def _settings(card: DataCard) -> _Settings:
    table = card.option_table()
    settings = _Settings(
        crowd=table.choice("crowd", ("label", "void"), "label"),
        category=table.text("category", "object"),
        radius=table.number("keypoint_radius", 0.03),
        merge=table.choice("sides", ("merge", "keep"), "merge") == "merge",
        orphans=table.choice("orphans", ("refuse", "drop"), "refuse"),
        parts=read_parts(table, {"annotations": "instances.json", "images": "images", "keypoints": None}),
    )
    table.finish()
    return settings


def _keypoint_names(files: Sequence[CocoFile], merge: bool) -> dict[str, int]:
    """The part, 1..P, of every keypoint name; with `merge`, sides share one."""
    parts: dict[str, int] = {}
    numbers: dict[str, int] = {}
    for category in (category for file in files for category in file.categories):
        for name in category.keypoints:
            part = part_name(name, merge)
            numbers[name] = parts.setdefault(part, len(parts) + 1)
    return numbers


def part_name(keypoint: str, merge: bool) -> str:
    """`left_eye` as `eye`, or as `left eye`."""
    words = keypoint.replace("_", " ").split()
    return " ".join(words[1:] if merge and len(words) > 1 and words[0] in ("left", "right") else words)


def _vocabulary(name: str, category: str, categories: Sequence[CocoCategory], named: Mapping[str, int]) -> Vocabulary:
    new = [NewConcept(item.name, category, str(item.id)) for item in categories]
    sources: dict[int, list[str]] = {}
    for keypoint, number in named.items():
        sources.setdefault(number, []).append(keypoint)
    merge = len(sources) < len(named)
    new += [NewConcept(part_name(points[0], merge), "part", ",".join(points)) for _, points in sorted(sources.items())]
    made = make_vocabulary(name, (category, "part") if sources else (category,), new)
    return replace(made, broader=broader_pairs(categories))


def _whole(value: object) -> int:
    return value if type(value) is int else -1
