"""Thumbnails and masks, ready to be put on a page. Each thumbnail enters the report once: linked where possible, else copied."""

from __future__ import annotations

import contextlib
import os
import statistics
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup, escape
from PIL import Image

from dissect import atomic
from dissect.errors import ShapeError
from dissect.exchange.outline import Bits, Overlay, edges, overlays, unpack
from dissect.exchange.summary import STATES_WITHOUT_LABEL
from dissect.exchange.view import ReportImage, ReportRun, ReportUnit
from dissect.exchange.words import clip, name_of

FOLDER = "thumbs"
SUFFIXES = {"WEBP": ".webp", "PNG": ".png", "JPEG": ".jpg"}
SHAPES = {"square": 1.0, "wide": 16 / 9, "photo": 4 / 3, "tall": 3 / 4, "narrow": 9 / 16}
"""Width by height of the equal cells that pictures stand in; the style sheet has a class for each."""


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A thumbnail inside the report: `name` below its folder, and its size in pixels."""

    name: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Picture:
    """One exemplar on a page. src is empty where no thumbnail was kept. fit: whether it fills its cell's width or height.

    formula: the edge of where the unit's formula is true.
    """

    src: str
    width: int
    height: int
    fit: str
    alt: str
    overlay: Overlay | None
    activation: float
    key: str
    under: tuple[str, ...]
    formula: Overlay | None = None


def drawn(picture: Picture, formula: bool = False) -> Markup:
    """The picture with its mask and, if asked for, the edge of its formula, as markup.

    Written here because a report holds 30,000 of them: a macro takes five times as long.
    """
    alt = escape(picture.alt)
    if not picture.src:
        return Markup(f'<span class="gone" role="img" aria-label="{alt}: no picture kept">no picture kept</span>')
    overlay, over = picture.overlay, ""
    if overlay is not None and overlay.path:
        over = (
            f'<svg viewBox="0 0 {overlay.width} {overlay.height}" preserveAspectRatio="none" aria-hidden="true">'
            f'<path d="{overlay.path}"/></svg>'
        )
    elif overlay is not None:
        over = f'<img class="dim" src="{overlay.png}" alt="">'
    if formula and picture.formula is not None:
        over += _edge(picture.formula)
    size = f'width="{picture.width}" height="{picture.height}"'
    return Markup(f'<span class="pic {picture.fit}"><img src="{escape(picture.src)}" {size} alt="{alt}" loading="lazy">{over}</span>')


def _edge(edge: Overlay) -> str:
    """Dashes on a dark line, so that they are seen on bright and on dark pictures."""
    strokes = f'<path class="under" d="{edge.path}"/><path d="{edge.path}"/>'
    frame = f'viewBox="0 0 {edge.width} {edge.height}" preserveAspectRatio="none" aria-hidden="true"'
    return f'<svg class="formula" {frame}>{strokes}</svg>'


class Pictures(ABC):
    """The pictures of some units of one run. images: every picture that an exemplar names."""

    def __init__(self, images: Mapping[int, ReportImage], sample: Iterable[int] = ()) -> None:
        """sample: images that are looked at to find the shape of the cells."""
        self.images = images
        self._sample = tuple(sample)
        self._thumbnails: dict[int, Thumbnail | None] = {}
        self._shape: str | None = None

    @property
    def shape(self) -> str:
        """The cell that suits the middle one of the sample, so that equal pictures fill it."""
        if self._shape is None:
            thumbnails = [thumbnail for image in self._sample if (thumbnail := self.thumbnail(image)) is not None]
            ratio = statistics.median([t.width / t.height for t in thumbnails]) if thumbnails else 1.0
            self._shape = min(SHAPES, key=lambda name: abs(SHAPES[name] / ratio - ratio / SHAPES[name]))
        return self._shape

    def thumbnail(self, image: int) -> Thumbnail | None:
        """The thumbnail of an image, looked for when it is first asked for; None if there is none or it is no picture."""
        if image not in self._thumbnails:
            entry = self.images.get(image)
            path = entry.thumbnail if entry is not None else None
            self._thumbnails[image] = self._take(image, path) if path is not None else None
        return self._thumbnails[image]

    @abstractmethod
    def _take(self, image: int, path: Path) -> Thumbnail | None:
        """Its size, and the name by which pages find it."""

    @abstractmethod
    def _address(self, thumbnail: Thumbnail, root: str) -> str:
        """Where a page finds it."""

    def pictures(self, unit: ReportUnit, root: str) -> list[Picture]:
        """The unit's exemplars, best first; none for a unit that never fires. `root` leads from the page to the report's folder."""
        if unit.state in STATES_WITHOUT_LABEL:
            return []
        drawn, formulas = masks_of(unit), formulas_of(unit)
        return [self._picture(unit, place, drawn[place], formulas[place], root) for place in range(len(unit.exemplars))]

    def _picture(self, unit: ReportUnit, position: int, overlay: Overlay | None, formula: Overlay | None, root: str) -> Picture:
        exemplar = unit.exemplars[position]
        thumbnail = self.thumbnail(exemplar.image)
        entry = self.images.get(exemplar.image)
        label = clip(name_of(unit.label)) if unit.label is not None else f"unit {unit.index}, no label"
        wide = thumbnail is None or thumbnail.width / thumbnail.height >= SHAPES[self.shape]
        return Picture(
            src=self._address(thumbnail, root) if thumbnail is not None else "",
            width=thumbnail.width if thumbnail is not None else 0,
            height=thumbnail.height if thumbnail is not None else 0,
            fit="w" if wide else "h",
            alt=f"{label}, exemplar {exemplar.rank}",
            overlay=overlay,
            activation=exemplar.activation,
            key=entry.key if entry is not None else f"image {exemplar.image}",
            under=exemplar.under,
            formula=formula,
        )


def measured(path: Path) -> tuple[int, int, str] | None:
    """Width, height and suffix of a picture file, None if it is none."""
    try:
        with Image.open(path, formats=tuple(SUFFIXES)) as picture:
            return picture.width, picture.height, SUFFIXES[picture.format or ""]
    except (OSError, ValueError, KeyError, SyntaxError, Image.DecompressionBombError):
        return None


class PictureBook(Pictures):
    """All pictures of one report, written below `folder`."""

    def __init__(self, run: ReportRun, folder: Path) -> None:
        used = {e.image for layer in run.layers for unit in layer.units[:64] for e in unit.exemplars}
        super().__init__(run.images, sorted(used)[:200])
        self._folder = folder

    def _take(self, image: int, path: Path) -> Thumbnail | None:
        found = measured(path)
        if found is None:
            return None
        width, height, suffix = found
        link_or_copy(path, self._folder / FOLDER / f"{image}{suffix}")
        return Thumbnail(f"{image}{suffix}", width, height)

    def _address(self, thumbnail: Thumbnail, root: str) -> str:
        return f"{root}{FOLDER}/{thumbnail.name}"


def masks_of(unit: ReportUnit) -> list[Overlay | None]:
    """What to draw over each exemplar; None where there is no mask, or a damaged one."""
    return _over([exemplar.mask for exemplar in unit.exemplars], unit.mask_size, overlays)


def formulas_of(unit: ReportUnit) -> list[Overlay | None]:
    """The edge of where the unit's formula is true on each exemplar; None where that is not known, or damaged."""
    return _over([exemplar.formula for exemplar in unit.exemplars], unit.mask_size, edges)


def _over(masks: Sequence[bytes], size: tuple[int, int], draw: Callable[[Sequence[Bits]], list[Overlay]]) -> list[Overlay | None]:
    unpacked: dict[int, Bits] = {}
    for position, mask in enumerate(masks):
        if mask and min(size) > 0:
            with contextlib.suppress(ShapeError):
                unpacked[position] = unpack(mask, size)
    found = dict(zip(unpacked, draw(list(unpacked.values())), strict=True))
    return [found.get(position) for position in range(len(masks))]


def link_or_copy(source: Path, target: Path) -> None:
    """Give `source` a second name `target`, or copy it where the file system cannot link."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source.resolve(), target)
    except OSError:
        atomic.write_inside(target, source.read_bytes())
