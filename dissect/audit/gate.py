"""Gates: rules that an audit must keep, for use in continuous integration.

    gate       = clause { ";" clause }
    clause     = [ kind ":" ] subject [ "=" value ] [ ":" ] { condition }
    kind       = description | response | effect | mask
    subject    = word | "quoted text" | *
    condition  = any                     the usual: not one such finding is allowed
               | untestable              it counts where the subject could not be tested
               | measure compare number
    measure    = effect | q | p | units  (a bare comparison means units: `faces > 10`)
    compare    = > | >= | < | <= | =

A clause fails if findings of that kind, subject and value, which keep every condition on effect, q and p, lie in more than 0 units (or
in as many as `units` says). `effect` compares how far a finding is from none, in either direction: for an AUROC the larger of A and
1 - A, else the absolute value.

    gender: any            skin_tone effect >= 0.8 q <= 0.05            mask:face > 10            response:gender=woman; age untestable
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from dissect.audit.finding import KINDS, AuditReport, Finding
from dissect.errors import UsageError

COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt, "=": operator.eq,
}  # fmt: skip
MEASURES = ("effect", "q", "p", "units")
_TOKEN = re.compile(r"""\s*(?:(?P<quoted>"[^"]*")|(?P<sign>>=|<=|[><=:;])|(?P<word>\*|[^\s"><=:;]+))""")


class GateError(UsageError):
    """The text of a gate cannot be read. position: index of the character at which reading stopped."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


@dataclass(frozen=True, slots=True)
class Condition:
    """`measure` compared with `number`, by a sign of `COMPARE`."""

    measure: str
    sign: str
    number: float

    def holds(self, value: float | None) -> bool:
        """Whether a number keeps the condition; one that is not known does not."""
        return value is not None and COMPARE[self.sign](value, self.number)

    def __str__(self) -> str:
        return f"{self.measure} {self.sign} {self.number:g}"


@dataclass(frozen=True, slots=True)
class Clause:
    """One rule. kind "" and subject "*": all. value "": every value. untestable: whether it is about what could not be tested."""

    kind: str
    subject: str
    value: str = ""
    untestable: bool = False
    conditions: tuple[Condition, ...] = ()

    def names(self, finding: Finding) -> bool:
        """Whether the finding is of this kind, subject and value."""
        values = {part.strip() for part in finding.value.split(",")} | {finding.value}
        return self.kind in ("", finding.kind) and self.subject in ("*", finding.subject) and (not self.value or self.value in values)

    def __str__(self) -> str:
        head = f"{self.kind}:" if self.kind else ""
        value = f"={_written(self.value)}" if self.value else ""
        rest = [*(["untestable"] if self.untestable else []), *map(str, self.conditions)]
        return " ".join([f"{head}{'*' if self.subject == '*' else _written(self.subject)}{value}", *(rest or ["any"])])


@dataclass(frozen=True, slots=True)
class Verdict:
    """A clause with what it met. failed: whether the gate closes. found: the findings that count; units: how many units they lie in.
    untested: tests of the same that could not be made; reason: why the gate closes although nothing was found."""

    clause: Clause
    failed: bool
    found: tuple[Finding, ...]
    units: int
    untested: int = 0
    reason: str = ""

    @property
    def text(self) -> str:
        """In one sentence."""
        what = "could not be tested" if self.clause.untestable else "found"
        also = f"; {self.untested} not testable" if self.untested and not self.clause.untestable else ""
        why = f": {self.reason}" if self.reason else ""
        return f"{self.clause}: {'FAILED' if self.failed else 'passed'}{why}; {len(self.found)} {what}, in {self.units} units{also}"


def parse(text: str) -> tuple[Clause, ...]:
    """The clauses of a gate.

    Raises:
        GateError: it cannot be read; the position is named.
    """
    parser = _Parser(text)
    clauses = [parser.clause()]
    while parser.taken(";"):
        if parser.at_end:
            break
        clauses.append(parser.clause())
    if not parser.at_end:
        raise parser.error("; or the end")
    return tuple(clauses)


def judge(clauses: Sequence[Clause], report: AuditReport) -> tuple[Verdict, ...]:
    """What each clause says of an audit. A clause all of whose tests could not be made fails: nothing was looked at.

    Raises:
        UsageError: a clause names what this audit does not hold, or a measure that these findings do not have. It would pass for ever,
            by a slip of the pen.
    """
    for clause in clauses:
        if not any(Clause(clause.kind, clause.subject).names(finding) for finding in report.findings):
            there = sorted({f"{finding.kind}:{finding.subject}" for finding in report.findings})
            raise UsageError(f"--fail-on {clause}: this audit looked at no such thing. It looked at: {', '.join(there) or 'nothing'}.")
        _refuse_unmeasured(clause, [finding for finding in report.findings if clause.names(finding)])
    empty = {words.lexicon for words in report.words if not words.units}
    return tuple(_verdict(clause, report.findings, empty) for clause in clauses)


def _refuse_unmeasured(clause: Clause, named: Sequence[Finding]) -> None:
    tested = [finding for finding in named if finding.state != "not testable"]
    for condition in clause.conditions:
        if condition.measure != "units" and tested and all(_measured(finding)[condition.measure] is None for finding in tested):
            kinds = ", ".join(sorted({f"{finding.kind}:{finding.subject}" for finding in tested}))
            raise UsageError(
                f"--fail-on {clause}: {kinds} has no {condition.measure}, so it could never fail. Leave the condition out, or name what "
                "was compared between groups, as in 'response:skin_tone effect >= 0.8'."
            )


def strength(finding: Finding) -> float | None:
    """How far a finding is from none, in either direction."""
    if finding.effect is None:
        return None
    return max(finding.effect, 1 - finding.effect) if finding.effect_name.casefold() == "auroc" else abs(finding.effect)


def _verdict(clause: Clause, findings: Sequence[Finding], empty: Collection[str]) -> Verdict:
    subject = Clause(clause.kind, clause.subject)
    named = [finding for finding in findings if clause.names(finding)] or [finding for finding in findings if subject.names(finding)]
    untested = sum(finding.state == "not testable" or finding.subject in empty for finding in named)
    state = "not testable" if clause.untestable else "found"
    found = [finding for finding in findings if finding.state == state and clause.names(finding) and _kept(clause, finding)]
    units = len({(finding.layer, finding.unit) for finding in found})
    limits = [condition for condition in clause.conditions if condition.measure == "units"]
    failed = all(each.holds(units) for each in limits) if limits else units > 0
    if not clause.untestable and untested == len(named):
        return Verdict(clause, True, tuple(found), units, untested, "nothing could be tested")
    return Verdict(clause, failed, tuple(found), units, untested)


def _measured(finding: Finding) -> dict[str, float | None]:
    return {"effect": strength(finding), "q": finding.q, "p": finding.p}


def _kept(clause: Clause, finding: Finding) -> bool:
    values = _measured(finding)
    return all(condition.holds(values[condition.measure]) for condition in clause.conditions if condition.measure != "units")


def _written(name: str) -> str:
    """A name as the grammar reads it back; a quotation mark, which it has no sign for, becomes an apostrophe."""
    plain = re.fullmatch(r"[^\s\"><=:;*\d.][^\s\"><=:;*]*", name) and name not in (*KINDS, *MEASURES, "any", "untestable")
    return name if plain else '"' + name.replace('"', "'") + '"'


class _Parser:
    """Reads tokens from left to right."""

    def __init__(self, text: str) -> None:
        self.text, self.place = text, 0

    @property
    def at_end(self) -> bool:
        return not self.text[self.place :].strip()

    def clause(self) -> Clause:
        kind, subject = "", self.name("a subject")
        if subject in KINDS and self.text[self.place - 1] != '"' and self.peek() == ":":
            self.taken(":")
            kind, subject = subject, self.name("a subject")
        value = self.name("a value") if self.taken("=", before_word=True) else ""
        self.taken(":")
        untestable, conditions = False, list[Condition]()
        while not self.at_end and self.peek() != ";":
            if self.peek() in ("any", "untestable"):
                untestable |= self.next("")[0] == "untestable"
            else:
                conditions.append(self.condition())
        return Clause(kind, subject, value, untestable, tuple(conditions))

    def condition(self) -> Condition:
        measure = "units" if self.peek() in COMPARE else self.next("any, untestable or a condition")[0]
        if measure not in MEASURES:
            raise self.error(f"any, untestable, {', '.join(MEASURES)} or a comparison", back=True)
        sign = self.next("one of " + " ".join(COMPARE))[0]
        if sign not in COMPARE:
            raise self.error("one of " + " ".join(COMPARE), back=True)
        number = self.next("a number")[0]
        if not re.fullmatch(r"\d+(\.\d*)?|\.\d+", number):
            raise self.error("a number", back=True)
        return Condition(measure, sign, float(number))

    def name(self, what: str) -> str:
        text, kind = self.next(what)
        if kind == "sign" or text == '""':
            raise self.error(what, back=True)
        return text[1:-1] if kind == "quoted" else text

    def peek(self) -> str:
        match = _TOKEN.match(self.text, self.place)
        return match.group().strip() if match else ""

    def taken(self, sign: str, *, before_word: bool = False) -> bool:
        """Whether the next token is this sign, which is then read. before_word: only if what follows is no number."""
        match = _TOKEN.match(self.text, self.place)
        if match is None or match.group("sign") != sign:
            return False
        if before_word and re.match(r"\s*[\d.]+\s*($|[;\s])", self.text[match.end() :]):
            return False
        self.place = match.end()
        return True

    def next(self, what: str) -> tuple[str, str]:
        match = _TOKEN.match(self.text, self.place)
        if match is None:
            raise self.error(what)
        self.back, self.place = self.place, match.end()
        return match.group().strip(), match.lastgroup or ""

    def error(self, what: str, *, back: bool = False) -> GateError:
        place = self.back if back else self.place
        place += len(self.text[place:]) - len(self.text[place:].lstrip())
        rest = repr(self.text[place : place + 20]) if place < len(self.text) else "the end"
        message = f"--fail-on {self.text!r}: expected {what} at character {place + 1}, found {rest}."
        return GateError(f"{message} For example: 'gender: any', 'mask:face > 10', 'skin_tone effect >= 0.8 q <= 0.05'.", place)
