"""Label maps whose pixels are class numbers: from the numbers of a file to concepts, unknown numbers named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dissect.concepts.base import UNKNOWN, id_table
from dissect.concepts.model import LabelMap
from dissect.errors import DataError, LabelMapError

PICTURES = frozenset({".jpg", ".jpeg", ".png"})


class ClassTable:
    """Source class numbers below 65,536 and the concepts they stand for.

    ids: source number -> concept (or UNLABELLED). void: source numbers whose pixels count for nothing.
    """

    def __init__(self, ids: Mapping[int, int], void: Iterable[int] = ()) -> None:
        self._table = id_table(ids, void, 1 << 16)

    def concepts(self, path: Path, stored: NDArray[np.uint8 | np.uint16]) -> LabelMap:
        """Concepts (h, w) of the class numbers (h, w) of a label map; `path` is for messages.

        Raises:
            LabelMapError: the map is in colours, or holds a number that is no class.
        """
        if stored.ndim != 2:
            raise LabelMapError(f"{path} holds colours, not class numbers. Save it as a grey or palette PNG of class numbers.")
        ids: LabelMap = self._table[stored]
        if (ids == UNKNOWN).any():
            numbers = np.unique(stored[ids == UNKNOWN])
            shown = ", ".join(str(number) for number in numbers[:5].tolist()) + (" ..." if len(numbers) > 5 else "")
            raise LabelMapError(
                f"{path} holds {shown}, which the classes of this set do not list. Save the map again as class numbers, "
                "or name the number in the card: as a class, or under `void`."
            )
        return ids


def pictures_below(folder: Path) -> Iterator[tuple[str, Path]]:
    """(path relative to the folder without its suffix, with `/`; file) of every picture below a folder, in order.

    Raises:
        DataError: the folder is not there, or holds two pictures of one name.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}. Check the card's root and options.")
    seen: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in PICTURES or path.name.startswith(".") or not path.is_file():
            continue
        key = path.relative_to(folder).with_suffix("").as_posix()
        if key in seen:
            raise DataError(f"{seen[key]} and {path} are two pictures of one name. Keep one of them.")
        seen[key] = path
    yield from seen.items()


def lines_of(path: Path) -> Iterator[tuple[int, str]]:
    """(line number, text) of every line of a text file that is not empty.

    Raises:
        DataError: it cannot be read as UTF-8.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path}: {error}. Check the file.") from error
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield number, line.strip()
