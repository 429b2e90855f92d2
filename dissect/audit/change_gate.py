"""Gates on a comparison of two runs, for use in continuous integration.

    gate    = clause { ";" clause }
    clause  = what [ "matches" words ] [ compare number ]
    what    = ( "new" | "lost" | "changed" ) "label"      units whose label came, went, or became another
            | ( "new" | "lost" ) "concept"                concepts that no unit carried before, or none does any more
    compare = > | >= | < | <= | =

A clause fails if more than 0 such units or concepts are found, or as many as the comparison says. A new label is one that the unit of the
second run carries and its partner in the first did not (gained or changed); a lost one the other way round. Words match as a search does:
also by synonym and by broader concept. Only labels that count (detectors) are looked at.

    new label matches face            lost label > 10            new concept; lost concept matches "traffic light"
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from dissect.audit.changes import RunChanges, UnitChange
from dissect.audit.gate import COMPARE, GateError

KINDS = ("new label", "lost label", "changed label", "new concept", "lost concept")
Matching = Callable[[str, str], Collection[tuple[str, int, str]]]
"""(`first` or `second`, words) -> (layer, unit, label) of that run where the words are found in that label."""

_CLAUSE = re.compile(
    r"\s*(?P<what>new|lost|changed)\s+(?P<kind>label|concept)s?"
    r"(?:\s+matches\s+(?P<words>\"[^\"]+\"|[^\"<>=;]*[^\"<>=;\s]\s*))?"
    r"(?:\s*(?P<sign>>=|<=|[><=])\s*(?P<number>\d+))?\s*"
)


@dataclass(frozen=True, slots=True)
class ChangeClause:
    """One rule. words: "" for any. sign, number: how many are too many."""

    kind: str
    words: str = ""
    sign: str = ">"
    number: int = 0

    def __str__(self) -> str:
        matches = f' matches "{self.words}"' if self.words else ""
        return f"{self.kind}{matches} {self.sign} {self.number}"


@dataclass(frozen=True, slots=True)
class ChangeVerdict:
    """A clause with what it met. found: a few words for each unit or concept that counts."""

    clause: ChangeClause
    failed: bool
    found: tuple[str, ...]

    @property
    def text(self) -> str:
        """In one sentence."""
        shown = "; ".join(self.found[:5]) + (f" and {len(self.found) - 5} more" if len(self.found) > 5 else "")
        return f"{self.clause}: {'FAILED' if self.failed else 'passed'}; {len(self.found)} found{': ' + shown if shown else ''}"


def parse(text: str) -> tuple[ChangeClause, ...]:
    """The clauses of a gate.

    Raises:
        GateError: it cannot be read; the position is named.
    """
    clauses, place = [], 0
    while True:
        clause, place = _clause(text, place)
        clauses.append(clause)
        if place >= len(text) or not text[place + 1 :].strip():
            return tuple(clauses)
        place += 1


def judge(clauses: Collection[ChangeClause], changes: RunChanges, matching: Matching) -> tuple[ChangeVerdict, ...]:
    """What each clause says of a comparison."""
    return tuple(_verdict(clause, changes, matching) for clause in clauses)


def _clause(text: str, place: int) -> tuple[ChangeClause, int]:
    match = _CLAUSE.match(text, place)
    if match is None or (match.end() < len(text) and text[match.end()] != ";") or f"{match['what']} {match['kind']}" not in KINDS:
        at = place + len(text[place:]) - len(text[place:].lstrip())
        raise GateError(
            f"--fail-on {text!r}: expected one of {', '.join(KINDS)}, then perhaps `matches WORDS` and a comparison, at character "
            f"{at + 1}. For example: 'new label matches face', 'lost label > 10', 'new concept'.",
            at,
        )
    words = (match["words"] or "").strip().strip('"').strip()
    return ChangeClause(f"{match['what']} {match['kind']}", words, match["sign"] or ">", int(match["number"] or 0)), match.end()


def _verdict(clause: ChangeClause, changes: RunChanges, matching: Matching) -> ChangeVerdict:
    found = _concepts(clause, changes, matching) if clause.kind.endswith("concept") else _labels(clause, changes, matching)
    return ChangeVerdict(clause, COMPARE[clause.sign](len(found), clause.number), tuple(found))


def _side(clause: ChangeClause) -> str:
    return "first" if clause.kind.startswith("lost") else "second"


def _labels(clause: ChangeClause, changes: RunChanges, matching: Matching) -> list[str]:
    side = _side(clause)
    wanted = {"new label": ("gained", "changed"), "lost label": ("lost", "changed"), "changed label": ("changed",)}[clause.kind]
    alone = {"new label": "only second", "lost label": "only first"}.get(clause.kind)
    there = set(matching(side, clause.words)) if clause.words else None
    found = []
    for layer in changes.layers:
        for unit in layer.units:
            mine = unit.first if side == "first" else unit.second
            if mine is None or mine.key is None or not (unit.change in wanted or unit.change == alone):
                continue
            name = layer.first if side == "first" else layer.second
            if there is None or (name, mine.index, mine.text) in there:
                found.append(f"{name}/{mine.index} {_said(unit)}")
    return found


def _said(unit: UnitChange) -> str:
    names = [side.text if side is not None and side.counts else "nothing" for side in (unit.first, unit.second)]
    return f"{names[0]} -> {names[1]}"


def _concepts(clause: ChangeClause, changes: RunChanges, matching: Matching) -> list[str]:
    side = _side(clause)
    there = set(matching(side, clause.words)) if clause.words else None
    found = []
    for layer in changes.layers:
        name = layer.first if side == "first" else layer.second
        units = [unit.first if side == "first" else unit.second for unit in layer.units]
        allowed = {unit.key for unit in units if unit is not None and (there is None or (name, unit.index, unit.text) in there)}
        for concept in layer.concepts():
            here, before = (concept.first, concept.second) if side == "first" else (concept.second, concept.first)
            if here and not before and (concept.category, concept.name.casefold().strip()) in allowed:
                found.append(f"{name}: {concept.name} in {here} unit{'' if here == 1 else 's'}")
    return found
