"""Responses whose truth is known: units that answer to how drawn people look, among many that do not.

People are drawn as the demo set draws them; each has one to three pictures. Units without a meaning are not white noise: they share
factors, so that they correlate; they have something of the person, so that pictures of one person are alike; and they are cut off at
zero as after a ReLU, with long tails. Brightness differs between the gender presentations, as where one group was photographed in a studio.
Letters: n images, U units.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from dissect.audit.groups import Subjects
from dissect.audit.response import Rules, Selectivity
from dissect.concepts.procedural.dice import Dice
from dissect.concepts.procedural.looks import chosen
from dissect.concepts.procedural.people import attributes

ATTRIBUTES = ("gender_presentation", "age_group", "skin_tone")
CROSSED = ("gender_presentation", "skin_tone")
SUBJECT = "gender_presentation"
KINDS = ("strong", "weak", "joint", "confounded")
STRONG, WEAK, JOINT, CONFOUNDED = 1.0, 0.35, 1.2, 1.0
"""Shifts in standard deviations of a unit before it is cut off; of `confounded`, by one standard deviation of brightness."""
BRIGHTER = 0.8
"""How much brighter pictures of the first gender presentation are, in standard deviations within a group."""


@dataclass(frozen=True)
class Planted:
    """responses (n, U). kinds: unit numbers by what was planted; `none` are the units that answer to nothing."""

    responses: NDArray[np.float32]
    of: Subjects
    kinds: Mapping[str, NDArray[np.intp]]


@dataclass(frozen=True)
class Outcome:
    """What an audit made of planted units.

    power: kind -> share found for the attribute it was planted with, unmatched and matched. false: share of the discoveries that are
    false, unmatched (units that answer to nothing) and matched (and those that answer to brightness alone).
    """

    power: Mapping[str, tuple[float, float]]
    false: tuple[float, float]
    discoveries: tuple[int, int]


def planted(seed: int, *, people: int = 600, units: int = 1000, each: int = 10) -> Planted:
    """Draw people, pictures and units: `each` of every planted kind, and `units` that answer to nothing."""
    random = np.random.default_rng((seed, 11))
    person = np.repeat(np.arange(people), random.integers(1, 4, people))
    looks = [attributes(chosen(Dice(seed, index)), visible=True) for index in range(people)]
    columns = {name: np.array([look[name] for look in looks])[person] for name in ATTRIBUTES}
    first = columns["gender_presentation"] == "feminine"
    brightness = random.standard_normal(people)[person] * 0.8 + random.standard_normal(len(person)) * 0.6 + BRIGHTER * first
    drives = {
        "strong": STRONG * first,
        "weak": WEAK * first,
        "joint": JOINT * (first & (columns["skin_tone"] == "dark")),
        "confounded": CONFOUNDED * (brightness - brightness.mean()),
        "none": np.zeros(len(person)),
    }
    kinds, parts, start = {}, [], 0
    for name, drive in drives.items():
        count = units if name == "none" else each
        kinds[name] = np.arange(start, start + count)
        parts.append(np.repeat(drive[:, None], count, axis=1))
        start += count
    inner = np.concatenate(parts, axis=1) + noise(random, person, start)
    of = Subjects(
        np.arange(len(person), dtype=np.int32), columns, person.astype(np.int64), True, np.ones(len(person), np.bool_),
        {"brightness": brightness},
    )  # fmt: skip
    return Planted(_fired(inner, random), of, kinds)


def noise(random: np.random.Generator, person: NDArray[np.intp], units: int, factors: int = 8) -> NDArray[np.float64]:
    """(n, units) of variance 1: three tenths from shared factors, three tenths of the person, the rest of the picture."""
    shared = random.standard_normal((len(person), factors)) @ (random.standard_normal((factors, units)) / np.sqrt(factors))
    own = random.standard_normal((int(person.max(initial=0)) + 1, units))[person]
    return np.asarray(np.sqrt(0.3) * shared + np.sqrt(0.3) * own + np.sqrt(0.4) * random.standard_normal((len(person), units)))


def rules(**more: object) -> Rules:
    """How planted units are audited: three attributes, cells of two, matched on brightness."""
    settings: dict[str, object] = {
        "attributes": ATTRIBUTES,
        "crossed": (CROSSED,),
        "confounders": ("brightness",),
        "bootstrap": 0,
        "draws": 20_000,
    }
    return Rules(**(settings | more))  # type: ignore[arg-type]


def outcome(of: Planted, result: Selectivity) -> Outcome:
    """Compare an audit with the truth."""
    level = result.rules.level
    power = {}
    for name in KINDS:
        subject, value = (" x ".join(CROSSED), "feminine, dark") if name == "joint" else (SUBJECT, "feminine")
        power[name] = (
            _share(result, subject, value, of.kinds[name], matched=False, level=level),
            _share(result, subject, value, of.kinds[name], matched=True, level=level),
        )
    counts = []
    for matched in (False, True):
        nothing = of.kinds["none"] if not matched else np.concatenate([of.kinds["none"], of.kinds["confounded"]])
        passed = [table.found(level) for table in result.tables if bool(table.matched) is matched]
        counts.append((int(sum(each[nothing].sum() for each in passed)), int(sum(each.sum() for each in passed))))
    rates = [wrong / max(total, 1) for wrong, total in counts]
    return Outcome(power, (rates[0], rates[1]), (counts[0][1], counts[1][1]))


def _share(result: Selectivity, subject: str, value: str, units: NDArray[np.intp], *, matched: bool, level: float) -> float:
    for table in result.tables:
        if (table.contrast.subject, table.contrast.value, bool(table.matched)) == (subject, value, matched):
            return float(table.found(level)[units].mean())
    return 0.0


def _fired(inner: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float32]:
    """Cut off at zero at a level of the unit's own, and stretched, as maxima of ReLU units are."""
    cut = random.uniform(-0.8, 0.4, inner.shape[1])
    return np.asarray(np.maximum(np.expm1(0.5 * (inner - cut)), 0) * random.lognormal(0, 1, inner.shape[1]), np.float32)


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean over seeds with its 95 % interval (Student's t); one seed has none, and gives its value three times."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, mean, mean
    half = float(t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return mean, mean - half, mean + half
