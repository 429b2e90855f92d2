"""`dissect compare`: two runs beside each other, as a table, a page, and a gate."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from dissect.cli.output import write_json, write_rows
from dissect.cli.state import State
from dissect.errors import UsageError

if TYPE_CHECKING:
    from dissect.pipeline.compare import CompareOutcome

GATE_FAILED = 6
"""Exit code: the comparison is done, and a gate of --fail-on is not kept."""
SHOWN = ("gained", "lost", "changed")
COLUMNS = ("layer", "first", "first_label", "first_score", "second", "second_label", "second_score", "change", "correlation")


def register(app: typer.Typer) -> None:
    """Add this file's command."""
    app.command()(compare)


def compare(
    context: typer.Context,
    first: Annotated[str, typer.Argument(metavar="RUN", help="Number, fingerprint prefix or latest.")],
    second: Annotated[str, typer.Argument(metavar="RUN", help="The run to compare it with; the same one for two methods of a run.")],
    layers: Annotated[
        str, typer.Option(help="Layers to pair, separated by commas: NAME, or FIRST=SECOND; default: all of the same name.")
    ] = "",
    match: Annotated[
        Literal["index", "activation"], typer.Option(help="Pair units by number, or by what they answer to on the same pictures.")
    ] = "index",
    min_correlation: Annotated[float, typer.Option(help="With --match activation: pairs below this are taken apart again.")] = 0.3,
    method: Annotated[str | None, typer.Option(help="Labels of this method in the first run; default: each unit's first label.")] = None,
    against_method: Annotated[str | None, typer.Option(help="Labels of this method in the second run; default: as --method.")] = None,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(help="Gate: exit 6 if, for example, 'new label matches face' or 'lost label > 10'. May be repeated."),
    ] = None,
    form: Annotated[Literal["table", "json", "csv"] | None, typer.Option("--format", help="table, json or csv.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Changed units shown in the table.")] = 20,
    report: Annotated[bool, typer.Option("--report/--no-report", help="Write the comparison as an HTML page.")] = True,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FOLDER", help="Where the page goes.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the shuffled images that --match activation is compared with.")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Threads that decode images, where activations must be computed again.")] = 1,
) -> int:
    """Compare two runs: what differs in settings, which labels were gained, lost or changed, how many concepts each category has.

    For two checkpoints of one training, two networks (--match activation), or two methods. A gate that is not kept gives exit code 6.

    Example: dissect compare 1 2 --fail-on "new label matches face"
    """
    from dissect.audit.change_gate import parse
    from dissect.pipeline.compare import CompareRequest, compare_runs
    from dissect.probe.progress import progress_for

    state: State = context.obj
    clauses = tuple(clause for text in fail_on or () for clause in parse(text))
    request = CompareRequest(pairs_of(layers), match, method, against_method or method, min_correlation, seed)
    outcome = compare_runs(
        state.store(create=False), state.config, first, second, request, progress_for(sys.stderr, quiet=state.quiet), clauses=clauses,
        folder=output, pages=report, workers=workers,
    )  # fmt: skip
    _show(state, outcome, form or ("json" if state.json else "table"), limit)
    return GATE_FAILED if outcome.failed else 0


def pairs_of(text: str) -> tuple[tuple[str, str], ...]:
    """`layer4,conv5=features.10` as pairs of names.

    Raises:
        UsageError: a part has no name on one side.
    """
    pairs = []
    for part in (part.strip() for part in text.split(",") if part.strip()):
        here, sign, there = part.partition("=")
        if not here.strip() or (sign and not there.strip()):
            raise UsageError(f"--layers {part!r} names no pair of layers. Write NAME, or FIRST=SECOND.")
        pairs.append((here.strip(), there.strip() or here.strip()))
    return tuple(pairs)


def _show(state: State, outcome: CompareOutcome, form: Literal["table", "json", "csv"], limit: int) -> None:
    from dissect.audit.changes import unit_row
    from dissect.exchange.compare_page import in_usual_order, layer_sentence, sentence

    changes = outcome.changes
    rows = [
        {"layer": layer.first if layer.first == layer.second else f"{layer.first}={layer.second}", **unit_row(unit)}
        for layer in changes.layers
        for unit in layer.units
    ]
    if form == "json":
        gates = [{"gate": str(each.clause), "failed": each.failed, "found": list(each.found)} for each in outcome.verdicts]
        write_json({**changes.as_plain(), "gates": gates, "page": str(outcome.page) if outcome.page else None})
        return
    if form == "csv":
        write_rows(rows, COLUMNS, "csv")
        return
    print(f"{changes.first}  ->  {changes.second}\n{sentence(changes)}")
    for layer in changes.layers:
        print(f"\n{layer.first}{'' if layer.first == layer.second else f' = {layer.second}'}: {layer_sentence(layer)}")
        numbers = in_usual_order(layer.unique())
        unique = [{"category": name or "none", "first": one, "second": two} for name, (one, two) in numbers.items()]
        write_rows(unique, ("category", "first", "second"), "table")
    moved = [row for row in rows if row["change"] in SHOWN]
    if moved:
        print()
        columns = COLUMNS if any(row["correlation"] is not None for row in rows) else COLUMNS[:-1]
        write_rows(moved[:limit], columns, "table")
    if len(moved) > limit:
        state.say(f"{limit} of {len(moved)} changed units; more with --limit, all with --format csv")
    if changes.differences:
        print("\nwhat differs")
        settings = [{"what": name, "first": one, "second": two} for name, (one, two) in changes.differences.items()]
        write_rows(settings, ("what", "first", "second"), "table")
    for line in (*changes.notes, *(verdict.text for verdict in outcome.verdicts)):
        print(line)
    if outcome.page:
        print(f"page: {outcome.page}")
