"""Every question that pages and API ask of the store, in one thin place."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from dissect.audit.changes import RunChanges
from dissect.audit.finding import AuditReport
from dissect.errors import NotFoundError, UsageError
from dissect.exchange.words import CHANCE
from dissect.fingerprint import Plain
from dissect.store import (
    AblationView,
    AuditRecord,
    ConceptView,
    Facets,
    FindingFilter,
    FindingView,
    LabelTests,
    LayerMethod,
    LayerSummary,
    NeighbourView,
    RunRecord,
    RunSize,
    SkippedView,
    StageProgress,
    Store,
    UnitFilter,
    UnitView,
)

MOST_RUNS = 100


@dataclass(frozen=True)
class UnitPage:
    """Some units of a list; `next` is the cursor to go on from, `previous` the one to go back from; None at either end."""

    units: tuple[UnitView, ...]
    next: str | None = None
    previous: str | None = None


class Reader:
    """Reads one store. Safe to use from several threads."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def together(self) -> AbstractContextManager[None]:
        """All questions of this thread inside see one state of the database. Nothing may be written there."""
        return self._store.together()

    def runs(self, model: str | None = None) -> list[RunRecord]:
        """Runs, newest first; of one network if it is named.

        Raises:
            NotFoundError: no run of that network.
        """
        found = self._store.runs(model=model, limit=MOST_RUNS)
        if model is not None and not found:
            raise NotFoundError(f"there is no run of a network {model!r}.")
        return found

    def sizes(self, records: Sequence[RunRecord]) -> dict[int, RunSize]:
        """Run -> units and detectors."""
        return self._store.run_sizes([record.id for record in records])

    def run(self, reference: str, model: str | None = None) -> RunRecord:
        """A run by number, beginning of its fingerprint, or "latest" (of the network, if one is named).

        Raises:
            NotFoundError: there is none, or it is another network's.
        """
        if model is not None and reference == "latest":
            return self.runs(model)[0]
        record = self._store.run(reference)
        if model is not None and record.model != model:
            raise NotFoundError(f"run {record.id} is of the network {record.model!r}, not of {model!r}.")
        return record

    def layers(self, record: RunRecord) -> list[LayerSummary]:
        """The layers of a run, in order."""
        return self._store.layers(record.id)

    def layer(self, record: RunRecord, name: str) -> LayerSummary:
        """A layer of a run, by name or alias."""
        return self._store.layer_summary(record.id, name)

    def tests(self, summary: LayerSummary) -> LabelTests:
        """What is known about chance for a layer's detectors."""
        return self._store.label_tests(summary.run_id, summary.layer, CHANCE)

    def methods(self, record: RunRecord) -> list[LayerMethod]:
        """Later methods that are done, with their summaries."""
        return self._store.layer_methods(record.id)

    def summary(self, record: RunRecord, layer: str, method: str) -> dict[str, Plain]:
        """What a later method came to in a layer; empty where it was not done."""
        return next((dict(done.summary) for done in self.methods(record) if (done.layer, done.method) == (layer, method)), {})

    def units(
        self, filters: UnitFilter, *, order: str = "score", limit: int = 24, after: str | None = None, before: str | None = None,
        exemplars: int = 5,
    ) -> UnitPage:  # fmt: skip
        """One page of the units that pass, behind `after` or ahead of `before`, with the cursors of its neighbours.

        Raises:
            UsageError: the cursor is none of this list.
        """
        try:
            found = self._store.units(filters, order=order, limit=limit + 1, after=after, before=before, exemplars=exemplars)
        except RecursionError:
            raise UsageError("the place to go on from is no cursor of this list. Follow `next` of the page before.") from None
        more = len(found) > limit
        shown = found[-limit:] if before is not None else found[:limit]
        behind, ahead = (True, more) if before is not None else (more, after is not None)
        return UnitPage(tuple(shown), shown[-1].cursor if shown and behind else None, shown[0].cursor if shown and ahead else None)

    def facets(self, filters: UnitFilter) -> Facets:
        """How many units pass, and how they divide."""
        return self._store.facets(filters)

    def neighbours(self, view: UnitView, most: int = 8) -> list[NeighbourView]:
        """Units of other layers, runs and networks that answer to the same concepts, nearest first."""
        return self._store.neighbours(view, limit=most)

    def unit(self, record: RunRecord, summary: LayerSummary, index: int) -> UnitView:
        """A unit with all that is known of it."""
        return self._store.unit(record.model, summary.layer, index, run=record.id)

    def alike(self, view: UnitView, most: int = 6) -> list[UnitView]:
        """Other units with the same label, best score first, in the newest run on each layer; none for a unit without a concept."""
        label = view.label
        if label is None or label.kind != "concept" or not label.text:
            return []
        filters = UnitFilter(concept=label.text, category=label.category, kind="concept", newest=True)
        found = self._store.units(filters, limit=most + 1, exemplars=1)
        return [other for other in found if other.unit_id != view.unit_id][:most]

    def effects(self, view: UnitView) -> list[AblationView]:
        """What switching the unit off does, alone or together with others."""
        return [each for each in self._store.ablations(view.run_id, view.layer) if view.index in each.members]

    def findings(self, view: UnitView) -> list[FindingView]:
        """What audits found of the unit, newest audit first."""
        return self._store.findings(FindingFilter(run=view.run_id, layer=view.layer, unit=view.index, state="found"))

    def audits(self, record: RunRecord | None = None) -> list[AuditRecord]:
        """Audits, newest first; of one run if it is given."""
        return self._store.audits(None if record is None else record.id)

    def audit(self, number: int) -> tuple[AuditRecord, AuditReport]:
        """One audit with its report."""
        return self._store.audit(number)

    def progress(self, record: RunRecord) -> list[StageProgress]:
        """How far each stage of a run is."""
        return self._store.progress(record.id)

    def skipped(self, record: RunRecord) -> list[SkippedView]:
        """Images that a run left out."""
        return self._store.skipped(record.id)

    def concept(self, category: str, name: str) -> ConceptView:
        """A concept; of several vocabularies, the one with most units.

        Raises:
            NotFoundError: there is none; near names are listed.
        """
        found = self._store.concepts(category=category, names=[name])
        if not found:
            near = difflib.get_close_matches(name, self._store.concept_names(category=category), n=5)
            hint = f" Near: {', '.join(near)}." if near else ""
            raise NotFoundError(f"there is no concept {name!r} in the category {category!r}.{hint}")
        return max(found, key=lambda concept: concept.units)

    def changes(self, first: str, second: str, method: str | None, against: str | None) -> RunChanges:
        """Two runs beside each other, units paired by number."""
        from dissect.pipeline.compare import CompareRequest, compare_stored

        return compare_stored(self._store, first, second, CompareRequest(method=method, second_method=against or method))

    def categories(self) -> list[str]:
        """All categories of concepts, by name."""
        return self._store.categories()

    def near(self, text: str, most: int = 6) -> list[ConceptView]:
        """Concepts that units carry and whose names are near a text that found nothing."""
        names = difflib.get_close_matches(text.strip().lower()[:100], self._store.concept_names(carried=True), n=most, cutoff=0.5)
        carried: dict[str, ConceptView] = {}
        for concept in self._store.concepts(names=names):
            carried[concept.name] = max(concept, carried.get(concept.name, concept), key=lambda each: each.units)
        return [carried[name] for name in names]
