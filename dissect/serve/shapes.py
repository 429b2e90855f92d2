"""What the API answers: every field with its type, so that the OpenAPI document tells a program all there is."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_finite)]
Plain = dict[str, Any]


class Shape(BaseModel):
    """An answer made from a record of the store."""

    model_config = ConfigDict(from_attributes=True)


class RunRow(Shape):
    """A run in a list. units, labelled: of all its layers; labelled is null where nothing was scored. href: its page."""

    id: int
    fingerprint: str
    state: str
    model: str
    dataset: str
    label_kind: str
    methods: list[str]
    profile: str
    quantile: Number
    seed: int | None
    images: int
    used: int | None
    skipped: int
    layers: list[str]
    created_at: datetime
    finished_at: datetime | None
    message: str
    units: int = 0
    labelled: int | None = None
    href: str = ""


class RunList(Shape):
    """Runs, newest first."""

    runs: list[RunRow]


class LayerShape(Shape):
    """A layer of a run in numbers. states: unit state -> units. by_category: category -> concept -> detectors. href: its page."""

    run_id: int
    layer: str
    aliases: list[str]
    position: int
    units: int
    map_size: tuple[int, int] | None
    label_size: tuple[int, int] | None
    form: str | None
    fingerprint: str
    activation_dtype: str
    images: int
    states: dict[str, int]
    threshold: Number
    detectors: int | None
    unique: int | None
    unique_by_category: int | None
    by_category: dict[str, dict[str, int]]
    href: str = ""


class StageShape(Shape):
    """How far a stage of a run is, in shards and bytes."""

    fingerprint: str
    step: str
    layer: str | None
    done: int
    shards: int
    size: int


class RunDocument(Shape):
    """A run with its layers, its progress and its resolved configuration."""

    run: RunRow
    layers: list[LayerShape]
    progress: list[StageShape]
    settings: Plain
    versions: dict[str, str]
    audits: list[int]


class LabelShape(Shape):
    """What one method says of a unit. concepts: (category, name, sign) in the order of a formula."""

    text: str
    kind: str
    method: str
    profile: str
    rank: int
    category: str | None
    formula: str | None
    length: int | None
    score: Number
    score_kind: str
    intersection: int | None
    unit_area: int | None
    concept_area: int | None
    reachable: Number
    detector: bool | None
    held_out_score: Number
    held_out_agrees: bool | None
    interval_low: Number
    interval_high: Number
    null_kind: str | None
    permutations: int | None
    p: Number
    q: Number
    certificate: str | None
    certificate_space: str | None
    concepts: list[tuple[str, str, int]]
    details: Plain


class StatsShape(Shape):
    """What the unit does over the whole data set."""

    threshold: Number
    state: str
    minimum: Number
    maximum: Number
    mean: Number
    active_share: Number
    active_images: int | None
    twin: int | None
    histogram: list[int]
    edges: list[float]


class ConceptScoreShape(Shape):
    """A concept that describes the unit, by category and rank inside it."""

    category: str
    name: str
    rank: int
    score: Number
    intersection: int | None
    unit_area: int | None
    concept_area: int | None
    reachable: Number
    images: int | None


class ExemplarShape(Shape):
    """One of the unit's best images. thumbnail: address of its small copy, if its content is known."""

    rank: int
    image_index: int
    key: str
    sha256: str | None
    size: tuple[int, int] | None
    group: str | None
    activation: Number
    thumbnail: str | None = None


class UnitRow(Shape):
    """A unit in a list, with its headline label. why: how a search found it. href: its page."""

    run: int
    model: str
    dataset: str
    layer: str
    unit: int
    state: str
    label: str | None
    category: str | None
    kind: str | None
    method: str | None
    measure: str | None
    score: Number
    reachable: Number
    detector: bool | None
    held_out: Number
    low: Number
    high: Number
    p: Number
    q: Number
    images: int | None
    formula: str | None
    formula_score: Number
    profile: str
    quantile: Number
    why: str
    href: str


class UnitList(Shape):
    """Units. next: hand it to `after` to go on; previous: hand it to `before` to go back. Null at either end."""

    units: list[UnitRow]
    next: str | None
    previous: str | None = None


class ReviewShape(Shape):
    """What a person said of a method's label. text: the label then; stale: it is another now, and the review counts for nothing."""

    id: int
    method: str
    text: str
    verdict: str
    relabel: str | None
    comment: str
    reviewer: str
    created_at: datetime
    stale: bool


class ReviewList(Shape):
    """Reviews of a unit, newest first."""

    reviews: list[ReviewShape]


class OtherShape(Shape):
    """What another run says of the same unit. source: name of the file that the run was imported from, or empty."""

    run_id: int
    dataset: str
    profile: str
    kind: str
    method: str
    text: str
    category: str | None
    score: Number
    score_kind: str
    detector: bool | None
    q: Number
    source: str


class UnitDocument(Shape):
    """A unit with all that is known of it in its run. label: the headline; labels: of every method."""

    run: int
    model: str
    dataset: str
    layer: str
    unit: int
    profile: str
    quantile: Number
    href: str
    stats: StatsShape
    label: LabelShape | None
    labels: list[LabelShape]
    concepts: list[ConceptScoreShape]
    exemplars: list[ExemplarShape]
    effects: list[EffectShape]
    findings: list[FindingShape]
    others: list[OtherShape] = Field(description="What other runs say of the same unit.")
    alike: list[UnitRow] = Field(description="Other units with the same label.")
    reviews: list[ReviewShape] = Field(description="The newest review of each method's label.")


class EffectShape(Shape):
    """What switching units of a layer off does, beside matched controls."""

    layer: str
    members: list[int]
    concept: tuple[str, str] | None
    how: str
    dose: Number
    measure: str
    effect: Number
    interval_low: Number
    interval_high: Number
    control_mean: Number
    controls: int
    p: Number
    q: Number
    shown: bool


class FindingShape(Shape):
    """What an audit says, found or not. unit: null for a finding of a whole layer or network."""

    kind: str
    state: str
    layer: str
    unit: int | None
    subject: str
    value: str
    effect: Number
    effect_name: str
    interval: tuple[float, float] | None
    p: Number
    q: Number
    reason: str
    text: str
    audit: int = 0


class AuditRow(Shape):
    """An audit in a list. counts: findings by state."""

    id: int
    run_id: int
    model: str
    dataset: str
    against: str
    counts: dict[str, int]
    created_at: datetime
    href: str = ""


class AuditList(Shape):
    """Audits, newest first."""

    audits: list[AuditRow]


class AuditDocument(Shape):
    """An audit with its report as it was written."""

    audit: AuditRow
    settings: Plain
    report: Plain


class Comparison(Shape):
    """Two runs beside each other: what differs in their settings, and layer by layer which labels were gained, lost or changed."""

    first: Plain
    second: Plain
    differences: dict[str, list[str]]
    notes: list[str]
    layers: list[Plain]


class ConceptDocument(Shape):
    """A concept, what is above and below it, and units that carry or use it."""

    vocabulary: str
    category: str
    name: str
    synonyms: list[str]
    broader: list[str]
    narrower: list[str]
    detectors: int
    units: list[UnitRow]
    next: str | None
    previous: str | None = None


UnitDocument.model_rebuild()
