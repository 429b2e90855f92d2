"""A run as files: the HTML report, tables, the layouts of other programs, a model card."""

from __future__ import annotations

from pathlib import Path

from dissect.config import Config
from dissect.errors import UsageError
from dissect.exchange import csv_text, export_csv, export_jsonl, export_parquet, jsonl_text, report_view, write_report
from dissect.exchange.model_card import export_model_card, model_card
from dissect.exchange.neuronpedia import export_neuronpedia
from dissect.exchange.published import PUBLISHED, export_published, published_text
from dissect.pipeline.collection import no_collection
from dissect.store import RunRecord, Store

ONE_LAYER = PUBLISHED
TEXTS = ("csv", "jsonl", *PUBLISHED, "model-card")
FORMS = ("html", "csv", "jsonl", "parquet", *PUBLISHED, "neuronpedia", "model-card")
ENDINGS = {"csv": ".csv", "jsonl": ".jsonl", "parquet": ".parquet", "model-card": ".md"}


def default_report_folder(config: Config, record: RunRecord) -> Path:
    """`<home>/reports/run-7`: where a report goes if nobody says where."""
    return config.home / "reports" / f"run-{record.id}"


def write_run_report(store: Store, config: Config, run_id: int, folder: Path) -> Path:
    """Write the HTML report of a run. Returns the path of its first page."""
    with no_collection():
        return write_report(report_view(store, run_id, config.cache / "thumbs"), folder)


def export_run(
    store: Store, config: Config, reference: int | str, form: str, output: Path | None, *, layer: str | None = None
) -> Path:  # fmt: skip
    """Write a run in one of `FORMS`: `html` and `neuronpedia` are folders, the others files; default place: the current folder.

    Returns what was written. layer: only this one, where the form holds one layer or can leave some out (`ONE_LAYER`).

    Raises:
        UsageError: there is no such form, or the run does not fit it.
        MissingExtraError: Parquet without its library.
    """
    _check(form, layer)
    record = store.run(reference)
    if form == "html":
        return write_run_report(store, config, record.id, output or default_report_folder(config, record))
    if form == "neuronpedia":
        return export_neuronpedia(store, record.id, output or Path(f"run-{record.id}-neuronpedia"))
    path = output or Path(f"run-{record.id}{ENDINGS.get(form, f'-{form}.csv')}")
    if form in PUBLISHED:
        return export_published(store, record.id, form, path, layer=layer)
    writer = {"csv": export_csv, "jsonl": export_jsonl, "parquet": export_parquet, "model-card": export_model_card}[form]
    return writer(store, record.id, path)


def export_text(store: Store, reference: int | str, form: str, *, layer: str | None = None) -> str:
    """A run in one of the forms of `TEXTS` as text, as the file would hold it.

    Raises:
        UsageError: as `export_run`.
    """
    _check(form, layer)
    record = store.run(reference)
    if form in PUBLISHED:
        return published_text(store, record.id, form, layer=layer)
    if form == "model-card":
        return model_card(store, record.id)
    view = report_view(store, record.id)
    return csv_text(view) if form == "csv" else jsonl_text(view)


def _check(form: str, layer: str | None) -> None:
    if form not in FORMS:
        raise UsageError(f"there is no form {form!r}. Choose one of {', '.join((*FORMS, 'milannotations'))}.")
    if layer is not None and form not in ONE_LAYER:
        raise UsageError(f"--layer is for {', '.join(ONE_LAYER)}; {form} holds every layer. Leave it out.")
