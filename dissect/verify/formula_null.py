"""The independence null of formulas: the same search, on the same masks with reassigned labels.

A search over thousands of formulas finds a good one in noise too, and a longer formula a better one; so the whole search runs under every
shuffle. Statistic: the IoU of the formula that a beam finds, for the true labels and the reassigned ones alike. That of a proven formula is
not compared, since the proof is too dear to repeat; where beam and proof differ, `observed` is the beam's. Letters: U units, B shuffles.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise

import numba
import numpy as np
from numpy.typing import NDArray

from dissect.compose.beam import beam
from dissect.compose.pairs import Pairs, pairs
from dissect.compose.published import published
from dissect.compose.world import World, signature_places, world
from dissect.errors import CountError, NotSupportedError
from dissect.probe.settings import ProbeResult
from dissect.probe.tables import Int32, Int64, LayerProbe
from dissect.probe.upsample import Grid, grid
from dissect.score.best import UNLABELLED_STATES
from dissect.verify.null import NullData, count_p
from dissect.verify.null_kernels import signatures_of_unit
from dissect.verify.shuffles import Shuffles
from dissect.verify.spans import MaskSpans, mask_spans
from dissect.verify.tail import tail_p

FloatArray = NDArray[np.float64]
Search = Callable[[World], FloatArray]

PROFILES = ("standard", "compexp")


@dataclass(frozen=True)
class FormulaNull:
    """The independence null of one layer's formulas. Arrays are (U,) but `null`; NaN says "not tested": dead and constant units.

    layer: its name. length, width: most concepts of a formula, and the width of the beam, for observed and null alike. observed: IoU of the
    beam's formula. p, p_tail, null (U, B), null_mean, null_95, permutations, seed, floor, min_images, movable, blocks, notes: as in
    `null.LayerNull`, of that IoU.
    """

    layer: str
    length: int
    width: int
    observed: FloatArray
    p: FloatArray
    p_tail: FloatArray
    null: FloatArray
    null_mean: FloatArray
    null_95: FloatArray
    permutations: int
    seed: int
    floor: float
    min_images: int
    movable: float
    blocks: str
    notes: tuple[str, ...]

    @property
    def best_p(self) -> FloatArray:
        """(U,) p_tail where there is one, else p."""
        return np.where(np.isnan(self.p_tail), self.p, self.p_tail)


def formula_null(
    result: ProbeResult, layer: LayerProbe, data: NullData,
    *, length: int = 3, width: int | None = None, penalty: float = 1.0, permutations: int = 100, min_images: int = 1,
    categories: tuple[str, ...] | None = None, over: Grid | None = None, masks: MaskSpans | None = None,
) -> FormulaNull:  # fmt: skip
    """Test the formulas of every unit of a layer against reassigned labels, by the profile's own beam.

    length, width (the profile's own by default), penalty, min_images, categories: as in the search whose formulas are tested. permutations:
    how many of the shuffles of `data` are used, from the first on, since each costs a whole search; at most all. over, masks: as in
    `independence_null`.

    Raises:
        NotSupportedError: the profile has no formulas, the layer was not counted, or its masks are not at hand.
        CountError: the masks do not give the layer's own counts.
    """
    if layer.tables is None or data.profile.name not in PROFILES:
        raise NotSupportedError(f"layer {layer.layer.name} has no formulas to test: they need label maps and profile standard or compexp.")
    rules, drawn = data.profile, data.shuffles
    width = width or (10 if rules.name == "standard" else 5)
    categories = categories or tuple(name for name in rules.categories or () if name in data.vocabulary.categories) or None
    here = world(layer.tables, data.vocabulary, min_images=min_images, categories=categories, void=rules.void)
    place = signature_places(layer.tables, data.vocabulary, min_images=min_images, categories=categories, void=rules.void)
    if over is None and rules.upsampling == "half_pixel":
        over = grid(layer.layer.map_size, result.label_size, "half_pixel")
    masks = mask_spans(result, layer, over) if masks is None else masks
    rows, count = place_of_rows(data, layer, place), min(permutations, drawn.count)
    _same(here, shuffled_world(here, masks, data, rows, 0))
    search = _search(here, rules.name, length, width, penalty)
    values = np.stack([search(shuffled_world(here, masks, data, rows, shuffle)) for shuffle in range(count + 1)], axis=1)
    observed = values[:, 0].copy()
    values[np.isin(layer.stats.state, UNLABELLED_STATES) | (not drawn.movable.any())] = np.nan
    p, tail = _judged(values, drawn, drawn.floor_of(count))
    null = values[:, 1:]
    return FormulaNull(
        layer.layer.name, length, width, observed, p, tail, null, null.mean(axis=1), np.quantile(null, 0.95, axis=1), count, drawn.seed,
        drawn.floor_of(count), min_images, float(drawn.movable.mean()), drawn.blocks, (*drawn.notes, _resolution(count, drawn)),
    )  # fmt: skip


def _judged(values: FloatArray, drawn: Shuffles, floor: float) -> tuple[FloatArray, FloatArray]:
    """p and tail p (U,) from IoUs (U, B+1), the true ones first; NaN stays NaN."""
    p, tail = np.full((2, len(values)), np.nan)
    for unit in np.flatnonzero(~np.isnan(values[:, 0])).tolist():
        p[unit] = max(count_p(values[unit]), floor)
        if not drawn.few:
            tail[unit] = tail_p(values[unit, 0], values[unit, 1:], seed=drawn.seed).p
    return p, tail


def place_of_rows(data: NullData, layer: LayerProbe, place: Int64) -> Int32:
    """(L,) where the pixels of each row of local signatures are added in the world, -1 for nowhere.

    Raises:
        CountError: the layer was counted with other labels.
    """
    if layer.tables is None or not np.array_equal(layer.tables.signatures.keys, data.labels.table.keys):
        raise CountError(f"layer {layer.layer.name} was counted with other labels; delete the run's counts and run again.")
    rows: Int32 = place[data.labels.row_signature].astype(np.int32)
    return rows


def shuffled_world(here: World, masks: MaskSpans, data: NullData, rows: Int32, shuffle: int) -> World:
    """The world in which the units' active pixels fall on reassigned labels; all that is about labels alone stays."""
    labels, source = data.labels, data.shuffles.source[shuffle]
    most = int(np.diff(labels.local_offsets).max(initial=1))

    def work(units: range) -> list[tuple[Int32, Int64]]:
        counts, seen = np.zeros(most, np.int32), np.zeros(most, np.int32)
        sums, touched = np.zeros(len(here.pixels), np.int64), np.zeros(len(here.pixels), np.int32)
        out = []
        for unit in units:
            own = slice(masks.unit_offsets[unit], masks.unit_offsets[unit + 1])
            known = signatures_of_unit(
                source, masks.image[own], masks.offsets[own.start : own.stop + 1], masks.first, masks.last,
                labels.offsets, labels.last, labels.local, labels.jump, labels.local_offsets, rows, counts, seen, sums, touched,
            )  # fmt: skip
            where = touched[:known].copy()
            out.append((where, sums[where]))
            sums[where] = 0
        return out

    threads = numba.get_num_threads()
    cut = np.linspace(0, masks.units, 4 * threads + 1).astype(int).tolist()
    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(work, (range(*bounds) for bounds in pairwise(cut))))
    found = [row for part in parts for row in part]
    offsets = np.concatenate(([0], np.cumsum([len(where) for where, _ in found]))).astype(np.int64)
    count = np.concatenate([amount for _, amount in found]).astype(np.int64)
    area = np.array([amount.sum() for _, amount in found], np.int64)
    return replace(here, unit_offsets=offsets, unit_signature=np.concatenate([w for w, _ in found]), unit_count=count, unit_area=area)


def _search(here: World, profile: str, length: int, width: int, penalty: float) -> Search:
    """IoU (U,) of the best formula by the profile's search; tables of pairs of concepts are the same under every shuffle."""
    if profile == "compexp":
        return lambda each: published(each, beam=width, length=length, penalty=penalty).iou[:, 0]
    tables: Pairs = pairs(here)
    return lambda each: beam(each, length=length, width=width, penalty=penalty, tables=tables).iou


def _same(true: World, counted: World) -> None:
    names = ("unit_offsets", "unit_signature", "unit_count", "unit_area")
    if not all(np.array_equal(getattr(true, name), getattr(counted, name)) for name in names):
        raise CountError("the masks do not give the layer's counts; the cache is damaged or of another run. Run the probe again.")


def _resolution(count: int, drawn: Shuffles) -> str:
    return f"{count} shuffles, each with a whole search: the smallest p-value by counting is {drawn.floor_of(count):.4g}."
