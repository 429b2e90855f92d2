"""A run as the database holds it, turned into what a report shows. Only reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from dissect.exchange.described import METHOD as DESCRIBED
from dissect.exchange.described import report_description
from dissect.exchange.formulas import METHOD, PARTS, report_formula
from dissect.exchange.summary import category_place
from dissect.exchange.tested import report_tests
from dissect.exchange.view import LabelKind, ReportExemplar, ReportImage, ReportLabel, ReportLayer, ReportRun, ReportUnit
from dissect.exchange.words import effect_words
from dissect.store import Store
from dissect.store.views import (
    ConceptScoreView,
    ExemplarView,
    FindingFilter,
    LabelView,
    LayerSummary,
    RunRecord,
    SkippedView,
    UnitFilter,
    UnitView,
)

UNITS_AT_ONCE = 256
EXEMPLARS = 15


def report_view(store: Store, run_id: int, thumbnail_folder: Path | None = None) -> ReportRun:
    """Everything a report of one run shows.

    thumbnail_folder: `<cache>/thumbs`; an image whose thumbnail is not there is shown as a placeholder.

    Raises:
        NotFoundError: there is no such run.
    """
    record = store.run(run_id)
    images: dict[int, ReportImage] = {}
    summaries = store.layers(record.id)
    methods = {(done.layer, done.method): dict(done.summary) for done in store.layer_methods(record.id)}
    layers = tuple(
        replace(
            _layer(store, record, summary, images, thumbnail_folder),
            formulas=methods.get((summary.layer, METHOD), {}), descriptions=methods.get((summary.layer, DESCRIBED), {}),
        )
        for summary in summaries
    )  # fmt: skip
    head = report_head(record, summaries, _categories(store, record), store.skipped(record.id))
    return replace(head, layers=layers, images=images)


def report_head(
    record: RunRecord, summaries: Sequence[LayerSummary], categories: Sequence[str] = (), skipped: Sequence[SkippedView] = ()
) -> ReportRun:
    """All that a page says of the run itself; its layers and images are left empty."""
    kind: LabelKind = "image" if record.label_kind == "image" else "none" if record.label_kind == "none" else "masks"
    threshold = next((summary.threshold for summary in summaries if summary.threshold is not None), None)
    return ReportRun(
        run=str(record.id),
        network=record.model,
        dataset=record.dataset,
        layers=(),
        images={},
        image_count=record.images if record.used is None else record.used,
        label_kind=kind,
        categories=tuple(categories),
        profile=record.profile,
        quantile=record.quantile,
        detector_rule=f"{'AUROC' if kind == 'image' else 'IoU'} {_above(record)} {0.04 if threshold is None else threshold:g}",
        fingerprint=record.fingerprint,
        created=record.created_at.strftime("%Y-%m-%d %H:%M UTC"),
        duration=(record.finished_at - record.created_at).total_seconds() if record.finished_at is not None else None,
        state=record.state,
        skipped=tuple((each.key, each.reason) for each in skipped),
        settings=dict(record.imported or record.settings),
        versions=dict(record.versions),
        network_note=_note(record.model_source, record.model_licence),
        dataset_note=_note(record.dataset_source, record.dataset_licence),
        imported=imported_words(record),
    )


def _above(record: RunRecord) -> str:
    """Ours asks for more than the threshold; an imported table may ask for as much."""
    return ">=" if (record.imported or {}).get("inclusive") else ">"


def imported_words(record: RunRecord) -> str:
    """`milan table my-labels.csv`, or nothing for a run of our own."""
    table = record.imported
    return "" if table is None else f"{table.get('kind')} table {table.get('file')}"


def _note(source: str, licence: str) -> str:
    """One line on where it is from and what may be done with it."""
    return "; ".join(part for part in (source and f"from {source}", licence and f"licence: {licence}") if part)


def _categories(store: Store, record: RunRecord) -> tuple[str, ...]:
    """The vocabulary's categories in their order. Names that only group others in the hierarchy have none."""
    found = {concept.category for concept in store.concepts(vocabulary=record.vocabulary, run=record.id)}
    return tuple(sorted(found - {""}, key=category_place))


def _layer(store: Store, record: RunRecord, summary: LayerSummary, images: dict[int, ReportImage], thumbnails: Path | None) -> ReportLayer:
    effects, audited = _effects(store, record, summary.layer), _audited(store, record, summary.layer)
    units = []
    for unit in _units(store, record, summary.layer):
        for exemplar in unit.exemplars:
            if exemplar.image_index not in images:
                images[exemplar.image_index] = ReportImage(exemplar.key, thumbnail_path(thumbnails, exemplar.sha256))
        units.append(replace(_with_effect(report_unit(unit), effects.get(unit.index)), audits=audited.get(unit.index, ())))
    details = {
        "form of the output": summary.form or "not known",
        "activations kept as": summary.activation_dtype or "not known",
        "fingerprint of the counts": summary.fingerprint or "not known",
    } | ({"other names": ", ".join(summary.aliases)} if summary.aliases else {})
    return ReportLayer(
        name=summary.layer, units=tuple(units), map_size=summary.map_size, label_size=summary.label_size, details=details,
        unique_best=summary.unique, unique_per_category=summary.unique_by_category,
    )  # fmt: skip


def _effects(store: Store, record: RunRecord, layer: str) -> dict[int, str]:
    """What switching single units off did, in words; of several measures and ways the first one."""
    found: dict[int, str] = {}
    for each in store.ablations(record.id, layer):
        if len(each.members) == 1 and each.dose == 0:
            found.setdefault(each.members[0], effect_words(each))
    return found


def _audited(store: Store, record: RunRecord, layer: str) -> dict[int, tuple[str, ...]]:
    """What audits of the run found of single units, in their own sentences, each once; newest audit first."""
    found: dict[int, tuple[str, ...]] = {}
    for each in store.findings(FindingFilter(run=record.id, layer=layer, state="found")):
        unit, text = each.finding.unit, each.finding.text
        if unit is not None and text and text not in found.get(unit, ()):
            found[unit] = (*found.get(unit, ()), text)
    return found


def _with_effect(unit: ReportUnit, effect: str | None) -> ReportUnit:
    """The unit with the effect beside its label; a label that is a formula was not what was tested."""
    if effect is None or unit.label is None or unit.label.kind != "concept":
        return unit
    return replace(unit, label=replace(unit.label, effect=effect))


def _units(store: Store, record: RunRecord, layer: str) -> Iterator[UnitView]:
    after: str | None = None
    filters = UnitFilter(run=record.id, layer=layer)
    while page := store.units(filters, order="index", limit=UNITS_AT_ONCE, after=after, exemplars=EXEMPLARS):
        yield from page
        after = page[-1].cursor


def thumbnail_path(folder: Path | None, sha256: str | None) -> Path | None:
    """Where the cache keeps the thumbnail of the image with this content; None if it is not there."""
    if folder is None or not sha256:
        return None
    path = folder / sha256[:2] / f"{sha256}-112.jpg"
    return path if path.is_file() else None


def report_unit(unit: UnitView) -> ReportUnit:
    """One unit. The label is the store's headline; the best of every other method stands beside it, but for the parts of a formula."""
    stats, label = unit.stats, unit.label
    size = next((exemplar.mask_size for exemplar in unit.exemplars if exemplar.mask_size), None)
    measure = label.score_kind if label is not None else "iou"
    shown = {other.id: _label(other) for other in unit.labels}
    beside = [other for other in unit.labels if other.rank == 1 and other.method not in PARTS]
    masks = dict(zip((exemplar.rank for exemplar in unit.exemplars), unit.formula_masks, strict=False))
    return ReportUnit(
        index=unit.index,
        state=stats.state,
        threshold=stats.threshold,
        label=shown[label.id] if label is not None else None,
        labels=tuple(shown[other.id] for other in beside if label is None or other.id != label.id),
        runners=_runners(unit.concepts, unit.labels, measure),
        exemplars=tuple(_exemplar(exemplar, masks.get(exemplar.rank), size) for exemplar in unit.exemplars),
        mask_size=size or (0, 0),
        histogram=stats.histogram,
        edges=stats.edges,
        minimum=stats.minimum,
        maximum=stats.maximum,
        mean=stats.mean,
        active_share=stats.active_share,
        active_images=stats.active_images,
        twin=stats.twin,
        formula=report_formula(unit.labels, shown),
        description=report_description(unit.labels, shown),
    )


def _exemplar(exemplar: ExemplarView, formula: bytes | None, size: tuple[int, int] | None) -> ReportExemplar:
    """A mask of another size than its unit's first one is left out; the probe writes them all in one size."""
    fits = exemplar.mask_size == size
    mask, true = (exemplar.mask, formula or b"") if fits else (b"", b"")
    return ReportExemplar(exemplar.rank, exemplar.image_index, exemplar.activation, mask, formula=true)


def _label(label: LabelView) -> ReportLabel:
    known = label.interval_low is not None and label.interval_high is not None
    return ReportLabel(
        text=label.text,
        kind=label.kind,
        category=label.category,
        method=label.method,
        profile=label.profile,
        measure=label.score_kind,
        score=label.score,
        intersection=label.intersection,
        unit_area=label.unit_area,
        concept_area=label.concept_area,
        reachable=label.reachable,
        held_out=label.held_out_score,
        interval=(label.interval_low or 0.0, label.interval_high or 0.0) if known else None,
        p=label.p,
        q=label.q,
        detector=bool(label.detector),
        images=label.images,
        tests=report_tests(label),
    )


def _runners(concepts: Sequence[ConceptScoreView], labels: Sequence[LabelView], measure: str) -> tuple[ReportLabel, ...]:
    """The best concepts of each category, best first; where none were kept by category, the labels of lower rank."""
    if not concepts:
        return tuple(_label(label) for label in labels if label.rank > 1 and label.kind == "concept")
    flags = {(label.category, label.text): bool(label.detector) for label in labels if label.kind == "concept"}
    least = min((label.score for label in labels if label.detector and label.score is not None), default=None)
    ordered = sorted(concepts, key=lambda concept: (-(concept.score or 0.0), concept.category, concept.rank))
    return tuple(
        ReportLabel(
            text=concept.name, category=concept.category, measure=measure, score=concept.score, intersection=concept.intersection,
            unit_area=concept.unit_area, concept_area=concept.concept_area, reachable=concept.reachable, images=concept.images,
            detector=flags.get((concept.category, concept.name), least is not None and (concept.score or 0.0) >= least),
        )
        for concept in ordered
    )  # fmt: skip
