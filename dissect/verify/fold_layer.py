"""Exact thresholds of a recorded layer over some of its images.

Shards hold histograms of all their images, so a fold is counted from its maps, a few hundred images at a time. Where only maps above a
floor were kept, the others stand at a number below all: every count above the floor stays exact, and a threshold that comes
to lie below it is not known, and said to be so. Letters: n images, U units, p positions of a map.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dissect.errors import DataError
from dissect.probe.blocks import merged, narrowed, part
from dissect.probe.histogram import Histogram, measure
from dissect.probe.levels import RecordedLayer, levels
from dissect.probe.maps import MapArray, MapShard
from dissect.probe.passes import LayerPlan
from dissect.probe.profile import Profile
from dissect.probe.recording import Recorded
from dissect.probe.threshold import Thresholds

Bools = NDArray[np.bool_]

_MAP_BYTES = 64_000_000
"""Of the maps counted at a time."""
_LOWEST = {2: -65_504.0, 4: -3e38}
"""By size of the type: stands for maps that were not kept. Of float32 not the very lowest, which has no number below it."""
_PENDING = 4
"""Histograms that wait to be added."""


@dataclass(frozen=True)
class FoldLayer:
    """Some images of a recorded layer, as `levels` reads them. chosen (records,) bool, by image index. hidden (U,): units that count as
    dead, because their maps were not kept far enough down."""

    recorded: RecordedLayer
    chosen: Bools
    counted: Histogram
    hidden: Bools

    @property
    def plan(self) -> LayerPlan:
        """Of the whole layer."""
        return self.recorded.plan

    @property
    def units(self) -> int:
        """U."""
        return self.recorded.units

    def histogram(self, units: slice) -> Histogram:
        """Of some consecutive units, over the chosen images."""
        found = part(self.counted, units)
        return _hidden(found, self.hidden[units]) if self.hidden[units].any() else found

    def shards(self) -> Iterator[tuple[int, Recorded]]:
        """(first image, shard), of the chosen images only."""
        for first, shard in self.recorded.shards():
            yield first, replace(shard, maps=restricted(shard.maps, first, self.chosen))


def fold_thresholds(recorded: RecordedLayer, chosen: Bools, quantile: float, profile: Profile) -> tuple[Thresholds, Bools]:
    """Thresholds over the chosen images (records,), under the rules of the whole run, and which units (U,) have none because maps that
    they need were not kept; those have no mask.

    Raises:
        DataError: no chosen image was recorded.
    """
    floor = recorded.plan.floor
    counted = _counted(recorded, chosen)
    nothing = np.zeros(recorded.units, np.bool_) if floor is None else counted.maximum <= floor
    layer = FoldLayer(recorded, chosen, counted, nothing)
    while (found := levels(layer, quantile, profile)).found is None:
        layer = replace(layer, hidden=layer.hidden | (found.lowered != floor))
    return _settled(found.found, layer)


def _settled(found: Thresholds, layer: FoldLayer) -> tuple[Thresholds, Bools]:
    """Hidden units without a mask; those that never change in the whole run do not change here either, and are known."""
    minimum, maximum = np.full((2, layer.units), np.inf, np.float32) * np.array([[1], [-1]], np.float32)
    for _, shard in layer.recorded.shards():
        np.minimum(minimum, shard.minimum, out=minimum)
        np.maximum(maximum, shard.maximum, out=maximum)
    flat = layer.hidden & (minimum == maximum)
    named = np.where(flat, np.where(maximum == 0, "dead", "constant"), found.state)
    cut = np.where(layer.hidden, np.float32(np.inf), found.cut).astype(np.float32)
    value = np.where(flat, maximum, found.value).astype(np.float64)
    return replace(found, value=value, cut=cut, state=tuple(str(word) for word in named)), layer.hidden & ~flat


def restricted(maps: MapShard, first: int, chosen: Bools) -> MapShard:
    """The shard whose first image is `first`, with only the chosen images included."""
    included = maps.included & chosen[first : first + len(maps.included)]
    return MapShard(maps.values, maps.maxima, included, maps.map_size, maps.row)


def _counted(recorded: RecordedLayer, chosen: Bools) -> Histogram:
    waiting: list[Histogram] = []
    for first, shard in recorded.shards():
        for maps in _pieces(restricted(shard.maps, first, chosen)):
            waiting.append(narrowed(measure(maps).histogram))
            if len(waiting) > _PENDING:
                waiting = [merged(waiting)]
    if not waiting:
        raise DataError(f"no image of a fold has activations of layer {recorded.plan.layer.name}.")
    return merged(waiting)


def _pieces(maps: MapShard) -> Iterator[MapArray]:
    """Included maps (n, U, p), some images at a time; those that were not kept are filled with the lowest number."""
    positions = maps.values.shape[1]
    step = max(1, _MAP_BYTES // max(1, maps.units * positions * maps.values.dtype.itemsize))
    images = np.flatnonzero(maps.included)
    pieces = np.array_split(images, -(-len(images) // step)) if len(images) else []
    for piece in pieces:
        if maps.row is None:
            whole: MapArray = maps.values.reshape(-1, maps.units, positions)
            yield whole[piece]
        else:
            row = maps.row[piece]
            filled = np.full((*row.shape, positions), _LOWEST[maps.values.dtype.itemsize], maps.values.dtype)
            filled[row >= 0] = maps.values[row[row >= 0]]
            yield filled


def _hidden(histogram: Histogram, hidden: Bools) -> Histogram:
    """Hidden units with all their values at zero."""
    size = np.diff(histogram.offsets)
    owner = np.repeat(np.arange(len(histogram)), size)
    first = np.zeros(len(histogram.keys), np.bool_)
    first[histogram.offsets[:-1][hidden]] = True
    kept = ~hidden[owner] | first
    counts = np.where(first & hidden[owner], histogram.totals()[owner], histogram.counts)[kept]
    keys = np.where(hidden[owner], np.uint16(0x8000), histogram.keys)[kept].astype(np.uint16)
    low = np.where(hidden[owner], 0, histogram.low_sums)[kept] if len(histogram.low_sums) else histogram.low_sums
    offsets = np.concatenate(([0], np.cumsum(np.where(hidden, 1, size)))).astype(np.int64)
    ends = [np.where(hidden, np.float32(0), end).astype(np.float32) for end in (histogram.minimum, histogram.maximum)]
    return Histogram(histogram.dtype, offsets, keys, counts, low, *ends)
