"""The data-set card: one TOML file that says what a probe data set is and where it lies.

name         short name, [a-z0-9._-]; needed
format       one of FORMATS; needed
root         folder of the data: absolute, or relative to the card or else to --data-root; needed but for `procedural`
title        one line for people; default: the name
licence, source, citation   needed texts, `citation` may be left out
vocabulary   name of the concepts' vocabulary, shared by sets with the same concepts; default: the name
split        the split read when none is asked for ("train,val" joins two; "all" is every image); default: all
categories   keep only these categories; default: all that the format finds
void         source ids of pixels that count for nothing; default: none
label_size   [height, width], or one number, of the label maps the probe samples; default: the format's, or half the input
annotated    "all" (every category in every image), "present" (what occurs in it), or a list of categories that are annotated
             everywhere while the rest counts where it occurs; default: what the format itself tells
colour_naming   true adds the category `color`, named from the pixels; default false
hierarchy    CSV `narrower,broader[,kind]`, beside the data or the card
sha256       what `dissect data check` must find as content hash
[group]      images that belong together (a video, a person): `column = "drive"` of the attributes or the format's index, or
             `pattern = "^([^_]+)_"`, a regular expression on the image key with one pair of parentheses; `ordered = true` where the
             images of a group are a sequence in record order (frames of a video), whose neighbours resemble each other
[attributes] `file = "attributes.csv"`, `key = "image"` (column that holds the image key), `columns = [...]` (default: all)
[options]    what the format itself needs; each reader checks its own keys
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from dissect.concepts.strict import Table
from dissect.errors import CardError, DissectError, NotFoundError
from dissect.paths import shipped

FORMATS: Mapping[str, str] = {
    "broden": "Broden as published: index.csv, label.csv, category.csv, planes and whole-image labels",
    "png-csv": "one label map per image and plane, classes in a CSV",
    "image-folder": "Hugging Face image folder: class sub-folders, metadata.csv or metadata.jsonl",
    "image-labels": "a CSV of file and labels; whole-image labels only",
    "pictures": "a folder of pictures without labels",
    "coco": "COCO instances",
    "coco-panoptic": "COCO panoptic PNGs",
    "ade20k": "ADE20K, the 150-class benchmark",
    "ade20k-full": "ADE20K, all classes with parts",
    "voc": "Pascal VOC palette masks",
    "cityscapes": "Cityscapes label ids",
    "procedural": "the drawn default set, rendered on first use",
}
ROOTLESS = frozenset({"procedural"})
"""Formats that make their own data and need no root."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Group:
    """Which images belong together: the value of a column, or the part of the key that a pattern captures. One of the two.

    ordered: the images of a group are a sequence in record order, such as the frames of a video.
    """

    column: str | None = None
    pattern: re.Pattern[str] | None = None
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class Attributes:
    """A CSV of per-image attributes. `columns` empty: all but the key."""

    file: str
    key: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class DataCard:
    """A parsed card; the module's text explains the keys. `path` is the card's file, `home` the user's folder if `open_set` got one."""

    name: str
    format: str
    path: Path
    root: Path
    title: str = ""
    licence: str = ""
    source: str = ""
    citation: str = ""
    vocabulary: str = ""
    split: str | None = None
    categories: tuple[str, ...] = ()
    void: tuple[int, ...] = ()
    label_size: tuple[int, int] | None = None
    annotated: str | tuple[str, ...] | None = None
    colour_naming: bool = False
    hierarchy: str | None = None
    sha256: str | None = None
    group: Group | None = None
    attributes: Attributes | None = None
    options: Mapping[str, object] = field(default_factory=dict)
    home: Path | None = None

    def option_table(self) -> Table:
        """The `[options]` table, ready to be read strictly by the format's reader (which must call `finish`)."""
        return Table(self.options, f"{self.path}, [options] of format {self.format}")

    def file(self, name: str) -> Path:
        """A file the card names: in the root, else beside the card.

        Raises:
            NotFoundError: it is in neither place.
        """
        for folder in (self.root, self.path.parent):
            if (folder / name).is_file():
                return folder / name
        raise NotFoundError(f"{self.path} names {name}, neither in {self.root} nor beside the card. Put it there or mend the card.")


@dataclass(frozen=True, slots=True)
class CardListing:
    """One card found by `list_cards`: parsed (its root not looked up yet), or what is wrong with it."""

    name: str
    path: Path
    card: DataCard | None
    fault: str | None


def card_schema() -> str:
    """The keys of a card, for the documents and the command line."""
    return (__doc__ or "").partition("\n\n")[2]


def load_card(name_or_path: str | Path, folders: Sequence[Path] = (), data_root: Path | None = None) -> DataCard:
    """The card of that name or file, with its root found.

    A name is looked up in `folders`, then among the shipped cards. A relative root is taken relative to the card's folder if it exists
    there, else to `data_root`.

    Raises:
        NotFoundError: no such card, or its data is not there.
        CardError: the card is malformed; all faults in one message.
    """
    card = parse_card(find_card(name_or_path, folders))
    return card if card.format in ROOTLESS else replace(card, root=_find_root(card, data_root))


def find_card(name_or_path: str | Path, folders: Sequence[Path] = ()) -> Path:
    """The file of a card, by path (`.toml`) or by name in `folders` and the shipped cards.

    Raises:
        NotFoundError: there is none; the message lists the names there are.
    """
    text = str(name_or_path)
    if text.endswith(".toml"):
        path = Path(text).expanduser()
        if path.is_file():
            return path.absolute()
        raise NotFoundError(f"there is no data-set card {path}. Give the path of a .toml file, or one of the names of `dissect data list`.")
    if _NAME.fullmatch(text):
        for folder in (*folders, shipped("datasets")):
            if (folder / f"{text}.toml").is_file():
                return (folder / f"{text}.toml").absolute()
    known = [listing.name for listing in list_cards(folders)]
    near = difflib.get_close_matches(text, known, n=1)
    meant = f" Did you mean {near[0]}?" if near else ""
    raise NotFoundError(
        f"there is no data set {text!r}.{meant} Known: {', '.join(known) or 'none'}. Write a card for it, or give the path of one."
    )


def list_cards(folders: Sequence[Path] = ()) -> tuple[CardListing, ...]:
    """Every card of `folders` and the shipped ones, by name; of two with one name the earlier folder's is listed."""
    found: dict[str, Path] = {}
    for folder in (*folders, shipped("datasets")):
        for path in sorted(folder.glob("*.toml")) if folder.is_dir() else ():
            found.setdefault(path.stem, path.absolute())
    return tuple(_listing(name, path) for name, path in sorted(found.items()))


def parse_card(path: Path) -> DataCard:
    """Read a card strictly; its root is taken as it is written.

    Raises:
        CardError: the file cannot be read, or any key is unknown, missing or wrong. All faults are in one message.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CardError(f"cannot read the card {path}: {error.strerror or error}. Check the file.") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise CardError(f"{path} is not TOML: {error}. Mend the card and run the command again.") from error
    return _card(Table(values, str(path)), path)


def _card(table: Table, path: Path) -> DataCard:
    name = table.text("name")
    if name and not _NAME.fullmatch(name):
        table.fault("name", f"is {name!r} and must be made of a-z, 0-9, dot, underscore and hyphen")
    kind = table.choice("format", tuple(FORMATS))
    root = (table.optional_text("root") or ".") if kind in ROOTLESS else table.text("root")
    sha256 = table.optional_text("sha256")
    if sha256 is not None and not _SHA256.fullmatch(sha256):
        table.fault("sha256", "must be 64 lower-case hex digits")
    card = DataCard(
        name=name,
        format=kind,
        path=path,
        root=Path(root).expanduser(),
        title=table.text("title", name),
        licence=table.text("licence"),
        source=table.text("source"),
        citation=table.text("citation", ""),
        vocabulary=table.text("vocabulary", name),
        split=table.optional_text("split"),
        categories=table.texts("categories", ()),
        void=table.wholes("void", ()),
        label_size=_size(table, "label_size"),
        annotated=_annotated(table),
        colour_naming=table.flag("colour_naming", False),
        hierarchy=table.optional_text("hierarchy"),
        sha256=sha256,
        group=_group(table),
        attributes=_attributes(table),
        options=table.table("options") or {},
    )
    table.finish()
    return card


def _size(table: Table, key: str) -> tuple[int, int] | None:
    value = table.raw(key)
    pair = [value, value] if isinstance(value, int) else value
    if pair is None:
        return None
    if isinstance(pair, list) and len(pair) == 2 and all(type(side) is int and 1 <= side <= 4096 for side in pair):
        return pair[0], pair[1]
    table.fault(key, "must be [height, width] or one whole number, each from 1 to 4096")
    return None


def _annotated(table: Table) -> str | tuple[str, ...] | None:
    if isinstance(table.values.get("annotated"), list):
        return table.texts("annotated")
    value = table.raw("annotated")
    if value is None or value in ("all", "present"):
        return None if value is None else str(value)
    table.fault("annotated", 'must be "all", "present" or a list of categories')
    return None


def _group(table: Table) -> Group | None:
    values = table.table("group")
    if values is None:
        return None
    inner = Table(values, table.where)
    column, text, ordered = inner.optional_text("column"), inner.optional_text("pattern"), inner.flag("ordered", False)
    pattern = None
    if (column is None) == (text is None):
        inner.fault("group", "needs either `column` or `pattern`")
    if text is not None:
        try:
            pattern = re.compile(text)
        except (re.error, RecursionError, OverflowError) as error:
            inner.fault("pattern", f"is no regular expression: {error}")
        if pattern and pattern.groups != 1:
            inner.fault("pattern", "must have exactly one pair of capturing parentheses")
    _merge(table, inner, "group")
    return Group(column, pattern, ordered)


def _attributes(table: Table) -> Attributes | None:
    values = table.table("attributes")
    if values is None:
        return None
    inner = Table(values, table.where)
    found = Attributes(inner.text("file"), inner.text("key", "image"), inner.texts("columns", ()))
    _merge(table, inner, "attributes")
    return found


def _merge(table: Table, inner: Table, name: str) -> None:
    try:
        inner.finish()
    except CardError:
        table.faults.extend(f"[{name}] {fault}" for fault in inner.faults)


def _find_root(card: DataCard, data_root: Path | None) -> Path:
    places = [card.root] if card.root.is_absolute() else [card.path.parent / card.root]
    if not card.root.is_absolute() and data_root is not None:
        places.append(data_root / card.root)
    for place in places:
        if place.is_dir():
            return place.absolute()
    tried = " or ".join(str(place) for place in places)
    raise NotFoundError(
        f"the data of {card.name} is not at {tried}. Get it ({card.source}), then give the folder that holds {card.root} "
        "by --data-root or DISSECT_DATA_ROOT, or write its place into the card's `root`."
    )


def _listing(name: str, path: Path) -> CardListing:
    try:
        return CardListing(name, path, parse_card(path), None)
    except DissectError as error:
        return CardListing(name, path, None, str(error))
