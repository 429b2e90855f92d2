"""From what was measured to rows: one layer's probe and scores become the records that the store writes."""

from __future__ import annotations

from collections.abc import Mapping

from dissect.concepts.hierarchy import shipped_broader
from dissect.concepts.model import ProbeSet, Vocabulary
from dissect.network.model import LayerInfo
from dissect.pipeline.hierarchy import tied
from dissect.pipeline.request import RunRequest
from dissect.probe.profile import profile
from dissect.probe.runner import ProbeResult
from dissect.probe.tables import Exemplars, LayerProbe, UnitStats
from dissect.score.labels import ConceptLabel, LayerLabels, UnitLabels, auroc_labels, iou_labels
from dissect.store import (
    ConceptEdge,
    ConceptEntry,
    ConceptScore,
    DetectorSummary,
    ExemplarEntry,
    ImageEntry,
    LabelEntry,
    LayerRecord,
    LayerResult,
    StatsEntry,
    UnitResult,
)

RUNNERS = 5
"""Labels kept a unit over all categories: the label itself and the next ones."""


def layer_result(probed: LayerProbe, vocabulary: Vocabulary, request: RunRequest, position: int, result: ProbeResult) -> LayerResult:
    """Score one layer and put all that is known of its units into records."""
    labels = score_layer(probed, vocabulary, request, result)
    exemplars, stats = _exemplars(probed.exemplars), _stats(probed.stats)
    units = [
        UnitResult(
            index,
            stats=stats[index],
            labels=_labels(labels.units[index], labels, request.threshold) if labels else (),
            concepts=_concepts(labels.units[index]) if labels else (),
            exemplars=exemplars[index],
        )
        for index in range(probed.layer.units)
    ]
    return LayerResult(
        layer=layer_record(probed.layer, position),
        units=units,
        summary=_summary(labels, vocabulary) if labels else None,
        fingerprint=probed.fingerprint,
        activation_dtype=probed.activation_dtype,
        label_size=result.label_size,
        images=result.images,
    )


def score_layer(probed: LayerProbe, vocabulary: Vocabulary, request: RunRequest, result: ProbeResult) -> LayerLabels | None:
    """IoU where there are label maps, AUROC where there are image-level labels only, None where there are no labels."""
    if probed.tables is not None:
        return iou_labels(
            probed.tables,
            probed.stats,
            vocabulary,
            profile(request.profile),
            top=RUNNERS,
            in_category=request.top,
            min_images=request.min_images,
            threshold=request.threshold,
        )
    if result.image_level is not None:
        maxima = result.image_level.maxima[probed.layer.name]
        return auroc_labels(
            maxima,
            result.image_level.presence,
            probed.stats,
            vocabulary,
            top=RUNNERS,
            in_category=request.top,
            min_images=request.min_images,
        )
    return None


def layer_record(layer: LayerInfo, position: int) -> LayerRecord:
    """The layer as the store keeps it."""
    return LayerRecord(layer.name, layer.units, position=position, map_size=layer.map_size, form=layer.form, signed=layer.signed)


def concept_rows(vocabulary: Vocabulary, leaked: bool) -> tuple[list[ConceptEntry], list[ConceptEdge]]:
    """Every concept with its synonyms, and the hierarchy: the data set's own and the one that ships.

    `leaked`: with the nameless label 0 of two published programs.
    """
    entries = [ConceptEntry(c.name, c.category, source_id=c.source_id, synonyms=c.synonyms) for c in vocabulary.concepts]
    if leaked and vocabulary.categories:
        entries.append(ConceptEntry("", vocabulary.categories[-1], source_id="0"))
    pairs = dict.fromkeys((*vocabulary.broader, *shipped_broader(concept.name for concept in vocabulary.concepts)))
    grouping, edges = tied([(concept.category, concept.name) for concept in vocabulary.concepts], pairs)
    return [*entries, *grouping], edges


def image_rows(data: ProbeSet, files: Mapping[int, str]) -> list[ImageEntry]:
    """Every image; those that are exemplars with the hash that names their thumbnail."""
    return [
        ImageEntry(
            record.index, record.key, sha256=files.get(record.index), group=record.group, split=record.split, attributes=record.attributes
        )
        for record in data.records
    ]


def _labels(unit: UnitLabels, layer: LayerLabels, threshold: float) -> tuple[LabelEntry, ...]:
    detects = layer.detectors is not None
    return tuple(
        LabelEntry(
            text=label.name,
            rank=label.rank,
            category=label.category,
            score=label.score,
            score_kind=layer.measure,
            intersection=label.intersection if detects else None,
            unit_area=label.unit_area if detects else None,
            concept_area=label.concept_area,
            reachable=label.reachable,
            detector=label.score > threshold if detects else None,
            concepts=(((label.category, label.name), 1),),
            details={} if label.images is None else {"images": label.images},
        )
        for label in unit.top
    )


def _concepts(unit: UnitLabels) -> tuple[ConceptScore, ...]:
    return tuple(_concept(label) for label in unit.per_category)


def _concept(label: ConceptLabel) -> ConceptScore:
    return ConceptScore(
        (label.category, label.name), label.rank, label.score, label.intersection, label.unit_area, label.concept_area, label.reachable,
        label.images,
    )  # fmt: skip


def _summary(labels: LayerLabels, vocabulary: Vocabulary) -> DetectorSummary | None:
    counted = labels.detectors
    if counted is None:
        return None
    by_category: dict[str, dict[str, int]] = {category: {} for category in vocabulary.categories}
    for unit, detects in zip(labels.units, counted.detector.tolist(), strict=True):
        if detects and unit.best is not None:
            names = by_category[unit.best.category]
            names[unit.best.name] = names.get(unit.best.name, 0) + 1
    return DetectorSummary(counted.threshold, counted.units, counted.unique, sum(counted.category_unique), by_category)


def _stats(stats: UnitStats) -> list[StatsEntry]:
    twins = stats.twin.tolist()
    rows = zip(
        stats.threshold.tolist(),
        stats.state,
        stats.minimum.tolist(),
        stats.maximum.tolist(),
        stats.mean.tolist(),
        stats.active_share.tolist(),
        stats.active_images.tolist(),
        [twin if twin >= 0 else None for twin in twins],
        stats.histogram.tolist(),
        stats.edges.tolist(),
        strict=True,
    )
    return [StatsEntry(*row) for row in rows]


def _exemplars(exemplars: Exemplars) -> list[tuple[ExemplarEntry, ...]]:
    images, activations = exemplars.image.tolist(), exemplars.activation.tolist()
    return [
        tuple(
            ExemplarEntry(image, rank, activation, mask, exemplars.mask_size)
            for rank, (image, activation, mask) in enumerate(zip(unit_images, unit_activations, unit_masks, strict=True), start=1)
            if image >= 0
        )
        for unit_images, unit_activations, unit_masks in zip(images, activations, exemplars.masks, strict=True)
    ]
