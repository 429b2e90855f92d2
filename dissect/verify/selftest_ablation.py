"""The causal effect tested on this installation: units no different from their controls, and units with an effect of a stated size.

Without an effect a unit is drawn as its controls are, so that its rank among them is uniform and p <= .05 comes in at most 5 %. Every
unit's contrast has a part of its own and a part from the pictures at hand; the size of a planted effect is stated in standard
deviations of both together. Letters: N pictures, K control sets, T units that are tested.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dissect.fingerprint import Plain
from dissect.verify.ablation import Effect, effect
from dissect.verify.effects import Bools, Floats
from dissect.verify.rates import share_interval

CONTROLS = 20
"""K, as `dissect ablate` takes by default."""
ALIKE, EACH = 100, 20
"""Units a seed: without an effect, and of each size of effect."""
PICTURES, GROUP = 160, 2
SIZES = (0.0, 1.0, 2.0, 4.0)
"""Planted effects, in standard deviations of the contrasts of units without one."""
LEVEL, SURE = 0.05, 0.999
POWER = 0.9
"""Share of the units with the largest effect that can be found: the interval of it must reach this."""
LOWEST, HIGHEST = 0.91, 0.97
"""Coverage that the 95 % interval of an effect may have: plain percentiles over 80 groups cover a little less than they say."""


@dataclass(frozen=True)
class Drawn:
    """Losses of one tested unit and its controls, as `ablation.effect` takes them. truth: its effect over all pictures there could be."""

    plain: Floats
    tested: Floats
    controls: Floats
    held: Bools
    groups: NDArray[np.int64]
    truth: float


@dataclass(frozen=True)
class Ranked:
    """Units with an effect of one size. small: with p at most .05. shown: of these, with an interval above 0. least: the smallest p.
    covered: intervals that hold the true effect."""

    size: float
    units: int
    small: int
    shown: int
    least: float
    covered: int

    def lines(self) -> list[str]:
        """For people."""
        low, high = share_interval(self.small, self.units)
        what = "effect of ablation, units like their controls" if not self.size else f"effect of ablation, {self.size:g} sd planted"
        return [
            f"{what}: p <= {LEVEL} for {self.small} of {self.units}: {100 * self.small / self.units:.1f} % ({100 * low:.1f} to "
            f"{100 * high:.1f} %), effect shown for {self.shown}"
        ]

    def as_plain(self) -> dict[str, Plain]:
        """For JSON."""
        return {
            "size": self.size, "units": self.units, "small": self.small, "interval": list(share_interval(self.small, self.units)),
            "shown": self.shown, "least_p": self.least, "covered": self.covered,
        }  # fmt: skip


@dataclass(frozen=True)
class AblationTruth:
    """By size of effect, ascending, the first without one."""

    by_size: tuple[Ranked, ...]

    @property
    def units(self) -> int:
        """Of all sizes together."""
        return sum(each.units for each in self.by_size)

    @property
    def covered(self) -> int:
        """Intervals that hold the true effect, of all sizes together."""
        return sum(each.covered for each in self.by_size)

    @property
    def passed(self) -> bool:
        """No p below 1 / (1 + K), no more than 5 % small without an effect, the largest effect found, intervals that hold the truth."""
        nothing, largest = self.by_size[0], self.by_size[-1]
        low, high = share_interval(self.covered, self.units, SURE)
        return (
            min(each.least for each in self.by_size) >= 1 / (1 + CONTROLS)
            and share_interval(nothing.small, nothing.units, SURE)[0] <= LEVEL
            and share_interval(largest.shown, largest.units, SURE)[1] >= POWER
            and high >= LOWEST
            and low <= HIGHEST
        )

    def lines(self) -> list[str]:
        """For people."""
        low, high = share_interval(self.covered, self.units)
        return [line for each in self.by_size for line in each.lines()] + [
            f"effect of ablation, 95 % intervals: {self.covered} of {self.units} hold the true effect: "
            f"{100 * self.covered / self.units:.1f} % ({100 * low:.1f} to {100 * high:.1f} %): "
            f"{'as it should be' if self.passed else 'NOT AS IT SHOULD BE'}"
        ]

    def as_plain(self) -> dict[str, Plain]:
        """For JSON."""
        return {
            "controls": CONTROLS, "by_size": [each.as_plain() for each in self.by_size], "covered": self.covered, "units": self.units,
            "interval": list(share_interval(self.covered, self.units)), "passed": self.passed,
        }  # fmt: skip


def ablation_truth(seeds: Sequence[int]) -> AblationTruth:
    """Units of every size of effect, each with controls and pictures of its own."""
    return AblationTruth(tuple(_ranked(size, number, seeds) for number, size in enumerate(SIZES)))


def drawn(random: np.random.Generator, size: float) -> Drawn:
    """One unit, its controls and the pictures. Pictures come in groups; what a picture suffers is in part the same for all units."""
    groups = np.repeat(np.arange(PICTURES // GROUP), GROUP)
    held = (random.random(PICTURES // GROUP) < 0.4)[groups]
    held[:GROUP], held[-GROUP:] = True, False
    shape = (1 + CONTROLS, PICTURES)
    own = random.normal(0, 0.15, 1 + CONTROLS)
    noise = 0.5 * random.standard_normal((1 + CONTROLS, PICTURES // GROUP))[:, groups] + 0.5 * random.standard_t(5, shape)
    shared = random.gamma(1.0, 0.3, PICTURES)
    inside, outside = held.sum() / GROUP, (~held).sum() / GROUP
    of_group = 0.5**2 + 0.5**2 * (5 / 3) / GROUP
    own[0] += size * np.sqrt(0.15**2 + of_group * (1 / inside + 1 / outside))
    change = own[:, None] * held + noise + shared
    plain = random.gamma(1.0, 1.0, PICTURES)
    return Drawn(plain, plain + change[0], plain + change[1:], held, groups, float(own[0] - own[1:].mean()))


def _ranked(size: float, number: int, seeds: Sequence[int]) -> Ranked:
    small = shown = covered = 0
    least, units = 1.0, EACH if size else ALIKE
    for seed in seeds:
        random = np.random.default_rng((seed, number, 29))
        for place in range(units):
            given = drawn(random, size)
            found: Effect = effect(given.plain, given.tested, given.controls, given.held, given.groups, seed=place)
            p = 1.0 if found.p is None else found.p
            small, shown, least = small + (p <= LEVEL), shown + found.shown, min(least, p)
            covered += found.low is not None and found.high is not None and found.low <= given.truth <= found.high
    return Ranked(size, len(seeds) * units, small, shown, least, covered)
