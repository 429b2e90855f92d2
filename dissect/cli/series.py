"""`dissect series`: a training's snapshots, dissected one after another and shown as curves."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from dissect.cli.output import write_json, write_rows
from dissect.cli.run import BatchSize, CacheLimit, Device, Workers
from dissect.cli.state import State

COLUMNS = ("layer", "step", "run", "units", "silent", "detectors", "unique")


def register(app: typer.Typer) -> None:
    """Add this file's command."""
    app.command()(series)


def series(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="The network, as for dissect run; its weights are the snapshots.")],
    snapshots: Annotated[Path, typer.Option(metavar="FOLDER", help="Checkpoints; the last number in a file's name is its step.")],
    data: Annotated[str, typer.Option("--data", "-d", help="A data-set card's name or path.")],
    layers: Annotated[str, typer.Option(help="Names or wildcards, separated by commas; see dissect models layers.")] = "",
    split: Annotated[str | None, typer.Option(help="Only this split of the data set.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Use this many evenly spaced images.")] = None,
    profile: Annotated[str, typer.Option(help="standard, netdissect, lite or compexp.")] = "standard",
    quantile: Annotated[float, typer.Option(help="Share of activations above the threshold.")] = 0.005,
    threshold: Annotated[float, typer.Option(help="A unit is a detector when its IoU is above this.")] = 0.04,
    partial: Annotated[bool, typer.Option("--partial", help="Accept weights that do not fill the network.")] = False,
    ema: Annotated[bool, typer.Option("--ema", help="Take the averaged weights of a checkpoint that holds both.")] = False,
    batch_size: BatchSize = None,
    workers: Workers = 1,
    cache_limit: CacheLimit = None,
    device: Device = None,
    form: Annotated[Literal["table", "json", "csv"] | None, typer.Option("--format", help="table, json or csv.")] = None,
    report: Annotated[bool, typer.Option("--report/--no-report", help="Write the curves as an HTML page.")] = True,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FOLDER", help="Where the page goes.")] = None,
) -> int:
    """Dissect every snapshot of a training and show detectors and concepts over its steps. Snapshots that are done are only read.

    Example: dissect series demo --snapshots snapshots --data demo --layers layer6 --limit 300
    """
    from dissect.exchange.series_page import sentence, write_series
    from dissect.pipeline.request import RunRequest
    from dissect.pipeline.series import run_series
    from dissect.probe.progress import progress_for

    state: State = context.obj
    state.override(batch_size=batch_size, device=device, cache_limit=cache_limit)
    names = tuple(part.strip() for part in layers.split(",") if part.strip())
    request = RunRequest(
        model, data, names, split=split, limit=limit, profile=profile, quantile=quantile, threshold=threshold, partial=partial, ema=ema
    )
    found = run_series(
        request, snapshots, state.config, state.store(), progress_for(sys.stderr, quiet=state.quiet), workers=workers, say=state.say
    )
    page = write_series(found, output or state.config.home / "reports" / f"series-{snapshots.absolute().name}") if report else None
    how = form or ("json" if state.json else "table")
    rows = [{name: getattr(point, name) for name in COLUMNS} for point in found.points]
    if how == "json":
        write_json({**found.as_plain(), "page": str(page) if page else None})
    else:
        write_rows(rows, COLUMNS, how)
    if how == "table":
        print(sentence(found))
        if page:
            print(f"page: {page}")
    return 3 if found.failed else 0
