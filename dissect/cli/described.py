"""A unit's description as lines of text, for `dissect unit`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dissect.cli.output import shown

if TYPE_CHECKING:
    from dissect.store import UnitView


def description_lines(view: UnitView) -> list[str]:
    """The unit's description with its log-probabilities, its tests and the runner-ups; nothing without one."""
    from dissect.exchange.described import lines_of_description, world_words
    from dissect.exchange.from_store import report_unit
    from dissect.exchange.words import two

    found = report_unit(view).description
    if found is None:
        return []
    lines = ["", f"“{shown(found.label.text)}”   [description]   PMI {two(found.label.score)}"]
    lines += [f"  {name}: {shown(words)}" for _, name, words in lines_of_description(found)]
    lines += [f"  {shown(words)}" for words in (world_words(found),) if words]
    return lines + [f"  {rank:2}. {two(other.score):>6}  “{shown(other.text)}”" for rank, other in enumerate(found.runners, 2)]
