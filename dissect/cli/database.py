"""`dissect db`: the database itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dissect.cli.output import write_json
from dissect.cli.state import State
from dissect.errors import StoreError

group = typer.Typer(name="db", help="The database: schema, backup, checks.", no_args_is_help=True, rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    """Add this file's group."""
    app.add_typer(group)


@group.command()
def upgrade(context: typer.Context, revision: Annotated[str, typer.Argument(help="A revision, or head.")] = "head") -> None:
    """Bring the database to this program's schema. Take a backup first: dissect db backup FILE.

    Example: dissect db upgrade
    """
    from dissect.store import migrate

    state: State = context.obj
    migrate.upgrade(state.config.database_url, revision)
    _say_revision(state)


@group.command()
def downgrade(context: typer.Context, revision: Annotated[str, typer.Argument(help="A revision, or base.")]) -> None:
    """Take the database back to an older schema. Columns that the older schema lacks go with what is in them.

    Example: dissect db downgrade 0001
    """
    from dissect.store import migrate

    state: State = context.obj
    migrate.downgrade(state.config.database_url, revision)
    _say_revision(state)


@group.command()
def current(context: typer.Context) -> None:
    """Show the database's address and schema revision.

    Example: dissect db current
    """
    state: State = context.obj
    if state.json:
        write_json(_revision(state))
    else:
        found = _revision(state)
        print(f"{found['url']}   revision {found['revision'] or 'none'}   this program's {found['head']}")


@group.command()
def check(context: typer.Context) -> None:
    """Check schema, integrity and foreign keys; exit 1 and a line for each fault.

    Example: dissect db check
    """
    from dissect.store import migrate

    state: State = context.obj
    faults = migrate.check(state.config.database_url)
    _report(state, faults, "the database is sound")


@group.command()
def backup(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="File to write.")],
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a consistent copy of a SQLite database, also while others use it.

    Example: dissect db backup before-upgrade.db
    """
    from dissect.store import migrate

    state: State = context.obj
    migrate.backup(state.config.database_url, file, force=force)
    if state.json:
        write_json({"backup": str(file), "bytes": file.stat().st_size})
    state.say(f"wrote {file}")


@group.command()
def verify(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(help="A backup; without it, the database and its cache files.")] = None,
) -> None:
    """Check a backup, or that every cache file named by the database is there and whole. Pruned stages are listed and are no fault.

    Example: dissect db verify before-upgrade.db
    """
    from dissect.store import migrate

    state: State = context.obj
    url = f"sqlite:///{file}" if file else state.config.database_url
    faults = migrate.verify(url, None if file else state.config.cache)
    pruned = [] if file else migrate.pruned(url, state.config.cache)
    for line in pruned:
        state.say(line)
    _report(state, faults, "all that was not pruned is there and whole" if pruned else "all is there and whole", pruned=pruned)


@group.command()
def hierarchy(context: typer.Context) -> None:
    """Tie the concepts of every vocabulary by the hierarchy that ships, so that "dog" finds terriers. New runs are tied by themselves.

    Example: dissect db hierarchy
    """
    from dissect.pipeline.hierarchy import apply_hierarchy

    state: State = context.obj
    found = apply_hierarchy(state.store(create=False))
    if state.json:
        write_json({"vocabularies": found})
    else:
        for vocabulary, ties in found.items():
            print(f"{vocabulary}: {ties} ties")


def _revision(state: State) -> dict[str, object]:
    from dissect.store import migrate, redacted

    return {"url": redacted(state.config.database_url), "revision": migrate.current(state.config.database_url), "head": migrate.head()}


def _say_revision(state: State) -> None:
    found = _revision(state)
    if state.json:
        write_json(found)
    state.say(f"{found['url']} is at revision {found['revision'] or 'none'}")


def _report(state: State, faults: list[str], fine: str, **further: list[str]) -> None:
    if state.json:
        write_json({"faults": list(faults), **further})
    else:
        for fault in faults:
            print(fault)
    if faults:
        raise StoreError(f"{len(faults)} fault(s). Lost cache files are made again by dissect probe RUN; else restore a backup.")
    state.say(fine)
