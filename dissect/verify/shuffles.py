"""Reassignments of label maps to images under which nothing should change if a unit's masks were independent of the labels.

Only what may be exchanged under that hypothesis is exchanged. Images of different annotated categories are not alike (a unit's area
counts in images where a category is annotated), so labels stay within blocks of equal annotated categories. Images of one group are not
independent, so the labels of a group go as a whole, in order, to another group of the same size and annotation. The images of an
ordered group (frames of a video) resemble their neighbours, so its labels are shifted in a circle within the sequence instead. These
reassignments form a group of transformations and are drawn uniformly from it, so that p-values over them are exact.
All label maps of a run have one size, so blocks by label size are not needed. Letters: n images, K categories, B shuffles.
Source: Lehmann & Romano, "Testing Statistical Hypotheses", section 15.2.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dissect.concepts.model import ImageRecord
from dissect.errors import ShapeError, UsageError
from dissect.probe.tables import Int32, Int64

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Shuffles:
    """B reassignments of the labels of n images, behind the true one.

    source (B+1, n) int32: the image whose labels image i gets; row 0 is the identity. movable (n,): images that can get other labels
    at all. log10_count: decimal logarithm of how many different reassignments there are. blocks: what is exchanged with what, for
    people. notes: what could not be moved, for people.
    """

    source: Int32
    seed: int
    movable: Flags
    log10_count: float
    blocks: str
    notes: tuple[str, ...]

    @property
    def count(self) -> int:
        """B."""
        return len(self.source) - 1

    @property
    def floor(self) -> float:
        """The smallest p-value that counting can give: 1 / (1 + B), or 1 in as many as there are different shuffles if those are fewer."""
        return self.floor_of(self.count)

    @property
    def few(self) -> bool:
        """Whether there are fewer different shuffles than were drawn: nothing can be said beyond counting then."""
        return self.log10_count < math.log10(1 + self.count)

    def floor_of(self, count: int) -> float:
        """`floor` of the first `count` shuffles."""
        return max(1.0 / (1 + count), 10.0**-self.log10_count if math.isfinite(self.log10_count) else 0.0)


@dataclass(frozen=True)
class _Plan:
    """exchanged: blocks of interchangeable groups (G, m) of images, a row a group. shifted: sequences (m,) of images."""

    exchanged: list[Int64]
    shifted: list[Int64]


def shuffles(annotated: Flags, records: Sequence[ImageRecord], *, count: int = 200, seed: int = 0) -> Shuffles:
    """Draw `count` reassignments of the labels of some images.

    annotated (n, K): the categories annotated in each. records: their n records, in the same order; `group` and `ordered` are read, and
    an image without a group is its own.

    Raises:
        UsageError: count is not positive, or the seed negative.
        ShapeError: records and rows do not agree in number.
    """
    if count < 1 or seed < 0:
        raise UsageError(f"at least one shuffle and a seed of 0 or more are needed, not {count} and {seed}.")
    if annotated.ndim != 2 or len(annotated) != len(records):
        raise ShapeError(f"annotated categories of shape {annotated.shape} for {len(records)} images.")
    plan = _plan(annotated, records)
    random = np.random.default_rng(seed)
    source = np.tile(np.arange(len(records), dtype=np.int32), (count + 1, 1))
    for row in source[1:]:
        _draw(row, plan, random)
    movable = np.zeros(len(records), np.bool_)
    for block in (*_moving(plan.exchanged), *_moving(plan.shifted)):
        movable[block.ravel()] = True
    return Shuffles(source, seed, movable, _log10_count(plan), _described(plan), tuple(_notes(plan, movable, count)))


def _draw(row: Int32, plan: _Plan, random: np.random.Generator) -> None:
    """One uniform element, written to row (n,)."""
    for block in _moving(plan.exchanged):
        row[block] = block[random.permutation(len(block))]
    for sequence in _moving(plan.shifted):
        row[sequence] = np.roll(sequence, int(random.integers(len(sequence))))


def _moving(blocks: Sequence[Int64]) -> list[Int64]:
    """Blocks with more than one thing to move."""
    return [block for block in blocks if len(block) > 1]


def _plan(annotated: Flags, records: Sequence[ImageRecord]) -> _Plan:
    pattern = np.zeros(len(records), np.int64)
    if len(records):
        pattern = np.unique(annotated, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
    alike: dict[tuple[int, ...], list[list[int]]] = defaultdict(list)
    shifted: list[Int64] = []
    for members, ordered in _groups(records):
        if ordered:
            shifted += [np.array([i for i in members if pattern[i] == kind], np.int64) for kind in sorted({*pattern[members].tolist()})]
        else:
            rows = sorted(members, key=lambda i: (pattern[i], i))
            alike[tuple(pattern[rows].tolist())].append(rows)
    return _Plan([np.array(rows, np.int64) for _, rows in sorted(alike.items())], shifted)


def _groups(records: Sequence[ImageRecord]) -> list[tuple[list[int], bool]]:
    """Places of the images of each group, in record order, and whether they are a sequence."""
    found: dict[object, tuple[list[int], bool]] = {}
    for place, record in enumerate(records):
        name: object = record.group if record.group is not None else place
        found.setdefault(name, ([], record.ordered and record.group is not None))[0].append(place)
    return list(found.values())


def _log10_count(plan: _Plan) -> float:
    ways = sum(math.lgamma(len(block) + 1) for block in plan.exchanged) + sum(math.log(len(sequence)) for sequence in plan.shifted)
    return ways / math.log(10)


def _described(plan: _Plan) -> str:
    """What moves, in one sentence."""
    words = []
    singles = [len(block) for block in _moving(plan.exchanged) if block.shape[1] == 1]
    groups = [block.shape for block in _moving(plan.exchanged) if block.shape[1] > 1]
    if singles:
        words.append(f"{sum(singles)} images exchange labels within {_blocks(len(singles))} of equal annotated categories")
    if groups:
        of = f"{_blocks(len(groups))} of equal size and annotation"
        words.append(f"{sum(g for g, _ in groups)} groups of {sum(g * m for g, m in groups)} images exchange labels as wholes within {of}")
    if sequences := _moving(plan.shifted):
        frames = sum(len(sequence) for sequence in sequences)
        words.append(f"labels of {frames} frames are shifted in a circle within {len(sequences)} sequences")
    return "; ".join(words) or "nothing can be exchanged"


def _blocks(count: int) -> str:
    return "1 block" if count == 1 else f"{count} blocks"


def _notes(plan: _Plan, movable: Flags, count: int) -> list[str]:
    notes = []
    alone = [block.shape[1] for block in plan.exchanged if len(block) == 1]
    fixed = [(alone.count(1), "images are the only ones with their annotated categories")]
    groups = [size for size in alone if size > 1]
    fixed += [(sum(groups), f"images are in {len(groups)} groups of a size and annotation that no other group has")]
    fixed += [(sum(len(sequence) == 1 for sequence in plan.shifted), "frames are alone in their sequence")]
    notes += [f"{number} {why}; they keep their own labels." for number, why in fixed if number]
    if not movable.any():
        notes.append("no label can be given to another image: nothing was tested.")
    elif _log10_count(plan) < math.log10(1 + count):
        ways = round(10 ** _log10_count(plan))
        notes.append(f"there are only {ways} different shuffles: p-values below 1/{ways} cannot be had however many are drawn.")
    return notes
