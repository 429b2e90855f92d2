"""`dissect demo`: the main job on what the package brings along."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dissect.cli.run import announce
from dissect.cli.state import State

if TYPE_CHECKING:
    from dissect.probe.progress import Progress


def register(app: typer.Typer) -> None:
    """Add this file's command."""
    app.command()(demo)


class Announced:
    """A line when a long step begins: on a terminal a bar shows as much, in a log file there would be nothing for a minute."""

    def __init__(self, inner: Progress, say: Callable[[str], None]) -> None:
        self._inner = inner
        self._say = say

    def start(self, step: str, total: int, unit: str = "image") -> None:
        if unit in ("image", "page"):
            self._say(f"{step}: {total:,} {unit}s" if unit == "image" else f"{step} ...")
        self._inner.start(step, total, unit)

    def advance(self, n: int = 1) -> None:
        self._inner.advance(n)

    def done(self) -> None:
        self._inner.done()


def demo(
    context: typer.Context,
    images: Annotated[int, typer.Option(min=1, help="How many pictures to draw and use.")] = 2000,
    report: Annotated[Path | None, typer.Option(help="Folder for the HTML report; default: reports in DISSECT_HOME.")] = None,
) -> None:
    """Dissect the embedded network with the embedded pictures; offline, about a minute on 2 idle cores. Prints where the report is.

    Example: dissect demo
    """
    import sys

    from dissect.pipeline.captioners import SHIPPED, has_captioner
    from dissect.pipeline.request import RunRequest
    from dissect.pipeline.run import run_request
    from dissect.probe.progress import progress_for

    state: State = context.obj
    described = ("milan",) if has_captioner(SHIPPED, state.config) else ()
    methods = ("netdissect", "compositional", *described)
    request = RunRequest(model="demo", data="demo", methods=methods, limit=images if images < 2000 else None)
    progress = progress_for(sys.stderr, quiet=state.quiet)
    if not state.quiet and not sys.stderr.isatty():
        progress = Announced(progress, state.say)
    outcome = run_request(request, state.config, state.store(), progress, workers=1, report=report or Path(), say=state.say)
    announce(state, outcome)
    if not state.json:
        print("next: dissect verify latest      dissect search car      dissect run MODEL --data DATA --layers NAME")
