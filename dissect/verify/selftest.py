"""The independence null tested on this installation: known truth in, error rates and power out.

Calibration: units that know nothing of the labels (smooth noise; planted units whose label maps were exchanged) must have uniform
p-values, and Benjamini-Hochberg at .05 must reject anything in at most 5 % of repetitions. Power: planted units must be found, at each
level of noise. Rotated bases and random networks are shown beside, as references: their units depend on the pictures, so many have small
p-values by rights, and they say nothing about calibration.

Everything is drawn in memory from the seeds; no files are read or written. Letters: R repetitions, U units, B permutations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.stats
import torch
from numpy.typing import NDArray

from dissect.compose.formula import Concept, Formula
from dissect.errors import UsageError
from dissect.fingerprint import Plain
from dissect.network.build import seeded
from dissect.probe.maps import MapShard
from dissect.probe.profile import profile
from dissect.probe.signatures import LabelShard
from dissect.verify.in_memory import formula_null_in_memory, null_in_memory
from dissect.verify.maxima import Rules
from dissect.verify.planted import as_shard, beside, drawn_labels, noise_maps, planted_maps, shuffled_labels
from dissect.verify.rates import q_values, share_interval
from dissect.verify.recovery import Recovery, recovery, small_concepts
from dissect.verify.rotations import haar, mixed

RATE = 0.05
"""False-discovery rate, and share of p-values, that the product is judged at."""
PERMUTATIONS = 199
QUANTILE = 0.005
MAP = (16, 16)
UNITS = 10
"""Units of a layer: with 199 permutations one unit at the floor is then enough for a discovery, so that the check has teeth."""
NOISE = (0.0, 0.25, 0.5, 0.75, 1.0, 2.0)
KS_LEAST, SURE = 1e-3, 0.999
"""A Kolmogorov-Smirnov p below this says that p-values are not uniform. Confidence at which a rate of rejections must exceed 5 %."""


@dataclass(frozen=True)
class Calibration:
    """Units without truth.

    what: how they were made. p (R, U): of the largest IoU of a concept, or of a formula. statistic, ks_p: Kolmogorov-Smirnov against the
    uniform distribution, after each p was spread over its step of 1 / (1 + B). rejecting: repetitions in which any q is at most .05;
    interval: its 95 % Clopper-Pearson interval. small: share of p at most .05.
    """

    what: str
    p: NDArray[np.float64]
    statistic: float
    ks_p: float
    rejecting: int
    interval: tuple[float, float]

    @property
    def small(self) -> float:
        """Share of p-values at most .05."""
        return float((self.p <= RATE).mean())

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against uniform p-values and a share of rejecting repetitions of 5 % or less."""
        return self.ks_p >= KS_LEAST and share_interval(self.rejecting, len(self.p), SURE)[0] <= RATE

    def lines(self) -> list[str]:
        """For people."""
        repetitions, low, high = len(self.p), *self.interval
        return [
            f"{self.what}: {self.p.size} p-values, KS {self.statistic:.3f} (p {self.ks_p:.3g}), {100 * self.small:.1f} % at most {RATE}",
            f"{self.what}: discoveries at a rate of {RATE} in {self.rejecting} of {repetitions} repetitions "
            f"({100 * low:.1f} to {100 * high:.1f} %): {'as it should be' if self.passed else 'NOT CALIBRATED'}",
        ]

    def as_plain(self) -> dict[str, Plain]:
        """For JSON."""
        return {
            "what": self.what, "repetitions": len(self.p), "units": self.p.shape[1], "ks": self.statistic, "ks_p": self.ks_p,
            "share_small": self.small, "rejecting": self.rejecting, "interval": list(self.interval), "passed": self.passed,
        }  # fmt: skip


@dataclass(frozen=True)
class Power:
    """Planted units among as many of noise, at one level of noise. found, planted: planted units with q at most .05, and all of them.
    labelled: of those found, the ones whose label is the planted concept. false_share: share of noise units among the discoveries,
    mean over repetitions, 0 where there are none."""

    noise: float
    signal_to_noise: float
    found: int
    planted: int
    labelled: int
    false_share: float

    @property
    def power(self) -> float:
        """found / planted."""
        return self.found / self.planted

    def lines(self) -> list[str]:
        """For people."""
        return [
            f"independence null, noise {self.noise:g} (signal-to-noise {self.signal_to_noise:.3g}): {self.found} of {self.planted} planted "
            f"units found (power {self.power:.2f}), {self.labelled} of them with their label; "
            f"false discoveries {100 * self.false_share:.1f} %"
        ]

    def as_plain(self) -> dict[str, Plain]:
        """For JSON; the ratio without noise is null."""
        ratio: Plain = self.signal_to_noise if np.isfinite(self.signal_to_noise) else None
        return {
            "noise": self.noise, "signal_to_noise": ratio, "found": self.found, "planted": self.planted, "labelled": self.labelled,
            "power": self.power, "false_share": self.false_share,
        }  # fmt: skip


@dataclass(frozen=True)
class Shown:
    """A reference: units that depend on the pictures without having been made for a concept. p (R, U)."""

    what: str
    p: NDArray[np.float64]

    def lines(self) -> list[str]:
        """For people."""
        share = 100 * float((self.p <= RATE).mean())
        return [f"{self.what}: {share:.0f} % of {self.p.size} units at p <= {RATE} (a reference, not a check: they depend on the pictures)"]

    def as_plain(self) -> dict[str, Plain]:
        """For JSON."""
        return {"what": self.what, "units": self.p.size, "share_small": float((self.p <= RATE).mean())}


@dataclass(frozen=True)
class SelfTest:
    """All that was measured. seeds: of the repetitions. permutations: B of each null."""

    seeds: tuple[int, ...]
    permutations: int
    calibrations: tuple[Calibration, ...]
    recoveries: tuple[Recovery, ...]
    powers: tuple[Power, ...]
    references: tuple[Shown, ...]

    @property
    def passed(self) -> bool:
        """Calibrated; noiseless planted labels recovered for 99 % of units at the labels' own resolution; plain ones all but found."""
        exact = [each for each in self.recoveries if each.map_size == each.label_size]
        recovered = all(each.recovered[each.noise.index(0.0)] >= 0.99 * each.units for each in exact)
        return recovered and all(each.passed for each in self.calibrations) and all(each.power >= 0.9 for each in self.powers[:1])

    def lines(self) -> list[str]:
        """For people, in order: calibration, recovery, power, references, and whether all this is as it should be."""
        parts: tuple[Calibration | Recovery | Power | Shown, ...] = (
            *self.calibrations, *self.recoveries, *self.powers, *self.references
        )  # fmt: skip
        verdict = "as it should be" if self.passed else "NOT AS IT SHOULD BE"
        return [line for part in parts for line in part.lines()] + [
            f"recovery and independence null, {len(self.seeds)} repetitions, {self.permutations} permutations each: {verdict}"
        ]

    def as_plain(self) -> dict[str, Plain]:
        """For JSON."""
        return {
            "passed": self.passed, "seeds": list(self.seeds), "permutations": self.permutations,
            "calibration": [each.as_plain() for each in self.calibrations], "recovery": [each.as_plain() for each in self.recoveries],
            "power": [each.as_plain() for each in self.powers], "references": [each.as_plain() for each in self.references],
        }  # fmt: skip


def self_test(seeds: Sequence[int] = tuple(range(40))) -> SelfTest:
    """Measure calibration, recovery and power on drawn sets. Formulas, power and references take the first 10 seeds: they cost more,
    or need fewer.

    Raises:
        UsageError: no seed, or one twice.
    """
    if not seeds or len(set(seeds)) < len(seeds):
        raise UsageError("the self-test needs at least one seed, and each seed once.")
    chosen = tuple(seeds)
    some = chosen[:10]
    worlds = {seed: world_of(seed) for seed in chosen}
    calibrations = (
        calibration("noise maps", lambda seed: _tested(*_noise(worlds[seed], seed), seed), chosen),
        calibration("shuffled label maps", lambda seed: _tested(*_shuffled(worlds[seed], seed), seed), chosen),
        calibration("noise maps, formulas", lambda seed: _formulas(*_noise(worlds[seed], seed), seed), some),
    )
    first = worlds[chosen[0]]
    return SelfTest(
        chosen, PERMUTATIONS, calibrations,
        tuple(recovery(first.labels, first.rules, size, noise=NOISE) for size in (first.labels.label_size, MAP)),
        tuple(_power(level, [worlds[seed] for seed in some]) for level in NOISE),
        (
            _shown("rotated basis of planted units", _rotated, [worlds[seed] for seed in some]),
            _shown("random network", lambda world, seed: random_maps(world.labels, seed), [worlds[seed] for seed in some]),
        ),
    )  # fmt: skip


def calibration(what: str, test: Callable[[int], NDArray[np.float64]], seeds: Sequence[int]) -> Calibration:
    """p-values of units that know nothing of their labels, over repetitions; `test(seed)` gives those (U,) of one."""
    return judged(what, np.stack([test(seed) for seed in seeds]), PERMUTATIONS)


def judged(what: str, p: NDArray[np.float64], permutations: int) -> Calibration:
    """p-values (R, U) held against the uniform distribution and against 5 % of rejecting repetitions."""
    spread = p - np.random.default_rng(len(p)).random(p.shape) / (1 + permutations)
    test = scipy.stats.kstest(spread.ravel(), "uniform")
    rejecting = sum(bool((q_values(row) <= RATE).any()) for row in p)
    return Calibration(what, p, float(test.statistic), float(test.pvalue), rejecting, share_interval(rejecting, len(p)))


def random_maps(labels: LabelShard, seed: int, units: int = UNITS) -> MapShard:
    """Units of a random two-layer network on pictures in which each label signature has a colour of its own, with pixel noise."""
    random = np.random.default_rng((seed, 3))
    colour = random.random((len(labels.table), 3)).astype(np.float32)
    images, pixels = labels.signature_map.shape
    rows = labels.local_offsets[:-1, None] + labels.signature_map
    pictures = colour[labels.local_signature[rows]] + random.normal(0, 0.05, (images, pixels, 3)).astype(np.float32)
    with seeded(seed), torch.inference_mode():
        network = torch.nn.Sequential(
            torch.nn.Conv2d(3, 16, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2), torch.nn.Conv2d(16, units, 3, padding=1)
        )
        maps = network(torch.from_numpy(pictures).permute(0, 2, 1).reshape(images, 3, *labels.label_size))
    return as_shard(maps.numpy().copy(), labels.included)


@dataclass(frozen=True)
class World:
    """A drawn set. rules: it is labelled by. formulas: ten of its objects, to plant."""

    labels: LabelShard
    rules: Rules
    formulas: tuple[Formula, ...]


def world_of(seed: int) -> World:
    """The drawn set of a seed."""
    labels, vocabulary = drawn_labels(seed)
    rules = Rules(vocabulary, profile("standard"), QUANTILE)
    things = [int(c) for c in small_concepts(labels, rules) if vocabulary.concepts[c - 1].category == "object"]
    return World(labels, rules, tuple(Concept(c) for c in things[:UNITS]))


def _shown(what: str, make: Callable[[World, int], MapShard], worlds: Sequence[World]) -> Shown:
    rows = [_tested(make(world, number), world.labels, world.rules, number) for number, world in enumerate(worlds)]
    return Shown(what, np.stack(rows))


def _noise(world: World, seed: int) -> tuple[MapShard, LabelShard, Rules]:
    return noise_maps(len(world.labels.included), UNITS, MAP, seed=seed), world.labels, world.rules


def _shuffled(world: World, seed: int) -> tuple[MapShard, LabelShard, Rules]:
    maps = planted_maps(world.labels, world.formulas, MAP, noise=0.5, seed=seed).maps
    order = np.random.default_rng((seed, 5)).permutation(len(world.labels.included))
    return maps, shuffled_labels(world.labels, order), world.rules


def _rotated(world: World, seed: int) -> MapShard:
    maps = planted_maps(world.labels, world.formulas, MAP, noise=0.1, seed=seed).maps
    return mixed(maps, haar(maps.units, seed))


def _tested(maps: MapShard, labels: LabelShard, rules: Rules, seed: int) -> NDArray[np.float64]:
    return null_in_memory(maps, labels, rules, permutations=PERMUTATIONS, seed=seed).p


def _formulas(maps: MapShard, labels: LabelShard, rules: Rules, seed: int) -> NDArray[np.float64]:
    return formula_null_in_memory(maps, labels, rules, permutations=PERMUTATIONS, seed=seed).p


def _power(noise: float, worlds: Sequence[World]) -> Power:
    found = planted = labelled = 0
    shares, ratios = [], []
    for number, world in enumerate(worlds):
        units = planted_maps(world.labels, world.formulas, MAP, noise=noise, seed=number)
        maps = beside(units.maps, noise_maps(len(world.labels.included), UNITS, MAP, seed=10_000 + number))
        tested = null_in_memory(maps, world.labels, world.rules, permutations=PERMUTATIONS, seed=number)
        hit = q_values(tested.p) <= RATE
        count = len(world.formulas)
        truth = np.array([formula.id if isinstance(formula, Concept) else -1 for formula in world.formulas])
        found, planted = found + int(hit[:count].sum()), planted + count
        labelled += int((hit[:count] & (tested.concept[:count] == truth)).sum())
        shares.append(hit[count:].sum() / max(int(hit.sum()), 1))
        ratios.append(float(np.median(units.signal_to_noise)))
    return Power(noise, float(np.median(ratios)), found, planted, labelled, float(np.mean(shares)))
