"""From counts to IoU: every unit against every concept, under the rules of one profile.

Source: Bau et al. 2017, "Network Dissection", eq. 2. Letters: U units, C columns (concepts), S signatures, K categories.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from dissect.concepts.model import Vocabulary
from dissect.errors import CountError, ShapeError, UsageError
from dissect.probe.profile import Profile
from dissect.probe.tables import ZERO_MARK, CountTables, SignatureTable

Counts = NDArray[np.int64]
FloatArray = NDArray[np.float64]
Overlap = Literal["union", "multiplicity"]

LEAKED = 0
"""Concept id of the column that a whole-image label 0 makes under two published programs: no name, the last category."""


@dataclass(frozen=True)
class ConceptScores:
    """Every unit against every concept.

    concept (C,) int64: internal ids of the columns, ascending; 0 is the leaked label 0 where the profile has it. category (C,) int64:
    number of each column's primary category. scored (C,) bool: whether a column may become a label. intersection, unit_area (U, C)
    and concept_area (C,) int64 pixel counts I, A, G. iou (U, C) float64.
    """

    concept: Counts
    category: Counts
    scored: NDArray[np.bool_]
    intersection: Counts
    unit_area: Counts
    concept_area: Counts
    iou: FloatArray

    @property
    def reachable(self) -> FloatArray:
        """(U, C) the highest IoU possible with these areas: min(A, G) / max(A, G); 0 where both are 0."""
        return reachable(self.unit_area, self.concept_area)


def iou(intersection: Counts, unit_area: Counts, concept_area: Counts, *, epsilon: float = 0.0, overlap: Overlap = "union") -> FloatArray:
    """Intersection over union of every unit's mask with every concept's mask, over the whole data set.

    Shapes: intersection (U, C), unit_area (U,) or (U, C), concept_area (C,), all pixel counts. Returns (U, C), in [0, 1] for `union`.
    A pair with an empty union scores 0, so that a dead unit is never labelled. `epsilon` is added to the denominator, as published
    programs do. With `multiplicity` a pixel may count twice in I and G, so I may exceed A. Source: Bau et al. 2017, eq. 2.

    Raises:
        ShapeError: the arrays do not agree in U and C.
        CountError: an intersection is larger than one of its areas, which no data can give.
    """
    area = unit_area[:, None] if unit_area.ndim == 1 else unit_area
    units, concepts = intersection.shape if intersection.ndim == 2 else (-1, -1)
    if concept_area.shape != (concepts,) or area.shape not in ((units, 1), (units, concepts)):
        shapes = f"intersections {intersection.shape}, unit areas {unit_area.shape}, concept areas {concept_area.shape}"
        raise ShapeError(f"{shapes} do not agree.")
    score = np.empty(intersection.shape, np.float64)
    step = max(1, _TOGETHER // max(1, concepts))
    for first in range(0, units, step):
        rows = slice(first, first + step)
        score[rows] = _ratios(intersection[rows], area[rows], concept_area, epsilon, overlap)
    return score


_TOGETHER = 1 << 15
"""Pairs of unit and concept that are divided at a time: what lies between stays in a core's cache."""


def _ratios(intersection: Counts, area: Counts, concept_area: Counts, epsilon: float, overlap: Overlap) -> FloatArray:
    widest = np.minimum(area, concept_area) if overlap == "union" else concept_area
    if intersection.min(initial=0) < 0 or (intersection > widest).any():
        raise CountError("an intersection is larger than one of its areas; the counts are damaged, delete them and run again.")
    union = area + concept_area
    union -= intersection
    divisor = union.astype(np.float64)
    divisor += epsilon
    score = np.zeros(intersection.shape, np.float64)
    np.divide(intersection, divisor, out=score, where=divisor != 0)
    return score


def reachable(unit_area: Counts, concept_area: Counts) -> FloatArray:
    """The highest IoU that masks of these areas could have, min / max, element by element; 0 where both are empty."""
    larger = np.maximum(unit_area, concept_area)
    smaller = np.minimum(unit_area, concept_area)
    best = np.zeros(larger.shape, np.float64)
    np.divide(smaller, larger, out=best, where=larger > 0)
    return best


def scores(tables: CountTables, vocabulary: Vocabulary, profile: Profile, *, min_images: int = 0) -> ConceptScores:
    """I, A, G and IoU of every unit with every concept, from the counts by label signature.

    `tables` must have been counted under the same profile. Concepts in fewer than `min_images` images, and those outside the profile's
    categories, get no label (`scored`), but their counts are given.

    Raises:
        ShapeError: the tables hold ids that the vocabulary does not.
        UsageError: the profile scores only categories that this vocabulary does not have.
    """
    concept, category = _columns(vocabulary, profile)
    member = membership(tables.signatures, len(vocabulary), profile)[:, concept]
    units = len(tables.unit_area)
    active = scipy.sparse.csr_array((tables.count, (tables.unit, tables.signature)), shape=(units, len(tables.signatures)))
    intersection = (active @ member).toarray().astype(np.int64, copy=False)
    concept_area = np.asarray(member.T @ tables.signature_pixels, dtype=np.int64)
    unit_area = tables.unit_area_category[:, category] if len(vocabulary.categories) else np.zeros((units, 0), np.int64)
    if len(tables.extra_unit):
        np.add.at(unit_area, (tables.extra_unit, tables.extra_concept - concept[0]), tables.extra_area)
    if len(concept) and concept[0] == LEAKED and profile.label_zero == "leak_no_area":
        unit_area[:, 0] = 0
    ratio = iou(intersection, unit_area, concept_area, epsilon=profile.epsilon, overlap=profile.overlap)
    scored = _scored(tables, vocabulary, profile, concept, category, min_images)
    return ConceptScores(concept, category, scored, intersection, unit_area, concept_area, ratio)


def _columns(vocabulary: Vocabulary, profile: Profile) -> tuple[Counts, Counts]:
    """Concept ids and category numbers of the columns."""
    numbers = {name: index for index, name in enumerate(vocabulary.categories)}
    leaked = [LEAKED] if profile.label_zero != "drop" and vocabulary.categories else []
    concept = np.array([*leaked, *range(1, len(vocabulary) + 1)], np.int64)
    last = len(vocabulary.categories) - 1
    category = np.array([last for _ in leaked] + [numbers[entry.category] for entry in vocabulary.concepts], np.int64)
    return concept, category


def membership(table: SignatureTable, concepts: int, profile: Profile) -> scipy.sparse.csr_array:
    """(S, C+1) how often a concept is in a signature; column 0 is the leaked label 0.

    Raises:
        ShapeError: the table holds ids above `concepts`.
    """
    owner = np.repeat(np.arange(len(table)), np.diff(table.offsets))
    kept = (table.members <= concepts) | (table.members == ZERO_MARK)
    if len(table.members) and (table.members[table.members < 65_001] > concepts).any():
        raise ShapeError(f"the counts hold concepts that a vocabulary of {concepts} does not have; they belong to another data set.")
    column = np.where(table.members == ZERO_MARK, 0, table.members)[kept].astype(np.int64)
    ones = np.ones(len(column), np.int64)
    found = scipy.sparse.csr_array((ones, (owner[kept], column)), shape=(len(table), concepts + 1))
    found.sum_duplicates()
    if profile.overlap == "union":
        found.data[:] = 1
    return found


def _scored(
    tables: CountTables, vocabulary: Vocabulary, profile: Profile, concept: Counts, category: Counts, min_images: int
) -> NDArray[np.bool_]:
    presence = np.concatenate(([tables.images], tables.presence))[concept]
    scored: NDArray[np.bool_] = presence >= min_images
    if profile.categories is not None:
        wanted = [index for index, name in enumerate(vocabulary.categories) if name in profile.categories]
        if len(vocabulary) and not wanted:
            raise UsageError(
                f"profile {profile.name} scores only the categories {', '.join(profile.categories)}; "
                f"{vocabulary.name} has {', '.join(vocabulary.categories)}. Choose another profile."
            )
        scored = scored & np.isin(category, wanted)
    return scored
