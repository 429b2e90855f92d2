"""Intervals tested on this installation: how often a 95 % interval holds the truth that it was drawn from.

A population of made-up images is so large that its IoU is known without error; samples are drawn from it, each gets its interval. Areas
have long tails, and most images hold neither unit nor concept. Letters: n images of a sample, P images (or groups) of the population,
g images a group, S samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dissect.fingerprint import Plain
from dissect.verify.by_image import ByImage
from dissect.verify.intervals import LEVEL, bootstrap
from dissect.verify.rates import share_interval

Int32 = NDArray[np.int32]

POPULATION = 100_000
SAMPLES = 100
"""Samples a seed and scenario, all with the same draws, as the units of a layer have."""
LOWEST, HIGHEST = 0.93, 0.97
"""Coverage that a 95 % interval may have."""
SURE = 0.999
"""Confidence at which coverage must be outside these for the test to fail."""


@dataclass(frozen=True)
class Scenario:
    """groups: drawn in a sample. each: images a group. share: of groups with the concept."""

    what: str
    groups: int
    each: int
    share: float


SCENARIOS = (
    Scenario("500 images, concept in 30 %", 500, 1, 0.3),
    Scenario("600 images, concept in 10 %", 600, 1, 0.1),
    Scenario("200 groups of 4 images", 200, 4, 0.4),
)


@dataclass(frozen=True)
class Coverage:
    """One scenario. truth: IoU of the population. inside, intervals: intervals that hold it, and all. without: samples that got none,
    because unit and concept overlap in too few images. width: median."""

    what: str
    truth: float
    inside: int
    intervals: int
    without: int
    width: float

    @property
    def share(self) -> float:
        """Of the intervals that hold the truth."""
        return self.inside / self.intervals if self.intervals else 0.0

    @property
    def passed(self) -> bool:
        """Whether the coverage can lie within what is allowed, and most samples have an interval."""
        low, high = share_interval(self.inside, self.intervals, SURE)
        return high >= LOWEST and low <= HIGHEST and self.intervals >= self.without

    def lines(self) -> list[str]:
        """For people."""
        low, high = share_interval(self.inside, self.intervals)
        return [
            f"{LEVEL:.0%} intervals, {self.what}: {self.inside} of {self.intervals} hold the truth: {100 * self.share:.1f} % "
            f"({100 * low:.1f} to {100 * high:.1f} %), median width {self.width:.3f} about {self.truth:.3f}: "
            f"{'as it should be' if self.passed else 'NOT AS IT SHOULD BE'}"
        ]

    def as_plain(self) -> dict[str, Plain]:
        """For JSON."""
        return {
            "what": self.what, "truth": self.truth, "inside": self.inside, "intervals": self.intervals, "without": self.without,
            "share": self.share, "interval": list(share_interval(self.inside, self.intervals)), "width": self.width, "passed": self.passed,
        }  # fmt: skip


def coverages(seeds: Sequence[int]) -> tuple[Coverage, ...]:
    """Every scenario, with `SAMPLES` samples a seed."""
    return tuple(_coverage(scenario, number, seeds) for number, scenario in enumerate(SCENARIOS))


def population(scenario: Scenario, seed: int, size: int = POPULATION) -> tuple[Int32, Int32]:
    """I and union (P, g) of made-up images.

    Images of a group hold the concept together, at a size of the group's own, and the unit finds it in most of them or in few.
    """
    random = np.random.default_rng(seed)
    shape = (size, scenario.each)
    scale = random.lognormal(0, 0.5, (size, 1))
    concept = np.where(random.random((size, 1)) < scenario.share, 400 * scale * random.lognormal(0, 0.6, shape), 0.0)
    fires = random.random(shape) < np.where(concept > 0, random.beta(0.6, 0.4, (size, 1)), 0.05)
    area = np.where(fires, 300 * scale * random.lognormal(0, 0.6, shape), 0.0)
    shared = np.ceil(np.minimum(concept, area) * random.beta(2, 2, shape))
    both = np.ceil(area) + np.ceil(concept) - shared
    return shared.astype(np.int32), both.astype(np.int32)


def _coverage(scenario: Scenario, number: int, seeds: Sequence[int]) -> Coverage:
    intersection, union = population(scenario, number)
    truth = float(intersection.sum(dtype=np.float64) / union.sum(dtype=np.float64))
    group = np.repeat(np.arange(scenario.groups), scenario.each) if scenario.each > 1 else None
    inside, widths, tried = 0, [], 0
    for seed in seeds:
        chosen = np.random.default_rng((seed, number, 23)).integers(0, len(union), (scenario.groups, SAMPLES))
        sample = ByImage(_rows(intersection, chosen), _rows(union, chosen))
        found = bootstrap(sample, group, seed=seed)
        there = np.isfinite(found.low)
        inside += int(((found.low <= truth) & (truth <= found.high))[there].sum())
        widths.append((found.high - found.low)[there])
        tried += len(there)
    width = np.concatenate(widths)
    return Coverage(scenario.what, truth, inside, len(width), tried - len(width), float(np.median(width)) if len(width) else 0.0)


def _rows(values: Int32, chosen: NDArray[np.int64]) -> Int32:
    """(n, S) of groups (m, S): the images of a group stand one after the other."""
    found: Int32 = values[chosen].transpose(0, 2, 1).reshape(-1, chosen.shape[1])
    return np.ascontiguousarray(found)
