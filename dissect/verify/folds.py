"""Two halves of the images, groups kept whole: a label is chosen on one and scored on the other.

The halves are as equal in size as whole groups allow (an exact subset sum), and groups of one size are dealt out so that both halves
hold about as many images of every category. Letters: n images, K categories.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dissect.errors import ShapeError
from dissect.fingerprint import fingerprint
from dissect.probe.tables import Int64

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Folds:
    """A split.

    fold (n,) int8: 0 or 1 for each image, in the order they were given. images, groups: how many each fold has; an image without a
    group is one of its own. split_hash: SHA-256 of which keys stand together, the same whatever the order of the images and the name
    of a fold. reason: why there is no split; empty where there is one.
    """

    fold: NDArray[np.int8]
    images: tuple[int, int]
    groups: tuple[int, int]
    split_hash: str
    reason: str = ""

    @property
    def testable(self) -> bool:
        """Whether there is a split."""
        return not self.reason


def group_numbers(keys: Sequence[str], groups: Sequence[str | None]) -> Int64:
    """(n,) number of each image's group, by first appearance; an image without a group has a number of its own."""
    numbers: dict[tuple[str, str], int] = {}
    names = [("image", key) if group is None else ("group", group) for key, group in zip(keys, groups, strict=True)]
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], np.int64)


def split_folds(keys: Sequence[str], groups: Sequence[str | None], *, held: Bools | None = None, seed: int = 0) -> Folds:
    """Split images into two folds.

    keys (n): names of the images, all different. groups (n): images of one name stay together. held (n, K): which categories are in
    each image, to be balanced; None for none. The same seed gives the same split for the same keys in any order.

    Raises:
        ShapeError: the arguments are not of the same images, or a key stands there twice.
    """
    if len(set(keys)) != len(keys):
        raise ShapeError("two images have one key; a split must name them apart.")
    inside = np.zeros((len(keys), 0), np.bool_) if held is None else held
    if len(inside) != len(keys):
        raise ShapeError(f"{len(keys)} images, but categories of {len(inside)}.")
    if len(groups) != len(keys):
        raise ShapeError(f"{len(keys)} images with {len(groups)} groups; give one for each image, None for none.")
    order = np.argsort(np.array(keys, dtype=object), kind="stable").astype(np.int64)
    number = group_numbers([keys[i] for i in order], [groups[i] for i in order])
    sizes = np.bincount(number)
    if len(sizes) < 2:
        return _none(len(keys), len(sizes))
    random = np.random.default_rng(seed)
    first = np.zeros(len(sizes), np.bool_)
    load = np.zeros((len(sizes), inside.shape[1]), np.int64)
    np.add.at(load, number, inside[order])
    for size, count in _shares(sizes).items():
        members = np.flatnonzero(sizes == size)
        first[_spread(members, load[members], count, random)] = True
    fold = np.empty(len(keys), np.int8)
    fold[order] = np.where(first[number], 0, 1)
    return _folds(fold, first, [keys[i] for i in order], fold[order])


def _none(images: int, groups: int) -> Folds:
    what = "there are no images" if not images else "all images are of one group" if images > 1 else "there is only one image"
    return Folds(np.zeros(images, np.int8), (images, 0), (groups, 0), "", f"{what}, and a group is never split: nothing is held out")


def _folds(fold: NDArray[np.int8], first: Bools, keys: Sequence[str], ordered: NDArray[np.int8]) -> Folds:
    """keys, ordered: of the images in the order of their keys. In the hash the first of them is in fold 0."""
    named = {key: int(side != ordered[0]) for key, side in zip(keys, ordered, strict=True)}
    ones = int(fold.sum())
    groups = int(first.sum()), int((~first).sum())
    return Folds(fold, (len(fold) - ones, ones), groups, fingerprint({"folds": named}))


def _shares(sizes: Int64) -> Mapping[int, int]:
    """How many groups of each size go to fold 0, so that the folds' images differ by as little as is possible.

    Half of every size, and of odd numbers one more or less; where that does not reach the least difference, any numbers.
    """
    size, count = np.unique(sizes, return_counts=True)
    counts = {int(s): int(c) for s, c in zip(size, count, strict=True)}
    total = int(sizes.sum())
    odd = [(s, 1) for s, c in counts.items() if c % 2]
    halves = _subset(odd, sum(s for s, _ in odd))
    every = [(s, k) for s, c in counts.items() for k in _parts(c)]
    best = _subset(every, total)
    left = sum(s * k for (s, _), k in zip(odd, halves, strict=True))
    if abs(sum(s for s, _ in odd) - 2 * left) == abs(total - 2 * sum(s * k for (s, _), k in zip(every, best, strict=True))):
        return {s: c // 2 for s, c in counts.items()} | {s: counts[s] // 2 + k for (s, _), k in zip(odd, halves, strict=True)}
    shares = dict.fromkeys(counts, 0)
    for (s, _), k in zip(every, best, strict=True):
        shares[s] += k
    return shares


def _parts(count: int) -> list[int]:
    """Powers of two and a rest that make every number up to `count`."""
    parts, power = [], 1
    while count > 0:
        parts.append(min(power, count))
        count -= parts[-1]
        power *= 2
    return parts


def _subset(items: Sequence[tuple[int, int]], total: int) -> list[int]:
    """Of items (size, how many at once), which to take (0, or how many) so that the sum is as near to half of `total` as can be.

    Reachable sums are the bits of an integer.
    """
    reach = [1]
    for size, many in items:
        reach.append(reach[-1] | reach[-1] << size * many)
    goal = next(s for s in range(total // 2, -1, -1) if reach[-1] >> s & 1)
    taken = []
    for (size, many), before in zip(reversed(items), reversed(reach[:-1]), strict=True):
        leave = bool(before >> goal & 1)
        taken.append(0 if leave else many)
        goal -= 0 if leave else size * many
    return taken[::-1]


def _spread(members: Int64, load: Int64, count: int, random: np.random.Generator) -> Int64:
    """Some `count` of the groups: ordered by what they hold, one at random out of each of `count` equal stretches."""
    shuffled = random.permutation(len(members))
    ordered = members[shuffled[np.lexsort(load[shuffled].T[::-1])]] if load.shape[1] else members[shuffled]
    edges = np.arange(count + 1) * len(members) // max(count, 1)
    return ordered[random.integers(edges[:-1], edges[1:])]
