"""Are descriptions right? The detection score: can the description tell images that excite the unit from images that do not?

    examples    positives: images that are no exemplars of the unit and whose maximum is above its threshold; negatives: images whose
                maximum is not. One negative a positive, half of the negatives from the scenes of positives, so that naming the scene alone
                does not do.
    prediction  the share of an image's pixels on which all that the description names holds (`naming`). Where it holds nowhere, less than
                one pixel: by the largest share of the named groups that hold together at one pixel, so that images with half of it come
                before images without.
    score       AUC of the prediction; balanced accuracy of "positive" for images above the median prediction of the unit's examples in
                which everything named occurs (the design is one to one, so at most half of the examples can be called positive).

A description that names nothing of the data set scores .5 in both and counts as not covered; so does a unit without examples, which is
left out of every mean. Arrays in, arrays out: descriptions come as texts, labels as the probe's label shards.
Letters: N images, U units, k exemplars, S signatures, T pairs of image and signature, n examples of a unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.stats
from numpy.typing import NDArray

from dissect.caption.naming import Named, Naming
from dissect.errors import ShapeError
from dissect.probe.signatures import LabelShard

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
MOST = 200
"""Positives of a unit at most; more are drawn from."""


@dataclass(frozen=True)
class Examples:
    """Images a description is tested on. image (n,) int64: rows of the maxima, ascending; positive (n,): whether the unit answers. As many
    positives as negatives; none of either where a unit has no non-exemplar above its threshold, or nothing below."""

    image: IntArray
    positive: BoolArray

    def __len__(self) -> int:
        return len(self.image)


def detection_examples(
    maxima: NDArray[np.floating],
    threshold: NDArray[np.floating],
    exemplars: NDArray[np.integer],
    groups: NDArray[np.integer] | None = None,
    seed: int = 0,
    most: int = MOST,
) -> list[Examples]:
    """The examples of each of U units; they follow from the seed and the unit's number alone.

    maxima (N, U): spatial maximum of every unit in every image. threshold (U,): the unit's T; positives are strictly above.
    exemplars (U, k): rows of the images that the describer saw, -1 for none; they are in no example. groups (N,): number of each image's
    scene, -1 for an image without one; None: all images have one scene. most: positives a unit.

    Raises:
        ShapeError: the arrays do not agree in N and U.
    """
    images, units = maxima.shape
    scenes = np.zeros(images, np.int64) if groups is None else np.asarray(groups, np.int64)
    if threshold.shape != (units,) or len(exemplars) != units or scenes.shape != (images,):
        raise ShapeError(
            f"maxima of {images} images and {units} units, but {threshold.shape} thresholds, exemplars of {len(exemplars)} units and "
            f"{scenes.shape} scenes."
        )
    return [
        _examples(maxima[:, unit] > threshold[unit], exemplars[unit], scenes, np.random.default_rng((seed, unit)), most)
        for unit in range(units)
    ]


def _examples(above: BoolArray, exemplars: NDArray[np.integer], scenes: IntArray, random: np.random.Generator, most: int) -> Examples:
    free = np.ones(len(above), np.bool_)
    free[exemplars[exemplars >= 0]] = False
    positive, negative = np.flatnonzero(above & free), np.flatnonzero(~above & free)
    positive = random.permutation(positive)[: min(most, len(negative))]
    near = _same_scenes(positive[: (len(positive) + 1) // 2], negative, scenes, random)
    rest = random.permutation(np.setdiff1d(negative, near))[: len(positive) - len(near)]
    image = np.concatenate([positive, near, rest]).astype(np.int64)
    truth = np.arange(len(image)) < len(positive)
    order = np.argsort(image)
    return Examples(image[order], truth[order])


def _same_scenes(positive: IntArray, negative: IntArray, scenes: IntArray, random: np.random.Generator) -> IntArray:
    """For each positive with a scene one negative of the same scene, none twice; fewer where a scene has no more."""
    left = {scene: list(random.permutation(negative[scenes[negative] == scene])) for scene in np.unique(scenes[positive]) if scene >= 0}
    return np.array([left[scene].pop() for scene in scenes[positive] if left.get(scene)], np.int64)


@dataclass(frozen=True)
class Contents:
    """What is annotated where, as counts. offsets (S + 1,), members: concept numbers of each signature (CSR). image, signature, count
    (T,): pixels of an image with a signature. images: N. pixels: of a label map."""

    offsets: IntArray
    members: NDArray[np.uint16]
    image: IntArray
    signature: IntArray
    count: IntArray
    images: int
    pixels: int

    @classmethod
    def from_shards(cls, shards: Sequence[LabelShard]) -> Contents:
        """Of the images of label shards, in order; rows are counted over all of them, skipped images too (they hold nothing).

        Raises:
            ShapeError: there is no shard.
        """
        if not shards:
            raise ShapeError("no label shard was given, so there is nothing to test descriptions on.")
        starts = np.cumsum([0, *(len(shard.table) for shard in shards)])
        firsts = np.cumsum([0, *(len(shard.included) for shard in shards)])
        image = [np.repeat(np.arange(len(s.included)), np.diff(s.local_offsets)) + at for s, at in zip(shards, firsts, strict=False)]
        sizes = np.concatenate([np.diff(shard.table.offsets) for shard in shards])
        return cls(
            offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            members=np.concatenate([shard.table.members for shard in shards]),
            image=np.concatenate(image).astype(np.int64),
            signature=np.concatenate([s.local_signature + at for s, at in zip(shards, starts, strict=False)]).astype(np.int64),
            count=np.concatenate([shard.local_pixels for shard in shards]),
            images=int(firsts[-1]),
            pixels=shards[0].label_size[0] * shards[0].label_size[1],
        )

    def groups_held(self, named: Named) -> IntArray:
        """(S,): how many of the groups have a member in each signature."""
        owner = np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))
        held = np.zeros(len(self.offsets) - 1, np.int64)
        for group in named:
            inside = np.zeros(len(held), np.bool_)
            inside[owner[np.isin(self.members, list(group))]] = True
            held += inside
        return held


def predictions(contents: Contents, named: Named) -> FloatArray:
    """(N,) the prediction of the module's text for every image, 0 to 1. All 0 for an unmapped description."""
    if not named:
        return np.zeros(contents.images)
    held = contents.groups_held(named)[contents.signature]
    share = np.bincount(contents.image, contents.count * (held == len(named)), minlength=contents.images) / contents.pixels
    most = np.zeros(contents.images, np.int64)
    np.maximum.at(most, contents.image, held)
    return np.where(share > 0, share, most / (len(named) + 1) / contents.pixels)


@dataclass(frozen=True)
class Detection:
    """Scores of U descriptions. auc, balanced_accuracy (U,): .5 where unmapped, NaN where the unit has no examples. mapped (U,): whether
    the description names something. examples (U,) int64: images it was tested on."""

    auc: FloatArray
    balanced_accuracy: FloatArray
    mapped: BoolArray
    examples: IntArray

    @property
    def tested(self) -> BoolArray:
        """(U,): units with examples."""
        return self.examples > 0

    @property
    def coverage(self) -> float:
        """Share of the tested units whose description is mapped; NaN if none is tested."""
        return float(self.mapped[self.tested].mean()) if self.tested.any() else float("nan")


def detection(texts: Sequence[str], examples: Sequence[Examples], contents: Contents, naming: Naming) -> Detection:
    """Scores of one description a unit.

    Raises:
        ShapeError: not as many texts as units with examples lists.
    """
    if len(texts) != len(examples):
        raise ShapeError(f"{len(texts)} descriptions for the examples of {len(examples)} units.")
    known: dict[Named, FloatArray] = {}
    scores, mapped = np.full((len(texts), 2), 0.5), np.zeros(len(texts), np.bool_)
    for unit, (text, some) in enumerate(zip(texts, examples, strict=True)):
        named = naming.named(text)
        mapped[unit] = bool(named)
        if not len(some):
            scores[unit] = np.nan
        elif named:
            if named not in known:
                known[named] = predictions(contents, named)
            scores[unit] = unit_scores(known[named][some.image], some.positive, 1 / contents.pixels)
    return Detection(scores[:, 0], scores[:, 1], mapped, np.array([len(some) for some in examples], np.int64))


def unit_scores(predicted: FloatArray, positive: BoolArray, occurs: float = 0.0) -> tuple[float, float]:
    """(AUC, balanced accuracy) of predictions (n,) for a truth (n,) with both kinds; ties count half in the AUC.

    occurs: the least prediction that may be called positive.
    """
    ranks = scipy.stats.rankdata(predicted)
    positives, negatives = int(positive.sum()), int((~positive).sum())
    auc = (ranks[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives)
    called = (predicted > np.median(predicted)) & (predicted >= occurs)
    return float(auc), float((called[positive].mean() + (~called[~positive]).mean()) / 2)


def paired_interval(
    first: FloatArray, second: FloatArray, groups: NDArray[np.integer] | None = None, *, draws: int = 2000, seed: int = 0
) -> tuple[float, float, float]:
    """Mean of first - second over units (U,), and the ends of its 95 % bootstrap interval (percentiles); NaN pairs are left out.

    groups (U,): units that are drawn together, such as those of one network; None: each alone.

    Raises:
        ShapeError: no pair is left, or the arrays do not agree.
    """
    if first.shape != second.shape or (groups is not None and groups.shape != first.shape):
        raise ShapeError(f"scores of shapes {first.shape} and {second.shape} cannot be paired.")
    there = ~(np.isnan(first) | np.isnan(second))
    if not there.any():
        raise ShapeError("no unit has both scores, so they cannot be compared.")
    differences = (first - second)[there]
    number = np.arange(len(differences)) if groups is None else np.unique(groups[there], return_inverse=True)[1]
    sums, sizes = np.bincount(number, differences), np.bincount(number)
    drawn = np.random.default_rng(seed).integers(0, len(sums), (draws, len(sums)))
    low, high = np.quantile(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1), (0.025, 0.975))
    return float(differences.mean()), float(low), float(high)
