"""Layers in another basis: rotations drawn uniformly, and the counts of rotated units under a run's rules.

A rotated unit is a fixed mixture of all units of the layer. The layer holds the same information in any basis, so what is lost by
rotating belongs to the units' own axes. Rotations act on the raw activations as they were recorded (means are not taken out), as in
Bau et al. 2017, section 3.2. Letters: U units, n images, p positions of a map, k rotated units of a block.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dissect.errors import NotSupportedError, ShapeError
from dissect.probe.histogram import Histogram, measure, merge_histograms, refine
from dissect.probe.labelling import LabelSource
from dissect.probe.levels import RecordedLayer
from dissect.probe.maps import MapArray, MapShard
from dissect.probe.tables import CountTables
from dissect.probe.tally import merge_tally, tally_shard
from dissect.probe.threshold import Thresholds, coarse_bins, thresholds
from dissect.probe.upsample import Grid
from dissect.score.best import Ranked
from dissect.verify.maxima import Rules, best_labels

Rotation = NDArray[np.float32]

MEMORY = 400_000_000
"""Bytes of rotated maps held at once, unless a single rotated unit takes more."""
_CHUNK = 32_000_000
"""Bytes of widened maps mixed in one product."""


def haar(units: int, seed: int, number: int = 0) -> Rotation:
    """A rotation (U, U) drawn uniformly from SO(U); row r mixes the units into rotated unit r. The same for the same seed and number.

    Q of a QR decomposition of Gaussian numbers, with R's diagonal made positive; without this, Q would follow the signs that the
    library happens to choose. If the determinant is -1, the last row is turned round. Source: Mezzadri 2007, "How to generate random
    matrices from the classical compact groups".

    Raises:
        ShapeError: there is no unit.
    """
    if units < 1:
        raise ShapeError("a layer without units cannot be rotated.")
    gaussian = np.random.default_rng((seed, number)).standard_normal((units, units))
    q, r = np.linalg.qr(gaussian)
    q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
    if np.linalg.det(q) < 0:
        q[-1] = -q[-1]
    return np.ascontiguousarray(q, np.float32)


def rotated_labels(
    recorded: RecordedLayer, labels: LabelSource, rotation: Rotation, over: Grid, rules: Rules, *, memory: int = MEMORY
) -> tuple[Ranked, tuple[str, ...]]:
    """The best concept (U, 1) and the state of every rotated unit, under the run's own rules.

    Maps are mixed in float32; thresholds are exact, over all positions of all images. Every block of rotated units is made once, held
    (`memory` bytes), measured and counted.

    Raises:
        NotSupportedError: only some of the layer's maps were kept.
        ShapeError: the rotation is not of the layer's units.
    """
    require_dense(recorded)
    if rotation.shape != (recorded.units, recorded.units):
        raise ShapeError(f"a rotation of shape {rotation.shape} for the {recorded.units} units of layer {recorded.plan.layer.name}.")
    parts: list[Ranked] = []
    states: list[str] = []
    for units in _blocks(recorded, memory):
        tables, found = rotated_counts(recorded, labels, rotation[units], over, rules)
        parts.append(best_labels(tables, found.state, rules))
        states += found.state
    names = ("concept", "score", "intersection", "unit_area", "concept_area", "reachable")
    return Ranked(*(np.concatenate([getattr(part, name) for part in parts]) for name in names)), tuple(states)


def rotated_counts(
    recorded: RecordedLayer, labels: LabelSource, rows: Rotation, over: Grid, rules: Rules
) -> tuple[CountTables, Thresholds]:
    """Counts and thresholds of the rotated units of some rows (k, U); their maps (n, k, p) are held in memory."""
    shards = [(first, mixed(shard.maps, rows)) for first, shard in recorded.shards()]
    found = exact_thresholds([shard for _, shard in shards], rules)
    counts, tables = [], []
    for first, shard in shards:
        part = labels.part(first, first + len(shard.included))
        counts.append(tally_shard(shard, found.cut, part, over, rules.vocabulary, rules.profile, keep_spans=False))
        tables.append(part.table)
    return merge_tally(counts, tables, over.size), found


def mixed(shard: MapShard, rows: Rotation) -> MapShard:
    """The maps of rotated units: `rows` (k, U) times dense maps (n, U, p), in float32.

    Raises:
        NotSupportedError: the shard is sparse.
    """
    if shard.row is not None:
        raise NotSupportedError("only maps that can matter were kept, and a rotated unit mixes all of them.")
    images, positions = len(shard.included), shard.values.shape[1]
    maps: MapArray = shard.values.reshape(images, shard.units, positions)
    product = np.zeros((images, len(rows), positions), np.float32)
    step = max(1, _CHUNK // max(4 * shard.units * positions, 1))
    for first in range(0, images, step):
        some = slice(first, first + step)
        np.matmul(rows, maps[some].astype(np.float32), out=product[some])
    product[~shard.included] = 0
    maxima = product.max(axis=2, initial=-np.inf).astype(np.float32)
    return MapShard.dense(product, maxima, shard.included, shard.map_size)


def exact_thresholds(shards: list[MapShard], rules: Rules) -> Thresholds:
    """Thresholds of units whose maps are in memory, by the rule of the profile, over all included images. float16 or float32."""
    histogram = merge_histograms([_histogram(shard) for shard in shards])
    if histogram.dtype == "float16":
        return thresholds(histogram, rules.quantile, rules.profile)
    bins = coarse_bins(histogram, rules.quantile, rules.profile)
    refined = merge_histograms([refine(shard, bins) for shard in shards])
    return thresholds(histogram, rules.quantile, rules.profile, refined)


def require_dense(recorded: RecordedLayer) -> None:
    """Refuse a layer of which only the maps that can matter were kept.

    Raises:
        NotSupportedError: with the remedy.
    """
    if recorded.plan.floor is not None:
        raise NotSupportedError(
            f"of layer {recorded.plan.layer.name} the cache keeps only the maps that can matter, and a rotated unit mixes all of them. "
            "Raise --cache-limit, or choose fewer layers or images, and run again."
        )


def _histogram(shard: MapShard) -> Histogram:
    return measure(shard.values.reshape(len(shard.included), shard.units, -1), shard.included).histogram


def _blocks(recorded: RecordedLayer, memory: int) -> Iterator[slice]:
    """Consecutive rotated units whose maps of all images fit into the memory; at least one at a time."""
    positions = recorded.plan.layer.map_size[0] * recorded.plan.layer.map_size[1]
    images = recorded.plan.ranges[-1][1] - recorded.plan.ranges[0][0]
    count = max(1, memory // max(4 * images * positions, 1))
    return (slice(first, min(first + count, recorded.units)) for first in range(0, recorded.units, count))
