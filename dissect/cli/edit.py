"""`dissect edit`: write a checkpoint without chosen units."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from dissect.cli.ablate import numbers
from dissect.cli.output import write_json, write_rows
from dissect.cli.state import State
from dissect.errors import UsageError

COLUMNS = (
    "what", "pictures", "before", "after", "loss_before", "loss_after", "accuracy_before", "accuracy_after", "auroc_before", "auroc_after",
)  # fmt: skip


def register(app: typer.Typer) -> None:
    """Add this file's command."""
    app.command()(edit)


def edit(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="Number, fingerprint prefix or latest.")] = "latest",
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The checkpoint to write.")] = Path("edited.safetensors"),
    units: Annotated[list[str] | None, typer.Option(metavar="LAYER:3,17", help="Units to take out. May be repeated.")] = None,
    concept: Annotated[str | None, typer.Option(help="Take out all detectors of this concept.")] = None,
    layer: Annotated[str | None, typer.Option(help="With --concept: only in this layer.")] = None,
    how: Annotated[Literal["mean", "zero"], typer.Option(help="What is left of them: their mean, or 0.")] = "mean",
    images: Annotated[int, typer.Option(min=2, help="At most so many pictures, evenly spaced, for means, check and table.")] = 1000,
    rows: Annotated[int, typer.Option(min=0, help="Classes in the table, those that changed most; --json has all.")] = 10,
) -> None:
    """Write a checkpoint in which units are constant, check it, and show what the network answers before and after.

    Example: dissect edit latest --concept car -o without-car.safetensors
    """
    state: State = context.obj
    store = state.store(create=False)
    from dissect.pipeline.edit import EditRequest, edit_run
    from dissect.probe.progress import progress_for

    request = EditRequest(output, tuple(named(each) for each in units or ()), concept, layer, how, images)
    outcome = edit_run(store, state.config, run, request, progress_for(sys.stderr, quiet=state.quiet))
    if state.json:
        write_json(outcome.as_plain())
        return
    shown = outcome.table[: rows + 1]
    write_rows(shown, [column for column in COLUMNS if any(column in row for row in shown)], "table")
    for each in outcome.edits:
        where = "made constant by" if each.place == "source" else "no longer read by"
        print(f"{each.layer}: units {', '.join(map(str, each.units))} {where} {each.module}")
    print(f"written: {outcome.output} (loaded anew and checked on the answers; SHA-256 {outcome.sha256[:12]}...)")


def named(text: str) -> tuple[str, tuple[int, ...]]:
    """`layer6:3,17` as layer and units.

    Raises:
        UsageError: it has another form.
    """
    layer, colon, listed = text.rpartition(":")
    if not (colon and layer and numbers(listed)):
        raise UsageError(f"--units: {text!r} does not name units of a layer. Write them as layer6:3,17.")
    return layer, numbers(listed)
