"""The concepts that describe a unit best: overall, in each category, and the next ones.

The order between equal scores is the profile's: the larger intersection and then concept order (ours), the later category and the
later label, or the first. A score of 0 is no label, and dead and constant units have none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dissect.errors import ShapeError, UsageError
from dissect.probe.profile import Profile
from dissect.score.count import ConceptScores, Counts, FloatArray, reachable

UNLABELLED_STATES = ("dead", "constant")


@dataclass(frozen=True)
class Ranked:
    """Concepts of units in the order of their scores. Shape of every array: (U, X); what X runs over is said by the function.

    concept int64: internal id, 0 for the leaked label 0, -1 where there is none. score float64, 0 where there is none; intersection,
    unit_area, concept_area int64; reachable float64: the highest IoU possible with these areas.
    """

    concept: Counts
    score: FloatArray
    intersection: Counts
    unit_area: Counts
    concept_area: Counts
    reachable: FloatArray


def best_concept(scores: ConceptScores, states: Sequence[str], profile: Profile) -> Ranked:
    """(U, 1): the best concept of every unit. `states` (U,): of `UnitStats`."""
    return top_concepts(scores, states, profile, 1)


def top_concepts(scores: ConceptScores, states: Sequence[str], profile: Profile, count: int = 10) -> Ranked:
    """(U, count): the best concepts of every unit, best first, over all categories."""
    return _ranked(scores, states, np.arange(len(scores.concept)), profile, count)


def best_per_category(scores: ConceptScores, states: Sequence[str], profile: Profile, categories: int) -> Ranked:
    """(U, K): the best concept of every unit in each of K categories (primary categories)."""
    parts = [top_per_category(scores, states, profile, category, 1) for category in range(categories)]
    if not parts:
        return _take(scores, np.zeros((len(states), 0), np.int64), np.zeros((len(states), 0), np.bool_))
    names = ("concept", "score", "intersection", "unit_area", "concept_area", "reachable")
    return Ranked(*(np.concatenate([getattr(part, name) for part in parts], axis=1) for name in names))


def top_per_category(scores: ConceptScores, states: Sequence[str], profile: Profile, category: int, count: int) -> Ranked:
    """(U, count): the best concepts of one category, best first."""
    columns = np.flatnonzero(scores.category == category)
    return _ranked(scores, states, columns, profile, count)


def _alive(scores: ConceptScores, states: Sequence[str]) -> NDArray[np.bool_]:
    """(U,) units that may have a label."""
    if len(states) != len(scores.iou):
        raise ShapeError(f"{len(states)} unit states for the scores of {len(scores.iou)} units.")
    return np.array([state not in UNLABELLED_STATES for state in states], np.bool_)


def _ranked(scores: ConceptScores, states: Sequence[str], columns: Counts, profile: Profile, count: int) -> Ranked:
    """(U, count) the best of some columns."""
    if count < 1:
        raise UsageError(f"at least one concept per unit must be kept, not {count}.")
    columns = columns[scores.scored[columns]]
    score = scores.iou[:, columns] * _alive(scores, states)[:, None]
    wanted = min(count, len(columns))
    # Only columns that reach the count-th score compete; sorting all of them would cost more than counting the pixels did.
    bar = _nth_largest(score, wanted)
    unit, place = np.nonzero((score > 0) & (score >= bar[:, None]))
    column = columns[place]
    ordered = np.lexsort((*_ties(scores, unit, column, profile), -score[unit, place], unit))
    unit, column = unit[ordered], column[ordered]
    rank = np.arange(len(unit)) - np.searchsorted(unit, unit)
    kept = rank < count
    order, found = np.zeros((len(states), count), np.int64), np.zeros((len(states), count), np.bool_)
    order[unit[kept], rank[kept]] = column[kept]
    found[unit[kept], rank[kept]] = True
    return _take(scores, order, found)


def _nth_largest(score: FloatArray, count: int) -> FloatArray:
    """(U,) the count-th largest of each row; +inf where none is asked for."""
    place = score.shape[1] - count
    nth: FloatArray = score.max(axis=1) if count == 1 else np.partition(score, place, axis=1)[:, place:].min(axis=1, initial=np.inf)
    return nth


def _ties(scores: ConceptScores, unit: Counts, column: Counts, profile: Profile) -> tuple[Counts, ...]:
    """What decides between equal scores, the last key first, as `np.lexsort` wants it."""
    if profile.ties == "intersection":
        return column, -scores.intersection[unit, column]
    if profile.ties == "later":
        return -column, -scores.category[column]
    return (column,)


def _take(scores: ConceptScores, order: Counts, found: NDArray[np.bool_]) -> Ranked:
    """Gather what is known of the columns `order` (U, X)."""
    if not len(scores.concept):
        zero, no_score = np.zeros(order.shape, np.int64), np.zeros(order.shape, np.float64)
        return Ranked(zero - 1, no_score, zero, zero, zero, no_score)
    unit = np.arange(len(order))[:, None]
    unit_area, concept_area = np.where(found, scores.unit_area[unit, order], 0), np.where(found, scores.concept_area[order], 0)
    return Ranked(
        np.where(found, scores.concept[order], -1), np.where(found, scores.iou[unit, order], 0.0),
        np.where(found, scores.intersection[unit, order], 0), unit_area, concept_area, reachable(unit_area, concept_area),
    )  # fmt: skip
