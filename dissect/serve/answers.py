"""Records of the store as answers of the API."""

from __future__ import annotations

from typing import Any

from dissect.audit.finding import AuditReport
from dissect.exchange.formulas import formula_of
from dissect.serve import links
from dissect.serve.read import UnitPage
from dissect.serve.shapes import (
    AuditDocument,
    AuditRow,
    ConceptDocument,
    ConceptScoreShape,
    EffectShape,
    ExemplarShape,
    FindingShape,
    LabelShape,
    LayerShape,
    OtherShape,
    ReviewShape,
    RunDocument,
    RunRow,
    StageShape,
    StatsShape,
    UnitDocument,
    UnitList,
    UnitRow,
)
from dissect.store import (
    AblationView,
    AuditRecord,
    ConceptView,
    FindingView,
    LayerSummary,
    RunRecord,
    RunSize,
    StageProgress,
    UnitView,
)


def run_row(record: RunRecord, size: RunSize | None) -> RunRow:
    """A run for a list."""
    row = RunRow.model_validate(record)
    found = {} if size is None else {"units": size.units, "labelled": size.labelled}
    return row.model_copy(update={**found, "href": links.run(record.id)})


def layer_shape(record: RunRecord, summary: LayerSummary) -> LayerShape:
    """A layer with its address."""
    return LayerShape.model_validate(summary).model_copy(update={"href": links.layer(record.model, record.id, summary.layer)})


def run_document(
    record: RunRecord, size: RunSize | None, layers: list[LayerSummary], progress: list[StageProgress], audits: list[AuditRecord]
) -> RunDocument:
    """A run with all that its page shows."""
    return RunDocument(
        run=run_row(record, size), layers=[layer_shape(record, layer) for layer in layers], settings=dict(record.settings),
        progress=[StageShape.model_validate(stage) for stage in progress], versions=dict(record.versions),
        audits=[audit.id for audit in audits],
    )  # fmt: skip


def unit_row(view: UnitView) -> UnitRow:
    """A unit for a list."""
    label, formula = view.label, formula_of(view.labels)
    found: dict[str, Any] = dict.fromkeys(
        ("label", "category", "kind", "method", "measure", "score", "reachable", "detector", "held_out", "low", "high", "p", "q", "images")
    )
    if label is not None:
        found = {
            "label": label.text, "category": label.category, "kind": label.kind, "method": label.method, "measure": label.score_kind,
            "score": label.score, "reachable": label.reachable, "detector": label.detector, "held_out": label.held_out_score,
            "low": label.interval_low, "high": label.interval_high, "p": label.p, "q": label.q, "images": label.images,
        }  # fmt: skip
    return UnitRow(
        run=view.run_id, model=view.model, dataset=view.dataset, layer=view.layer, unit=view.index, state=view.stats.state,
        formula=formula.text if formula else None, formula_score=formula.score if formula else None, profile=view.profile,
        quantile=view.quantile, why=view.why, href=links.unit(view.model, view.run_id, view.layer, view.index), **found,
    )  # fmt: skip


def unit_list(page: UnitPage) -> UnitList:
    """A page of units."""
    return UnitList(units=[unit_row(view) for view in page.units], next=page.next, previous=page.previous)


def unit_document(
    view: UnitView, effects: list[AblationView], findings: list[FindingView], alike: list[UnitView]
) -> UnitDocument:
    """All of one unit."""
    exemplars = [
        ExemplarShape.model_validate(each).model_copy(update={"thumbnail": links.picture(each.sha256) if each.sha256 else None})
        for each in view.exemplars
    ]
    return UnitDocument(
        run=view.run_id, model=view.model, dataset=view.dataset, layer=view.layer, unit=view.index, profile=view.profile,
        quantile=view.quantile, href=links.unit(view.model, view.run_id, view.layer, view.index),
        stats=StatsShape.model_validate(view.stats), label=None if view.label is None else LabelShape.model_validate(view.label),
        labels=[LabelShape.model_validate(label) for label in view.labels],
        concepts=[ConceptScoreShape.model_validate(concept) for concept in view.concepts], exemplars=exemplars,
        effects=[EffectShape.model_validate(effect) for effect in effects], findings=[finding_shape(found) for found in findings],
        others=[OtherShape.model_validate(other) for other in view.others], alike=[unit_row(other) for other in alike],
        reviews=[ReviewShape.model_validate(each) for each in view.reviews],
    )  # fmt: skip


def finding_shape(found: FindingView) -> FindingShape:
    """A finding with its audit's number."""
    return FindingShape.model_validate(found.finding).model_copy(update={"audit": found.audit_id})


def audit_row(record: AuditRecord) -> AuditRow:
    """An audit for a list."""
    return AuditRow.model_validate(record).model_copy(update={"href": links.audit(record.id)})


def audit_document(record: AuditRecord, report: AuditReport) -> AuditDocument:
    """An audit with its report."""
    return AuditDocument(audit=audit_row(record), settings=dict(record.settings), report=dict(report.as_plain()))


def concept_document(concept: ConceptView, page: UnitPage) -> ConceptDocument:
    """A concept with one page of its units."""
    return ConceptDocument(
        vocabulary=concept.vocabulary, category=concept.category, name=concept.name, synonyms=list(concept.synonyms),
        broader=list(concept.broader), narrower=list(concept.narrower), detectors=concept.units,
        units=[unit_row(view) for view in page.units], next=page.next, previous=page.previous,
    )  # fmt: skip
