"""What was tested of a unit's labels as lines of text, for `dissect unit`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dissect.cli.output import shown

if TYPE_CHECKING:
    from dissect.store import UnitView


def lines_of_tests(view: UnitView) -> list[str]:
    """A line for each test of each label, with its result in words; nothing for labels that were not tested."""
    from dissect.exchange import tested
    from dissect.exchange.from_store import report_unit

    unit = report_unit(view)
    lines = []
    for label in (unit.label, *unit.labels):
        found = tested.lines_of_tests(label) if label is not None else []
        if label is not None and found:
            lines += ["", f"how we know: {shown(label.text)}"] + [f"  {name:20} {shown(words)}" for _, name, words in found]
    return lines
