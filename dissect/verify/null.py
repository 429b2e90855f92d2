"""The independence null: could a unit's label be as good if its masks had nothing to do with what is in the images?

The labels of the images are reassigned (`shuffles`), and the unit is labelled again by the same rules and over the same concepts. Two
statistics, each with its own p-value, never mixed. (1) The largest IoU over the concepts, the label's own score. (2) The largest z, where
z of a concept is its IoU against the mean and standard deviation of that concept's own IoUs under all shuffles, the true one included,
which keeps them exchangeable: the largest IoU is dominated by concepts that score high by chance, z is not.
p = (1 + shuffles at least as good) / (1 + B). A small p says that masks and labels of an image belong together, not that the label's
words are right. Letters: U units, V columns of `ConceptScores`, B shuffles.
Source: Phipson & Smyth 2010, "Permutation p-values should never be zero"; Westfall & Young 1993 for maxima over many tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from dissect.concepts.model import ImageRecord, Vocabulary
from dissect.errors import CountError, NotSupportedError
from dissect.probe.profile import Profile
from dissect.probe.settings import ProbeResult
from dissect.probe.tables import Int64, LayerProbe
from dissect.probe.upsample import Grid, grid
from dissect.score.best import UNLABELLED_STATES, best_concept
from dissect.score.count import ConceptScores, iou, scores
from dissect.verify.columns import Columns, columns
from dissect.verify.null_kernels import columns_of_unit
from dissect.verify.shuffles import Shuffles, shuffles
from dissect.verify.spans import LabelSpans, MaskSpans, label_spans, mask_spans
from dissect.verify.tail import tail_p

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class LayerNull:
    """The independence null of one layer. Every array is (U,) but `null`; NaN and -1 say "not tested": dead and constant units, or a
    layer in which no label can move.

    layer: its name. concept int64: internal id of the label, 0 for the leaked label 0, -1 for none. observed: its IoU, 0 for none.
    p: of the largest IoU; never below `floor`. p_tail: from a tail fitted to the largest null values, where p is at the floor and the
    fit passed its check; else NaN, and the floor stands. null (U, B): largest IoU under each shuffle. null_mean, null_95: their mean and
    95 % quantile. label_z: z of the label's own concept. z: the largest z; z_concept: the concept that has it; z_p: its p-value.
    permutations: B. seed: of the shuffles. floor: 1 / (1 + B). min_images: concepts in fewer images were left out of label and null.
    movable: share of the images that can get other labels. blocks: what is exchanged with what. notes: what a reader must know.
    """

    layer: str
    concept: Int64
    observed: FloatArray
    p: FloatArray
    p_tail: FloatArray
    null: NDArray[np.float64]
    null_mean: FloatArray
    null_95: FloatArray
    label_z: FloatArray
    z: FloatArray
    z_concept: Int64
    z_p: FloatArray
    permutations: int
    seed: int
    floor: float
    min_images: int
    movable: float
    blocks: str
    notes: tuple[str, ...]

    @property
    def best_p(self) -> FloatArray:
        """(U,) p_tail where there is one, else p."""
        return np.where(np.isnan(self.p_tail), self.p, self.p_tail)


@dataclass(frozen=True)
class NullData:
    """What the nulls of all layers of a run share: label maps as spans, the profile's sums, the shuffles."""

    labels: LabelSpans
    columns: Columns
    shuffles: Shuffles
    vocabulary: Vocabulary
    profile: Profile


def null_data(
    result: ProbeResult, records: Sequence[ImageRecord], vocabulary: Vocabulary, profile: Profile,
    *, permutations: int = 200, seed: int = 0,
) -> NullData:  # fmt: skip
    """Read the label maps of a run once, and draw the shuffles that all its layers and units share.

    records: all records of the data set, of which `result.image_index` were used.

    Raises:
        NotSupportedError: the data set has no label maps, or the profile has no null.
        UsageError: as `shuffles`.
    """
    if result.labels is None:
        raise NotSupportedError("the data set has no label maps, so that there are no pixels to test. Choose a data set with masks.")
    labels = label_spans(result.labels, result.image_index)
    drawn = shuffles(labels.annotated, [records[index] for index in result.image_index.tolist()], count=permutations, seed=seed)
    return NullData(labels, columns(labels, vocabulary, profile), drawn, vocabulary, profile)


def independence_null(
    result: ProbeResult, layer: LayerProbe, data: NullData,
    *, min_images: int = 0, over: Grid | None = None, masks: MaskSpans | None = None,
) -> LayerNull:  # fmt: skip
    """Test the label of every unit of a layer against reassigned labels.

    min_images: only concepts in so many images, for label and null alike; 0 tests the run's own label, 10 keeps concepts whose score is
    mostly luck out of both. over: grid of the masks, needed only under `netdissect` where positions were not kept. masks: of
    `mask_spans`, where they are at hand.

    Raises:
        NotSupportedError: the layer was not counted, or its masks are not at hand.
        CountError: the masks do not give the layer's own counts.
    """
    if layer.tables is None:
        raise NotSupportedError(f"layer {layer.layer.name} was not counted against label maps; there is nothing to test.")
    if over is None and data.profile.upsampling == "half_pixel":
        over = grid(layer.layer.map_size, result.label_size, "half_pixel")
    masks = mask_spans(result, layer, over) if masks is None else masks
    found = scores(layer.tables, data.vocabulary, data.profile, min_images=min_images)
    best = best_concept(found, layer.stats.state, data.profile)
    alive = np.array([state not in UNLABELLED_STATES for state in layer.stats.state], np.bool_) & data.shuffles.movable.any()
    rows = _each_unit(masks, data, found, best.concept[:, 0], alive)
    return _layer_null(layer, data.shuffles, best.concept[:, 0], best.score[:, 0], rows, min_images)


@dataclass(frozen=True)
class _Unit:
    """largest IoU (B+1,), the true one first; largest z (B+1,); the concept that has the true one; z of the label."""

    largest: FloatArray
    largest_z: FloatArray
    z_concept: int
    label_z: float


def _each_unit(masks: MaskSpans, data: NullData, found: ConceptScores, label: Int64, alive: NDArray[np.bool_]) -> list[_Unit | None]:
    """All units, as many at a time as numba has threads."""
    used = np.flatnonzero(found.scored)

    def work(unit: int) -> _Unit | None:
        if not alive[unit] or not len(used):
            return None
        intersection, area = unit_counts(masks, data, unit, found.concept[used], found.category[used])
        if (intersection[0] != found.intersection[unit, used]).any() or (area[0] != found.unit_area[unit, used]).any():
            raise CountError(
                f"the masks of unit {unit} do not give its counts; the cache is damaged or of another run. Run the probe again."
            )
        truth, profile = found.concept_area[used], data.profile
        score = iou(intersection, area, truth, epsilon=profile.epsilon, overlap=profile.overlap)
        return _statistics(score, intersection[0], found.concept[used], int(label[unit]))

    with ThreadPoolExecutor(numba.get_num_threads()) as pool:
        return list(pool.map(work, range(masks.units)))


def unit_counts(masks: MaskSpans, data: NullData, unit: int, concept: Int64, category: Int64) -> tuple[Int64, Int64]:
    """I and A (B+1, V) of one unit under every shuffle, the true assignment first, for columns with these concepts and categories."""
    labels, lists, source = data.labels, data.columns, data.shuffles.source
    own = slice(masks.unit_offsets[unit], masks.unit_offsets[unit + 1])
    rows, images = (np.zeros((len(source), width), np.int64) for width in lists.widths)
    most = int(np.diff(labels.local_offsets).max(initial=1))
    columns_of_unit(
        source, masks.image[own], masks.area[own], masks.offsets[own.start : own.stop + 1], masks.first, masks.last,
        labels.offsets, labels.last, labels.local, labels.jump, labels.local_offsets,
        lists.rows.offsets, lists.rows.columns, lists.images.offsets, lists.images.columns, lists.touches.offsets, lists.touches.columns,
        np.zeros(most, np.int32), np.zeros(most, np.int32), np.zeros(lists.categories, np.int64), rows, images,
    )  # fmt: skip
    return lists.counts(rows, images, concept, category)


def z_scores(score: FloatArray) -> FloatArray:
    """(B+1, V) each score against the mean and standard deviation of its column, itself included; 0 in columns that never change.

    Rounded to 9 decimals: every concept that scores under one assignment only has the same z, the root of B, and must tie.
    """
    spread = score.std(axis=0)
    changes = score.min(axis=0) < score.max(axis=0)
    z = np.zeros_like(score)
    np.divide(score - score.mean(axis=0), spread, out=z, where=changes & (spread > 0))
    return np.round(z, 9)


def _statistics(score: FloatArray, intersection: Int64, concept: Int64, label: int) -> _Unit:
    """Both statistics from IoUs (B+1, V). Equal largest z: the larger IoU, then the larger I, then concept order."""
    z = z_scores(score)
    largest = z.max(axis=1)
    leaders = np.flatnonzero(z[0] == largest[0])
    winner = int(leaders[np.lexsort((-intersection[leaders], -score[0, leaders]))[0]])
    own = z[0, concept == label]
    return _Unit(score.max(axis=1), largest, int(concept[winner]), float(own[0]) if len(own) else np.nan)


def count_p(values: FloatArray) -> float:
    """(1 + shuffles at least as good) / (1 + B) from values (B+1,), the true one first."""
    return (1 + int((values[1:] >= values[0]).sum())) / len(values)


def _layer_null(
    layer: LayerProbe, drawn: Shuffles, concept: Int64, observed: FloatArray, rows: Sequence[_Unit | None], min_images: int
) -> LayerNull:  # fmt: skip
    """Put the units together."""
    units = len(concept)
    p, tail, label_z, z, z_p = np.full((5, units), np.nan)
    null, z_concept = np.full((units, drawn.count), np.nan), np.full(units, -1, np.int64)
    for unit, row in enumerate(rows):
        if row is None:
            continue
        null[unit] = row.largest[1:]
        p[unit], z_p[unit] = (max(count_p(values), drawn.floor) for values in (row.largest, row.largest_z))
        if not drawn.few:
            tail[unit] = tail_p(row.largest[0], row.largest[1:], seed=drawn.seed).p
        z[unit], label_z[unit], z_concept[unit] = row.largest_z[0], row.label_z, row.z_concept
    return LayerNull(
        layer.layer.name, concept, observed, p, tail, null, null.mean(axis=1), np.quantile(null, 0.95, axis=1),
        label_z, z, z_concept, z_p, drawn.count, drawn.seed, drawn.floor, min_images, float(drawn.movable.mean()),
        drawn.blocks, (*drawn.notes, *_notes(p, tail, drawn)),
    )  # fmt: skip


def _notes(p: FloatArray, tail: FloatArray, drawn: Shuffles) -> list[str]:
    """What the resolution allows."""
    tested = int((~np.isnan(p)).sum())
    floor = int((p <= drawn.floor * (1 + 1e-9)).sum())
    if not tested:
        return []
    needed = int(np.ceil(drawn.floor * tested / 0.05))
    notes = [
        f"{drawn.count} shuffles: the smallest p-value by counting is {drawn.floor:.4g}; with {tested} units, {needed} must reach it "
        "before any is a discovery at a false-discovery rate of .05."
    ]
    if floor:
        notes.append(f"{floor} units are at the floor; {int((~np.isnan(tail)).sum())} of them have a p-value from a tail whose fit passed.")
    return notes
