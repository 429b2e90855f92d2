"""`dissect export`: a run as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from dissect.cli.output import write_json
from dissect.cli.state import State


def register(app: typer.Typer) -> None:
    """Add this file's command."""
    app.command()(export)


def export(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="Number, fingerprint prefix or latest.")],
    form: Annotated[Literal["html", "csv", "jsonl", "parquet"], typer.Option("--format", help="html, csv, jsonl or parquet.")] = "html",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder (html) or file to write.")] = None,
) -> None:
    """Write a run's report (HTML that opens from disk) or its table of units.

    Example: dissect export latest --format html -o report
    """
    from dissect.pipeline.report import export_run

    state: State = context.obj
    path = export_run(state.store(create=False), state.config, run, form, output)
    if state.json:
        write_json({"run": run, "format": form, "path": str(path)})
    else:
        print(path)
