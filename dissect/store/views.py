"""What comes out of the store: plain frozen records that a page, a command or an export can use as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from dissect.audit.finding import Finding
from dissect.fingerprint import Plain


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run. state: `running`, `done`, `failed` or `interrupted`.

    found: state in which `begin_run` met it, None for a new run and everywhere else. message: why it failed, or "".
    finished_at is None until it is done. Times are UTC. images: of the data set; used: those that counted, without the skipped ones; None
    until a layer is written.
    """

    id: int
    fingerprint: str
    state: str
    model: str
    dataset: str
    checkpoint_id: int
    dataset_id: int
    weights_hash: str
    dataset_hash: str
    vocabulary: str
    label_kind: str
    methods: tuple[str, ...]
    profile: str
    quantile: float
    seed: int | None
    settings: Mapping[str, Plain]
    versions: Mapping[str, str]
    message: str
    images: int
    skipped: int
    layers: tuple[str, ...]
    created_at: datetime
    finished_at: datetime | None
    model_source: str = ""
    model_licence: str = ""
    dataset_source: str = ""
    dataset_licence: str = ""
    found: str | None = None
    used: int | None = None
    step: int | None = None
    """Training step of the checkpoint, where it is known."""

    @property
    def imported(self) -> Mapping[str, Plain] | None:
        """What is known of the published table that the run was read from (`kind`, `file`, `sha256`, ...); None for a run of our own."""
        found = self.settings.get("import")
        return found if isinstance(found, Mapping) else None


@dataclass(frozen=True, slots=True)
class StatsView:
    """What the unit does over the whole data set. histogram (B,) counts over edges (B+1,)."""

    threshold: float | None
    state: str
    minimum: float | None
    maximum: float | None
    mean: float | None
    active_share: float | None
    active_images: int | None
    twin: int | None
    histogram: tuple[int, ...] = ()
    edges: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class LabelView:
    """One label; the fields of `records.LabelEntry`. concepts: (category, name, sign) in the order of the formula."""

    id: int
    text: str
    kind: str
    method: str
    profile: str
    rank: int
    category: str | None
    formula: str | None
    length: int | None
    score: float | None
    score_kind: str
    intersection: int | None
    unit_area: int | None
    concept_area: int | None
    reachable: float | None
    detector: bool | None
    held_out_score: float | None
    held_out_agrees: bool | None
    interval_low: float | None
    interval_high: float | None
    null_kind: str | None
    permutations: int | None
    p: float | None
    q: float | None
    split_hash: str | None
    certificate: str | None
    certificate_space: str | None
    details: Mapping[str, Plain]
    concepts: tuple[tuple[str, str, int], ...] = ()

    @property
    def images(self) -> int | None:
        """In how many images of the run the concept occurs; None where that was not kept."""
        found = self.details.get("images")
        return found if isinstance(found, int) else None


@dataclass(frozen=True, slots=True)
class ConceptScoreView:
    """A concept that describes the unit, by category and rank inside it (from 1). images: of the run that hold the concept."""

    category: str
    name: str
    rank: int
    score: float | None
    intersection: int | None
    unit_area: int | None
    concept_area: int | None
    reachable: float | None
    images: int | None = None


@dataclass(frozen=True, slots=True)
class ExemplarView:
    """One of the unit's best images. mask: zlib of `numpy.packbits` of the (H, W) mask; sha256 names the thumbnail."""

    rank: int
    image_index: int
    key: str
    sha256: str | None
    size: tuple[int, int] | None
    group: str | None
    activation: float
    mask: bytes
    mask_size: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class OtherLabel:
    """What another run says of the same unit; the fields of `LabelView` that a line needs, with the run's data set and rules."""

    run_id: int
    dataset: str
    profile: str
    kind: str
    method: str
    text: str
    category: str | None
    score: float | None
    score_kind: str
    detector: bool | None
    q: float | None
    source: str = ""
    """Name of the file that the run was imported from."""


@dataclass(frozen=True, slots=True)
class ReviewView:
    """What a person said of a method's label. verdict: `accept`, `reject` or `relabel` (then `relabel` is the better label).

    text: the label that was reviewed; stale: the method says something else by now, and the review counts for nothing.
    """

    id: int
    method: str
    text: str
    verdict: str
    relabel: str | None
    comment: str
    reviewer: str
    created_at: datetime
    stale: bool


@dataclass(frozen=True, slots=True, repr=False)
class UnitView:
    """One unit in one run, with all that its page shows.

    label: the headline, or the label that a filter or a search matched; None where the unit has none. labels: of every method, by method
    and rank. concepts: top scores, by category and rank. exemplars: best first, as many as were asked for.
    cursor: hand it to `units(after=...)` to go on behind this unit.
    """

    run_id: int
    unit_id: int
    model: str
    dataset: str
    layer: str
    index: int
    profile: str
    stats: StatsView
    label: LabelView | None
    labels: tuple[LabelView, ...] = ()
    concepts: tuple[ConceptScoreView, ...] = ()
    exemplars: tuple[ExemplarView, ...] = ()
    cursor: str = ""
    why: str = ""
    """For search: `label`, `synonym: ...` or `narrower: terrier, under dog`."""
    quantile: float | None = None
    """Of the run: the share of activations above the threshold; None where an imported table has no such thing."""
    formula_masks: tuple[bytes | None, ...] = ()
    """Beside each exemplar, where the unit's formula is true there, packed and sized as its mask; None where that is not known."""
    others: tuple[OtherLabel, ...] = ()
    """First labels of the same unit in other finished runs, filled where one unit is asked for."""
    reviews: tuple[ReviewView, ...] = ()
    """The newest review of each method's label."""

    def __repr__(self) -> str:
        """One line that can be read: the unit, its run, its label. The fields hold histograms and masks."""
        return f"<unit {self.model}/{self.layer}/{self.index} of run {self.run_id}: {self.said}>"

    @property
    def said(self) -> str:
        """The label with its score, in words: `car [object], iou 0.120, in 412 images`; or why there is none."""
        label = self.label
        if label is None:
            return "no label" if self.stats.state in ("ok", "unknown") else f"no label ({self.stats.state})"
        parts = [label.text if label.category is None else f"{label.text} [{label.category}]"]
        if label.score is not None:
            parts.append(f"{label.score_kind} {label.score:.3f}")
        if label.images is not None:
            parts.append(f"in {label.images} images")
        if label.detector is False:
            parts.append("no detector")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class AblationView:
    """What switching units of a layer off does; the fields of `records.AblationEntry`. concept: (category, name)."""

    id: int
    layer: str
    members: tuple[int, ...]
    concept: tuple[str, str] | None
    how: str
    dose: float
    measure: str
    effect: float | None
    interval_low: float | None
    interval_high: float | None
    control_mean: float | None
    controls: int
    p: float | None
    q: float | None
    balance: Mapping[str, Plain]
    details: Mapping[str, Plain]

    @property
    def shown(self) -> bool:
        """Whether an effect beyond that of the controls was shown."""
        return self.details.get("shown") is True


@dataclass(frozen=True, slots=True)
class LayerSummary:
    """One layer of one run in numbers. states: unit state -> number of units. detectors etc. are None where nothing was scored."""

    run_id: int
    layer: str
    aliases: tuple[str, ...]
    position: int
    units: int
    map_size: tuple[int, int] | None
    form: str | None
    fingerprint: str
    activation_dtype: str
    label_size: tuple[int, int] | None
    images: int
    states: Mapping[str, int]
    threshold: float | None
    detectors: int | None
    unique: int | None
    unique_by_category: int | None
    by_category: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def unusual(self) -> str:
        """Units in other states than `ok`, in words: `3 dead, 29 saturated`; empty if there are none."""
        return ", ".join(f"{count} {name}" for name, count in sorted(self.states.items()) if name != "ok" and count)


@dataclass(frozen=True, slots=True)
class HeadlineView:
    """A unit of a layer with one label, in few words: what comparisons of whole layers read. text: None without a label."""

    index: int
    state: str
    text: str | None
    category: str | None
    score: float | None
    detector: bool | None
    q: float | None


@dataclass(frozen=True, slots=True)
class RunSize:
    """A run in numbers. labelled: units of a layer that count as detectors; None where nothing was scored."""

    units: int
    labelled: int | None


@dataclass(frozen=True, slots=True)
class LabelTests:
    """Of a layer's detectors: labels that were tested for chance, and those that may be chance. top: best score of the layer."""

    tested: int
    chance: int
    top: float | None


@dataclass(frozen=True, slots=True)
class ConceptView:
    """One concept with the number of detector units that carry it as their label (in the runs asked for)."""

    vocabulary: str
    category: str
    name: str
    synonyms: tuple[str, ...]
    broader: tuple[str, ...]
    narrower: tuple[str, ...]
    units: int


@dataclass(frozen=True, slots=True)
class StageProgress:
    """How far one stage of a run is: shards done of all."""

    fingerprint: str
    step: str
    layer: str | None
    done: int
    shards: int
    size: int


@dataclass(frozen=True, slots=True)
class SkippedView:
    """One image that was left out, and why."""

    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class CacheStage:
    """A stage whose cache folder `<cache>/<step>/<fingerprint[:2]>/<fingerprint>` nobody needs any more."""

    step: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class StageUse:
    """Whose a stage is: its layer (None for labels), and the networks, data sets and runs that use it."""

    layer: str | None
    models: tuple[str, ...]
    datasets: tuple[str, ...]
    runs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class UnitFilter:
    """Which units to list. None everywhere means all; several settings must hold together.

    run: number, fingerprint prefix or "latest". layer: a name or an alias. q: a question (docs/search.md) that the label must answer, with
    its concepts, their synonyms and, if `narrower`, what they are under. newest: of several finished runs on one layer of a network and
    one data set, only the newest. The rest is about a unit's label (rank 1): min_iou is of an IoU alone, min_score and max_score of any
    score. survives: a detector told from chance, chosen by both halves of the images, and held out above the threshold.
    uses: names of concepts that a formula must all use: `wheel` as it is, `-wheel` or `NOT wheel` negated; in any case, `_` as a blank.
    """

    run: int | str | None = None
    model: str | None = None
    dataset: str | None = None
    layer: str | None = None
    category: str | None = None
    concept: str | None = None
    method: str | None = None
    kind: str | None = None
    state: str | None = None
    min_iou: float | None = None
    max_q: float | None = None
    detectors: bool = False
    q: str | None = None
    newest: bool = False
    uses: tuple[str, ...] = ()
    min_score: float | None = None
    max_score: float | None = None
    survives: bool = False
    narrower: bool = True
    reviewed: str | None = None
    """Of the unit's label: `accepted`, `rejected`, `relabelled`, `stale` or `unreviewed`."""


@dataclass(frozen=True, slots=True)
class FacetValue:
    """A value of a filter, and how many of the units found it would leave."""

    name: str
    units: int


@dataclass(frozen=True, slots=True)
class Facets:
    """What a list of units divides into. capped: more labels passed than were looked at, so every number is "at least".

    A unit counts for each value that one of its labels that pass has. By falling number, at most 100 values each; concepts are those that a
    label uses and does not exclude.
    """

    total: int
    capped: bool
    models: tuple[FacetValue, ...] = ()
    layers: tuple[FacetValue, ...] = ()
    categories: tuple[FacetValue, ...] = ()
    methods: tuple[FacetValue, ...] = ()
    concepts: tuple[FacetValue, ...] = ()


@dataclass(frozen=True, slots=True)
class NeighbourView:
    """A unit near another one. similarity: cosine between their concept profiles, in (0, 1]; label: its headline, None for none.

    shared: names of the concepts that make them alike, the one that adds most first.
    """

    run_id: int
    model: str
    layer: str
    index: int
    label: str | None
    similarity: float
    shared: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One audit of a run. counts: findings by state (`found`, `not found`, `not testable`). against: what it was compared with, or ""."""

    id: int
    run_id: int
    fingerprint: str
    model: str
    dataset: str
    against: str
    settings: Mapping[str, Plain]
    counts: Mapping[str, int]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class FindingView:
    """A finding with the audit and the run it belongs to."""

    audit_id: int
    run_id: int
    finding: Finding


@dataclass(frozen=True, slots=True)
class FindingFilter:
    """Which findings to list. None everywhere means all; several settings must hold together. run: number, prefix or "latest"."""

    audit: int | None = None
    run: int | str | None = None
    kind: str | None = None
    state: str | None = None
    subject: str | None = None
    layer: str | None = None
    unit: int | None = None
