"""Held-out scores tested on this installation: what is chosen on one fold must score on the other what it truly is worth.

Noise maps know nothing of the labels, so on the other fold the chosen concept overlaps them by chance alone: with A and G pixels out of N
an intersection of A G / N is expected. On its own fold it scores far more, because it was the best of many. On planted units both
folds must choose what was planted. Maps have the labels' own resolution and their noise is the same everywhere, so that A G / N is exact.
Letters: R repetitions, U units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.stats
from numpy.typing import NDArray

from dissect.compose.formula import Concept
from dissect.fingerprint import Plain
from dissect.probe.maps import MapShard
from dissect.probe.upsample import grid
from dissect.score.count import scores
from dissect.verify.crossfit import ConceptHeldOut, concept_held_out
from dissect.verify.fold_counts import FoldCounts, Rules
from dissect.verify.folds import split_folds
from dissect.verify.in_memory import folds_in_memory
from dissect.verify.planted import noise_maps, planted_maps
from dissect.verify.selftest import UNITS, World, world_of

FloatArray = NDArray[np.float64]

NOISE = 0.25
"""Of planted units: at this level every label is recovered from all images."""
LEAST_P = 1e-3
"""A t-test below this says that held-out scores are not what independence gives."""
FLATTERED = 1.5
"""Inside its own fold the best of many concepts scores at least so many times what is expected of it."""
RECOVERED = 0.9
"""Share of planted units of which both folds choose the planted concept, at least."""


@dataclass(frozen=True)
class HeldOutTruth:
    """inside, outside, expected (R U): of noise units, means over both folds: IoU on the fold of the choice, on the other one, and on the
    other one under independence. planted, right: planted units, and those of which both folds chose what was planted.
    planted_inside, planted_outside: means over planted units."""

    inside: FloatArray
    outside: FloatArray
    expected: FloatArray
    planted: int
    right: int
    planted_inside: float
    planted_outside: float

    @property
    def ratio(self) -> float:
        """Mean held-out score of noise over what independence gives; 1 is right."""
        return float(self.outside.mean() / self.expected.mean())

    @property
    def flattery(self) -> float:
        """Mean score of noise on the fold of the choice over what independence gives on the other."""
        return float(self.inside.mean() / self.expected.mean())

    @property
    def p(self) -> float:
        """Of a t-test that held-out scores differ from what independence gives by nothing on average."""
        difference = self.outside - self.expected
        return float(scipy.stats.ttest_1samp(difference, 0.0).pvalue) if np.ptp(difference) > 0 else 0.0

    @property
    def passed(self) -> bool:
        """Nothing speaks against independence outside, the choice flatters inside, and both folds find what was planted."""
        return self.p >= LEAST_P and self.flattery >= FLATTERED and self.right >= RECOVERED * self.planted

    def lines(self) -> list[str]:
        """For people."""
        verdict = "as it should be" if self.passed else "NOT AS IT SHOULD BE"
        return [
            f"held-out scores of noise maps: mean IoU {self.outside.mean():.5f}, independence gives {self.expected.mean():.5f}: ratio "
            f"{self.ratio:.3f} (t-test p {self.p:.3g}, {len(self.outside)} units); inside its fold {self.flattery:.2f} times",
            f"held-out scores of planted units: both folds choose the planted label for {self.right} of {self.planted}; mean IoU "
            f"{self.planted_inside:.3f} inside, {self.planted_outside:.3f} held out: {verdict}",
        ]

    def as_plain(self) -> dict[str, Plain]:
        """For JSON."""
        return {
            "units": len(self.outside), "inside": float(self.inside.mean()), "outside": float(self.outside.mean()),
            "expected": float(self.expected.mean()), "ratio": self.ratio, "p": self.p, "flattery": self.flattery,
            "planted": self.planted, "right": self.right, "planted_inside": self.planted_inside,
            "planted_outside": self.planted_outside, "passed": self.passed,
        }  # fmt: skip


def held_out_truth(seeds: Sequence[int]) -> HeldOutTruth:
    """Cross-fit of noise and of planted units, a drawn set a seed."""
    noise, planted, right = [], [], 0
    for seed in seeds:
        world = world_of(seed)
        size = world.labels.label_size
        maps = noise_maps(len(world.labels.included), UNITS, size, seed=20_000 + seed)
        noise.append(_against_chance(*_crossed(world, maps, seed)))
        units = planted_maps(world.labels, world.formulas, size, noise=NOISE, seed=seed)
        _, _, found = _crossed(world, units.maps, seed)
        truth = np.array([formula.id if isinstance(formula, Concept) else -1 for formula in world.formulas])
        right += int((found.winner == truth[:, None]).all(axis=1).sum())
        planted.append(np.stack([found.scores.inside.mean(axis=1), found.scores.outside.mean(axis=1)]))
    inside, outside, expected = np.concatenate(noise, axis=1)
    known = np.concatenate(planted, axis=1)
    means = np.nanmean(known, axis=1)
    return HeldOutTruth(inside, outside, expected, known.shape[1], right, float(means[0]), float(means[1]))


def _crossed(world: World, maps: MapShard, seed: int) -> tuple[FoldCounts, Rules, ConceptHeldOut]:
    """The cross-fit of a layer in memory. Nothing is asked of a run's own label, so none is given."""
    images = len(world.labels.included)
    folds = split_folds([str(k) for k in range(images)], [None] * images, seed=seed)
    counts = folds_in_memory(maps, world.labels, world.rules, folds)
    over = grid(maps.map_size, world.labels.label_size, "half_pixel")
    rules = Rules(world.rules.vocabulary, world.rules.profile, world.rules.quantile, over, world.rules.min_images)
    return counts, rules, concept_held_out(counts, rules, np.full(maps.units, -1, np.int64))


def _against_chance(counts: FoldCounts, rules: Rules, found: ConceptHeldOut) -> FloatArray:
    """(3, units) inside, outside and expected of the units that have a held-out score, means over both folds."""
    expected = np.stack([_expected(counts, rules, found.winner[:, f], f) for f in (0, 1)], axis=1)
    values = np.stack([found.scores.inside, found.scores.outside, expected]).mean(axis=2)
    return np.asarray(values[:, found.scores.testable], np.float64)


def _expected(counts: FoldCounts, rules: Rules, winner: NDArray[np.int64], f: int) -> FloatArray:
    """(U,) IoU under independence of the concept chosen on fold f, on the other fold."""
    table = counts.tables[f][1 - f]
    known = scores(table, rules.vocabulary, rules.profile, min_images=rules.min_images)
    column = np.minimum(np.searchsorted(known.concept, winner), len(known.concept) - 1)
    pixels = counts.folds.images[1 - f] * rules.over.size[0] * rules.over.size[1]
    area, concept_area = known.unit_area[np.arange(len(winner)), column].astype(np.float64), known.concept_area[column].astype(np.float64)
    shared = area * concept_area / pixels
    return shared / np.maximum(area + concept_area - shared, 1.0)
