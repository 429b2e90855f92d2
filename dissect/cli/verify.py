"""`dissect verify`: are the labels of a run true?"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from dissect.cli.output import write_json, write_outcome
from dissect.cli.state import State


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("verify")(verify)


def verify(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="Run number, beginning of its fingerprint, or `latest`.")] = "latest",
    permutations: Annotated[int, typer.Option(help="Shuffles of the label maps for concept labels; 0 for none.")] = 200,
    formula_permutations: Annotated[int, typer.Option(help="The same for formulas, each with its own search; 0 for none.")] = 100,
    held_out: Annotated[
        bool, typer.Option("--held-out/--no-held-out", help="Choose labels on one half of the images, score on the other.")
    ] = True,
    resamples: Annotated[int, typer.Option(help="Draws of the bootstrap for 95 % intervals; 0 for none.")] = 1000,
    rotations: Annotated[int, typer.Option(help="Random rotations of each layer's axes to compare with; 0 for none.")] = 1,
    null_min_images: Annotated[
        int, typer.Option(help="Under shuffling, compare only concepts in so many images (0: those of the run).")
    ] = 0,
    random_weights: Annotated[
        int, typer.Option(metavar="N", help="Dissect N networks of this architecture with random weights beside it; each costs a probe.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Seed of everything that is drawn.")] = 0,
    self_test: Annotated[
        bool,
        typer.Option(
            "--self-test", help="Test every test: calibration, coverage, power and false discoveries on made-up units; needs no run."
        ),
    ] = False,
    repetitions: Annotated[int, typer.Option(min=1, help="Of the self-test.")] = 40,
    report: Annotated[bool, typer.Option("--report/--no-report", help="Write the run's HTML report anew.")] = True,
) -> None:
    """Test the labels of a run: against chance, on held-out images, with intervals, and against rotated axes.

    Example: dissect verify latest
    """
    state: State = context.obj
    if self_test:
        _self_test(state, repetitions)
        return
    store = state.store(create=False)
    from dissect.pipeline.report import default_report_folder, write_run_report
    from dissect.pipeline.verify import verify_run
    from dissect.pipeline.verify_request import VerifyRequest
    from dissect.probe.progress import progress_for

    request = VerifyRequest(permutations, formula_permutations, resamples, held_out, rotations, null_min_images, random_weights, seed)
    outcome = verify_run(store, state.config, run, request, progress_for(sys.stderr, quiet=state.quiet))
    page = write_run_report(store, state.config, outcome.run.id, default_report_folder(state.config, outcome.run)) if report else None
    write_outcome(outcome, page, as_json=state.json)


def _self_test(state: State, repetitions: int) -> None:
    """Print what the tests measure on units whose truth is known; fails where they are not to be trusted."""
    from dissect.pipeline.self_test import product_test

    found = product_test(repetitions)
    if state.json:
        write_json(found.as_plain())
    else:
        for line in found.lines():
            print(line)
    if not found.passed:
        raise typer.Exit(1)
