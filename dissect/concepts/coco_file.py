"""One annotation file in COCO's JSON: pictures, categories, and what is drawn in each picture.

Reading finds what makes the whole file useless (no JSON, no list of pictures, ids twice). A single bad annotation is found only when
its picture is asked for, so that it spoils no other picture. Outlines are turned into arrays while the file is parsed: the half
gigabyte of text of a full COCO split would otherwise take several gigabytes.
Source: Lin et al. 2014, "Microsoft COCO", and the data format its authors publish.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from dissect.concepts.base import Entry as ImageEntry
from dissect.concepts.card import DataCard
from dissect.concepts.rle import MOST_PIXELS
from dissect.concepts.strict import Table
from dissect.errors import CardError, DataError, LabelMapError

Entry = dict[str, object]

_KEPT = ("id", "image_id", "category_id", "iscrowd", "segmentation", "keypoints", "bbox")


@dataclass(frozen=True, slots=True)
class CocoImage:
    """A picture's entry. `size` is (height, width) as the file states it, or None if that is no size."""

    id: int | str
    file_name: str
    size: tuple[int, int] | None
    split: str | None = None


@dataclass(frozen=True, slots=True)
class CocoCategory:
    """A category's entry; ids may have gaps. `thing` is False for stuff (panoptic files say so)."""

    id: int
    name: str
    supercategory: str | None
    thing: bool = True
    keypoints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """One annotation file with its folder of pictures; `segments` is the folder of a panoptic part's PNGs."""

    split: str | None
    annotations: str
    images: str
    keypoints: str | None = None
    segments: str | None = None


@dataclass(frozen=True)
class CocoFile:
    """A checked file. `annotations` lists the raw entries of each picture, by picture id, in file order."""

    path: Path
    images: tuple[CocoImage, ...]
    categories: tuple[CocoCategory, ...]
    annotations: Mapping[int | str, list[Entry]]
    repeated: frozenset[int | str] = field(default_factory=frozenset)
    """Annotation ids that stand more than once."""

    def where(self, entry: Mapping[str, object]) -> str:
        """File and annotation, for messages."""
        return f"{self.path}, annotation {str(entry.get('id'))[:40]}"

    def size_of(self, image: CocoImage) -> tuple[int, int]:
        """(height, width) of a picture.

        Raises:
            LabelMapError: its entry has none.
        """
        if image.size is None:
            raise LabelMapError(
                f"{self.path}: the entry of {image.file_name} has no usable `height` and `width` (at most {MOST_PIXELS:,} pixels). "
                "Write the picture's size into it."
            )
        return image.size

    def category_of(self, entry: Mapping[str, object], known: Mapping[int, int]) -> int:
        """The concept of an annotation's category; `known` maps category ids to concepts.

        Raises:
            LabelMapError: the category is not in the file's list.
        """
        category = entry.get("category_id")
        if type(category) is int and category in known:
            return known[category]
        raise LabelMapError(
            f"{self.where(entry)}: category id {str(category)[:40]} is not in the file's list of categories. "
            "Add it to the list, or take the annotation out."
        )

    def check_entry(self, entry: Mapping[str, object]) -> None:
        """Refuse an annotation whose id stands twice: one of the two is wrong, and nothing says which.

        Raises:
            LabelMapError: it does.
        """
        if entry.get("id") in self.repeated:
            raise LabelMapError(f"{self.where(entry)}: this annotation id stands more than once. Give every annotation its own id.")


def read_coco(path: Path, orphans: str = "refuse") -> CocoFile:
    """Read a file of instances, keypoints or panoptic segments.

    orphans: what to do with annotations of pictures that the file does not list: `refuse` or `drop`.

    Raises:
        DataError: the file cannot be read, is no COCO file, lists a picture or category twice, or has annotations of unlisted pictures.
    """
    content = load_json(path, _slim)
    if not isinstance(content, dict):
        raise DataError(f"{path}: not a COCO file: it holds a {type(content).__name__}, not an object with `images`. Export it again.")
    images = tuple(_image(path, index, entry) for index, entry in enumerate(_entries(path, content, "images")))
    _refuse_twice(path, "picture id", [image.id for image in images])
    _refuse_twice(path, "picture file", [image.file_name for image in images])
    categories = tuple(_category(path, index, entry) for index, entry in enumerate(_entries(path, content, "categories")))
    _refuse_twice(path, "category id", [category.id for category in categories])
    _refuse_twice(path, "category name", [category.name for category in categories])
    annotations: dict[int | str, list[Entry]] = {image.id: [] for image in images}
    seen: set[int | str] = set()
    repeated: set[int | str] = set()
    for index, entry in enumerate(_entries(path, content, "annotations")):
        owner = entry.get("image_id")
        if not isinstance(owner, int | str) or isinstance(owner, bool) or owner not in annotations:
            if orphans == "drop":
                continue
            raise DataError(
                f"{path}, annotation {str(entry.get('id', index))[:40]}: picture {str(owner)[:40]} is not in the file's list of pictures. "
                'Add its entry, take the annotation out, or set orphans = "drop" under [options] in the card.'
            )
        number = entry.get("id")
        if isinstance(number, int | str):
            (repeated if number in seen else seen).add(number)
        annotations[owner].append(entry)
    return CocoFile(path, images, tuple(sorted(categories, key=lambda item: item.id)), annotations, frozenset(repeated))


def load_json(path: Path, hook: Callable[[Entry], Entry] | None = None) -> object:
    """The content of a JSON file, in UTF-8 (or Latin-1, as some published files are).

    Raises:
        DataError: it cannot be read or is not JSON.
    """
    try:
        data = path.read_bytes()
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("latin-1")
        del data
        return json.loads(text, object_hook=hook)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}. Check that the file is there and readable.") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not valid JSON: {str(error)[:200]}. Download or export it again.") from error


def _slim(entry: Entry) -> Entry:
    """Keep of an annotation what is read, its numbers as arrays; leave what is malformed for `region_of` to name."""
    if "image_id" not in entry or "segments_info" in entry:
        return entry
    kept = {key: entry[key] for key in _KEPT if key in entry}
    outline = kept.get("segmentation")
    if isinstance(outline, list):
        kept["segmentation"] = [_numbers(part) for part in outline]
    return kept


def _numbers(part: object) -> object:
    if not isinstance(part, list) or not all(type(value) in (int, float) for value in part):
        return part
    try:
        return np.array(part, dtype=np.float64)
    except OverflowError:
        return np.array([math.inf] * len(part))


def _entries(path: Path, content: Mapping[str, object], key: str) -> Sequence[Entry]:
    entries = content.get(key)
    if not isinstance(entries, list):
        raise DataError(f"{path}: not a COCO file: it has no list `{key}`. Export it again, or name another file in the card.")
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise DataError(f"{path}: entry {index} of `{key}` is {str(entry)[:40]}, not an object. Export the file again.")
    return entries


def _image(path: Path, index: int, entry: Entry) -> CocoImage:
    number, name = entry.get("id"), entry.get("file_name")
    if not isinstance(number, int | str) or isinstance(number, bool):
        raise DataError(f"{path}: picture {index} of `images` has the id {str(number)[:40]}. Give it a number.")
    split = entry.get("split")
    return CocoImage(number, safe_name(path, name), picture_size(entry), split if isinstance(split, str) and split else None)


def safe_name(path: Path, name: object) -> str:
    """A relative file name that stays inside its folder, with `/`.

    Raises:
        DataError: it does not.
    """
    if isinstance(name, str) and name and "\x00" not in name and "\\" not in name:
        pure = PurePosixPath(name)
        if not pure.is_absolute() and ".." not in pure.parts and pure.name:
            return str(pure)
    raise DataError(f"{path}: {str(name)[:80]!r} is not the name of a file inside the picture folder. Give relative names with `/`.")


def picture_size(entry: Mapping[str, object]) -> tuple[int, int] | None:
    """(height, width) as an entry states it, or None if that is no size or too large to be held."""
    height, width = entry.get("height"), entry.get("width")
    if type(height) is int and type(width) is int and height > 0 and width > 0 and height * width <= MOST_PIXELS:
        return height, width
    return None


def _category(path: Path, index: int, entry: Entry) -> CocoCategory:
    number, name, broader = entry.get("id"), entry.get("name"), entry.get("supercategory")
    if type(number) is not int or not isinstance(name, str) or not name.strip():
        raise DataError(f"{path}: category {index} has id {str(number)[:40]} and name {str(name)[:40]!r}. Give it a number and a name.")
    points = entry.get("keypoints")
    names = tuple(point for point in points if isinstance(point, str)) if isinstance(points, list) else ()
    supercategory = broader.strip() if isinstance(broader, str) and broader.strip() else None
    return CocoCategory(number, name.strip(), supercategory, entry.get("isthing", 1) in (1, True), names)


def _refuse_twice(path: Path, what: str, values: Sequence[int | str]) -> None:
    if len(set(values)) == len(values):
        return
    seen: set[int | str] = set()
    twice = next(value for value in values if value in seen or seen.add(value))  # type: ignore[func-returns-value]
    raise DataError(f"{path}: {what} {str(twice)[:80]} stands twice. Take one out.")


def same_categories(files: Sequence[CocoFile]) -> tuple[CocoCategory, ...]:
    """The categories of the files.

    Raises:
        DataError: they differ, or there are none.
    """
    first = files[0]
    for file in files[1:]:
        if [(item.id, item.name) for item in file.categories] != [(item.id, item.name) for item in first.categories]:
            raise DataError(f"{file.path} and {first.path} list different categories. Give each its own card.")
    if not first.categories:
        raise DataError(f"{first.path} lists no categories. Export it again with its `categories`.")
    return first.categories


def broader_pairs(categories: Sequence[CocoCategory]) -> tuple[tuple[str, str], ...]:
    """(narrower, broader) of every category whose supercategory has another name."""
    return tuple((item.name, item.supercategory) for item in categories if item.supercategory and item.supercategory != item.name)


def entry_of(
    card: DataCard, split: str | None, several: bool, folder: str, file: CocoFile, image: CocoImage, source: object, *files: Path
) -> ImageEntry:
    """The record of one picture; with several parts its key begins with the part's picture folder, as names may repeat."""
    key = f"{folder}/{image.file_name}" if several else image.file_name
    return ImageEntry(key, card.root / folder / image.file_name, files, split or image.split, source=source)


def read_parts(table: Table, defaults: Mapping[str, str | None]) -> tuple[Part, ...]:
    """The parts a card's options name: one, by the keys of `defaults` (None: may be missing), or a list `[[options.parts]]`."""
    given = table.tables("parts")
    single = {key: table.optional_text(key) or default for key, default in defaults.items()}
    if not given:
        return (Part(None, **single),)  # type: ignore[arg-type]
    if set(defaults) & set(table.values):
        table.fault("parts", f"takes the place of {', '.join(f'`{key}`' for key in defaults)}: give one or the other")
    parts = []
    for values in given:
        inner = Table(values, table.where)
        needed = {key: inner.optional_text(key) if default is None else inner.text(key) for key, default in defaults.items()}
        parts.append(Part(inner.optional_text("split"), **needed))  # type: ignore[arg-type]
        try:
            inner.finish()
        except CardError:
            table.faults.extend(f"[[options.parts]] {fault}" for fault in inner.faults)
    return tuple(parts)
