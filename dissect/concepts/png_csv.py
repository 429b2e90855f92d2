"""One label map per image and plane, classes in a CSV: CamVid, Clothing Co-Parsing, and most sets people make themselves.

[options] of the card:
    images   pattern of the picture files below the root, `images/{split}/{name}.jpg`; `{field}` stands for part of one path step
    index    instead of `images`: a CSV; `image = "{file}"` then makes the path from its columns (default `{image}`)
    [[options.planes]]   one or more, each:
        category   of its concepts
        labels     pattern of the label maps, from the fields of the picture's path or the index's columns, and `{name}`
        classes    CSV `id,name[,kind,...]`; with `encoding = "colour"` also `r,g,b`
        encoding   "id" (the default: a pixel is an id) or "colour" (a pixel is a colour of the classes)
        void       ids that count for nothing; default: the card's `void`
        keep, drop, kinds   ids to keep, ids to drop, values of the column `kind` to keep; the rest is unlabelled. Default: all ids
        name       makes all kept ids one concept of this name: a plane derived from finer labels
        optional   true: a missing map means "not annotated here", not a fault

Planes that name the same label map read it once. Every id that `classes` lists is a real class, 0 too, unless it is void or dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from dissect.concepts.base import UNKNOWN, Entry, FileSet, NewConcept, id_table, make_vocabulary
from dissect.concepts.card import DataCard
from dissect.concepts.images import read_label_png
from dissect.concepts.model import LabelMap, Labels, Plane, Vocabulary
from dissect.concepts.strict import Table
from dissect.concepts.tables import below, read_csv
from dissect.errors import CardError, DataError, LabelMapError

_FIELD = re.compile(r"\{([a-z_][a-z0-9_]*)\}")


@dataclass(frozen=True)
class _Class:
    """A row of the classes: source id, name, kind, and its colour as R * 65536 + G * 256 + B (or -1)."""

    source: int
    name: str
    kind: str
    colour: int


@dataclass(frozen=True)
class _PlaneRule:
    """A plane as the card describes it. names: kept source id -> concept name."""

    category: str
    labels: str
    classes_path: Path
    classes: tuple[_Class, ...]
    by_colour: bool
    void: tuple[int, ...]
    names: Mapping[int, str]
    optional: bool


@dataclass(frozen=True)
class _Decoder:
    """From a stored map to internal ids: table (65536,) by id, or colours (sorted) with their ids."""

    rule: _PlaneRule
    table: NDArray[np.uint16]
    colours: NDArray[np.int64]
    colour_ids: NDArray[np.uint16]


class PngCsv(FileSet):
    """See the module's text."""

    def __init__(
        self, card: DataCard, entries: list[Entry], vocabulary: Vocabulary, decoders: tuple[_Decoder, ...], shared: list[Path]
    ) -> None:
        super().__init__(card, vocabulary, entries, shared=shared, keep_order=True)
        self._decoders = decoders

    def read(self, entry: Entry) -> Labels:
        stored: dict[Path, NDArray[np.uint8 | np.uint16]] = {}
        planes = []
        for decoder, path in zip(self._decoders, cast(tuple[Path, ...], entry.source), strict=True):
            if decoder.rule.optional and not path.is_file():
                continue
            if path not in stored:
                stored[path] = read_label_png(path)
            planes.append(Plane(decoder.rule.category, _decode(decoder, stored[path], path)))
        return Labels(tuple(planes), (), frozenset(plane.category for plane in planes))


def open_png_csv(card: DataCard) -> PngCsv:
    """Open a set of format `png-csv`.

    Raises:
        CardError: the options are wrong.
        NotFoundError, DataError: the index or the classes cannot be read; no images.
    """
    table = card.option_table()
    images, index, image = table.optional_text("images"), table.optional_text("index"), table.text("image", "{image}")
    if (images is None) == (index is None):
        table.fault("images", "or `index` is needed, and only one of them")
    planes = [_plane_table(table, position, values) for position, values in enumerate(table.tables("planes"))]
    if not planes:
        table.fault("planes", "is missing; describe each label map in [[options.planes]]")
    table.finish()
    rules = tuple(_rule(card, values) for values in planes)
    vocabulary, ids = _vocabulary(card, rules)
    decoders = tuple(_decoder(card, rule, ids) for rule in rules)
    found = _from_pattern(card, str(images)) if index is None else _from_index(card, index, image)
    entries = sorted((_entry(card, rules, path, fields) for path, fields in found), key=lambda entry: (entry.path.stem, entry.key))
    shared = sorted({rule.classes_path for rule in rules})
    return PngCsv(card, entries, vocabulary, decoders, shared)


def _plane_table(table: Table, position: int, values: Mapping[str, object]) -> Table:
    """Check one plane's keys; its faults join the card's."""
    inner = Table(values, table.where)
    inner.text("category")
    inner.text("labels")
    inner.text("classes")
    inner.choice("encoding", ("id", "colour"), "id")
    for key in ("void", "keep", "drop"):
        inner.wholes(key, ())
    inner.texts("kinds", ())
    inner.optional_text("name")
    inner.flag("optional", False)
    try:
        inner.finish()
    except CardError:
        table.faults.extend(f"plane {position + 1}: {fault}" for fault in inner.faults)
    return inner


def _rule(card: DataCard, table: Table) -> _PlaneRule:
    path = card.file(table.text("classes"))
    by_colour = table.choice("encoding", ("id", "colour"), "id") == "colour"
    classes = tuple(_classes(path, by_colour, bool(table.texts("kinds", ()))))
    void = table.wholes("void", ()) if "void" in table.values else card.void
    kept = _kept(card, table, classes, path) - set(void)
    single = table.optional_text("name")
    names = {row.source: single or row.name for row in classes if row.source in kept}
    return _PlaneRule(
        table.text("category"), table.text("labels"), path, classes, by_colour, void, names, table.flag("optional", False)
    )  # fmt: skip


def _kept(card: DataCard, table: Table, classes: tuple[_Class, ...], path: Path) -> set[int]:
    listed = {row.source for row in classes}
    keep, drop, kinds = table.wholes("keep", ()), table.wholes("drop", ()), table.texts("kinds", ())
    strange = sorted((set(keep) | set(drop)) - listed)
    strange_kinds = sorted(set(kinds) - {row.kind for row in classes})
    if strange or strange_kinds:
        raise CardError(f"{card.path}: {path} lists no {', '.join(map(str, [*strange, *strange_kinds]))}. Mend `keep`, `drop` or `kinds`.")
    kept = set(keep) if keep else listed
    if kinds:
        kept &= {row.source for row in classes if row.kind in kinds}
    return kept - set(drop)


def _classes(path: Path, by_colour: bool, kinds: bool) -> Iterator[_Class]:
    needed = ("id", "name", *(("kind",) if kinds else ()), *(("r", "g", "b") if by_colour else ()))
    seen: set[int] = set()
    for line, row in read_csv(path, needed):
        source = _number(path, line, "id", row["id"], 65_535)
        if source in seen:
            raise DataError(f"{path}, line {line}: id {source} is there twice. Keep one row a class.")
        if not row["name"].strip():
            raise DataError(f"{path}, line {line}: class {source} has no name. Fill it in.")
        seen.add(source)
        colour = -1
        if by_colour:
            red, green, blue = (_number(path, line, channel, row[channel], 255) for channel in "rgb")
            colour = red << 16 | green << 8 | blue
        yield _Class(source, row["name"].strip(), row.get("kind", ""), colour)


def _number(path: Path, line: int, column: str, text: str, most: int) -> int:
    if text.strip().isascii() and text.strip().isdecimal() and int(text[:12]) <= most:
        return int(text)
    raise DataError(f"{path}, line {line}: {column} is {text[:40]!r}, not a whole number from 0 to {most}. Mend the line.")


def _vocabulary(card: DataCard, rules: tuple[_PlaneRule, ...]) -> tuple[Vocabulary, Mapping[tuple[str, str], int]]:
    """Concepts in the order of planes and ids. One name in two planes of one category is one concept."""
    new: dict[tuple[str, str], NewConcept] = {}
    for rule in rules:
        for source, name in sorted(rule.names.items()):
            new.setdefault((rule.category, name), NewConcept(name, rule.category, str(source)))
    categories = tuple(dict.fromkeys(rule.category for rule in rules))
    vocabulary = make_vocabulary(card.vocabulary, categories, new.values())
    return vocabulary, {(concept.category, concept.name): concept.index for concept in vocabulary.concepts}


def _decoder(card: DataCard, rule: _PlaneRule, ids: Mapping[tuple[str, str], int]) -> _Decoder:
    internal = {row.source: 0 for row in rule.classes}
    internal |= {source: ids[rule.category, name] for source, name in rule.names.items()}
    table = id_table(internal, rule.void, UNKNOWN + 2)
    colours = {row.colour: int(table[row.source]) for row in rule.classes} if rule.by_colour else {}
    if rule.by_colour and len(colours) != len(rule.classes):
        raise DataError(f"{rule.classes_path}: two classes have one colour. Give each class its own.")
    codes = np.array(sorted(colours), dtype=np.int64)
    return _Decoder(rule, table, codes, np.array([colours[code] for code in codes.tolist()], dtype=np.uint16))


def _decode(decoder: _Decoder, stored: NDArray[np.uint8 | np.uint16], path: Path) -> LabelMap:
    if decoder.rule.by_colour:
        return _decode_colours(decoder, stored, path)
    if stored.ndim != 2:
        raise LabelMapError(f'{path} holds colours, not ids. Save it with one id a pixel, or set encoding = "colour" in the card.')
    ids: LabelMap = decoder.table.take(stored)
    strange = ids == UNKNOWN
    if strange.any():
        _unknown(decoder.rule, path, [str(value) for value in np.unique(stored[strange])])
    return ids


def _decode_colours(decoder: _Decoder, stored: NDArray[np.uint8 | np.uint16], path: Path) -> LabelMap:
    if stored.ndim != 3:
        raise LabelMapError(f'{path} holds one number a pixel, not colours. Set encoding = "id" in the card if these are ids.')
    wide = stored.astype(np.int64)
    codes = wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]
    places = np.minimum(np.searchsorted(decoder.colours, codes), len(decoder.colours) - 1)
    strange = decoder.colours[places] != codes
    if strange.any():
        _unknown(decoder.rule, path, [f"#{code:06x}" for code in np.unique(codes[strange]).tolist()])
    return decoder.colour_ids[places]


def _unknown(rule: _PlaneRule, path: Path, values: list[str]) -> None:
    shown = ", ".join(values[:8]) + (", ..." if len(values) > 8 else "")
    raise LabelMapError(f"{path} holds {shown}, which {rule.classes_path.name} does not list. Add the class, or make it void in the card.")


def _from_pattern(card: DataCard, pattern: str) -> Iterator[tuple[Path, dict[str, str]]]:
    regex, position = "", 0
    for match in _FIELD.finditer(pattern):
        named = f"(?P={match[1]})" if f"(?P<{match[1]}>" in regex else f"(?P<{match[1]}>[^/]+)"
        regex += re.escape(pattern[position : match.start()]) + named
        position = match.end()
    compiled = re.compile(regex + re.escape(pattern[position:]))
    try:
        paths = list(card.root.glob(_FIELD.sub("*", pattern)))
    except (ValueError, NotImplementedError) as error:
        raise CardError(f"{card.path}: the pattern `images` = {pattern!r} names no files below the root: {error}. Mend it.") from error
    for path in paths:
        match_path = compiled.fullmatch(path.relative_to(card.root).as_posix())
        if match_path and path.is_file():
            yield path, {"name": path.stem, **match_path.groupdict()}


def _from_index(card: DataCard, index: str, image: str) -> Iterator[tuple[Path, dict[str, str]]]:
    file = card.file(index)
    for line, row in read_csv(file, _FIELD.findall(image)):
        path = below(card.root, _filled(card, image, row), f"{file}, line {line}")
        yield path, {"name": path.stem, **row}


def _entry(card: DataCard, rules: tuple[_PlaneRule, ...], path: Path, fields: dict[str, str]) -> Entry:
    maps = tuple(below(card.root, _filled(card, rule.labels, fields), card.path) for rule in rules)
    files = tuple(dict.fromkeys(maps))
    attributes = {key: value for key, value in fields.items() if key != "name"}
    return Entry(path.relative_to(card.root).as_posix(), path, files, fields.get("split"), attributes, maps)


def _filled(card: DataCard, pattern: str, fields: Mapping[str, str]) -> str:
    missing = [name for name in _FIELD.findall(pattern) if name not in fields]
    if missing:
        raise CardError(f"{card.path}: {pattern!r} needs {', '.join(missing)}; an image has {', '.join(sorted(fields))}. Mend the pattern.")
    return _FIELD.sub(lambda match: fields[match[1]], pattern)
