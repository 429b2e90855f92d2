"""`dissect models register`, `dissect data register`: names that a job may use. On this machine only: a job itself never says a path."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dissect.cli import data, models
from dissect.cli.output import write_json, write_rows
from dissect.cli.read import FormatOption, chosen
from dissect.cli.run import parse_size
from dissect.cli.state import State, local_user

if TYPE_CHECKING:
    from dissect.fingerprint import Plain
    from dissect.store.registry import Kind

Name = Annotated[str, typer.Argument(help="Letters, digits, dots, dashes and underscores.")]


def register(app: typer.Typer) -> None:
    """Add this file's commands to the groups of networks and data sets, which are there already."""


@models.group.command("register")
def register_model(
    context: typer.Context,
    name: Name,
    model: models.Model,
    weights: models.Weights = None,
    trust: models.Trust = False,
    partial: Annotated[bool, typer.Option("--partial", help="Accept weights that do not fill the network.")] = False,
    ema: Annotated[bool, typer.Option("--ema", help="Take the averaged weights of a checkpoint that holds both.")] = False,
    input_size: Annotated[str | None, typer.Option(metavar="HxW", help="As in dissect run.")] = None,
    prefix_tokens: Annotated[int | None, typer.Option(min=0, help="As in dissect run.")] = None,
) -> None:
    """Give a network a name that jobs may use. Cards in the folders of cards have one already.

    Example: dissect models register resnet torchvision:resnet18@random
    """
    from dissect.pipeline.names import check_network
    from dissect.pipeline.request import RunRequest

    state: State = context.obj
    settings: dict[str, Plain] = {
        "model": _lasting(model), "weights": str(weights.absolute()) if weights else None, "trust": trust, "partial": partial, "ema": ema,
        "input_size": parse_size(input_size, "--input-size"), "prefix_tokens": prefix_tokens,
    }  # fmt: skip
    check_network(RunRequest.from_plain({**settings, "data": ""}), state.config)
    _register(state, "model", name, settings)


@data.group.command("register")
def register_data(context: typer.Context, name: Name, card: Annotated[str, typer.Argument(help="A data-set card's name or path.")]) -> None:
    """Give a data set a name that jobs may use. Cards in the folders of cards have one already.

    Example: dissect data register streets ./streets.toml
    """
    from dissect.concepts.card import load_card

    state: State = context.obj
    lasting = _lasting(card)
    load_card(lasting, state.config.cards, state.config.data_root)
    _register(state, "data", name, {"data": lasting})


@models.group.command("registered")
def registered_models(context: typer.Context, form: FormatOption = None) -> None:
    """List the networks that a job may name.

    Example: dissect models registered
    """
    _list(context.obj, "model", form)


@data.group.command("registered")
def registered_data(context: typer.Context, form: FormatOption = None) -> None:
    """List the data sets that a job may name.

    Example: dissect data registered
    """
    _list(context.obj, "data", form)


@models.group.command("unregister")
def unregister_model(context: typer.Context, name: Name) -> None:
    """Take a network's name away; runs that were made of it stay.

    Example: dissect models unregister resnet
    """
    _unregister(context.obj, "model", name)


@data.group.command("unregister")
def unregister_data(context: typer.Context, name: Name) -> None:
    """Take a data set's name away; runs that were made of it stay.

    Example: dissect data unregister streets
    """
    _unregister(context.obj, "data", name)


def _lasting(name: str) -> str:
    """A path that holds in every folder; a worker starts elsewhere."""
    path = Path(name).expanduser()
    return str(path.absolute()) if name.endswith(".toml") else name


def _register(state: State, kind: Kind, name: str, settings: dict[str, Plain]) -> None:
    kept = {key: value for key, value in settings.items() if value is not None and value is not False}
    found = state.store().registry().register(kind, name, kept, local_user())
    if state.json:
        write_json({"name": found.name, **found.settings})
    state.say(f"jobs may name {found.name}")


def _unregister(state: State, kind: Kind, name: str) -> None:
    state.store(create=False).registry().unregister(kind, name)
    if state.json:
        write_json({"unregistered": name})
    state.say(f"jobs may no longer name {name}")


def _list(state: State, kind: Kind, form: FormatOption) -> None:
    from dissect.pipeline.jobs import names

    store = state.store()
    known = {found.name: found for found in store.registry().registered(kind)}
    rows = []
    for name in names(kind, store, state.config.cards):
        found = known.get(name)
        what = "its card" if found is None else ", ".join(f"{key} {value}" for key, value in found.settings.items())
        rows.append({"name": name, "stands_for": what, "registered_by": found.registered_by if found else None})
    write_rows(rows, ("name", "stands_for", "registered_by"), chosen(form, state))
