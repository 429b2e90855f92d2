"""How many planted units get the label that was planted, at each level of noise.

A planted concept must not cover more than 2 q of all pixels: a unit is active on a share q, so a larger concept cannot be reached, and
its smaller neighbours win by rights. Nor can every label be recovered from maps coarser than the labels: a unit without noise that is
active on less than q has T = 0, and its mask is all that upsampling reaches, a place further on every side. Recovery at the labels'
own resolution is a test of the program; that at coarser maps shows what the resolution costs. Letters: U planted units, L noise levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dissect.compose.formula import Concept
from dissect.errors import DataError
from dissect.fingerprint import Plain
from dissect.probe.maps import MapShard
from dissect.probe.signatures import LabelShard
from dissect.probe.tables import CountTables, SignatureTable
from dissect.probe.tally import merge_tally, tally_shard
from dissect.probe.threshold import Thresholds
from dissect.probe.upsample import Grid, grid
from dissect.verify.maxima import Rules, best_labels
from dissect.verify.planted import planted_maps
from dissect.verify.rotations import exact_thresholds

NOISE = (0.0, 0.25, 0.5, 1.0, 2.0)
"""Standard deviations of the noise, in units of full cover."""


@dataclass(frozen=True)
class Recovery:
    """noise (L): levels. signal_to_noise (L): median variance ratio of the units. recovered (L): units whose best concept is the
    planted one, or another that lies on the very same pixels. units: U. concept (U,): what was planted. map_size, label_size."""

    noise: tuple[float, ...]
    signal_to_noise: tuple[float, ...]
    recovered: tuple[int, ...]
    units: int
    concept: NDArray[np.int64]
    map_size: tuple[int, int]
    label_size: tuple[int, int]

    def lines(self) -> list[str]:
        """One line a noise level."""
        where = f"{self.map_size[0]} x {self.map_size[1]} maps, {self.label_size[0]} x {self.label_size[1]} labels"
        return [
            f"planted units, noise {noise:g} (signal-to-noise {ratio:.3g}), {where}: {right} of {self.units} labels recovered "
            f"({100 * right / self.units:.1f} %)"
            for noise, ratio, right in zip(self.noise, self.signal_to_noise, self.recovered, strict=True)
        ]

    def as_plain(self) -> dict[str, Plain]:
        """For JSON; the ratio without noise is null."""
        ratios: list[Plain] = [value if np.isfinite(value) else None for value in self.signal_to_noise]
        return {
            "noise": list(self.noise), "signal_to_noise": ratios, "recovered": list(self.recovered), "units": self.units,
            "map_size": list(self.map_size), "label_size": list(self.label_size),
        }  # fmt: skip


def recovery(
    labels: LabelShard, rules: Rules, map_size: tuple[int, int], *, noise: Sequence[float] = NOISE, seed: int = 0, most: int = 2
) -> Recovery:
    """Plant one unit for every concept that covers at most `most` q of the pixels, and label them under the rules.

    Raises:
        DataError: no concept is that small.
        ShapeError: as `planted_maps`.
    """
    chosen = small_concepts(labels, rules, most)
    over = grid(map_size, labels.label_size, "half_pixel")
    ratios, right = [], []
    for level in noise:
        planted = planted_maps(labels, [Concept(int(c)) for c in chosen], map_size, noise=level, seed=seed)
        tables, found = counted(planted.maps, labels, over, rules)
        best = best_labels(tables, found.state, rules).concept[:, 0]
        right.append(sum(_same_pixels(labels.table, int(a), int(b)) for a, b in zip(chosen, best, strict=True)))
        ratios.append(float(np.median(planted.signal_to_noise)))
    return Recovery(tuple(noise), tuple(ratios), tuple(right), len(chosen), chosen, map_size, labels.label_size)


def counted(maps: MapShard, labels: LabelShard, over: Grid, rules: Rules) -> tuple[CountTables, Thresholds]:
    """Thresholds and counts of one shard of maps under the rules."""
    found = exact_thresholds([maps], rules)
    tally = tally_shard(maps, found.cut, labels, over, rules.vocabulary, rules.profile, keep_spans=False)
    return merge_tally([tally], [labels.table], labels.label_size), found


def small_concepts(labels: LabelShard, rules: Rules, most: float = 2) -> NDArray[np.int64]:
    """Ids of the concepts that cover more than 0 and at most `most` q of all pixels of the included images, in enough images.

    Raises:
        DataError: there is none.
    """
    pixels = np.zeros(len(labels.table), np.int64)
    np.add.at(pixels, labels.local_signature, labels.local_pixels)
    area = _incidence(labels.table, len(rules.vocabulary)).T.astype(np.int64) @ pixels
    total = int(labels.included.sum()) * labels.label_size[0] * labels.label_size[1]
    chosen = 1 + np.flatnonzero((area > 0) & (area <= most * rules.quantile * total))
    chosen = chosen[_images(labels, len(rules.vocabulary))[chosen - 1] >= rules.min_images]
    if rules.profile.categories is not None:
        chosen = np.array([c for c in chosen if rules.vocabulary.concepts[c - 1].category in rules.profile.categories], np.int64)
    if not len(chosen):
        raise DataError(f"no concept covers at most {most:g} times the share q = {rules.quantile:g} of the pixels; nothing can be planted.")
    return chosen.astype(np.int64)


def _images(labels: LabelShard, concepts: int) -> NDArray[np.int64]:
    """(C,) images that hold each concept on a pixel."""
    owner = np.repeat(np.arange(len(labels.included)), np.diff(labels.local_offsets))
    held = np.zeros((len(labels.included), concepts), np.bool_)
    inside = _incidence(labels.table, concepts)
    np.logical_or.at(held, owner, inside[labels.local_signature])
    found: NDArray[np.int64] = held.sum(axis=0)
    return found


def _incidence(table: SignatureTable, concepts: int) -> NDArray[np.bool_]:
    """(S, C) whether a concept is in a signature."""
    owner = np.repeat(np.arange(len(table)), np.diff(table.offsets))
    real = (table.members >= 1) & (table.members <= concepts)
    inside = np.zeros((len(table), concepts), np.bool_)
    inside[owner[real], table.members[real].astype(np.int64) - 1] = True
    return inside


def _same_pixels(table: SignatureTable, one: int, two: int) -> bool:
    """Whether two concepts lie on the very same pixels, so that no score can tell them apart."""
    owner = np.repeat(np.arange(len(table)), np.diff(table.offsets))
    return one == two or set(owner[table.members == one].tolist()) == set(owner[table.members == two].tolist())
