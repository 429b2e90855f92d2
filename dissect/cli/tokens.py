"""`dissect token`: who may write over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dissect.cli.output import write_json, write_rows
from dissect.cli.read import FormatOption, chosen
from dissect.cli.state import State

if TYPE_CHECKING:
    from dissect.store.tokens import TokenRecord

group = typer.Typer(name="token", help="Access tokens of the service.", no_args_is_help=True, rich_markup_mode=None)
COLUMNS = ("name", "state", "scopes", "created", "expires", "used")


def register(app: typer.Typer) -> None:
    """Add this file's group."""
    app.add_typer(group)


@group.command("create")
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Stands beside what is done with it; never given twice.")],
    scope: Annotated[list[str], typer.Option(help="read, review, jobs or admin (all of them). May be repeated.")],
    days: Annotated[float, typer.Option(help="Until it expires.")] = 90,
) -> None:
    """Make a token and show its secret, once: only a hash of it is kept.

    Example: dissect token create ci --scope jobs --days 90
    """
    state: State = context.obj
    record, secret = state.store().tokens().create(name, scope, days)
    if state.json:
        write_json({**_row(record), "token": secret})
        return
    print(secret)
    state.say(f"token {record.name} for {', '.join(record.scopes)} until {record.expires_at:%Y-%m-%d %H:%M} UTC. It is not shown again.")


@group.command("list")
def list_tokens(context: typer.Context, form: FormatOption = None) -> None:
    """List tokens, newest first, without their secrets.

    Example: dissect token list
    """
    state: State = context.obj
    rows = [_row(record) for record in state.store(create=False).tokens().tokens()]
    write_rows(rows, COLUMNS, chosen(form, state))
    if not rows:
        state.say("no tokens")


@group.command("revoke")
def revoke(context: typer.Context, name: Annotated[str, typer.Argument(help="The token's name.")]) -> None:
    """End a token at once, with every session that was opened with it.

    Example: dissect token revoke ci
    """
    state: State = context.obj
    record = state.store(create=False).tokens().revoke(name)
    if state.json:
        write_json(_row(record))
    state.say(f"token {record.name} is revoked")


def _row(record: TokenRecord) -> dict[str, object]:
    return {
        "name": record.name, "state": record.state(), "scopes": " ".join(record.scopes), "created": f"{record.created_at:%Y-%m-%d %H:%M}",
        "expires": f"{record.expires_at:%Y-%m-%d %H:%M}", "used": f"{record.used_at:%Y-%m-%d %H:%M}" if record.used_at else None,
    }  # fmt: skip
