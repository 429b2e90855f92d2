"""A probe of maps and labels that are in memory: what the tests of a run need, without files.

Letters: n images, U units.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dissect.concepts.model import ImageRecord
from dissect.errors import ShapeError
from dissect.network.model import LayerInfo
from dissect.probe.maps import MapShard
from dissect.probe.settings import ProbeResult
from dissect.probe.signatures import LabelShard
from dissect.probe.tables import CountTables, Exemplars, LayerProbe, UnitStats
from dissect.probe.tally import TallyShard, merge_tally, tally_shard
from dissect.probe.threshold import Thresholds
from dissect.probe.upsample import grid
from dissect.verify.columns import columns
from dissect.verify.fold_counts import FoldCounts
from dissect.verify.fold_layer import restricted
from dissect.verify.folds import Folds
from dissect.verify.formula_null import FormulaNull, formula_null
from dissect.verify.maxima import Rules
from dissect.verify.null import LayerNull, NullData, independence_null
from dissect.verify.rotations import exact_thresholds
from dissect.verify.shuffles import shuffles
from dissect.verify.spans import MaskSpans, join_labels, tally_masks

NAME = "in memory"


def layer_in_memory(maps: MapShard, labels: LabelShard, rules: Rules) -> tuple[LayerProbe, TallyShard]:
    """A probed layer of one shard: exact thresholds, counts, states; no exemplars, and of the statistics only what scoring reads.

    Raises:
        ShapeError: maps and labels are not of the same images.
    """
    over = grid(maps.map_size, labels.label_size, "half_pixel")
    found = exact_thresholds([maps], rules)
    tally = tally_shard(maps, found.cut, labels, over, rules.vocabulary, rules.profile)
    tables = merge_tally([tally], [labels.table], labels.label_size)
    return _layer(maps, found, tables), tally


def null_in_memory(maps: MapShard, labels: LabelShard, rules: Rules, *, permutations: int = 199, seed: int = 0) -> LayerNull:
    """The independence null of maps in memory; every image is a group of its own.

    Raises:
        NotSupportedError: the profile has no null.
    """
    result, data, masks = _shuffled(maps, labels, rules, permutations, seed)
    return independence_null(result, result.layers[0], data, min_images=rules.min_images, masks=masks)


def formula_null_in_memory(
    maps: MapShard, labels: LabelShard, rules: Rules, *, length: int = 2, permutations: int = 199, seed: int = 0
) -> FormulaNull:
    """The same for formulas of at most `length` concepts.

    Raises:
        NotSupportedError: the profile has no null, or no formulas.
    """
    result, data, masks = _shuffled(maps, labels, rules, permutations, seed)
    least = max(rules.min_images, 1)
    return formula_null(result, result.layers[0], data, length=length, permutations=permutations, min_images=least, masks=masks)


def folds_in_memory(maps: MapShard, labels: LabelShard, rules: Rules, folds: Folds) -> FoldCounts:
    """The counts that a cross-fit needs, as `fold_counts.count_folds` makes them of recorded maps; `folds` splits the n images.

    Raises:
        ShapeError: maps, labels and folds are not of the same images, or there is no split.
    """
    if not folds.testable or len(folds.fold) != len(maps.included):
        raise ShapeError(f"a split of {len(folds.fold)} images for maps of {len(maps.included)}; split the images that the maps are of.")
    over = grid(maps.map_size, labels.label_size, "half_pixel")
    parts = [restricted(maps, 0, folds.fold == g) for g in (0, 1)]
    found = exact_thresholds(parts[:1], rules), exact_thresholds(parts[1:], rules)

    def tables(f: int, g: int) -> CountTables:
        tally = tally_shard(parts[g], found[f].cut, labels, over, rules.vocabulary, rules.profile, keep_spans=False)
        return merge_tally([tally], [labels.table], labels.label_size)

    known = np.zeros(maps.units, np.bool_)
    return FoldCounts(folds, ((tables(0, 0), tables(0, 1)), (tables(1, 0), tables(1, 1))), found, (known, known))


def _shuffled(
    maps: MapShard, labels: LabelShard, rules: Rules, permutations: int, seed: int
) -> tuple[ProbeResult, NullData, MaskSpans]:  # fmt: skip
    """What the nulls take: a probe of one layer, shuffles, and the layer's masks."""
    layer, tally = layer_in_memory(maps, labels, rules)
    images = len(labels.included)
    index = np.flatnonzero(labels.included).astype(np.int32)
    records = [ImageRecord(k, str(k), Path(str(k))) for k in index.tolist()]
    spans = join_labels([labels])
    drawn = shuffles(spans.annotated, records, count=permutations, seed=seed)
    data = NullData(spans, columns(spans, rules.vocabulary, rules.profile), drawn, rules.vocabulary, rules.profile)
    place = np.full(images, -1, np.int64)
    place[index] = np.arange(len(index))
    result = ProbeResult((layer,), len(index), (), labels.label_size, None, {}, (), 0, None, {}, image_index=index)
    return result, data, tally_masks([tally], [place], maps.units)


def _layer(maps: MapShard, found: Thresholds, tables: CountTables) -> LayerProbe:
    units = maps.units
    nothing, none = np.zeros(units), np.zeros(units, np.int64)
    stats = UnitStats(
        found.value, found.state, nothing, nothing, nothing, found.active_positions / max(found.positions, 1), none,
        np.full(units, -1, np.int32), np.zeros((units, 0), np.int64), np.zeros((units, 1)),
    )  # fmt: skip
    exemplars = Exemplars(np.zeros((units, 0), np.int32), np.zeros((units, 0), np.float32), ((),) * units, tables.label_size)
    info = LayerInfo(NAME, units, maps.map_size, "conv")
    return LayerProbe(info, NAME, str(maps.values.dtype), stats, exemplars, tables)
