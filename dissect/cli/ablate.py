"""`dissect ablate`: switch units off and see what the network loses."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from dissect.cli.output import write_json, write_rows
from dissect.cli.state import State
from dissect.errors import UsageError

if TYPE_CHECKING:
    from dissect.store import AblationView

COLUMNS = (
    "layer", "units", "concept", "score", "measure", "dose", "effect", "low", "high", "own", "controls", "p", "q", "selectivity", "verdict",
)  # fmt: skip
MEASURES = {
    "concept_loss": "loss of its output",
    "loss": "loss of all answers",
    "kl": "KL divergence",
    "logit_change": "change of outputs",
}


def register(app: typer.Typer) -> None:
    """Add this file's command."""
    app.command()(ablate)


def ablate(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="Number, fingerprint prefix or latest.")] = "latest",
    layer: Annotated[str | None, typer.Option(help="Only this layer.")] = None,
    units: Annotated[str, typer.Option(help="These units of the layer, separated by commas.")] = "",
    together: Annotated[bool, typer.Option("--together", help="Switch the units of --units off at once, not one by one.")] = False,
    concept: Annotated[
        str | None, typer.Option(help="All detectors of this concept together; with --units: what these are tested for.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Without --units and --concept: so many detectors of the highest score.")] = 10,
    how: Annotated[
        Literal["mean", "zero", "resample"], typer.Option(help="What stands in: the unit's mean, 0, or its activation in another picture.")
    ] = "mean",
    controls: Annotated[int, typer.Option(min=0, help="Matched control sets a test; 20 let a rank fall to .05.")] = 20,
    dose: Annotated[bool, typer.Option("--dose", help="Also with .75, .5 and .25 of the activation left.")] = False,
    images: Annotated[int, typer.Option(min=2, help="At most so many pictures, evenly spaced.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of the order of pictures, the drawn control sets and the intervals.")] = 0,
    report: Annotated[bool, typer.Option("--report/--no-report", help="Write the run's HTML report anew.")] = True,
) -> None:
    """Switch units off: does the network lose more on pictures with the concept, and more than with matched other units off?

    Example: dissect ablate latest --layer layer6 --top 5
    """
    state: State = context.obj
    store = state.store(create=False)
    from dissect.pipeline.ablate import AblateRequest, ablate_run
    from dissect.pipeline.report import default_report_folder, write_run_report
    from dissect.probe.progress import progress_for

    request = AblateRequest(layer, numbers(units), together, concept, top, how, controls, dose, images, seed)
    outcome = ablate_run(store, state.config, run, request, progress_for(sys.stderr, quiet=state.quiet))
    page = write_run_report(store, state.config, outcome.run.id, default_report_folder(state.config, outcome.run)) if report else None
    if state.json:
        effects = [_document(each) for each in outcome.effects]
        write_json({"run": outcome.run.id, "effects": effects, "notes": list(outcome.notes), "report": str(page) if page else None})
        return
    rows = [_row(each) for each in _first_measures(outcome.effects)]
    write_rows(rows, [name for name in COLUMNS if name != "dose" or dose], "table")
    for line in (*_balance_lines(outcome.effects), *outcome.notes):
        print(line)
    if page:
        print(f"report: {page}")


def numbers(text: str) -> tuple[int, ...]:
    """`3,17` as numbers.

    Raises:
        UsageError: something in it is no unit number.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    wrong = [part for part in parts if not part.isdecimal()]
    if wrong:
        raise UsageError(f"--units: {wrong[0]!r} is no unit number. Write them as 3,17.")
    return tuple(int(part) for part in parts)


def verdict(effect: AblationView) -> str:
    """What was shown, in few words."""
    if effect.effect is None:
        return "not testable: too few pictures with or without it"
    if effect.shown:
        return "effect" if effect.controls else "effect, no controls"
    return "detector without shown effect" if effect.details.get("no_effect") else "no effect shown"


def _first_measures(effects: tuple[AblationView, ...]) -> list[AblationView]:
    """Of each test the measure that says most; all of them are in the database and in --json."""
    seen: dict[object, AblationView] = {}
    for each in effects:
        seen.setdefault((each.layer, each.members, each.concept, each.dose), each)
    return list(seen.values())


def _row(effect: AblationView) -> dict[str, object]:
    details = effect.details
    return {
        "layer": effect.layer, "units": _units(effect.members), "concept": effect.concept[1] if effect.concept else None,
        "score": details.get("score"), "measure": MEASURES.get(effect.measure, effect.measure), "dose": effect.dose,
        "effect": effect.effect, "low": effect.interval_low, "high": effect.interval_high, "own": details.get("own"),
        "controls": effect.control_mean, "p": effect.p, "q": effect.q, "selectivity": details.get("class_selectivity"),
        "verdict": verdict(effect),
    }  # fmt: skip


def _units(members: tuple[int, ...], most: int = 6) -> str:
    listed = ",".join(str(unit) for unit in members[:most])
    return listed + (f",... ({len(members)})" if len(members) > most else "")


def _balance_lines(effects: tuple[AblationView, ...]) -> list[str]:
    """How alike the controls are, over all tests: worst standardised difference by feature, before and after matching."""
    worst: dict[str, tuple[float, float]] = {}
    fewest = min((each.controls for each in effects), default=0)
    for each in effects:
        for feature, found in each.balance.items():
            if isinstance(found, dict):
                before, after = worst.get(feature, (0.0, 0.0))
                worst[feature] = max(before, abs(float(str(found["before"])))), max(after, abs(float(str(found["after"]))))
    lines = [f"controls: {fewest} sets or more a test; the least p they allow is {1 / (1 + fewest):.3f}"]
    return lines + [
        f"  {feature}: largest standardised difference {before:.2f} before matching, {after:.2f} after"
        for feature, (before, after) in worst.items()
    ]


def _document(effect: AblationView) -> dict[str, object]:
    from dataclasses import asdict

    return {**asdict(effect), "verdict": verdict(effect)}
