"""Everything the command does, as functions.

import dissect
run = dissect.run("torchvision:resnet18", data="broden", layers=["layer4"])
run.units(q="wheel", min_iou=0.04).to_pandas()
run.unit("layer4", 305).labels
dissect.open_store("sqlite:///dissect.db").search("wheel")
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dissect.audit.changes import RunChanges
from dissect.audit.finding import AuditReport
from dissect.config import Config, resolve
from dissect.exchange.described import report_description
from dissect.exchange.view import ReportLabel
from dissect.pipeline.ablate import AblateRequest, ablate_run
from dissect.pipeline.audit import AuditRequest, audit_run
from dissect.pipeline.caption import caption_run
from dissect.pipeline.caption_request import CaptionRequest
from dissect.pipeline.compare import CompareRequest, compare_runs
from dissect.pipeline.compose import ComposeRequest, compose_run
from dissect.pipeline.import_table import ImportRequest
from dissect.pipeline.import_table import import_table as import_request
from dissect.pipeline.picture_units import DrivenUnit, units_for
from dissect.pipeline.report import export_run, write_run_report
from dissect.pipeline.request import RunRequest
from dissect.pipeline.run import RunOutcome, run_request
from dissect.pipeline.verify import verify_run
from dissect.pipeline.verify_request import VerifyRequest
from dissect.probe.progress import progress_for
from dissect.store import AblationView, LayerMethod, LayerSummary, RunRecord, Store, UnitFilter, UnitView

if TYPE_CHECKING:
    import pandas


SHOWN = 10
"""Units that `repr` of a list names."""


class Units(Sequence[UnitView]):
    """A list of units that turns into a table."""

    def __init__(self, views: Sequence[UnitView]) -> None:
        self._views = tuple(views)

    def __len__(self) -> int:
        return len(self._views)

    def __getitem__(self, index: Any) -> Any:
        return self._views[index]

    def __iter__(self) -> Iterator[UnitView]:
        return iter(self._views)

    def __repr__(self) -> str:
        """How many, and the first of them, a line each."""
        lines = [f"{view.model}/{view.layer}/{view.index}  {view.said}" for view in self._views[:SHOWN]]
        if len(self) > SHOWN:
            lines.append(f"... and {len(self) - SHOWN:,} more; .to_pandas() is the whole table")
        return "\n  ".join([f"<{len(self):,} unit{'' if len(self) == 1 else 's'}", *lines]) + ">"

    def to_pandas(self) -> pandas.DataFrame:
        """One row a unit: run, model, data, layer, unit, label, category, score, I, A, G, reachable, images with the concept, detector,
        state, threshold, of the label's tests held_out, low, high, p, q, of its formula, where there is one: text, IoU, certificate, q,
        and of its description: text, PMI, detection score (AUC)."""
        import pandas

        columns = (
            "run",
            "model",
            "data",
            "layer",
            "unit",
            "label",
            "category",
            "score",
            "score_kind",
            "intersection",
            "unit_area",
            "concept_area",
            "reachable",
            "images",
            "detector",
            "state",
            "threshold",
            "held_out",
            "low",
            "high",
            "p",
            "q",
            "formula",
            "formula_iou",
            "certificate",
            "formula_q",
            "description",
            "description_pmi",
            "description_detection",
        )
        return pandas.DataFrame([_row(view) for view in self._views], columns=list(columns))


@dataclass(frozen=True)
class Run:
    """A run in a database. It stays open with its store."""

    store: Store
    record: RunRecord
    config: Config
    outcome: RunOutcome | None = None

    def __repr__(self) -> str:
        """The run in one line; its record holds the rest."""
        record = self.record
        used = "" if record.used is None else f", {record.used:,} of {record.images:,} images used"
        return f"<run {record.id}: {record.model} on {record.dataset}, {record.state}, {', '.join(record.layers) or 'no layer yet'}{used}>"

    @property
    def layers(self) -> tuple[LayerSummary, ...]:
        """Every layer in numbers."""
        return tuple(self.store.layers(self.record.id))

    def units(
        self,
        q: str | None = None,
        *,
        layer: str | None = None,
        category: str | None = None,
        concept: str | None = None,
        min_iou: float | None = None,
        max_q: float | None = None,
        detectors: bool = False,
        uses: Sequence[str] = (),
        narrower: bool = True,
        survives: bool = False,
        limit: int = 100_000,
    ) -> Units:
        """Units of this run, best score first. q: words that their labels hold; min_iou: least score; max_q: largest q-value of a
        tested label; uses: concepts that their formula uses (`"NOT road"`: that it excludes). narrower: `dog` finds
        terriers. survives: only detectors that all tests leave."""
        filters = UnitFilter(
            run=self.record.id,
            layer=layer,
            category=category,
            concept=concept,
            min_iou=min_iou,
            max_q=max_q,
            detectors=detectors,
            uses=tuple(uses),
            narrower=narrower,
            survives=survives,
        )
        if q:
            return Units(self.store.search(q, filters, limit=limit))
        return Units(self.store.units(filters, limit=limit))

    def units_for(self, image: str | Path, *, layers: Sequence[str] = (), limit: int = 20, exemplars: int = 5) -> list[DrivenUnit]:
        """The units that a picture drives hardest, above their thresholds; `dissect.pipeline.picture_units` says what drive means."""
        return units_for(self.store, self.config, self.record.id, Path(image), layers=layers, limit=limit, exemplars=exemplars)

    def unit(self, layer: str, index: int) -> UnitView:
        """One unit with its labels, runner-ups, exemplars and statistics."""
        return self.store.unit(None, layer, index, run=self.record.id)

    def compose(self, *, quiet: bool = False, **settings: Any) -> tuple[LayerMethod, ...]:
        """Explain every unit by a formula of concepts; `settings` are the fields of `dissect.pipeline.compose.ComposeRequest`.

        The formulas are labels of the units then, beside the concepts. Returns how the search went in each layer.
        """
        progress = progress_for(sys.stderr, quiet=quiet)
        return compose_run(self.store, self.config, self.record.id, ComposeRequest(**settings), progress).layers

    def caption(self, *, quiet: bool = False, device: str | None = None, **settings: Any) -> tuple[LayerMethod, ...]:
        """Describe every unit in words, and test the descriptions; `settings` are the fields of
        `dissect.pipeline.caption_request.CaptionRequest`. Returns how it went in each layer.
        """
        progress = progress_for(sys.stderr, quiet=quiet)
        return caption_run(self.store, self.config, self.record.id, CaptionRequest(**settings), progress, device=device).layers

    def ablate(self, *, quiet: bool = False, **settings: Any) -> tuple[AblationView, ...]:
        """Switch units off and measure what the network loses; `settings` are the fields of `dissect.pipeline.ablate.AblateRequest`.

        Returns the effects; the run keeps them, and `effects` gives all it has.
        """
        progress = progress_for(sys.stderr, quiet=quiet)
        return ablate_run(self.store, self.config, self.record.id, AblateRequest(**settings), progress).effects

    @property
    def effects(self) -> tuple[AblationView, ...]:
        """What switching units off did, of every ablation of this run."""
        return tuple(self.store.ablations(self.record.id))

    def verify(self, *, quiet: bool = False, **settings: Any) -> tuple[LayerMethod, ...]:
        """Test the labels: against chance, held out, with intervals, and against rotated axes; `settings` are the fields of
        `dissect.pipeline.verify_request.VerifyRequest`. Returns each layer in numbers; every label then carries its own.
        """
        progress = progress_for(sys.stderr, quiet=quiet)
        return verify_run(self.store, self.config, self.record.id, VerifyRequest(**settings), progress).layers

    def audit(self, *, against: str | int | None = None, quiet: bool = False, **settings: Any) -> AuditReport:
        """Audit the run for units that answer to faces or to groups of people; `settings` are the fields of
        `dissect.pipeline.audit.AuditRequest` (attributes, match, lexicons, masks, effect, seed). against: another run to compare with.

        The database keeps the audit; no page is written (`dissect audit` does that).
        """
        other = None if against is None else str(against)
        request, progress = AuditRequest(**settings), progress_for(sys.stderr, quiet=quiet)
        return audit_run(self.store, self.config, str(self.record.id), request, progress, against=other, pages=False).report

    def compare(self, other: Run | int | str, *, quiet: bool = False, **settings: Any) -> RunChanges:
        """What changed from this run to another one of the same database; `settings` are the fields of
        `dissect.pipeline.compare.CompareRequest` (layers, match, method, second_method, least_correlation, seed).
        """
        second = other.record.id if isinstance(other, Run) else other
        progress = progress_for(sys.stderr, quiet=quiet)
        return compare_runs(self.store, self.config, self.record.id, second, CompareRequest(**settings), progress).changes

    def report(self, folder: str | Path) -> Path:
        """Write the HTML report; returns its first page."""
        return write_run_report(self.store, self.config, self.record.id, Path(folder))

    def export(self, form: str, path: str | Path | None = None, *, layer: str | None = None) -> Path:
        """Write the run in one of `dissect.pipeline.report.FORMS` (`csv`, `netdissect`, `neuronpedia`, `model-card`, ...); returns the file
        or folder. layer: only this one, for the columns of published tables."""
        return export_run(self.store, self.config, self.record.id, form, None if path is None else Path(path), layer=layer)


def run(
    model: str,
    *,
    data: str,
    layers: Sequence[str] = (),
    db: str | None = None,
    home: str | Path | None = None,
    data_root: str | Path | None = None,
    device: str | None = None,
    batch_size: int | None = None,
    cache_limit: str | int | None = None,
    workers: int = 1,
    quiet: bool = False,
    **rules: Any,
) -> Run:
    """Dissect a network; the same call again resumes, or only opens what is there.

    model, data, layers and `rules` (weights, split, limit, profile, quantile, ...) are the fields of
    `dissect.pipeline.request.RunRequest`; the rest are the settings of `dissect.config`.

    Raises:
        DissectError: with what, where and the remedy.
    """
    given = {
        "home": home,
        "data_root": data_root,
        "database_url": db,
        "device": device,
        "batch_size": batch_size,
        "cache_limit": cache_limit,
    }
    config = resolve(os.environ, None, **given)
    request = RunRequest(model=model, data=data, layers=tuple(layers), **rules)
    store = Store.open(config.database_url)
    outcome = run_request(request, config, store, progress_for(sys.stderr, quiet=quiet), workers=workers)
    return Run(store, outcome.run, config, outcome)


def import_table(kind: str, file: str | Path, *, model: str | None = None, db: str | None = None, **settings: Any) -> Run:
    """Read a published table of unit labels as a run; the same file again only opens it. kind: `auto`, `netdissect`, `milan`, ...

    `settings` (layer, dataset, aliases, checkpoint_of, ...) are the fields of `dissect.pipeline.import_table.ImportRequest`. What was wrong
    with the table stands in `run.store.layer_methods(run.record.id)` under `import`.

    Raises:
        DissectError: with what, where and the remedy.
    """
    config = resolve(os.environ, None, database_url=db)
    store = Store.open(config.database_url)
    outcome = import_request(store, ImportRequest(Path(file), kind, model, **settings))
    return Run(store, outcome.run, config)


def open_store(url: str | None = None) -> Store:
    """The database at a SQLAlchemy URL, or the usual one.

    Raises:
        NotFoundError: there is none.
    """
    return Store.open(url or resolve(os.environ).database_url, create=False)


def open_run(reference: int | str = "latest", *, db: str | None = None) -> Run:
    """A run that is in the database: by number, fingerprint prefix or "latest"."""
    config = resolve(os.environ, None, database_url=db)
    store = Store.open(config.database_url, create=False)
    return Run(store, store.run(reference), config)


_TESTED = {"held_out": "held_out_score", "low": "interval_low", "high": "interval_high", "p": "p", "q": "q"}
"""Column -> field of a label."""


def _row(view: UnitView) -> dict[str, object]:
    label = view.label
    formula = next((each for each in view.labels if each.method == "compositional"), None)
    said = report_description(view.labels, {each.id: ReportLabel(each.text, score=each.score) for each in view.labels})
    named = ("category", "score", "score_kind", "intersection", "unit_area", "concept_area", "reachable", "images", "detector")
    return {
        "run": view.run_id,
        "model": view.model,
        "data": view.dataset,
        "layer": view.layer,
        "unit": view.index,
        "label": label.text if label else None,
        **{name: getattr(label, name) if label else None for name in named},
        "state": view.stats.state,
        "threshold": view.stats.threshold,
        **{short: getattr(label, name) if label else None for short, name in _TESTED.items()},
        "formula": formula.text if formula else None,
        "formula_iou": formula.score if formula else None,
        "certificate": formula.certificate if formula else None,
        "formula_q": formula.q if formula else None,
        "description": said.label.text if said else None,
        "description_pmi": said.label.score if said else None,
        "description_detection": said.detection.auc if said and said.detection else None,
    }
