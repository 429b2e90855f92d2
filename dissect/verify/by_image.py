"""I, A and G of one label a unit, image by image: what a bootstrap draws from.

Their sums over images are the counts that the run's score was made of, under every profile. Letters: n images, U units, C concepts,
S signatures and M pairs of image and unit of one shard.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from dissect.compose.formula import Formula, concepts, on_masks
from dissect.concepts.model import Vocabulary
from dissect.errors import NotSupportedError, ShapeError
from dissect.probe.areas import Pairs, content, lonely_areas, pair_areas
from dissect.probe.counting import TallySource
from dissect.probe.labelling import LabelSource
from dissect.probe.profile import Profile
from dissect.probe.signatures import LabelShard, primary_categories
from dissect.probe.tables import VOID_MARK, ZERO_MARK, Int64
from dissect.probe.tally import TallyShard
from dissect.score.count import LEAKED, membership

Int32Array = NDArray[np.int32]
Weights = NDArray[np.float64]


@dataclass(frozen=True)
class ByImage:
    """One label a unit. intersection, union (n, U) int32: I and A + G - I of each image, 0 for units without a label. Images are those of
    `image_index`, in order."""

    intersection: Int32Array
    union: Int32Array


def concepts_by_image(
    tallies: TallySource, labels: LabelSource, vocabulary: Vocabulary, profile: Profile, label: Int64, image_index: NDArray[np.int32]
) -> ByImage:
    """Of concept labels (U,): ids, 0 for the leaked label 0, -1 for none. A under the profile's rule; void pixels as it says.

    Raises:
        ShapeError: an image was counted that is not in image_index, or labels of another number of units.
    """
    labelled = label >= 0
    column = np.where(labelled, label, 0)
    last = len(vocabulary.categories) - 1
    category = np.where(column == LEAKED, last, primary_categories(vocabulary)[column])

    def weights(part: LabelShard) -> Weights:
        member = membership(part.table, len(vocabulary), profile)[:, column].toarray()
        return np.asarray(member * labelled, np.float64)

    def areas(pairs: Pairs, part: LabelShard) -> Int64:
        inside = content(part, vocabulary, profile)
        own, every = column[pairs.unit], np.arange(len(pairs.unit))
        area = pair_areas(pairs, part, inside, profile)[every, category[pairs.unit]]
        area = area + lonely_areas(pairs, part, inside, vocabulary, profile, own)
        left_out = ~labelled[pairs.unit] | ((own == LEAKED) & (profile.label_zero != "leak"))
        return np.where(left_out, 0, area)

    return _all(tallies, labels, len(label), image_index, weights, areas)


def formulas_by_image(
    tallies: TallySource, labels: LabelSource, vocabulary: Vocabulary, profile: Profile, label: Sequence[Formula | None],
    image_index: NDArray[np.int32],
) -> ByImage:  # fmt: skip
    """Of formulas (U). A counts all images; a pixel that is void for any category is out of everything where the profile says so.

    Raises:
        NotSupportedError: the profile counts a concept in two planes twice, and has no formulas.
        ShapeError: as `concepts_by_image`.
    """
    if profile.overlap != "union":
        raise NotSupportedError(f"formulas under profile {profile.name} are not supported: it counts a concept in two planes twice.")

    def weights(part: LabelShard) -> Weights:
        return _holding(part, vocabulary, profile, label) * _counting(part, profile)[:, None]

    def areas(pairs: Pairs, part: LabelShard) -> Int64:
        counting = _counting(part, profile)[pairs.signature] * pairs.count
        labelled = np.array([formula is not None for formula in label], np.bool_)
        area: Int64 = np.add.reduceat(counting, pairs.offsets[:-1]) if len(pairs.unit) else counting
        return area * labelled[pairs.unit]

    return _all(tallies, labels, len(label), image_index, weights, areas)


def _all(
    tallies: TallySource, labels: LabelSource, units: int, image_index: NDArray[np.int32],
    weights: Callable[[LabelShard], Weights], areas: Callable[[Pairs, LabelShard], Int64],
) -> ByImage:  # fmt: skip
    found = np.zeros((3, len(image_index), units), np.int32)
    for first, stop, shard in tallies.parts():
        if len(shard.unit_area) != units:
            raise ShapeError(f"labels of {units} units with counts of {len(shard.unit_area)}.")
        part = labels.part(first, stop)
        rows = np.searchsorted(image_index, [first, stop])
        images = image_index[rows[0] : rows[1]] - first
        pairs, weight = pairs_of(shard), weights(part)
        if len(pairs.image) and not np.isin(pairs.image, images).all():
            raise ShapeError("an image was counted that is not among the images of the run; give the run's own image_index.")
        for sums, whole in zip(found, _shard(pairs, part, weight, areas(pairs, part), units), strict=True):
            sums[rows[0] : rows[1]] = whole[images]
    intersection, unit_area, concept_area = found
    return ByImage(intersection, unit_area + concept_area - intersection)


def _shard(pairs: Pairs, part: LabelShard, weight: Weights, area: Int64, units: int) -> tuple[Int64, Int64, Int64]:
    """I, A, G (n, U) of a shard. weight (S, U): how often a signature counts for a unit's label; area (M,): A of each pair."""
    images = len(part.included)
    shape = (images, units)
    owner = np.repeat(np.arange(len(pairs.unit)), np.diff(pairs.offsets))
    hits = pairs.count * weight[pairs.signature, pairs.unit[owner]]
    place = pairs.image * units + pairs.unit
    size = images * units
    # bincount and the product add in float64, which holds every pixel count below 2**53 exactly.
    intersection = np.bincount(place[owner], hits, minlength=size).astype(np.int64).reshape(shape)
    unit_area = np.bincount(place, area, minlength=size).astype(np.int64).reshape(shape)
    row = np.repeat(np.arange(images), np.diff(part.local_offsets))
    pixels = scipy.sparse.csr_array((part.local_pixels.astype(np.float64), (row, part.local_signature)), shape=(images, len(weight)))
    return intersection, unit_area, np.asarray(pixels @ weight).astype(np.int64)


def pairs_of(shard: TallyShard) -> Pairs:
    """The pairs of image and unit of a recorded shard of counts."""
    count = shard.triple_count.astype(np.int64)
    area: Int64 = np.add.reduceat(count, shard.triple_offsets[:-1]) if len(shard.pair_unit) else np.zeros(0, np.int64)
    return Pairs(
        shard.pair_image.astype(np.int64), shard.pair_unit.astype(np.int64), area, shard.triple_offsets.astype(np.int64),
        shard.triple_signature.astype(np.int64), count,
    )  # fmt: skip


def _counting(part: LabelShard, profile: Profile) -> Int64:
    """(S,) 1 for signatures that formulas count, 0 for those void for any category where the profile leaves these out."""
    counting = np.ones(len(part.table), np.int64)
    if profile.void == "out":
        owner = np.repeat(np.arange(len(part.table)), np.diff(part.table.offsets))
        counting[owner[(part.table.members >= VOID_MARK) & (part.table.members < ZERO_MARK)]] = 0
    return counting


def _holding(part: LabelShard, vocabulary: Vocabulary, profile: Profile, label: Sequence[Formula | None]) -> Weights:
    """(S, U) 1 where a unit's formula holds."""
    member = membership(part.table, len(vocabulary), profile)
    used = sorted({concept for formula in label if formula is not None for concept in concepts(formula)})
    columns = member[:, used].toarray() > 0
    masks: Mapping[int, NDArray[np.bool_]] = {concept: columns[:, place] for place, concept in enumerate(used)}
    found = np.zeros((len(part.table), len(label)))
    for unit, formula in enumerate(label):
        if formula is not None:
            found[:, unit] = on_masks(formula, masks)
    return found
