"""Which of a unit's active pixels count as its area A against the concepts of a category: where the programs differ most.

Letters: n images, M pairs of image and unit with an active pixel, K categories, C concepts, S signatures of the shard.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from dissect.concepts.model import Vocabulary
from dissect.probe.profile import Profile
from dissect.probe.signatures import LabelShard, primary_categories
from dissect.probe.tables import VOID_MARK, ZERO_MARK, Int64, SignatureTable

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Content:
    """What is in the images of a label shard.

    touches (S, K): the signature holds a concept whose primary category it is. void (S, K): void for the category, or None where no
    pixel of the shard is. present (n, C+1): the image holds the concept. held (n, K): it holds one of the category.
    """

    touches: Flags
    void: Flags | None
    present: Flags
    held: Flags


def content(labels: LabelShard, vocabulary: Vocabulary, profile: Profile) -> Content:
    """Read the members of the shard's signatures.

    A leaked whole-image 0 belongs to the last category where the profile says `leak`; under `leak_no_area` it belongs to none.
    """
    table, concepts, categories = labels.table, len(vocabulary), len(vocabulary.categories)
    owner = np.repeat(np.arange(len(table)), np.diff(table.offsets))
    concept = table.members <= concepts
    touches = np.zeros((len(table), categories), np.bool_)
    touches[owner[concept], primary_categories(vocabulary)[table.members[concept]]] = True
    if profile.label_zero == "leak" and categories:
        touches[owner[table.members == ZERO_MARK], -1] = True
    return Content(touches, _void(table, owner, categories), _present(labels, concepts), _held(labels, touches))


def _void(table: SignatureTable, owner: Int64, categories: int) -> Flags | None:
    marks = (table.members >= VOID_MARK) & (table.members < VOID_MARK + categories)
    if not marks.any():
        return None
    void = np.zeros((len(table), categories), np.bool_)
    void[owner[marks], table.members[marks] - VOID_MARK] = True
    return void


def _owners(labels: LabelShard) -> Int64:
    """(L,) image of each local signature."""
    return np.repeat(np.arange(len(labels.included)), np.diff(labels.local_offsets))


def _present(labels: LabelShard, concepts: int) -> Flags:
    table = labels.table
    present = np.zeros((len(labels.included), concepts + 1), np.bool_)
    sizes = np.diff(table.offsets)[labels.local_signature]
    image = np.repeat(_owners(labels), sizes)
    inside = np.arange(len(image)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    members = table.members[np.repeat(table.offsets[labels.local_signature], sizes) + inside]
    concept = members <= concepts
    present[image[concept], members[concept]] = True
    return present


def _held(labels: LabelShard, touches: Flags) -> Flags:
    held = np.zeros((len(labels.included), touches.shape[1]), np.bool_)
    np.logical_or.at(held, _owners(labels), touches[labels.local_signature])
    return held


@dataclass(frozen=True)
class Pairs:
    """M pairs with their signatures. image, unit, area (M,) int64; offsets (M+1,); signature, count (T,): shard signatures and pixels."""

    image: Int64
    unit: Int64
    area: Int64
    offsets: Int64
    signature: Int64
    count: Int64


def category_areas(pairs: Pairs, labels: LabelShard, inside: Content, profile: Profile, units: int) -> Int64:
    """(U, K) active pixels that count as A for concepts of a category, by the profile's rule."""
    categories = labels.annotated.shape[1]
    weights = pair_areas(pairs, labels, inside, profile)
    areas = [np.bincount(pairs.unit, weights[:, category], minlength=units) for category in range(categories)]
    # bincount adds in float64, which holds every pixel count below 2**53 exactly.
    return np.stack(areas, axis=1).astype(np.int64) if areas else np.zeros((units, 0), np.int64)


def pair_areas(pairs: Pairs, labels: LabelShard, inside: Content, profile: Profile) -> Int64:
    """(M, K) what each pair adds to `category_areas`."""
    return _areas(pairs, inside, profile, labels.annotated.shape[1]) * _counting(pairs, labels, inside, profile)


def lonely_areas(pairs: Pairs, labels: LabelShard, inside: Content, vocabulary: Vocabulary, profile: Profile, concept: Int64) -> Int64:
    """(M,) what each pair adds to `extra_areas` for one concept a pair (M,), id 1..C; 0 under other rules than `annotated`."""
    if profile.area != "annotated" or not len(pairs.image):
        return np.zeros(len(pairs.image), np.int64)
    category = primary_categories(vocabulary)[concept]
    areas = _areas(pairs, inside, profile, labels.annotated.shape[1])[np.arange(len(concept)), category]
    return areas * (inside.present[pairs.image, concept] & ~labels.annotated[pairs.image, category])


def extra_areas(pairs: Pairs, inside: Content, labels: LabelShard, vocabulary: Vocabulary, profile: Profile) -> tuple[Int64, Int64, Int64]:
    """Unit, concept and area of images that hold a concept although its primary category is not annotated there (rule `annotated`)."""
    nothing = np.zeros(0, np.int64)
    if profile.area != "annotated":
        return nothing, nothing, nothing
    primary = primary_categories(vocabulary)[1:]
    lonely = inside.present[:, 1:] & ~labels.annotated[:, primary]
    if not lonely.any():
        return nothing, nothing, nothing
    image, concept = np.nonzero(lonely)
    starts = np.searchsorted(image, np.arange(len(lonely) + 1))
    sizes = np.diff(starts)[pairs.image]
    pair = np.repeat(np.arange(len(pairs.image)), sizes)
    place = np.arange(len(pair)) - np.repeat(np.cumsum(sizes) - sizes, sizes) + np.repeat(starts[pairs.image], sizes)
    areas = _areas(pairs, inside, profile, labels.annotated.shape[1])[pair, primary[concept[place]]]
    return add_up(pairs.unit[pair], concept[place] + 1, areas)


def add_up(unit: Int64, other: Int64, amount: Int64) -> tuple[Int64, Int64, Int64]:
    """Sum amounts of equal (unit, other), none negative; sorted by both, zero sums left out."""
    unit, other, amount = (np.asarray(numbers, np.int64) for numbers in (unit, other, amount))
    if not len(unit):
        return unit, other, amount
    places, width = int(other.max()).bit_length(), int(amount.max()).bit_length()
    if int(unit.max()).bit_length() + places + width > 63:
        return _add_long(unit, other, amount)
    # All three as one number: sorting plain numbers is several times faster than sorting rows.
    packed = np.sort(((unit << places | other) << width) | amount)
    keys = packed >> width
    starts = np.flatnonzero(np.diff(keys, prepend=-1))
    sums = np.add.reduceat(packed & ((1 << width) - 1), starts)
    keys, sums = keys[starts][sums != 0], sums[sums != 0]
    return keys >> places, keys & ((1 << places) - 1), sums


def _add_long(unit: Int64, other: Int64, amount: Int64) -> tuple[Int64, Int64, Int64]:
    """The same for numbers that do not fit into one of 63 bits together."""
    rows, columns = int(unit.max()) + 1, int(other.max()) + 1
    sums = scipy.sparse.csr_array((amount, (unit, other)), shape=(rows, columns))
    sums.sum_duplicates()
    sums.eliminate_zeros()
    return np.repeat(np.arange(rows), np.diff(sums.indptr)), sums.indices.astype(np.int64), sums.data


def _areas(pairs: Pairs, inside: Content, profile: Profile, categories: int) -> Int64:
    """(M, K) active pixels of each pair, without those void for the category where the profile leaves them out."""
    areas = np.repeat(pairs.area[:, None], categories, axis=1)
    if inside.void is None or profile.void == "unlabelled" or not len(pairs.area):
        return areas
    void: Int64 = np.add.reduceat(inside.void[pairs.signature] * pairs.count[:, None], pairs.offsets[:-1], axis=0)
    return areas - void


def _counting(pairs: Pairs, labels: LabelShard, inside: Content, profile: Profile) -> Flags:
    """(M, K) whether the pair's image counts for a category."""
    if profile.area == "annotated":
        return labels.annotated[pairs.image]
    if profile.area == "holding":
        return inside.held[pairs.image]
    if profile.area == "touched" and len(pairs.image):
        touched: Flags = np.logical_or.reduceat(inside.touches[pairs.signature], pairs.offsets[:-1], axis=0)
        return touched
    return np.ones((len(pairs.image), labels.annotated.shape[1]), np.bool_)
