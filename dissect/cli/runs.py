"""`dissect runs`: list, show, delete."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from dissect.cli.output import shown, size_text, write_json, write_rows
from dissect.cli.read import FormatOption, chosen
from dissect.cli.state import State

if TYPE_CHECKING:
    from dissect.store import RunRecord, Store

group = typer.Typer(name="runs", help="Runs in the database.", no_args_is_help=True, rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    """Add this file's group."""
    app.add_typer(group)


@group.command("list")
def list_runs(
    context: typer.Context,
    model: Annotated[str | None, typer.Option(help="Only of this network.")] = None,
    state_name: Annotated[str | None, typer.Option("--state", help="running, done, failed or interrupted.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many.")] = 50,
    form: FormatOption = None,
) -> None:
    """List runs, newest first.

    Example: dissect runs list --state done
    """
    state: State = context.obj
    found = state.store(create=False).runs(model=model, state=state_name, limit=limit)
    rows = [
        {
            "run": r.id,
            "state": r.state,
            "model": r.model,
            "data": r.dataset,
            "layers": " ".join(r.layers),
            "profile": r.profile,
            "quantile": r.quantile,
            "images": r.images,
            "used": r.used,
            "skipped": r.skipped,
            "created": f"{r.created_at:%Y-%m-%d %H:%M}",
            "fingerprint": r.fingerprint[:12],
        }
        for r in found
    ]
    columns = ("run", "state", "model", "data", "layers", "profile", "quantile", "images", "used", "skipped", "created", "fingerprint")
    write_rows(rows, columns, chosen(form, state))
    if not rows:
        state.say("no runs")


@group.command("show")
def show_run(context: typer.Context, run: Annotated[str, typer.Argument(help="Number, fingerprint prefix or latest.")] = "latest") -> None:
    """Show one run: settings, layers in numbers, progress by stage, images left out.

    Example: dissect runs show latest
    """
    state: State = context.obj
    store = state.store(create=False)
    record = store.run(run)
    layers, progress, skipped = store.layers(record.id), store.progress(record.id), store.skipped(record.id)
    if state.json:
        write_json(
            {
                "run": dataclasses.asdict(record),
                "layers": [dataclasses.asdict(layer) for layer in layers],
                "stages": [dataclasses.asdict(stage) for stage in progress],
                "skipped": [dataclasses.asdict(item) for item in skipped],
                "table": _table_lines(store, record),
            }
        )
        return
    used = "" if record.used is None else f", {record.used} used"
    print(f"run {record.id}   {record.state}   {record.model} on {record.dataset}   {record.images} images{used}, {record.skipped} skipped")
    print(f"fingerprint {record.fingerprint}")
    if record.message:
        print(f"message: {record.message}")
    for layer in layers:
        found = "not scored" if layer.detectors is None else f"{layer.detectors} detectors of {layer.unique} concepts"
        print(f"layer {layer.layer}: {layer.units} units, {found}{', ' if layer.unusual else ''}{layer.unusual}")
    for stage in progress:
        print(f"stage {stage.step:12} {stage.layer or '':24} {stage.done}/{stage.shards} shards  {size_text(stage.size)}")
    for name, value in record.settings.items():
        print(f"  {name} = {shown(value) if not isinstance(value, list | dict) else value}")
    for line in _table_lines(store, record):
        print(shown(line))
    for item in skipped:
        print(f"skipped {shown(item.key)}: {shown(item.reason)}")


def _table_lines(store: Store, record: RunRecord) -> list[str]:
    """What was wrong with the rows of an imported table."""
    lines = []
    for done in store.layer_methods(record.id) if record.imported else ():
        for line, unit, text in items(done.summary.get("violations")):
            place = f"line {line}, " if line else ""
            lines.append(f"violation: {place}{done.layer}{'' if unit is None else f'/{unit}'}: {text}")
        lines += [f"left out: line {line}: {reason}" for line, reason in items(done.summary.get("refused"))]
    return lines


def items(value: object) -> list[list[object]]:
    """A list of lists as plain data has it; empty for anything else."""
    return [item for item in value if isinstance(item, list)] if isinstance(value, list) else []


@group.command("delete")
def delete_run(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="Number or fingerprint prefix.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete a run: its rows, the cache that no other run uses, and its report in DISSECT_HOME. Reports elsewhere stay.

    Example: dissect runs delete 3 --yes
    """
    from dissect.pipeline.remove import delete_run as delete

    state: State = context.obj
    store = state.store(create=False)
    record = store.run(run)
    if not yes:
        typer.confirm(f"Delete run {record.id} ({record.model} on {record.dataset}, {record.state})?", abort=True, err=True)
    gone = delete(store, state.config, record.id)
    if state.json:
        write_json({"deleted": record.id, "freed_bytes": gone.freed, "report": str(gone.report) if gone.report else None})
    report = f"; removed {gone.report}" if gone.report else ""
    state.say(f"deleted run {record.id}; freed {size_text(gone.freed)} of cache{report}")
