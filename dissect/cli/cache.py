"""`dissect cache`: what the caches hold, and making room."""

from __future__ import annotations

from typing import Annotated

import typer

from dissect.cli.output import size_text, write_json, write_rows
from dissect.cli.read import FormatOption, chosen
from dissect.cli.state import State
from dissect.config import parse_bytes

group = typer.Typer(name="cache", help="Cached label maps, activations and counts.", no_args_is_help=True, rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    """Add this file's group."""
    app.add_typer(group)


@group.command("show")
def show(context: typer.Context, form: FormatOption = None) -> None:
    """List the stages in the cache, least recently used first.

    Example: dissect cache show
    """
    from dissect.probe.cache import Cache

    state: State = context.obj
    cache = Cache(state.config.cache)
    rows = [
        {"step": stage.step, "stage": stage.fingerprint[:12], "bytes": stage.bytes, "size": size_text(stage.bytes)}
        for stage in cache.stages()
    ]
    write_rows(rows, ("step", "stage", "bytes", "size"), chosen(form, state))
    state.say(f"{size_text(cache.size())} in {state.config.cache}")


@group.command("prune")
def prune(
    context: typer.Context,
    limit: Annotated[str, typer.Option("--limit", help="Bytes to keep at most (0 empties it), for example 5GB.")] = "",
) -> None:
    """Delete least recently used stages until the cache is within the limit (default: the setting cache_limit).

    What is deleted is computed again when it is needed; nothing in the database changes. Stages of running runs are kept.

    Example: dissect cache prune --limit 5GB
    """
    from dissect.pipeline.remove import prune_cache

    state: State = context.obj
    most = 0 if limit.strip() == "0" else parse_bytes(limit) if limit else state.config.cache_limit
    freed, left = prune_cache(state.config, state.store(), most)
    if state.json:
        write_json({"freed_bytes": freed, "left_bytes": left})
    state.say(f"freed {size_text(freed)}, {size_text(left)} left")
