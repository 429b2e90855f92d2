"""`dissect serve`: the database as web pages and an API."""

from __future__ import annotations

import importlib.util
from typing import Annotated

import typer

from dissect.cli.output import write_json
from dissect.cli.state import State
from dissect.errors import MissingExtraError


def register(app: typer.Typer) -> None:
    """Add this file's command."""
    app.command()(serve)


def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="Address of this machine to listen on; 0.0.0.0 is all of them.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes any free one.")] = 8000,
    allow_host: Annotated[
        list[str] | None, typer.Option("--allow-host", help="A name under which browsers may ask, beside localhost. May be repeated.")
    ] = None,
    allow_writes: Annotated[bool, typer.Option("--allow-writes", help="Let holders of a token change the database.")] = False,
) -> None:
    """Show the database in a browser, and answer programs. Read-only, for this machine alone, until it is told otherwise.

    Example: dissect serve --port 8000
    """
    if any(importlib.util.find_spec(name) is None for name in ("fastapi", "uvicorn")):
        raise MissingExtraError("`dissect serve`", "serve")
    from dissect.serve.server import address_of, listen
    from dissect.serve.server import serve as answer
    from dissect.serve.settings import LOOPBACK, QUERY_SECONDS, Settings
    from dissect.store import Store

    state: State = context.obj
    names = (*(allow_host or ()), *(() if host in ("0.0.0.0", "::") else (f"[{host}]" if ":" in host else host,)))
    settings = Settings(state.config.cache / "thumbs", names, allow_writes, state.config.cards)
    with Store.open(state.config.database_url, create=False, query_seconds=QUERY_SECONDS) as store, listen(host, port) as opened:
        address = address_of(opened)
        if not address.removeprefix("http://").startswith(LOOPBACK):
            state.say("everybody who reaches this address can read the database; --allow-host NAME lets names in")

        def ready() -> None:
            if state.json:
                write_json({"address": address, "writes": allow_writes})
            else:
                print(f"{address}   ({'writes allowed' if allow_writes else 'read-only'}; Ctrl-C ends it)", flush=True)

        answer(store, settings, opened, ready)
