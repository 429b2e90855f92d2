"""`dissect jobs` and `dissect worker`: runs that are asked for, and who does them."""

from __future__ import annotations

import dataclasses
import signal
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from dissect.cli.output import shown, write_json, write_rows
from dissect.cli.read import FormatOption, chosen
from dissect.cli.run import BatchSize, CacheLimit, Device, Workers
from dissect.cli.state import State, local_user

if TYPE_CHECKING:
    from dissect.store import JobRecord

group = typer.Typer(name="jobs", help="Runs that were asked for.", no_args_is_help=True, rich_markup_mode=None)
Number = Annotated[int, typer.Argument(help="The job's number.")]
COLUMNS = ("job", "state", "model", "data", "progress", "attempts", "run", "by", "created", "message")


def register(app: typer.Typer) -> None:
    """Add this file's group and command."""
    app.add_typer(group)
    app.command()(worker)


@group.command("submit")
def submit(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="A registered network; see dissect models registered.")],
    data: Annotated[str, typer.Option("--data", "-d", help="A registered data set; see dissect data registered.")],
    layers: Annotated[str, typer.Option(help="As in dissect run.")] = "",
    methods: Annotated[str, typer.Option(help="netdissect, compositional; separated by commas.")] = "netdissect",
    split: Annotated[str | None, typer.Option(help="As in dissect run.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="As in dissect run.")] = None,
    profile: Annotated[str | None, typer.Option(help="As in dissect run.")] = None,
    quantile: Annotated[float | None, typer.Option(help="As in dissect run.")] = None,
    threshold: Annotated[float | None, typer.Option(help="As in dissect run.")] = None,
    min_images: Annotated[int | None, typer.Option(min=1, help="As in dissect run.")] = None,
) -> None:
    """Queue a run for a worker. The same run again costs nothing: it is found done.

    Example: dissect jobs submit demo --data demo --layers layer6
    """
    from dissect.cli.run import _names
    from dissect.pipeline.jobs import JobRequest, resolved

    state: State = context.obj
    request = JobRequest(
        model, data, _names(layers), _names(methods), split, limit, profile, quantile, threshold, min_images
    )  # fmt: skip
    store = state.store()
    resolved(request, store, state.config.cards)
    job = store.jobs().submit(request.as_plain(), local_user())
    if state.json:
        write_json(dataclasses.asdict(job))
    else:
        print(job.id)
    state.say(f"job {job.id} waits for a worker: dissect worker")


@group.command("list")
def list_jobs(
    context: typer.Context,
    state_name: Annotated[str | None, typer.Option("--state", help="queued, leased, running, done, failed or cancelled.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many.")] = 50,
    form: FormatOption = None,
) -> None:
    """List jobs, newest first.

    Example: dissect jobs list --state failed
    """
    state: State = context.obj
    rows = [_row(job) for job in state.store(create=False).jobs().jobs(state_name, limit)]
    write_rows(rows, COLUMNS, chosen(form, state))
    if not rows:
        state.say("no jobs")


@group.command("show")
def show(context: typer.Context, job: Number) -> None:
    """Show one job: what was asked for, how far it is, what it says.

    Example: dissect jobs show 1
    """
    state: State = context.obj
    store = state.store(create=False)
    record = store.jobs().job(job)
    stages = [] if record.run_id is None else store.progress(record.run_id)
    if state.json:
        write_json({**dataclasses.asdict(record), "stages": [dataclasses.asdict(stage) for stage in stages]})
        return
    for key, value in _row(record).items():
        print(f"{key:10} {shown(value)}")
    for key, asked in record.request.items():
        print(f"  {key} = {asked if isinstance(asked, list) else shown(asked)}")
    for stage in stages:
        print(f"stage {stage.step:12} {stage.layer or '':24} {stage.done}/{stage.shards} shards")


@group.command("cancel")
def cancel(context: typer.Context, job: Number) -> None:
    """Cancel a job. One at work stops at its next step; what is finished is kept.

    Example: dissect jobs cancel 1
    """
    state: State = context.obj
    record = state.store(create=False).jobs().cancel(job)
    if state.json:
        write_json(dataclasses.asdict(record))
    state.say(f"job {job} is {record.state}" + ("" if record.over else " and will stop at its next step"))


@group.command("resume")
def resume(context: typer.Context, job: Number) -> None:
    """Queue a failed or cancelled job again; it goes on from what is finished.

    Example: dissect jobs resume 1
    """
    state: State = context.obj
    record = state.store(create=False).jobs().resume(job)
    if state.json:
        write_json(dataclasses.asdict(record))
    state.say(f"job {job} is {record.state}")


def worker(
    context: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="Work on one job, if there is one, and end.")] = False,
    poll: Annotated[float, typer.Option(min=0.05, help="Seconds between two looks at an empty queue.")] = 2.0,
    lease: Annotated[float, typer.Option(min=1, help="Seconds of silence after which another worker takes a job over.")] = 120.0,
    batch_size: BatchSize = None,
    workers: Workers = 1,
    cache_limit: CacheLimit = None,
    device: Device = None,
) -> None:
    """Do the jobs of the database, one after the other, until it is ended. Several workers may share a database.

    Example: dissect worker --once
    """
    from dissect.pipeline.worker import Worker
    from dissect.probe.progress import progress_for

    state: State = context.obj
    state.override(batch_size=batch_size, cache_limit=cache_limit, device=device)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a service is ended like a terminal's program: the job is given back
    store = state.store()
    progress = progress_for(sys.stderr, quiet=state.quiet)
    one = Worker(store, state.config, store.jobs(lease_seconds=lease), progress, state.say, workers)
    if not once:
        one.forever(poll)
    job = one.once()
    if state.json:
        write_json(None if job is None else dataclasses.asdict(job))
    if job is None:
        state.say("no job waits")
    elif job.state == "failed":
        raise typer.Exit(1)


def _row(job: JobRecord) -> dict[str, object]:
    progress = f"{job.step} {job.done}/{job.total} {job.counted}s" if job.state in ("leased", "running") and job.step else None
    return {
        "job": job.id, "state": job.state, "model": job.request.get("model"), "data": job.request.get("data"), "progress": progress,
        "attempts": job.attempts, "run": job.run_id, "by": job.submitted_by, "created": f"{job.created_at:%Y-%m-%d %H:%M}",
        "message": job.message or None,
    }  # fmt: skip
