"""Exemplars of units of any run, as pictures that the service sends by their content."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path

from dissect.exchange.from_store import thumbnail_path
from dissect.exchange.pictures import Pictures, Thumbnail, measured
from dissect.exchange.view import ReportImage
from dissect.serve import links
from dissect.store import UnitView

SAMPLE = 40
"""Pictures that are looked at to find the shape of the cells."""


class Album(Pictures):
    """The pictures of some units of one data set."""

    def __init__(self, folder: Path | None, units: Iterable[UnitView]) -> None:
        found: dict[int, ReportImage] = {}
        for unit in units:
            for exemplar in unit.exemplars:
                found[exemplar.image_index] = ReportImage(exemplar.key, thumbnail_path(folder, exemplar.sha256))
        super().__init__(found, list(found)[:SAMPLE])

    def _take(self, image: int, path: Path) -> Thumbnail | None:
        found = _size(path)
        return None if found is None else Thumbnail(path.name.partition("-")[0], found[0], found[1])

    def _address(self, thumbnail: Thumbnail, root: str) -> str:
        return links.picture(thumbnail.name)


@functools.lru_cache(maxsize=20_000)
def _size(path: Path) -> tuple[int, int, str] | None:
    """A thumbnail never changes its size, so each is measured once."""
    return measured(path)
