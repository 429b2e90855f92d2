"""`dissect caption`: descriptions of a run's units, or of exemplars in a folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from dissect.cli.output import Format, csv_text, write_json, write_outcome, write_rows
from dissect.cli.read import FormatOption, chosen
from dissect.cli.state import State
from dissect.errors import UsageError

if TYPE_CHECKING:
    from dissect.pipeline.caption_request import CaptionRequest

COLUMNS = ("layer", "unit", "rank", "description", "pmi", "lm_penalised", "log_p_given", "log_p", "people", "reason")


def register(app: typer.Typer) -> None:
    """Add this file's command."""
    app.command()(caption)


def caption(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="Number, fingerprint prefix or latest.")] = "latest",
    captioner: Annotated[str, typer.Option(help="A captioner's name or card (NAME.json), or transformers:FOLDER.")] = "demo-captioner",
    strategy: Annotated[
        Literal["rerank", "beam", "greedy", "sample", "stepwise"] | None,
        typer.Option(help="How descriptions are searched; rerank (by PMI) where something gives log p(d), else beam."),
    ] = None,
    beam: Annotated[int, typer.Option(min=1, help="Descriptions kept while searching, or drawn by sample.")] = 50,
    weight: Annotated[
        float | None, typer.Option("--lambda", help="PMI = log p(d|E) - lambda log p(d); default: as chosen for the captioner.")
    ] = None,
    prior: Annotated[
        str | None,
        typer.Option(help="What gives log p(d): lm, marginal (mean of p(d|E) over units); of transformers none, marginal or lm:FOLDER."),
    ] = None,
    view: Annotated[
        Literal["masked", "cropped", "outlined"] | None, typer.Option(help="Of transformers: how exemplars are shown; default masked.")
    ] = None,
    candidates: Annotated[
        str | None, typer.Option(help="Of transformers: captioner (what it writes itself), vocabulary (concept names), or a phrase file.")
    ] = None,
    prompt: Annotated[str | None, typer.Option(help="Of transformers: how descriptions begin, or the question to answer.")] = None,
    layers: Annotated[str, typer.Option(help="Only these layers: names or wildcards, separated by commas.")] = "",
    kept: Annotated[int, typer.Option(min=1, max=50, help="Descriptions kept a unit.")] = 5,
    exemplars_kept: Annotated[int, typer.Option("--count", min=1, max=1000, help="Exemplars a unit.")] = 15,
    share: Annotated[float, typer.Option(help="Share of positions inside the exemplars' masks.")] = 0.01,
    seed: Annotated[int, typer.Option(min=0, help="Of --strategy sample.")] = 0,
    device: Annotated[Literal["auto", "cpu", "cuda", "mps"] | None, typer.Option(help="Where the captioner runs.")] = None,
    exemplars: Annotated[
        Path | None, typer.Option(help="Describe the exemplars of this folder (MILANNOTATIONS layout) instead of a run.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="With --exemplars: write the table to this CSV file.")] = None,
    form: FormatOption = None,
    report: Annotated[bool, typer.Option("--report/--no-report", help="Write the run's HTML report anew.")] = True,
) -> None:
    """Describe units in words from their exemplars, by pointwise mutual information, and test the descriptions.

    Example: dissect caption latest --layers layer6
    """
    from dissect.pipeline.caption_request import CaptionRequest

    state: State = context.obj
    names = tuple(part.strip() for part in layers.split(",") if part.strip())
    request = CaptionRequest(
        captioner=captioner, strategy=strategy, beam=beam, weight=weight, prior=prior, layers=names, kept=kept, exemplars=exemplars_kept,
        share=share, seed=seed, view=view, candidates=candidates, prompt=prompt,
    )  # fmt: skip
    if exemplars is not None:
        _folder(state, exemplars, request, device, output, form)
        return
    if output is not None or form is not None:
        raise UsageError("--output and --format belong to --exemplars. For a run's descriptions: dissect export RUN --format csv.")
    _run(state, run, request, device, report)


def _run(state: State, run: str, request: CaptionRequest, device: str | None, report: bool) -> None:
    """Describe a run's units; print how it went."""
    store = state.store(create=False)
    from dissect.pipeline.caption import caption_run
    from dissect.pipeline.report import default_report_folder, write_run_report
    from dissect.probe.progress import progress_for

    progress = progress_for(sys.stderr, quiet=state.quiet)
    outcome = caption_run(store, state.config, run, request, progress, device=device)
    page = write_run_report(store, state.config, outcome.run.id, default_report_folder(state.config, outcome.run)) if report else None
    write_outcome(outcome, page, as_json=state.json)


def _folder(
    state: State, folder: Path, request: CaptionRequest, device: str | None, output: Path | None, form: Format | None
) -> None:  # fmt: skip
    """Describe the units of a folder; print or write a table."""
    from dissect import atomic
    from dissect.pipeline.caption_folder import caption_folder
    from dissect.probe.progress import progress_for

    rows = caption_folder(state.config, folder, request, progress_for(sys.stderr, quiet=state.quiet), device=device)
    how = chosen(form, state)
    if output is None:
        write_rows(rows, COLUMNS, how)
        return
    atomic.write_text(output, csv_text(rows, COLUMNS))
    if how == "json":
        write_json({"path": str(output), "rows": len(rows)})
    else:
        print(output)
