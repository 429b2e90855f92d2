"""Held-out scores of concept labels by two-fold cross-fit.

On each fold threshold, concept filter and label are chosen as a run on it alone would choose them; the score is that label's, under that
threshold, on the other fold. The label of the whole run was chosen on both folds, so its own scores hold out the threshold only: what
the choice among many concepts adds shows in `held_out` and `choice_optimism`. Letters: U units, column f: chosen on fold f.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dissect.errors import ShapeError
from dissect.probe.tables import Int64
from dissect.score.best import UNLABELLED_STATES, best_concept
from dissect.score.count import ConceptScores, scores
from dissect.verify.fold_counts import FoldCounts, Rules
from dissect.verify.folds import Folds

FloatArray = NDArray[np.float64]
Bools = NDArray[np.bool_]

SPARSE = "the fold's threshold lies below the activations that were kept; raise --cache-limit, and run again"


@dataclass(frozen=True)
class HeldOut:
    """Held-out scores of the units of a layer, of concept labels or of formulas. NaN where something could not be scored.

    inside, outside (U, 2): score of the label chosen on fold f on that fold, and on the other one under the same threshold.
    label_inside, label_outside (U, 2): the same for the label of the whole run, under the threshold of fold f.
    folds_agree (U,): both folds choose one label. label_agrees (U,): and it is that of the run.
    reason (U,): why there is no `held_out`, empty where there is one; label_reason (U,): the same for `label_held_out`.
    split_hash, images: of the split. notes: for the reader.
    """

    inside: FloatArray
    outside: FloatArray
    label_inside: FloatArray
    label_outside: FloatArray
    folds_agree: Bools
    label_agrees: Bools
    reason: tuple[str, ...]
    label_reason: tuple[str, ...]
    split_hash: str
    images: tuple[int, int]
    notes: tuple[str, ...] = ()

    @property
    def held_out(self) -> FloatArray:
        """(U,) mean of both folds' labels, each on the fold it was not chosen on: what a label found in this way scores on new images."""
        return _mean(self.outside)

    @property
    def choice_optimism(self) -> FloatArray:
        """(U,) mean over the folds of inside minus outside, each for one label: what choosing label and threshold adds to a score."""
        return _mean(self.inside - self.outside)

    @property
    def label_held_out(self) -> FloatArray:
        """(U,) mean of the run's label on either fold, under the threshold of the other."""
        return _mean(self.label_outside)

    @property
    def label_optimism(self) -> FloatArray:
        """(U,) mean of label_inside minus label_outside: what choosing the threshold adds to the score of the run's label."""
        return _mean(self.label_inside - self.label_outside)

    @property
    def testable(self) -> Bools:
        """(U,) whether there is a `held_out`."""
        return np.array([not reason for reason in self.reason], np.bool_)


@dataclass(frozen=True)
class ConceptHeldOut:
    """Of concept labels. winner (U, 2) int64: the concept chosen on fold f, -1 where there is none."""

    scores: HeldOut
    winner: Int64


def concept_held_out(counts: FoldCounts, rules: Rules, label: Int64) -> ConceptHeldOut:
    """Cross-fit of the concept labels of a layer, under any profile.

    label (U,) int64: the run's label of each unit, a concept id (0: the leaked label 0), -1 for none.

    Raises:
        ShapeError: labels of another number of units.
    """
    if label.shape != (len(counts.hidden[0]),):
        raise ShapeError(f"labels of shape {label.shape} for {len(counts.hidden[0])} units.")
    pairs = [[scores(counts.tables[f][g], rules.vocabulary, rules.profile, min_images=rules.min_images) for g in (0, 1)] for f in (0, 1)]
    states = [counts.thresholds[f].state for f in (0, 1)]
    winner = np.stack([best_concept(pairs[f][f], states[f], rules.profile).concept[:, 0] for f in (0, 1)], axis=1)
    for f in (0, 1):
        winner[counts.hidden[f], f] = -1
    inside = np.stack([_score(pairs[f][f], winner[:, f]) for f in (0, 1)], axis=1)
    outside = np.stack([_score(pairs[f][1 - f], winner[:, f]) for f in (0, 1)], axis=1)
    known = [np.where(_usable(counts, f), label, -1) for f in (0, 1)]
    label_inside = np.stack([_score(pairs[f][f], known[f]) for f in (0, 1)], axis=1)
    label_outside = np.stack([_score(pairs[f][1 - f], known[f]) for f in (0, 1)], axis=1)
    agree = (winner[:, 0] == winner[:, 1]) & (winner[:, 0] >= 0)
    found = HeldOut(
        inside, outside, label_inside, label_outside, agree, agree & (winner[:, 0] == label),
        reasons(counts, winner >= 0, outside, "concept"), label_reasons(counts, label >= 0, label_inside, label_outside, "concept"),
        counts.folds.split_hash, counts.folds.images, _notes(counts, rules),
    )  # fmt: skip
    return ConceptHeldOut(found, winner)


def no_split(folds: Folds, units: int) -> HeldOut:
    """What is said of every unit where there is no split: nothing is testable, and why."""
    nothing, no = np.full((units, 2), np.nan), np.zeros(units, np.bool_)
    why = (f"not testable: {folds.reason}",) * units
    return HeldOut(nothing, nothing, nothing, nothing, no, no, why, why, folds.split_hash, folds.images)


def reasons(counts: FoldCounts, chosen: Bools, outside: FloatArray, kind: str) -> tuple[str, ...]:
    """(U) why a unit has no held-out score. chosen (U, 2): whether fold f chose anything; kind: what it chooses, in words."""

    def why(unit: int, f: int) -> str:
        if counts.hidden[f][unit]:
            return f"fold {f + 1}: {SPARSE}"
        if counts.thresholds[f].state[unit] in UNLABELLED_STATES:
            return f"the unit is {counts.thresholds[f].state[unit]} in fold {f + 1}"
        if not chosen[unit, f]:
            return f"no {kind} overlaps the unit in fold {f + 1}"
        return f"the {kind} chosen on fold {f + 1} is absent from fold {2 - f}" if np.isnan(outside[unit, f]) else ""

    return _first_reason(why, len(outside))


def label_reasons(counts: FoldCounts, labelled: Bools, inside: FloatArray, outside: FloatArray, kind: str) -> tuple[str, ...]:
    """(U) why the run's label has no held-out score. labelled (U,): whether there is one."""

    def why(unit: int, f: int) -> str:
        if not labelled[unit]:
            return f"the unit has no {kind} as label"
        if counts.hidden[f][unit]:
            return f"fold {f + 1}: {SPARSE}"
        if counts.thresholds[f].state[unit] in UNLABELLED_STATES:
            return f"the unit is {counts.thresholds[f].state[unit]} in fold {f + 1}"
        absent = [fold for fold, score in ((f + 1, inside[unit, f]), (2 - f, outside[unit, f])) if np.isnan(score)]
        return f"the {kind} is absent from fold {absent[0]}" if absent else ""

    return _first_reason(why, len(outside))


def _first_reason(why: Callable[[int, int], str], units: int) -> tuple[str, ...]:
    found = [why(unit, 0) or why(unit, 1) for unit in range(units)]
    return tuple(f"not testable: {reason}" if reason else "" for reason in found)


def _usable(counts: FoldCounts, f: int) -> Bools:
    """(U,) units with a mask under the threshold of fold f."""
    alive: Sequence[bool] = [state not in UNLABELLED_STATES for state in counts.thresholds[f].state]
    return np.array(alive, np.bool_) & ~counts.hidden[f]


def _score(found: ConceptScores, concept: Int64) -> FloatArray:
    """(U,) score of one concept a unit; NaN for none (-1), for one that is no column, and for one that no pixel holds."""
    column = np.searchsorted(found.concept, concept)
    fits = column < len(found.concept)
    column = np.where(fits, column, 0)
    if not len(found.concept):
        return np.full(len(concept), np.nan)
    known = fits & (found.concept[column] == concept) & (found.concept_area[column] > 0)
    return np.where(known, found.iou[np.arange(len(concept)), column], np.nan)


def _notes(counts: FoldCounts, rules: Rules) -> tuple[str, ...]:
    several = sum(len(concept.categories) > 1 for concept in rules.vocabulary.concepts)
    notes = []
    if several:
        notes.append(
            f"{several} concepts are annotated in more than one category; their primary category is the data set's own, not chosen anew on "
            "each fold."
        )
    hidden = int((counts.hidden[0] | counts.hidden[1]).sum())
    if hidden:
        notes.append(f"{hidden} units are not testable: {SPARSE}.")
    return tuple(notes)


def _mean(values: FloatArray) -> FloatArray:
    """Mean of both folds; NaN unless both are known."""
    return np.asarray(values.sum(axis=1) / 2, np.float64)
