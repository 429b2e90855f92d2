"""Small random runs with every difficulty (void, padding, lone concepts, leaked zeros, unannotated categories), and their true shuffles."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dissect.concepts.model import ImageRecord
from dissect.network.model import LayerInfo
from dissect.probe.profile import PROFILES, Profile
from dissect.probe.settings import ProbeResult
from dissect.probe.tables import CountTables, Exemplars, LayerProbe, UnitStats
from dissect.probe.tally import TallyShard, merge_tally, tally_shard
from dissect.probe.upsample import grid
from dissect.verify.columns import columns
from dissect.verify.null import NullData
from dissect.verify.shuffles import Shuffles
from dissect.verify.spans import LabelSpans, MaskSpans, join_labels, tally_masks
from tests.probe.oracles import Scene, scene


@dataclass(frozen=True)
class Drawn:
    """A scene with its cuts and profile."""

    scene: Scene
    cut: NDArray[np.float32]
    profile: Profile

    def tally(self, source: NDArray[np.int32] | None = None) -> tuple[TallyShard, CountTables]:
        """Counts, after the labels were really given to other images."""
        here = self.scene
        if source is not None:
            order = source.tolist()
            here = replace(here, labels=[here.labels[i] for i in order], pads=[here.pads[i] for i in order])
        labels = here.label_shard()
        over = grid(here.map_shard().map_size, here.size, "half_pixel")
        tally = tally_shard(here.map_shard(), self.cut, labels, over, here.vocabulary, self.profile)
        return tally, merge_tally([tally], [labels.table], here.size)

    def labels(self) -> LabelSpans:
        return join_labels([self.scene.label_shard()])

    def masks(self) -> MaskSpans:
        return tally_masks([self.tally()[0]], [np.arange(len(self.scene.labels))], self.scene.maps.shape[1])

    def data(self, source: NDArray[np.int32]) -> NullData:
        """With these shuffles, whatever they are."""
        drawn = Shuffles(source, 0, np.ones(source.shape[1], np.bool_), 9.0, "", ())
        labels = self.labels()
        return NullData(labels, columns(labels, self.scene.vocabulary, self.profile), drawn, self.scene.vocabulary, self.profile)

    def probed(self) -> tuple[ProbeResult, LayerProbe]:
        """As a probe would give it, as far as a null reads it."""
        maps = self.scene.map_shard()
        images, units = maps.maxima.shape
        zero, none = np.zeros(units), np.zeros(units, np.int64)
        stats = UnitStats(
            self.cut.astype(np.float64), ("ok",) * units, zero, zero, zero, zero, none, none.astype(np.int32) - 1,
            np.zeros((units, 1), np.int64), np.zeros((units, 2)),
        )  # fmt: skip
        nothing = Exemplars(np.zeros((units, 0), np.int32), np.zeros((units, 0), np.float32), ((),) * units, self.scene.size)
        layer = LayerProbe(LayerInfo("layer", units, maps.map_size, "conv"), "", "float32", stats, nothing, self.tally()[1])
        index = np.arange(images, dtype=np.int32)
        return ProbeResult((layer,), images, (), self.scene.size, None, {}, (), 0, None, {}, {}, index), layer


def drawn(seed: int, profile: str) -> Drawn:
    """A scene of 1 to 3 images and units, cut at one of their own values."""
    made = scene(seed, most=7)
    random = np.random.default_rng(seed)
    cut = np.array([random.choice(made.maps[:, unit].ravel()) for unit in range(made.maps.shape[1])], np.float32)
    return Drawn(made, np.nextafter(cut, np.float32(-np.inf)), PROFILES[profile])


def sources(images: int, count: int, seed: int) -> NDArray[np.int32]:
    """The identity, then `count` reassignments of any kind."""
    random = np.random.default_rng(seed)
    return np.array([np.arange(images), *(random.permutation(images) for _ in range(count))], np.int32)


def records(images: int, groups: dict[int, str] | None = None, ordered: bool = False) -> list[ImageRecord]:
    """Records with these groups."""
    named = groups or {}
    return [ImageRecord(k, str(k), Path(str(k)), named.get(k), ordered=ordered) for k in range(images)]
