"""What goes into the store: plain frozen records, made by the pipeline and by importers. No arrays, no SQL.

Scores are finite floats or None ("not computed yet"); NaN and infinities are stored as None. Counts are whole numbers of pixels.
A concept is named by (category, name) inside a vocabulary, an image by its index inside its data set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dissect.fingerprint import Plain

ConceptKey = tuple[str, str]
"""(primary category, name) of a concept, inside the vocabulary of the run's data set."""


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """A network as its card names it. `card` is what the card says, for people to read."""

    name: str
    source: str = ""
    licence: str = ""
    card: Mapping[str, Plain] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CheckpointRecord:
    """One set of weights of a network.

    weights_hash: content hash of the tensors, as in `Network.describe`. file_sha256: of the file they came from, where there is one.
    step: training step, where known. describe: all of `Network.describe()`.
    """

    weights_hash: str
    file_sha256: str | None = None
    source: str = ""
    step: int | None = None
    describe: Mapping[str, Plain] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LayerRecord:
    """One layer of a checkpoint. position: its place in the order of computation. map_size: (h, w) of a unit's map.

    aliases: names that other tools give the same layer, so that results meet.
    """

    name: str
    units: int
    position: int = 0
    map_size: tuple[int, int] | None = None
    form: str | None = None
    signed: bool | None = None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DatasetRecord:
    """A probe data set with one content. label_kind: `masks`, `image` or `none`. vocabulary: name under which its concepts are saved."""

    name: str
    content_hash: str
    vocabulary: str
    label_kind: str = "masks"
    images: int = 0
    licence: str = ""
    source: str = ""
    card: Mapping[str, Plain] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ImageEntry:
    """One image of a data set. `sha256` of the file names its thumbnail; size is (width, height) of the upright picture."""

    index: int
    key: str
    sha256: str | None = None
    size: tuple[int, int] | None = None
    group: str | None = None
    split: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ConceptEntry:
    """One concept of a vocabulary. The label-0 leak of two published programs is the concept with the empty name."""

    name: str
    category: str
    source_id: str = ""
    synonyms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ConceptEdge:
    """A tie between two concepts of one vocabulary, by name. kind `broader`: `target` is broader than `source`; `synonym`; `same`."""

    source: ConceptKey
    target: ConceptKey
    kind: str = "broader"


@dataclass(frozen=True, slots=True)
class RunSpec:
    """What a run is. `fingerprint` covers everything that changes its result; the rest is for people and for filters.

    settings: the resolved settings. versions: of this program and of what it computes with.
    """

    fingerprint: str
    checkpoint_id: int
    dataset_id: int
    methods: tuple[str, ...] = ("netdissect",)
    profile: str = "standard"
    quantile: float = 0.005
    seed: int | None = None
    settings: Mapping[str, Plain] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StatsEntry:
    """What a unit does over the whole data set; the fields of `probe.tables.UnitStats`. twin: unit index, or None.

    histogram (B,) counts over edges (B+1,).
    """

    threshold: float | None = None
    state: str = "ok"
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    active_share: float | None = None
    active_images: int | None = None
    twin: int | None = None
    histogram: Sequence[int] = ()
    edges: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class LabelEntry:
    """One label of one unit, with all that is needed to believe or to doubt it. What was not computed is None.

    kind: `concept`, `formula` or `description`. method: `netdissect`, `compositional`, `milan`, ... rank: 1 is the label, 2.. runners-up.
    score: of kind `score_kind` (`iou`, `auroc`, `pmi`, ...). I, A, G: pixels. reachable: the highest IoU this concept could reach.
    detector: the score passes the run's detector rule. concepts: those the label uses, each with +1, or -1 where the formula negates it.
    details: what else is known; `images` is the number of images of this run that hold the concept.
    """

    text: str
    kind: str = "concept"
    method: str = "netdissect"
    rank: int = 1
    category: str | None = None
    formula: str | None = None
    length: int | None = None
    score: float | None = None
    score_kind: str = "iou"
    intersection: int | None = None
    unit_area: int | None = None
    concept_area: int | None = None
    reachable: float | None = None
    detector: bool | None = None
    concepts: tuple[tuple[ConceptKey, int], ...] = ()
    held_out_score: float | None = None
    held_out_agrees: bool | None = None
    interval_low: float | None = None
    interval_high: float | None = None
    null_kind: str | None = None
    permutations: int | None = None
    p: float | None = None
    q: float | None = None
    split_hash: str | None = None
    certificate: str | None = None
    certificate_space: str | None = None
    details: Mapping[str, Plain] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ConceptScore:
    """How well one concept describes a unit. rank counts from 1 inside the concept's category. images: that hold the concept."""

    concept: ConceptKey
    rank: int
    score: float | None
    intersection: int | None = None
    unit_area: int | None = None
    concept_area: int | None = None
    reachable: float | None = None
    images: int | None = None


@dataclass(frozen=True, slots=True)
class ExemplarEntry:
    """One of a unit's images of highest activation. rank counts from 1. mask: zlib of `numpy.packbits` of the (H, W) mask."""

    image_index: int
    rank: int
    activation: float
    mask: bytes = b""
    mask_size: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class UnitResult:
    """All of one unit."""

    index: int
    stats: StatsEntry = StatsEntry()
    labels: tuple[LabelEntry, ...] = ()
    concepts: tuple[ConceptScore, ...] = ()
    exemplars: tuple[ExemplarEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class DetectorSummary:
    """A layer in numbers. threshold: a detector's score is above it. unique: distinct best concepts among the detectors;
    unique_by_category: distinct best concepts of each category, summed.

    by_category: category -> (concept name -> number of detector units).
    """

    threshold: float
    detectors: int
    unique: int
    unique_by_category: int
    by_category: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LayerResult:
    """One layer of one run; `Store.write_layer` writes it in one transaction. fingerprint: of the layer's tally stage."""

    layer: LayerRecord
    units: Sequence[UnitResult]
    summary: DetectorSummary | None = None
    fingerprint: str = ""
    activation_dtype: str = ""
    label_size: tuple[int, int] | None = None
    images: int = 0


@dataclass(frozen=True, slots=True)
class FormulaResult:
    """What a later method says of one unit. masks: exemplar rank -> zlib of `numpy.packbits` of where the first label is true.

    mask_size: (h, w) of every mask; needed where there is one.
    """

    index: int
    labels: tuple[LabelEntry, ...]
    masks: Mapping[int, bytes] = field(default_factory=dict)
    mask_size: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class AblationEntry:
    """What one set of units of a layer does to the network's answers when it is switched off.

    members: unit indices, ascending. concept: that it was tested for, None for none. how: `mean`, `zero` or `resample`. dose: share of the
    activation that was left. measure: `loss`, `concept_loss`, `kl` or `logit_change`. effect, interval: see `verify.ablation`.
    control_mean: of the control sets' contrasts. balance: of the controls, by feature. details: further numbers.
    """

    members: tuple[int, ...]
    concept: ConceptKey | None
    how: str
    dose: float
    measure: str
    effect: float | None
    interval_low: float | None = None
    interval_high: float | None = None
    control_mean: float | None = None
    controls: int = 0
    p: float | None = None
    q: float | None = None
    balance: Mapping[str, Plain] = field(default_factory=dict)
    details: Mapping[str, Plain] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LayerMethod:
    """A later method that is done for a layer. fingerprint: of all that its result depends on. summary: what came out, in numbers."""

    layer: str
    method: str
    fingerprint: str
    settings: Mapping[str, Plain] = field(default_factory=dict)
    summary: Mapping[str, Plain] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VerifiedLabel:
    """What the tests say of one unit's label (rank 1) of a method. None: not tested; `details` then says why.

    details: everything else that was measured; kept under `verification` in the label's details.
    """

    index: int
    method: str
    held_out_score: float | None = None
    held_out_agrees: bool | None = None
    interval_low: float | None = None
    interval_high: float | None = None
    null_kind: str | None = None
    permutations: int | None = None
    p: float | None = None
    q: float | None = None
    split_hash: str | None = None
    details: Mapping[str, Plain] = field(default_factory=dict)
