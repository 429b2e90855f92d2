"""`dissect export`: a run as files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from dissect.cli.output import write_json
from dissect.cli.state import State
from dissect.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add this file's command."""
    app.command()(export)


def export(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="Number, fingerprint prefix or latest.")],
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help="html, csv, jsonl, parquet; netdissect, milan, clip-dissect (published columns); milannotations (exemplars, masks and "
            "descriptions); neuronpedia; model-card.",
        ),
    ] = "html",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o",
            help="Folder (html, milannotations, neuronpedia) or file to write; - is stdout (tables but parquet; model-card).",
        ),
    ] = None,
    layer: Annotated[str | None, typer.Option(help="Only this layer (netdissect, milan, clip-dissect).")] = None,
) -> None:
    """Write a run's report (HTML that opens from disk), its units as a table or as other programs expect them, its exemplars, or a card.

    Example: dissect export latest --format html -o report
    """
    from dissect.pipeline.report import TEXTS, export_run, export_text

    state: State = context.obj
    if output == Path("-"):
        if form not in TEXTS or state.json:
            raise UsageError(
                f"stdout cannot hold {'both the file and --json' if state.json else form}. "
                f"Give -o a place, or write {', '.join(TEXTS)} to stdout without --json."
            )
        sys.stdout.buffer.write(export_text(state.store(create=False), run, form, layer=layer).encode())
        sys.stdout.buffer.flush()
        return
    if form == "milannotations":
        path = _exemplars(state, run, output)
    else:
        path = export_run(state.store(create=False), state.config, run, form, output, layer=layer)
    if state.json:
        write_json({"run": run, "format": form, "path": str(path)})
    else:
        print(path)


def _exemplars(state: State, run: str, folder: Path | None) -> Path:
    from dissect.pipeline.caption_export import export_exemplars
    from dissect.probe.progress import progress_for

    store = state.store(create=False)
    place = folder or Path(f"run-{store.run(run).id}-exemplars")
    return export_exemplars(store, state.config, run, place, progress_for(sys.stderr, quiet=state.quiet))
