"""Units as cards: the highest picture with its mask, the label, where it is from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dissect.exchange.from_store import report_unit
from dissect.exchange.pictures import Picture
from dissect.exchange.view import ReportUnit
from dissect.serve import links
from dissect.serve.album import Album
from dissect.serve.read import Reader
from dissect.store import UnitFilter, UnitView

FIRST_CARDS = 12


@dataclass(frozen=True, slots=True)
class Card:
    """A unit on a page of many. pics: best first; shape: of their cells."""

    view: UnitView
    unit: ReportUnit
    pics: Sequence[Picture]
    shape: str
    href: str


def cards(folder: Path | None, views: Iterable[UnitView]) -> list[Card]:
    """A card for each unit, with as many pictures as the view has. Units of several runs may be mixed."""
    listed = list(views)
    albums = {run: Album(folder, [view for view in listed if view.run_id == run]) for run in {view.run_id for view in listed}}
    found = []
    for view in listed:
        unit, album = report_unit(view), albums[view.run_id]
        href = links.unit(view.model, view.run_id, view.layer, view.index)
        found.append(Card(view, unit, album.pictures(unit, ""), album.shape, href))
    return found


def best_cards(read: Reader, folder: Path | None, filters: UnitFilter, most: int = FIRST_CARDS) -> list[Card]:
    """The best unit of each of the strongest concepts."""
    best: dict[str, UnitView] = {}
    for view in read.units(filters, limit=6 * most, exemplars=1).units:
        if view.label is not None:
            best.setdefault(view.label.text, view)
    return cards(folder, list(best.values())[:most])
