"""The units that one picture drives hardest, with their labels: a forward pass of a run's network, compared with what the run has seen.

A unit's drive is (m - T) / (M - T): m is the largest value of its map over the picture, T its threshold and M the largest value over the
run's data set. 0 is the threshold, 1 the strongest that the data set holds, above 1 the picture drives the unit as nothing there does.
Units whose M is not above T (dead, constant) have no drive. Beside it stands the share of the data set's activations above m, as the unit's
histogram gives it: a bin that m falls into counts in proportion.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dissect.concepts.images import open_image
from dissect.config import Config
from dissect.errors import NotFoundError
from dissect.pipeline.imported import refuse_imported
from dissect.pipeline.names import check_network
from dissect.pipeline.open import open_network
from dissect.pipeline.request import RunRequest
from dissect.store import StatsView, Store, UnitFilter, UnitView

AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class DrivenUnit:
    """A unit as a picture drives it. maximum: of its map. drive: above 0 where it fires. share: of the data set's activations above."""

    unit: UnitView
    maximum: float
    drive: float
    share: float | None


def units_for(
    store: Store, config: Config, reference: str | int, image: Path, *, layers: Sequence[str] = (), limit: int = 20, exemplars: int = 0
) -> list[DrivenUnit]:
    """The units of a run that a picture drives above their thresholds, hardest first; at most `limit`, of some layers or of all.

    Raises:
        NotFoundError: no such run, layer or network. NotSupportedError: the run was imported.
        ImageError: the picture cannot be used.
    """
    record = store.run(reference)
    refuse_imported(record, "show a picture to")
    here = [store.layer_summary(record.id, layer).layer for layer in layers] or [layer.layer for layer in store.layers(record.id)]
    with open_image(image) as picture:
        request = RunRequest.from_plain(record.settings)
        check_network(request, config)
        network = open_network(request, config)
        if str(network.describe()["weights"]) != record.weights_hash:
            raise NotFoundError(f"the weights of {record.model} are no longer those of run {record.id}. Run it again: dissect run.")
        maps = network.activations(network.prepare(picture)[None], [network.layers((name,))[0] for name in here])
    found: list[DrivenUnit] = []
    for name in here:
        maxima = np.nan_to_num(maps[name][0].flatten(1).amax(1).cpu().numpy().astype(np.float64), nan=-np.inf)
        found += _driven(store, record.id, name, maxima.tolist())
    best = sorted(found, key=lambda one: (-one.drive, one.unit.layer, one.unit.index))[:limit]
    return [_whole(store, one, exemplars) for one in best] if exemplars else best


def drive(stats: StatsView, value: float) -> float | None:
    """How far a value lies above the threshold, in units of the way from there to the data set's largest value; None for no drive."""
    if stats.threshold is None or stats.maximum is None or stats.maximum <= stats.threshold:
        return None
    return (value - stats.threshold) / (stats.maximum - stats.threshold)


def share_above(stats: StatsView, value: float) -> float | None:
    """Share of the data set's activations above a value; None where no histogram was kept."""
    counts, edges = stats.histogram, stats.edges
    total = sum(counts)
    if not total or len(edges) != len(counts) + 1:
        return None
    place = bisect_right(edges, value) - 1
    if place < 0:
        return 1.0
    if place >= len(counts):
        return 0.0
    width = edges[place + 1] - edges[place]
    part = (edges[place + 1] - value) / width if width > 0 else 0.0
    return (sum(counts[place + 1 :]) + counts[place] * part) / total


def _driven(store: Store, run_id: int, layer: str, maxima: Sequence[float]) -> list[DrivenUnit]:
    filters, found, after = UnitFilter(run=run_id, layer=layer), [], None
    while page := store.units(filters, order="index", limit=AT_ONCE, after=after, exemplars=0):
        for view in page:
            value = maxima[view.index]
            strength = drive(view.stats, value)
            if strength is not None and strength > 0:
                found.append(DrivenUnit(view, value, strength, share_above(view.stats, value)))
        after = page[-1].cursor
    return found


def _whole(store: Store, one: DrivenUnit, exemplars: int) -> DrivenUnit:
    view = store.unit(one.unit.model, one.unit.layer, one.unit.index, run=one.unit.run_id, exemplars=exemplars)
    return DrivenUnit(view, one.maximum, one.drive, one.share)
