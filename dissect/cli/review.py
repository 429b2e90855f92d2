"""`dissect review`: what a person says of a label."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from dissect.cli.output import write_json
from dissect.cli.read import split_name
from dissect.cli.reviewed import line
from dissect.cli.state import State, local_user
from dissect.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add this file's command."""
    app.command()(review)


def review(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="RUN/LAYER/UNIT", help="For example latest/layer6/99.")],
    accept: Annotated[bool, typer.Option("--accept", help="The label is right.")] = False,
    reject: Annotated[bool, typer.Option("--reject", help="The label is wrong.")] = False,
    relabel: Annotated[str | None, typer.Option(help="The label should be this.")] = None,
    method: Annotated[str | None, typer.Option(help="The label of this method; default: the headline.")] = None,
    comment: Annotated[str, typer.Option(help="Why.")] = "",
    history: Annotated[bool, typer.Option("--history", help="Show every review of the unit instead, newest first.")] = False,
) -> None:
    """Accept, reject or correct a label. Reviews are only added; the newest of a method counts as long as its label stays the same.

    Example: dissect review latest/layer6/99 --accept
    """
    state: State = context.obj
    run, layer, unit = split_name(name, "RUN/LAYER/UNIT, for example latest/layer6/99")
    verdicts = [word for word, given in (("accept", accept), ("reject", reject), ("relabel", relabel is not None)) if given]
    if len(verdicts) != (0 if history else 1):
        raise UsageError("give exactly one of --accept, --reject, --relabel TEXT; or --history alone.")
    book = state.store(create=False).reviews()
    if history:
        found = book.history(run, layer, unit)
    else:
        found = [book.add(run, layer, unit, verdicts[0], local_user(), relabel=relabel, comment=comment, method=method)]
    if state.json:
        write_json([dataclasses.asdict(each) for each in found])
        return
    for each in found:
        print(line(each))
