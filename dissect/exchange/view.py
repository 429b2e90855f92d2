"""What a report of a run shows, as plain data: no SQL, no HTTP, no arrays. `from_store` fills it; the pages only read it.

Everything that may be missing is None or empty, and the page then says so in words; nothing here is invented.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from dissect.fingerprint import Plain

LabelKind = Literal["masks", "image", "none"]


@dataclass(frozen=True, slots=True)
class ReportImage:
    """One picture of the probe set, as the network saw it. `thumbnail` is a file of the cache, or None if there is none."""

    key: str
    thumbnail: Path | None = None


@dataclass(frozen=True, slots=True)
class ReportExemplar:
    """One of the pictures that drive a unit highest.

    rank: 1 is the highest. image: key into `ReportRun.images`. activation: spatial maximum.
    mask: zlib of `numpy.packbits` of the (H, W) mask at `ReportUnit.mask_size`; empty where there is none.
    under: names of what is annotated below the mask, most pixels first. formula: where the unit's formula is true, in the same form.
    """

    rank: int
    image: int
    activation: float
    mask: bytes = b""
    under: tuple[str, ...] = ()
    formula: bytes = b""


@dataclass(frozen=True, slots=True)
class ReportTests:
    """What the tests of a label measured beside p, q, held-out score and interval; None where a test was not made.

    permutations: how often the label maps were shuffled; floor: the least p they allow; tail_p: p below it, from a fitted tail.
    null_mean, null_high: mean and 95 % quantile of the best score under shuffling. z, z_concept, z_p: the concept that stands out most
    against its own shuffled scores, by how many standard deviations, and the p of that. folds: score in each half of what the other half
    chose; fold_labels: what each half chose; agrees: whether both chose this label; optimism: how much better a chosen label looks where
    it was chosen. label_held_out: this label in both halves, each under the other's threshold. resamples, resampled: of the interval, and
    what was drawn. basis_p, rotations: rank among units of rotated bases. untested: why a test was not made. notes: for the reader.
    """

    permutations: int | None = None
    floor: float | None = None
    tail_p: float | None = None
    null_mean: float | None = None
    null_high: float | None = None
    z: float | None = None
    z_concept: str = ""
    z_p: float | None = None
    folds: tuple[float | None, ...] = ()
    fold_labels: tuple[str, ...] = ()
    agrees: bool | None = None
    optimism: float | None = None
    label_held_out: float | None = None
    resamples: int | None = None
    resampled: str = ""
    basis_p: float | None = None
    rotations: int | None = None
    untested: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReportLabel:
    """One thing that a method says about a unit, with everything needed to believe or to doubt it.

    kind: `concept`, `formula` or `description`. score: what `measure` names (`iou`, `auroc`, or a method's own, such as `pmi`).
    intersection, unit_area, concept_area: I, A and G in pixels (None for AUROC). reachable: the highest IoU this concept could have
    at this threshold. held_out, interval, p, q: None where the test was not made. detector: whether the rule of this run counts it.
    effect: words on the causal effect, None where it was not measured. images: images that hold the concept, None where that is not known.
    tests: further numbers of the tests.
    """

    text: str
    kind: str = "concept"
    category: str | None = None
    method: str = "netdissect"
    profile: str | None = None
    measure: str = "iou"
    score: float | None = None
    intersection: int | None = None
    unit_area: int | None = None
    concept_area: int | None = None
    reachable: float | None = None
    held_out: float | None = None
    interval: tuple[float, float] | None = None
    p: float | None = None
    q: float | None = None
    detector: bool = False
    effect: str | None = None
    images: int | None = None
    tests: ReportTests | None = None


@dataclass(frozen=True, slots=True)
class FormulaStep:
    """The best formula of at most `length` concepts."""

    length: int
    text: str
    iou: float


@dataclass(frozen=True, slots=True)
class FormulaMeaning:
    """One of several meanings. coverage: share of the unit's active pixels that it explains and those before it do not; gain: in IoU."""

    text: str
    gain: float | None = None
    coverage: float | None = None


@dataclass(frozen=True, slots=True)
class FormulaRange:
    """A formula for the activations strictly between low and high (no end where None)."""

    text: str
    low: float | None = None
    high: float | None = None
    score: float | None = None


@dataclass(frozen=True, slots=True)
class ReportFormula:
    """What is known of a unit's formula. label: the formula itself, the same object as in `ReportUnit.label` or `.labels`.

    certificate: `optimal`, `gap` (no formula is better by more than `gap` in IoU) or `none`. space: what it was compared with, in words.
    length: most concepts that were tried. curve: only the lengths at which IoU grew. monosemanticity: share of all that the meanings
    explain that falls to the first. accuracy: I / G. coverage: I / A.
    explained: of the images in which the unit is active, the share in which the formula is true on some of it.
    ties: formulas of equal IoU that were not taken.
    """

    label: ReportLabel
    certificate: str = "none"
    space: str = ""
    gap: float | None = None
    length: int | None = None
    curve: tuple[FormulaStep, ...] = ()
    meanings: tuple[FormulaMeaning, ...] = ()
    monosemanticity: float | None = None
    ranges: tuple[FormulaRange, ...] = ()
    accuracy: float | None = None
    coverage: float | None = None
    explained: float | None = None
    ties: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DetectionScores:
    """How well a text tells images that excite the unit from images that do not. images: it was tested on. mapped: it names a concept."""

    auc: float | None
    balanced_accuracy: float | None = None
    images: int = 0
    mapped: bool = True


@dataclass(frozen=True, slots=True)
class RunnerUp:
    """A description that came after the first one. score: PMI. Nats; None where it was not computed."""

    text: str
    score: float | None = None
    log_p_given: float | None = None
    log_p: float | None = None


@dataclass(frozen=True, slots=True)
class ReportDescription:
    """What is known of a unit's description. label: the description itself, the same object as in `ReportUnit.label` or `.labels`.

    log_p_given, log_p: log p(d | E) and log p(d), nats. weight: lambda. decoding, prior, captioner: how and by what it was made. world:
    what the captioner knows, empty if it does not say. detection: None where it was not tested, and `untested` says why; baselines: the
    same of texts that say nothing of the unit. note: on the detection. names: whether it names the unit's concept, and one of its
    formula; chance: the share of other units' descriptions that do.
    """

    label: ReportLabel
    log_p_given: float | None = None
    log_p: float | None = None
    weight: float | None = None
    decoding: str = ""
    prior: str = ""
    captioner: str = ""
    world: str = ""
    detection: DetectionScores | None = None
    baselines: Mapping[str, DetectionScores] = field(default_factory=dict)
    untested: str = ""
    note: str = ""
    names: Mapping[str, bool] = field(default_factory=dict)
    chance: Mapping[str, float] = field(default_factory=dict)
    runners: tuple[RunnerUp, ...] = ()


@dataclass(frozen=True, slots=True)
class ReportUnit:
    """One unit: its state, its labels, the evidence.

    state: `ok`, `dead`, `constant` or `saturated`. label: the best concept over all categories. labels: what else methods say of it
    (formulas, descriptions). formula, description: what is known of them. runners: the next concepts, best first, of any category.
    mask_size: (H, W) of the exemplars' masks.
    histogram, edges: B counts and B + 1 edges of all activations. active_share: share of positions above the threshold.
    twin: the lowest unit with bit-equal maps, or None. audits: what audits of the run found of it, a sentence each.
    """

    index: int
    state: str
    threshold: float | None = None
    label: ReportLabel | None = None
    labels: tuple[ReportLabel, ...] = ()
    runners: tuple[ReportLabel, ...] = ()
    exemplars: tuple[ReportExemplar, ...] = ()
    mask_size: tuple[int, int] = (0, 0)
    histogram: tuple[int, ...] = ()
    edges: tuple[float, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    active_share: float | None = None
    active_images: int | None = None
    twin: int | None = None
    formula: ReportFormula | None = None
    description: ReportDescription | None = None
    audits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReportLayer:
    """One probed layer. details: further facts by name (map size, form, dtype, fingerprint), shown as they are.

    unique_best, unique_per_category: distinct concepts among detectors by the two published rules; None: counted from the units
    (best concept over all) and left out (per category). formulas, descriptions: what the search for them came to, by name; empty if none
    was made.
    """

    name: str
    units: tuple[ReportUnit, ...]
    map_size: tuple[int, int] | None = None
    label_size: tuple[int, int] | None = None
    details: Mapping[str, Plain] = field(default_factory=dict)
    unique_best: int | None = None
    unique_per_category: int | None = None
    formulas: Mapping[str, Plain] = field(default_factory=dict)
    descriptions: Mapping[str, Plain] = field(default_factory=dict)


@dataclass(frozen=True)
class ReportRun:
    """A run, ready to be shown.

    images: every picture an exemplar names. image_count: images that were used, without the skipped ones. label_kind: `masks`, `image`
    (scores are AUROC) or `none` (pictures only).
    created: ISO date and time, UTC. duration: seconds, None if it is not known. skipped: (image key, reason).
    settings, versions: name to value, shown as they are. run: what names the run on the command line ("7").
    detector_rule: in words.
    """

    run: str
    network: str
    dataset: str
    layers: tuple[ReportLayer, ...]
    images: Mapping[int, ReportImage]
    image_count: int
    label_kind: LabelKind = "masks"
    categories: tuple[str, ...] = ()
    profile: str = "standard"
    quantile: float = 0.005
    detector_rule: str = "IoU > 0.04"
    fingerprint: str = ""
    created: str = ""
    duration: float | None = None
    state: str = "done"
    skipped: tuple[tuple[str, str], ...] = ()
    settings: Mapping[str, Plain] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    network_note: str = ""
    """One line from the network's card: source, licence."""
    dataset_note: str = ""
    """One line from the data set's card: source, licence."""
    imported: str = ""
    """Which published table the run was read from, in words; empty for a run of our own."""
