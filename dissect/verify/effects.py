"""What switching units off does to a network's answers: losses a picture, contrasts with intervals, class selectivity.

Letters: N pictures, O outputs, C concepts, K versions of the network (plain, or with units switched off), U units, R bootstrap samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from dissect.errors import ShapeError

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
FEWEST = 2
"""Pictures (or groups) with the concept, and without it, that a contrast needs."""


@dataclass(frozen=True)
class Group:
    """Outputs of which at most one is right in a picture: a softmax. outputs (G,) of the network; right (N,) place among them or -1."""

    outputs: NDArray[np.int64]
    right: NDArray[np.int64]


@dataclass(frozen=True)
class Answers:
    """What the network should answer, where the data says so.

    groups: softmaxes. single (S,): outputs that are right or wrong for themselves, present (N, S) whether they are.
    concepts: concept column of the data -> output of the network. whole: the one group is a softmax over all outputs.
    """

    groups: tuple[Group, ...]
    single: NDArray[np.int64]
    present: Bools
    concepts: Mapping[int, int]
    whole: bool

    def rows(self, chosen: NDArray[np.int64]) -> Answers:
        """The same for some pictures."""
        groups = tuple(Group(group.outputs, group.right[chosen]) for group in self.groups)
        return Answers(groups, self.single, self.present[chosen], self.concepts, self.whole)


def answers(classes: Sequence[str], concepts: Sequence[tuple[str, str]], presence: Bools, whole: Bools) -> Answers | None:
    """Match outputs with concepts by name. None where fewer than two match.

    classes: names of the outputs; of `tench, Tinca tinca` the first part counts. concepts (C): (category, name). presence, whole (N, C):
    which concepts a picture holds, and which of them as a label of the whole picture. A category whose matching concepts are labels of
    whole pictures, never two in one picture, is a softmax; every other matching concept is an output of its own.
    """
    if presence.shape != whole.shape or presence.shape[1] != len(concepts):
        raise ShapeError(f"presence {presence.shape} and whole {whole.shape} of {len(concepts)} concepts do not agree.")
    places = {_plain(name): place for place, name in reversed(list(enumerate(classes)))}
    matched = {column: places[_plain(name)] for column, (_, name) in enumerate(concepts) if _plain(name) in places}
    if len(matched) < 2:
        return None
    groups, alone = [], []
    for category in dict.fromkeys(concepts[column][0] for column in matched):
        columns = [column for column in matched if concepts[column][0] == category]
        held = presence[:, columns]
        if len(columns) > 1 and held.any() and held.sum(axis=1).max() <= 1 and not (held & ~whole[:, columns]).any():
            right = np.where(held.any(axis=1), held.argmax(axis=1), -1)
            groups.append(Group(np.array([matched[column] for column in columns], np.int64), right.astype(np.int64)))
        else:
            alone += columns
    single = np.array([matched[column] for column in alone], np.int64)
    return Answers(tuple(groups), single, presence[:, alone], matched, whole=len(groups) == 1 and not alone)


def _plain(name: str) -> str:
    return name.partition(",")[0].strip().replace("_", " ").casefold()


def losses(logits: NDArray[np.float32], right: Answers) -> Floats:
    """(K, N) negative log likelihood of the data's labels, in nats a picture: all groups and single outputs together. logits (K, N, O)."""
    values = logits.astype(np.float64)
    total = np.zeros(values.shape[:2])
    for group in right.groups:
        own, place = _in_group(values, group, right.whole)
        rows = np.flatnonzero(group.right >= 0)
        total[:, rows] += special.logsumexp(own[:, rows], axis=2) - own[:, rows, place[rows]]
    signed = np.where(right.present, -values[:, :, right.single], values[:, :, right.single])
    found: Floats = total + np.logaddexp(0.0, signed).sum(axis=2)
    return found


def accuracy(logits: NDArray[np.float32], right: Answers) -> Floats:
    """(K, N) share of a picture's answers that are right: one for each group with a label, one for each single output (> 0: present)."""
    hits = ((logits[:, :, right.single] > 0) == right.present).sum(axis=2).astype(np.float64)
    asked = np.full(logits.shape[1], len(right.single), np.int64)
    for group in right.groups:
        own, place = _in_group(logits, group, right.whole)
        known = group.right >= 0
        hits += (own.argmax(axis=2) == place) & known
        asked += known
    found: Floats = hits / np.maximum(asked, 1)
    return found


def concept_loss(logits: NDArray[np.float32], right: Answers, column: int, present: Bools) -> Floats:
    """(K, N) loss of one concept's own output: -log p where the picture holds it, -log (1 - p) where not; p by softmax or sigmoid."""
    output, values = right.concepts[column], logits.astype(np.float64)
    group = next((group for group in right.groups if output in group.outputs), None)
    odds = values[:, :, output]
    if group is not None:
        own = values if right.whole else values[:, :, group.outputs]
        place = output if right.whole else int(np.flatnonzero(group.outputs == output)[0])
        odds = odds - special.logsumexp(np.delete(own, place, axis=2), axis=2)
    found: Floats = np.logaddexp(0.0, np.where(present, -odds, odds))
    return found


def divergence(logits: NDArray[np.float32]) -> Floats:
    """(K, N) Kullback-Leibler divergence in nats from the softmax of the plain outputs, logits[0], to that of each version."""
    log = special.log_softmax(logits.astype(np.float64), axis=2)
    found: Floats = np.maximum((np.exp(log[:1]) * (log[:1] - log)).sum(axis=2), 0.0)
    return found


def logit_change(logits: NDArray[np.float32]) -> Floats:
    """(K, N) mean absolute change of the outputs against logits[0]."""
    found: Floats = np.abs(logits.astype(np.float64) - logits[:1]).mean(axis=2)
    return found


@dataclass(frozen=True)
class Contrast:
    """Pictures with the concept minus those without. low, high: 95 % bootstrap interval; all None where it cannot be tested."""

    value: float | None
    low: float | None = None
    high: float | None = None


def contrast(change: Floats, held: Bools, groups: NDArray[np.int64], *, samples: int = 1000, seed: int = 0) -> Contrast:
    """Mean of `change` (N,) over pictures with the concept minus that over those without, or the mean over all if all or none are `held`.

    groups (N,): number of each picture's group; groups are drawn whole.
    """
    inside = held if held.any() else np.ones_like(held)
    outside = ~inside
    if len(np.unique(groups[inside])) < FEWEST or (outside.any() and len(np.unique(groups[outside])) < FEWEST):
        return Contrast(None)
    number, place = np.unique(groups, return_inverse=True)
    sums = np.stack([np.bincount(place, part, len(number)) for part in (change * inside, inside, change * outside, outside)], axis=1)
    drawn = np.random.default_rng(seed).multinomial(len(number), np.full(len(number), 1 / len(number)), size=samples)
    values = _difference(drawn.astype(np.float64) @ sums, bool(outside.any()))
    low, high = np.nanquantile(values, (0.025, 0.975))
    return Contrast(float(_difference(sums.sum(axis=0)[None], bool(outside.any()))[0]), float(low), float(high))


def _difference(sums: Floats, both: bool) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        inside = sums[:, 0] / sums[:, 1]
        found: Floats = inside - sums[:, 2] / sums[:, 3] if both else inside
    return found


def means_of(change: Floats, held: Bools) -> Floats:
    """(K,) the contrast's value for each row of `change` (K, N)."""
    inside = held if held.any() else np.ones_like(held)
    found: Floats = change[:, inside].mean(axis=1)
    return found if inside.all() else found - change[:, ~inside].mean(axis=1)


def rank_p(value: float, controls: Floats) -> float | None:
    """(1 + controls at least as large) / (1 + controls); None without controls."""
    return (1 + int((controls >= value).sum())) / (1 + len(controls)) if len(controls) else None


def selectivity(average: Floats, present: Bools) -> Floats:
    """Class selectivity index (U,) of Morcos et al. 2018: (best - rest) / (best + rest) of class-conditional mean activations.

    average (N, U): spatial means. present (N, C): which classes a picture shows; classes of no picture are left out. NaN where a class mean
    is negative, where both are 0, or with fewer than two classes: the index is defined for rectified units.
    """
    classes = present[:, present.any(axis=0)].astype(np.float64)
    if classes.shape[1] < 2:
        return np.full(average.shape[1], np.nan)
    means = (classes.T @ average) / classes.sum(axis=0)[:, None]
    best = means.max(axis=0)
    rest = (means.sum(axis=0) - best) / (len(means) - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = np.where((means >= 0).all(axis=0) & (best + rest > 0), (best - rest) / (best + rest), np.nan)
    return found


def _in_group(values: NDArray[np.floating], group: Group, whole: bool) -> tuple[NDArray[np.floating], NDArray[np.int64]]:
    """Logits of the softmax, and the right place in it (what stands at -1 is never read)."""
    if whole:
        return values, np.where(group.right >= 0, group.outputs[group.right], -1)
    return values[:, :, group.outputs], group.right
