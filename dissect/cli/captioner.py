"""`dissect captioner`: makes the captioner of the embedded default, and tests it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dissect.cli.output import write_json, write_rows
from dissect.cli.state import State

if TYPE_CHECKING:
    from dissect.caption.files import SavedCaptioner
    from dissect.pipeline.captioner_result import Evaluated, Row
    from dissect.pipeline.evaluate_captioner import Evaluation
    from dissect.probe.progress import Progress

group = typer.Typer(name="captioner", help="The captioner: train it, test it.", no_args_is_help=True, rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    """Add this file's group."""
    app.add_typer(group)


@group.command("train")
def train(
    context: typer.Context,
    output: Annotated[Path, typer.Option("--output", "-o", help="Card to write (NAME.json), tensors beside it.")] = Path("captioner.json"),
    quick: Annotated[bool, typer.Option("--quick", help="Tiny sizes, to see that it works: the captioner knows nothing.")] = False,
    pictures: Annotated[int | None, typer.Option(min=100, help="Drawn pictures to teach with (3000).")] = None,
    networks: Annotated[int | None, typer.Option(min=1, help="Trained networks that teach (5).")] = None,
    planted: Annotated[int | None, typer.Option(min=1, help="Planted units (5000).")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of networks, planted units and training.")] = 0,
    evaluate: Annotated[bool, typer.Option(help="Test it on held-out networks, and write the scores into its card.")] = True,
) -> None:
    """Make the captioner of the embedded default from nothing: draw pictures, train networks, describe their units, learn from that.

    Example: dissect captioner train --quick -o captioner.json
    """
    import dataclasses

    from dissect.pipeline import train_captioner
    from dissect.pipeline.evaluate_captioner import SMALL, Evaluation, with_scores

    state: State = context.obj
    given = {"pictures": pictures, "networks": networks, "planted": planted, "seed": seed}
    plan = train_captioner.QUICK if quick else train_captioner.Plan()
    plan = dataclasses.replace(plan, **{name: value for name, value in given.items() if value is not None})
    saved = train_captioner.train(output, state.config.home, plan, say=state.say, progress=_progress(state))
    if evaluate:
        found = _evaluated(state, saved, SMALL if quick else Evaluation())
        with_scores(output, saved, found)
        _show(state, found)
    elif state.json:
        write_json(dict(saved.facts))
    state.say(f"written: {output}")


@group.command("evaluate")
def evaluate(
    context: typer.Context,
    captioner: Annotated[Path | None, typer.Argument(help="Card of a captioner of embedded features; default: the shipped one.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds: two held-out networks and their pictures each.")] = 3,
    units: Annotated[int, typer.Option(min=1, help="Units of a layer at most.")] = 40,
    quick: Annotated[bool, typer.Option("--quick", help="One seed, few pictures and units, to see that it works.")] = False,
) -> None:
    """Test a captioner on networks it has never met: can its descriptions tell what excites a unit, beside simpler rules and baselines?

    Example: dissect captioner evaluate --quick
    """
    from dissect.caption.files import read_captioner
    from dissect.pipeline.evaluate_captioner import SMALL, Evaluation
    from dissect.pipeline.train_captioner import shipped_captioner

    state: State = context.obj
    saved = read_captioner(captioner or shipped_captioner())
    _show(state, _evaluated(state, saved, SMALL if quick else Evaluation(tuple(range(1, seeds + 1)), units=units)))


def _progress(state: State) -> Progress:
    import sys

    from dissect.probe.progress import progress_for

    return progress_for(sys.stderr, quiet=state.quiet)


def _evaluated(state: State, saved: SavedCaptioner, how: Evaluation) -> Evaluated:
    from dissect.pipeline.evaluate_captioner import evaluate as run

    return run(saved, state.config.home, how, say=state.say, progress=_progress(state))


def _show(state: State, found: Evaluated) -> None:
    """The tables, the claims, and some descriptions."""
    if state.json:
        write_json(found.plain())
        return
    print(f"{found.units} units of {len(found.networks)} held-out networks: {', '.join(found.networks)}")
    print(f"BLEU {found.bleu:.3f}, perplexity a word {found.perplexity:.2f}\n")
    write_rows([_detection(row) for row in found.rows], ("method", "auc", "balanced", "coverage", "pmi_above_by"), "table")
    print()
    write_rows([row.plain() for row in found.planted], ("kind", "units", "right", "chance", "object", "attribute"), "table")
    print()
    for layer, unit, truth, text in found.shown:
        print(f"  {layer}/{unit}: {text}    (annotator: {truth})")
    for claim, holds in found.holds().items():
        print(f"{'ok  ' if holds else 'MISS'}  {claim}")


def _detection(row: Row) -> dict[str, object]:
    above = "" if row.above is None else "{:+.3f} ({:+.3f} to {:+.3f})".format(*row.above)
    return {"method": row.method, "auc": row.auc, "balanced": row.balanced, "coverage": row.coverage, "pmi_above_by": above}
