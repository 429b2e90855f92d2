"""`dissect doctor`: is this installation fit for work?"""

from __future__ import annotations

from typing import Annotated

import typer

from dissect.cli.output import write_json
from dissect.cli.state import State
from dissect.errors import DissectError


def register(app: typer.Typer) -> None:
    """Add this file's command."""
    app.command()(doctor)


def doctor(context: typer.Context, quick: Annotated[bool, typer.Option("--quick", help="Leave out the timing.")] = False) -> None:
    """Check versions, torchvision's state, devices, folders, database and kernels; exit 1 if something must be mended.

    Example: dissect doctor
    """
    from dissect.pipeline.doctor import examine

    state: State = context.obj
    findings = examine(state.config, quick=quick)
    if state.json:
        write_json([{"name": f.name, "fine": f.fine, "finding": f.finding, "remedy": f.remedy} for f in findings])
    else:
        for finding in findings:
            print(
                f"{'ok  ' if finding.fine else 'MEND'}  {finding.name:14} {finding.finding}{'' if finding.fine else '  ' + finding.remedy}"
            )
    wrong = [finding.name for finding in findings if not finding.fine]
    if wrong:
        raise DissectError(f"to be mended: {', '.join(wrong)}. The remedy stands behind each.")
