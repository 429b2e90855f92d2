"""`dissect import`: published tables of unit labels as runs of the database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dissect.cli.output import shown, write_json
from dissect.cli.state import State
from dissect.errors import UsageError

SKIPPED = 3
"""Exit code: done, and some rows were left out."""


def register(app: typer.Typer) -> None:
    """Add this file's command."""
    app.command("import")(import_)


def import_(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(help="netdissect, milan, clip-dissect, compexp, invert, falcon, or auto: by the columns.")],
    file: Annotated[Path, typer.Argument(help="A CSV file in UTF-8 with a header.")],
    model: Annotated[str | None, typer.Option(help="Name of the network that the labels are of.")] = None,
    layer: Annotated[str | None, typer.Option(help="Layer of a table that does not say; of one with several: only this one.")] = None,
    dataset: Annotated[
        str | None, typer.Option(help="Name of the data set the labels were made on; default broden for netdissect and compexp.")
    ] = None,
    alias: Annotated[
        list[str] | None, typer.Option(metavar="THEIRS=OURS", help="The table's name of a layer and ours. May be repeated.")
    ] = None,
    checkpoint_of: Annotated[
        str | None, typer.Option(metavar="RUN", help="The labels are of the very weights of this run: they meet its own on each unit.")
    ] = None,
    threshold: Annotated[float, typer.Option(help="A unit is a detector when its IoU is above this.")] = 0.04,
    at_least: Annotated[bool, typer.Option("--at-least", help="A detector's IoU may equal the threshold.")] = False,
    profile: Annotated[str | None, typer.Option(help="Rules that the table was made by, where they are known, such as lite.")] = None,
    units: Annotated[int | None, typer.Option(help="How many units each layer has, where the table may not hold all.")] = None,
) -> int:
    """Read a published table of unit labels into the database, as a run of its own beside other runs of the same units.

    What a row violates of its method's promises is listed and entered with it; a row that cannot be an entry is left out (exit code 3).
    The same file again does nothing.

    Example: dissect import milan my-labels.csv --model resnet18
    """
    from dissect.pipeline.import_table import ImportRequest, import_table

    state: State = context.obj
    request = ImportRequest(
        file, kind, model, layer, dataset, _aliases(alias or []), threshold, at_least, profile, units, checkpoint_of
    )  # fmt: skip
    outcome = import_table(state.store(create=checkpoint_of is None), request)
    if state.json:
        write_json(outcome.as_plain())
    else:
        for line in outcome.lines():
            print(shown(line))
    return SKIPPED if outcome.table.refused else 0


def _aliases(given: list[str]) -> dict[str, str]:
    """`their=ours` of each.

    Raises:
        UsageError: one has another form, or two name the same layer of the table.
    """
    found: dict[str, str] = {}
    for text in given:
        theirs, equals, ours = (part.strip() for part in text.partition("="))
        if not (equals and theirs and ours) or theirs in found:
            raise UsageError(f"--alias is {text!r}. Write the table's name of a layer and ours, each once: --alias block4=layer4.")
        found[theirs] = ours
    return found
