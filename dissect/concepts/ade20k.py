"""ADE20K: the 150-class benchmark, and the full set with parts and parts of parts.

Sources: Zhou et al. 2017, "Scene Parsing through ADE20K Dataset", and the layouts its authors publish.

**150 classes** (`ade20k`): a grey PNG of class numbers beside each picture; 0 is "other" and stays unlabelled. Card, `[options]`:

    images, annotations   folders with the same tree; the first folder below is the split; default "images", "annotations"
    classes               table with the columns Idx and Name: CSV, or .txt with tabs; default "objectInfo150.csv"
    scenes                text file `picture scene` a line; scenes become whole-image labels of category `scene`; default: none

**All classes** (`ade20k-full`): `<name>.jpg`, `<name>_seg.png` (objects), `<name>_parts_1.png`, `<name>_parts_2.png` ... (parts, parts of
parts; a missing file means that none are annotated) in any tree of folders. Class number = (R // 10) * 256 + G, 0 = nothing. A folder
called training or validation gives the split. Card, `[options]`:

    classes               CSV `name_ndx,name[,part_level]`, a row an object; default: read from the `<name>.json` beside the pictures
    splits                folder names that are splits; default ["training", "validation"]

A class seen as an object and as a part is one concept of both categories; its primary one is where its outlines cover more (rows of
the CSV count as one each), and `part` in a tie.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dissect.concepts.ade20k_classes import ClassList, Outline, benchmark_names, from_csv, from_objects, objects_of
from dissect.concepts.base import Entry, FileSet, NewConcept, make_vocabulary
from dissect.concepts.card import DataCard
from dissect.concepts.images import read_label_png
from dissect.concepts.indexed import ClassTable, lines_of, pictures_below
from dissect.concepts.model import UNLABELLED, LabelMap, Labels, Plane, Vocabulary
from dissect.concepts.tables import read_csv
from dissect.errors import DataError, LabelMapError


def open_ade20k(card: DataCard) -> SceneParsingSet:
    """The 150-class set of a card.

    Raises:
        CardError: an option is unknown or wrong.
        NotFoundError, DataError: the classes or scenes cannot be read, or there are no pictures.
    """
    table = card.option_table()
    images, annotations = table.text("images", "images"), table.text("annotations", "annotations")
    classes, scenes = table.text("classes", "objectInfo150.csv"), table.optional_text("scenes")
    table.finish()
    listed, shared = list(_benchmark_classes(card.file(classes))), [card.file(classes)]
    scene_of: Mapping[str, str] = {}
    if scenes is not None:
        scene_of = _scenes(card.file(scenes))
        shared.append(card.file(scenes))
    listed += [NewConcept(name, "scene", name) for name in sorted(set(scene_of.values()))]
    vocabulary = make_vocabulary(card.vocabulary, ("object", "scene") if scenes else ("object",), listed)
    number_of = {concept.name: concept.index for concept in vocabulary.concepts if concept.category == "scene"}
    entries = []
    for key, path in pictures_below(card.root / images):
        mask = card.root / annotations / f"{key}.png"
        scene = number_of.get(scene_of.get(path.stem, ""))
        entries.append(Entry(key, path, (mask,), key.split("/")[0] if "/" in key else None, source=scene))
    return SceneParsingSet(card, vocabulary, entries, shared)


class SceneParsingSet(FileSet):
    """Pictures with one map of class numbers and perhaps a scene each."""

    def __init__(self, card: DataCard, vocabulary: Vocabulary, entries: Sequence[Entry], shared: Sequence[Path]) -> None:
        super().__init__(card, vocabulary, entries, shared=shared)
        ids = {int(concept.source_id): concept.index for concept in vocabulary.concepts if concept.category == "object"}
        self._classes = ClassTable({0: UNLABELLED} | ids, card.void)

    def read(self, entry: Entry) -> Labels:
        """The map and the scene of one picture."""
        path = entry.files[0]
        plane = Plane("object", self._classes.concepts(path, read_label_png(path)))
        if isinstance(entry.source, int):
            return Labels((plane,), (entry.source,), frozenset({"object", "scene"}))
        return Labels((plane,), (), frozenset({"object"}))


def open_ade20k_full(card: DataCard) -> FullSet:
    """The full set of a card.

    Raises:
        CardError: an option is unknown or wrong.
        NotFoundError, DataError: the classes cannot be read, no class is named anywhere, or there are no pictures.
    """
    table = card.option_table()
    classes, splits = table.optional_text("classes"), table.texts("splits", ("training", "validation"))
    table.finish()
    entries = list(_full_entries(card.root, splits, with_json=classes is None))
    faults: dict[str, str] = {}
    found = from_csv(card.file(classes)) if classes is not None else from_objects(_all_objects(entries, faults))
    if not found and entries:
        raise DataError(f"{card.name}: no JSON below {card.root} names a class. Put the JSON files back, or name a table as `classes`.")
    shared = [card.file(classes)] if classes else []
    return FullSet(card, _full_vocabulary(card.vocabulary, found), entries, shared, faults)


class FullSet(FileSet):
    """Pictures with a plane of objects and a plane for every level of parts."""

    def __init__(
        self, card: DataCard, vocabulary: Vocabulary, entries: Sequence[Entry], shared: Sequence[Path], faults: Mapping[str, str]
    ) -> None:
        super().__init__(card, vocabulary, entries, shared=shared)
        self._faults = faults
        ids = {int(concept.source_id): concept.index for concept in vocabulary.concepts}
        self._classes = ClassTable({0: UNLABELLED} | ids, card.void)

    def read(self, entry: Entry) -> Labels:
        """Objects, parts, parts of parts of one picture."""
        if entry.key in self._faults:
            raise LabelMapError(self._faults[entry.key])
        paths = [path for path in entry.files if path.suffix == ".png"]
        planes = tuple(Plane("part" if level else "object", self._plane(path)) for level, path in enumerate(paths))
        return Labels(planes, (), frozenset(plane.category for plane in planes))

    def _plane(self, path: Path) -> LabelMap:
        return self._classes.concepts(path, full_numbers(path, read_label_png(path)))


def full_numbers(path: Path, stored: NDArray[np.uint8 | np.uint16]) -> NDArray[np.uint16]:
    """Class numbers (h, w) of an RGB map (h, w, 3) of the full set.

    Raises:
        LabelMapError: it is not RGB.
    """
    if stored.ndim != 3:
        raise LabelMapError(f"{path} is not an RGB picture, as label maps of the full ADE20K are. Unpack the original file again.")
    return (stored[..., 0] // 10).astype(np.uint16) * 256 + stored[..., 1]


def _benchmark_classes(path: Path) -> Iterator[NewConcept]:
    """Rows of the class table; further names after the first are synonyms."""
    tabs = path.suffix.lower() == ".txt"
    seen: set[int] = set()
    taken: set[tuple[str, str]] = set()
    for line, row in read_csv(path, ("Idx", "Name"), "\t" if tabs else ","):
        number = row["Idx"].strip()
        names = benchmark_names(row["Name"])
        if not number.isascii() or not number.isdecimal() or not 0 < int(number[:9]) < 1 << 16 or not names:
            raise DataError(f"{path}, line {line}: Idx is {number[:40]!r}, Name {row['Name'][:40]!r}. Write a number from 1 and a name.")
        if int(number) in seen:
            raise DataError(f"{path}, line {line}: class {number} stands twice. Keep one row a class.")
        seen.add(int(number))
        yield NewConcept(_own_name(int(number), names, "object", taken), "object", str(int(number)), synonyms=names[1:])


def _scenes(path: Path) -> dict[str, str]:
    """Scene of each picture name."""
    scenes: dict[str, str] = {}
    for number, line in lines_of(path):
        words = line.split()
        if len(words) < 2:
            raise DataError(f"{path}, line {number}: {line[:60]!r} is not a picture and its scene. Mend the line.")
        scenes[words[0]] = " ".join(words[1:])
    return scenes


def _all_objects(entries: Sequence[Entry], faults: dict[str, str]) -> Iterator[Outline]:
    """Objects of every picture's JSON; by key, what is wrong with a JSON that cannot be used."""
    for entry in entries:
        try:
            yield from objects_of(entry.source) if isinstance(entry.source, Path) else ()
        except DataError as error:
            faults[entry.key] = str(error)


def _full_entries(root: Path, splits: Sequence[str], with_json: bool) -> Iterator[Entry]:
    """A record for every picture below the root, also if its `_seg.png` is not there. `source` is its JSON, if it is wanted."""
    files: dict[str, Path] = {}
    for folder, _, names in os.walk(root):  # no look at each file: a full set has a million instance masks
        files.update({(Path(folder) / name).relative_to(root).as_posix(): Path(folder) / name for name in names})
    for name in sorted(files):
        stem, dot, suffix = name.rpartition(".")
        if f"{dot}{suffix.lower()}" not in (".jpg", ".jpeg"):
            continue
        maps, level = [root / f"{stem}_seg.png"], 1
        while f"{stem}_parts_{level}.png" in files:
            maps.append(files[f"{stem}_parts_{level}.png"])
            level += 1
        json = files.get(f"{stem}.json") if with_json else None
        split = next((part for part in stem.split("/")[:-1] if part in splits), None)
        yield Entry(stem, files[name], (*maps, json) if json else tuple(maps), split, source=json)


def _full_vocabulary(name: str, classes: ClassList) -> Vocabulary:
    """Concepts by class number."""
    taken: set[tuple[str, str]] = set()
    new = []
    for number, found in sorted(classes.items()):
        chosen = _own_name(number, found.names, found.primary, taken)
        new.append(NewConcept(chosen, found.primary, str(number), found.categories, found.names[1:]))
    return make_vocabulary(name, ("object", "part"), new)


def _own_name(number: int, names: Sequence[str], category: str, taken: set[tuple[str, str]]) -> str:
    """The first of a class's names, unless an earlier class of the category took it: then all names, then the number too."""
    whole = ", ".join(names)
    chosen = next(text for text in (names[0], whole, f"{whole} ({number})") if (category, text) not in taken)
    taken.add((category, chosen))
    return chosen
