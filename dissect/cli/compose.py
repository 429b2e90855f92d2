"""`dissect compose`: formulas for a run's units."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from dissect.cli.output import write_outcome
from dissect.cli.state import State


def register(app: typer.Typer) -> None:
    """Add this file's command."""
    app.command()(compose)


def compose(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="Number, fingerprint prefix or latest.")] = "latest",
    length: Annotated[int, typer.Option(min=1, max=16, help="Most concepts of a formula.")] = 3,
    beam: Annotated[int | None, typer.Option(min=1, help="Formulas kept of each length; default 10, or 5 in the compexp profile.")] = None,
    penalty: Annotated[float, typer.Option(help="Factor on the score for each further concept; needs --no-optimal.")] = 1.0,
    optimal: Annotated[
        bool, typer.Option("--optimal/--no-optimal", help="Prove that no formula of up to 3 concepts is better, or state the gap.")
    ] = True,
    budget: Annotated[float, typer.Option(metavar="SECONDS", help="Most seconds a unit for the proof.")] = 30.0,
    category: Annotated[str, typer.Option(help="Only concepts of these categories, separated by commas.")] = "",
    min_images: Annotated[int, typer.Option(min=1, help="Only concepts that occur in so many images.")] = 1,
    meanings: Annotated[int, typer.Option(min=0, help="Most of a unit's several meanings; 0 for none.")] = 5,
    ranges: Annotated[int, typer.Option(min=0, max=16, help="Formulas for so many ranges of each unit's activations; 5 is usual.")] = 0,
    report: Annotated[bool, typer.Option("--report/--no-report", help="Write the run's HTML report anew.")] = True,
) -> None:
    """Explain units by formulas of concepts, such as (car OR bus) AND NOT road, with a proof that no better one exists.

    Example: dissect compose latest --length 3
    """
    state: State = context.obj
    store = state.store(create=False)
    from dissect.pipeline.compose import ComposeRequest, compose_run
    from dissect.pipeline.report import default_report_folder, write_run_report
    from dissect.probe.progress import progress_for

    categories = tuple(part.strip() for part in category.split(",") if part.strip())
    request = ComposeRequest(length, beam, penalty, optimal, budget, categories, min_images, meanings, ranges)
    outcome = compose_run(store, state.config, run, request, progress_for(sys.stderr, quiet=state.quiet))
    page = write_run_report(store, state.config, outcome.run.id, default_report_folder(state.config, outcome.run)) if report else None
    write_outcome(outcome, page, as_json=state.json)
