"""`dissect demo`: the main job on what the package brings along."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dissect.cli.run import announce
from dissect.cli.state import State


def register(app: typer.Typer) -> None:
    """Add this file's command."""
    app.command()(demo)


def demo(
    context: typer.Context,
    images: Annotated[int, typer.Option(min=1, help="How many pictures of the embedded set to use.")] = 2000,
    report: Annotated[Path | None, typer.Option(help="Folder for the HTML report; default: reports in DISSECT_HOME.")] = None,
) -> None:
    """Dissect the embedded network with the embedded pictures; offline, under a minute. Prints where the report is.

    Example: dissect demo
    """
    import sys

    from dissect.pipeline.request import RunRequest
    from dissect.pipeline.run import run_request
    from dissect.probe.progress import progress_for

    state: State = context.obj
    request = RunRequest(model="demo", data="demo", limit=images if images < 2000 else None)
    outcome = run_request(
        request, state.config, state.store(), progress_for(sys.stderr, quiet=state.quiet), workers=1, report=report or Path(), say=state.say
    )
    announce(state, outcome)
    if not state.json:
        print("next: dissect search car      dissect runs show latest      dissect run MODEL --data DATA --layers NAME")
