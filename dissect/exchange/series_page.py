"""A training's curves as files: one HTML page without script, JSON and CSV. What is drawn is handed in as plain points."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from dissect import atomic
from dissect.exchange.compare_page import refuse_foreign, standing_alone
from dissect.exchange.summary import category_place, hues
from dissect.exchange.tables import harmless
from dissect.exchange.words import some

PAGE, DATA, TABLE = "index.html", "series.json", "series.csv"
KIND = "dissect series"
WIDTH, HEIGHT = 600, 200


class Point(Protocol):
    """One layer after one number of steps; see `pipeline.series.SeriesPoint`."""

    @property
    def step(self) -> int: ...
    @property
    def run(self) -> int: ...
    @property
    def layer(self) -> str: ...
    @property
    def units(self) -> int: ...
    @property
    def silent(self) -> int: ...
    @property
    def detectors(self) -> int: ...
    @property
    def unique(self) -> int: ...
    @property
    def by_category(self) -> Mapping[str, tuple[int, int]]: ...


class Training(Protocol):
    """A series; see `pipeline.series.Series`."""

    @property
    def model(self) -> str: ...
    @property
    def data(self) -> str: ...
    @property
    def points(self) -> Sequence[Point]: ...
    @property
    def failed(self) -> Sequence[tuple[str, str]]: ...
    def as_plain(self) -> dict[str, object]: ...


def write_series(series: Training, folder: Path) -> Path:
    """Write a series' page, JSON and CSV into `folder` (made if needed; an earlier series is replaced). Returns the page.

    Raises:
        UsageError: the folder holds files of these names that are no series'.
        StorageError: they could not be written.
    """
    refuse_foreign(folder, KIND, (PAGE, DATA, TABLE), DATA)
    plain = {"kind": KIND, **series.as_plain()}
    atomic.write_text(folder / DATA, json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    atomic.write_text(folder / TABLE, table_text(series))
    atomic.write_text(folder / PAGE, html_text(series))
    return folder / PAGE


def html_text(series: Training) -> str:
    """The page. Every name goes through escaping."""
    categories = _categories(series.points)
    facts = {
        "series": series, "charts": charts(series.points), "hues": hues(categories), "runs": [point.run for point in series.points],
        "sentence": sentence(series),
    }  # fmt: skip
    return standing_alone("series_body.html", f"Training of {series.model}", DATA, TABLE, facts)


def sentence(series: Training) -> str:
    """The series in one sentence."""
    steps = sorted({point.step for point in series.points})
    missing = f"; {some(len(series.failed), 'snapshot')} could not be read" if series.failed else ""
    return f"{some(len(steps), 'snapshot')} from step {steps[0]:,} to step {steps[-1]:,}{missing}."


def table_text(series: Training) -> str:
    """One row a layer and step; distinct concepts and detector units of each category."""
    categories = _categories(series.points)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    counted = [f"{name} {what}" for name in categories for what in ("detectors", "concepts")]
    writer.writerow(["layer", "step", "run", "units", "silent", "detectors", "unique", *map(harmless, counted)])
    for point in series.points:
        pairs = [number for name in categories for number in point.by_category.get(name, (0, 0))]
        writer.writerow([
            harmless(point.layer), point.step, point.run, point.units, point.silent, point.detectors, point.unique, *pairs,
        ])  # fmt: skip
    return buffer.getvalue()


def charts(points: Sequence[Point]) -> list[dict[str, Any]]:
    """One chart a layer, in a frame of 600 by 200: a line a category, of distinct concepts over steps (to scale)."""
    layers: dict[str, list[Point]] = {}
    for point in points:
        layers.setdefault(point.layer, []).append(point)
    return [_chart(name, rows) for name, rows in layers.items()]


def _chart(layer: str, points: Sequence[Point]) -> dict[str, Any]:
    first, last = points[0].step, points[-1].step
    categories = _categories(points)
    top = max((point.by_category.get(name, (0, 0))[1] for point in points for name in categories), default=0) or 1
    lines: list[dict[str, Any]] = []
    for name in categories:
        values = [(point.step, point.by_category.get(name, (0, 0))[1]) for point in points]
        placed: list[dict[str, float]] = [
            {"step": step, "value": value, "x": round(WIDTH * (step - first) / max(1, last - first), 1),
             "y": round(HEIGHT * (1 - value / top), 1)}
            for step, value in values
        ]  # fmt: skip
        path = "M" + "L".join(f"{point['x']:g} {point['y']:g}" for point in placed)
        lines.append({"category": name, "path": path, "points": placed})
    ends = "; ".join(f"{line['category']} {line['points'][0]['value']} to {line['points'][-1]['value']}" for line in lines)
    return {"layer": layer, "points": points, "lines": lines, "top": top, "first": first, "last": last, "alt": ends or "none"}


def _categories(points: Sequence[Point]) -> list[str]:
    return sorted({name for point in points for name in point.by_category}, key=category_place)
