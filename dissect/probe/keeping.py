"""Which maps are kept: all of them, or, where the cache limit is too small for that, those that can matter.

A pilot over evenly spaced images gives each unit a floor below its threshold. Only maps whose maximum is above it are kept; the
histogram counts everything all the same, so thresholds stay exact. Where a threshold turns out to lie below the floor, the floor is
lowered to what is known by then, and the images pass once more (rarely twice: float32 learns first the bin of a threshold, then its
value). So the pilot decides how much is stored, and never what comes out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dissect.concepts.model import ImageRecord
from dissect.errors import UsageError
from dissect.fingerprint import Plain
from dissect.network.model import LayerInfo, Network
from dissect.probe.histogram import coarse_floor
from dissect.probe.passes import ImagePass, LayerPlan
from dissect.probe.profile import ActivationDtype, profile
from dissect.probe.recording import read_recorded
from dissect.probe.stages import activations_stage, floor_key, measured, pilot_key, ranges, shard_size
from dissect.probe.threshold import coarse_bins, thresholds
from dissect.probe.thumbnails import Nobody
from dissect.probe.work import Work

PILOT_SHARE = 0.03
PILOT_LEAST = 32
FLOOR_QUANTILE = 0.015
"""Three times the usual quantile: thresholds of all images lie above a floor of few images with near certainty."""

_BIN_BYTES = 5
_BINS = 10_000
"""Of a unit's histogram in one shard: bytes a bin, and how many bins are usually occupied at most."""


@dataclass
class Keeper:
    """Makes the plans of layers. Fields as the probe has them; left_out: images that are not used."""

    network: Network
    described: Mapping[str, Plain]
    data_hash: str
    records: Sequence[ImageRecord]
    left_out: frozenset[int]
    work: Work
    block: int
    limit: int
    quantile: float
    batch_size: int
    workers: int

    def plans(self, wanted: Sequence[tuple[LayerInfo, ActivationDtype]]) -> list[LayerPlan]:
        """How each layer's maps are kept. Layers that are completely there are taken as they are.

        Raises:
            UsageError: not even the sparse maps fit into the limit.
        """
        dense = [self.dense(layer, dtype) for layer, dtype in wanted]
        needed = sum(0 if self.work.complete(plan.stage, plan.ranges) else self.bytes(plan, 1.0) for plan in dense)
        if needed <= self.limit:
            self._make_room(needed, dense)
            chosen = dense
        else:
            chosen = self._sparse([plan for plan in dense if not self.work.complete(plan.stage, plan.ranges)])
            chosen += [plan for plan in dense if self.work.complete(plan.stage, plan.ranges)]
        for plan in chosen:
            self.work.open(plan.stage, plan.ranges)
        return chosen

    def dense(self, layer: LayerInfo, dtype: ActivationDtype) -> LayerPlan:
        """A plan that keeps every map."""
        size = shard_size(layer, np.dtype(dtype).itemsize, self.block)
        stage = activations_stage(layer, self.measured(layer, dtype), self.block, size, "dense")
        return LayerPlan(layer, dtype, stage, ranges(len(self.records), self.block, size))

    def lowered(self, plan: LayerPlan, floor: NDArray[np.float32]) -> LayerPlan:
        """A plan that keeps the maps above another floor."""
        size = shard_size(plan.layer, np.dtype(plan.dtype).itemsize, self.block)
        stage = activations_stage(plan.layer, self.measured(plan.layer, plan.dtype), self.block, size, floor_key(floor))
        return LayerPlan(plan.layer, plan.dtype, stage, plan.ranges, floor)

    def measured(self, layer: LayerInfo, dtype: str) -> dict[str, Plain]:
        """What the layer's activations depend on."""
        return measured(self.data_hash, self.described, layer, dtype, self.left_out)

    def bytes(self, plan: LayerPlan, share: float) -> int:
        """What a plan takes on disk if this share of the maps is kept."""
        return stage_bytes(plan.layer, plan.dtype, len(self.records), len(plan.ranges), share)

    def _sparse(self, dense: Sequence[LayerPlan]) -> list[LayerPlan]:
        pilot = self._pilot(dense)
        plans, needed = [], 0
        for plan, (floor, share) in zip(dense, pilot, strict=True):
            plans.append(self.lowered(plan, floor))
            needed += 0 if self.work.complete(plans[-1].stage, plan.ranges) else self.bytes(plan, share)
        if needed > self.limit:
            whole = sum(self.bytes(plan, 1.0) for plan in dense)
            raise UsageError(
                f"the activations need about {readable(whole)} in the cache, or {readable(needed)} with only the maps that can matter; the "
                f"limit is {readable(self.limit)}. Raise --cache-limit, or choose fewer layers or images."
            )
        self._make_room(needed, plans)
        return plans

    def _pilot(self, dense: Sequence[LayerPlan]) -> list[tuple[NDArray[np.float32], float]]:
        """For each layer the floor (U,), and the share of the pilot's maps above it."""
        usable = [record for record in self.records if record.index not in self.left_out]
        count = min(len(usable), max(PILOT_LEAST, round(PILOT_SHARE * len(usable))))
        chosen = [usable[k * len(usable) // count] for k in range(count)]
        key = pilot_key([record.index for record in chosen], self._floor_quantile())
        nothing = [np.full(plan.layer.units, np.inf, np.float32) for plan in dense]
        plans = []
        for plan, none in zip(dense, nothing, strict=True):
            stage = activations_stage(plan.layer, self.measured(plan.layer, plan.dtype), count, count, key)
            plans.append(LayerPlan(plan.layer, plan.dtype, stage, [(0, count)], none))
            self.work.open(stage, plans[-1].ranges)
        records = [replace(record, index=k) for k, record in enumerate(chosen)]
        passing = ImagePass(self.network, records, frozenset(), self.work, Nobody(), self.batch_size, self.workers)
        passing.run(plans, "pilot")
        return [self._floor(plan) for plan in plans]

    def _floor(self, plan: LayerPlan) -> tuple[NDArray[np.float32], float]:
        everything = np.full(plan.layer.units, -np.inf, np.float32), 1.0
        if plan.overflowed:
            return everything
        found = read_recorded(self.work.read(plan.stage, 0), plan.layer.map_size)
        if not found.maps.included.any():
            return everything
        histogram = found.histogram(slice(0, plan.layer.units))
        if plan.dtype == "float16":
            floor = thresholds(histogram, self._floor_quantile(), profile("standard")).value.astype(np.float32)
        else:
            floor = coarse_floor(coarse_bins(histogram, self._floor_quantile(), profile("standard"))[:, 0])
        kept = found.maps.maxima[found.maps.included] > floor
        return floor, float(kept.mean())

    def _floor_quantile(self) -> float:
        return FLOOR_QUANTILE if self.quantile * 2 <= FLOOR_QUANTILE else min(3 * self.quantile, 0.999)

    def _make_room(self, needed: int, plans: Sequence[LayerPlan]) -> None:
        if not needed:
            return
        keep: Collection[str] = {plan.stage.fingerprint for plan in plans} | self.work.stages.keys()
        there = sum(stage.bytes for stage in self.work.cache.stages() if stage.fingerprint in {plan.stage.fingerprint for plan in plans})
        self.work.cache.prune(max(self.limit - max(needed - there, 0), 0), keep)


def stage_bytes(layer: LayerInfo, dtype: str, images: int, shards: int, share: float) -> int:
    """Bytes on disk of a layer's activations if a share of the maps is kept: maps, maxima, and histograms (an upper estimate)."""
    itemsize = np.dtype(dtype).itemsize
    positions = layer.map_size[0] * layer.map_size[1]
    bins = min(_BINS, -(-images * positions // max(shards, 1)))
    histogram = shards * layer.units * bins * (_BIN_BYTES if dtype == "float16" else _BIN_BYTES + 8)
    return int(images * layer.units * (share * positions * itemsize + itemsize)) + histogram


def readable(size: int) -> str:
    """Bytes as people write them: `3.2 GB`."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size} bytes"
