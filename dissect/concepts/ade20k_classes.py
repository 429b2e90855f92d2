"""Names of the classes of ADE20K: from the benchmark's table, from a table of objects, or from the JSON files beside the pictures.

The benchmark's CSV separates everything by semicolons, also the words of one name (`swivel;chair`); its .txt does not. The names of
several words are listed here, so that both give the same classes. A JSON file holds `annotation` -> `object`: a list of
`{name, name_ndx, parts: {part_level}, polygon: {x, y}}`. `name` lists synonyms, separated by commas, the usual one first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dissect.concepts.coco_file import load_json
from dissect.concepts.tables import read_csv
from dissect.errors import DataError

CATEGORIES = ("object", "part")
MOST_NUMBER = 25 * 256 + 255
"""The largest class number that (R // 10) * 256 + G can give."""


_PHRASES = """
    animate being, arcade machine, ash bin, automatic washer, bath tub, bathing tub, billiard table, boob tube, brand name,
    bulletin board, chest of drawers, cocktail table, coffee table, collapsible shelter, computing device, computing machine, conveyer belt,
    conveyor belt, cooking stove, covered stand, crt screen, data processor, dirt track, dish washer, dishwashing machine, display case,
    double door, drinking glass, electronic computer, exhaust hood, garbage can, goggle box, idiot box, information processing system,
    kitchen island, kitchen range, kitchen stove, light source, microwave oven, monitoring device, moving staircase, moving stairway,
    notice board, open fireplace, palm tree, passenger vehicle, plant life, pool table, projection screen, screen door, silver screen,
    snooker table, solid food, storage tank, street lamp, swimming bath, swimming pool, swivel chair, television receiver, television set,
    trade name, traffic light, traffic signal, trash barrel, trash bin, trash can, tv set, washing machine, wearing apparel
"""

PHRASES = frozenset(tuple(phrase.split()) for phrase in _PHRASES.split(","))
"""Names of several words among the benchmark's 150 classes and their synonyms."""


@dataclass(frozen=True, slots=True)
class Outline:
    """One drawn object: its class number and name, its level (0 = whole object), its size in pixels."""

    number: int
    name: str
    level: int
    area: float


@dataclass
class FoundClass:
    """What is known of one class: its names, and how much of each category was drawn of it."""

    names: tuple[str, ...]
    area: dict[str, float] = field(default_factory=dict)

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories it was drawn in."""
        return tuple(category for category in CATEGORIES if category in self.area)

    @property
    def primary(self) -> str:
        """The category with the largest area; the last one in a tie."""
        return max(self.categories, key=lambda category: (self.area[category], CATEGORIES.index(category)))


ClassList = Mapping[int, FoundClass]


def benchmark_names(text: str) -> tuple[str, ...]:
    """The names of a class as the benchmark's table lists them: by commas, or by semicolons that may also part the words of a name."""
    if ";" not in text:
        return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    words = [word.strip() for word in text.split(";") if word.strip()]
    names: list[str] = []
    while words:
        length = next((n for n in (3, 2) if tuple(words[:n]) in PHRASES), 1)
        names.append(" ".join(words[:length]))
        del words[:length]
    return tuple(dict.fromkeys(names))


def from_objects(outlines: Iterable[Outline]) -> dict[int, FoundClass]:
    """Gather classes; the first name met of a class stays."""
    classes: dict[int, FoundClass] = {}
    for outline in outlines:
        names = tuple(dict.fromkeys(name.strip() for name in outline.name.split(",") if name.strip()))
        found = classes.setdefault(outline.number, FoundClass(names))
        category = CATEGORIES[min(outline.level, 1)]
        found.area[category] = found.area.get(category, 0.0) + outline.area
    return classes


def from_csv(path: Path) -> dict[int, FoundClass]:
    """Classes of a table `name_ndx,name[,part_level]`.

    Raises:
        NotFoundError, DataError: it cannot be read, or a row has no number and name.
    """
    return from_objects(_rows(path))


def objects_of(path: Path) -> Iterator[Outline]:
    """Objects of one JSON file. An entry without number or name is passed over: if a label map holds its class and no other file
    names it, the class is reported there.

    Raises:
        DataError: the file is no JSON, or has no list of objects.
    """
    content = load_json(path)
    annotation = content.get("annotation", content) if isinstance(content, dict) else None
    objects = annotation.get("object") if isinstance(annotation, dict) else None
    if not isinstance(objects, list):
        raise DataError(f"{path} has no list of objects (`annotation`, `object`). Unpack the original file again.")
    for entry in objects:
        outline = _outline(entry) if isinstance(entry, dict) else None
        if outline is not None:
            yield outline


def _outline(entry: Mapping[str, object]) -> Outline | None:
    number, name, parts = entry.get("name_ndx"), entry.get("name"), entry.get("parts")
    if type(number) is not int or not 0 < number <= MOST_NUMBER or not isinstance(name, str) or not name.strip(" ,"):
        return None
    level = parts.get("part_level", 0) if isinstance(parts, dict) else 0
    return Outline(number, name, level if type(level) is int and level > 0 else 0, _area(entry.get("polygon")))


def _area(polygon: object) -> float:
    """Area of a polygon `{x: [...], y: [...]}` in pixels; 0 if it is none."""
    if not isinstance(polygon, dict):
        return 0.0
    sides = [polygon.get("x"), polygon.get("y")]
    if not all(isinstance(side, list) and all(type(value) in (int, float) for value in side) for side in sides):
        return 0.0
    try:
        x, y = (np.array(side, dtype=np.float64) for side in sides)
    except OverflowError:
        return 0.0
    if len(x) != len(y) or not (np.isfinite(x).all() and np.isfinite(y).all()):
        return 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        area = abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
    return area if np.isfinite(area) else 0.0


def _rows(path: Path) -> Iterator[Outline]:
    for line, row in read_csv(path, ("name_ndx", "name")):
        number, level = row["name_ndx"].strip(), row.get("part_level", "0").strip() or "0"
        whole = all(text.isascii() and text.isdecimal() and len(text) < 10 for text in (number, level))
        if not whole or not 0 < int(number) <= MOST_NUMBER or not row["name"].strip(" ,"):
            raise DataError(
                f"{path}, line {line}: name_ndx is {number[:40]!r}, name {row['name'][:40]!r}, part_level {level[:40]!r}. Write a number "
                f"from 1 to {MOST_NUMBER}, a name, and a level from 0."
            )
        yield Outline(int(number), row["name"], int(level), 1.0)
