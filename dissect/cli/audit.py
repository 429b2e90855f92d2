"""`dissect audit`: units for faces and for people's attributes, with error rates, as a report and as a gate."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dissect.cli.output import write_json
from dissect.cli.state import State
from dissect.errors import UsageError

if TYPE_CHECKING:
    from dissect.audit.gate import Clause
    from dissect.pipeline.audit import AuditOutcome, AuditRequest

GATE_FAILED = 6
"""Exit code: the audit is done, and a gate of --fail-on is not kept."""


def register(app: typer.Typer) -> None:
    """Add this file's command."""
    app.command()(audit)


def audit(
    context: typer.Context,
    run: Annotated[str | None, typer.Argument(help="Number, fingerprint prefix or latest (if not given).")] = None,
    attribute: Annotated[
        list[str] | None,
        typer.Option(help="Compare groups of this attribute of the data set's card; all: every one. May be repeated."),
    ] = None,
    match: Annotated[
        str, typer.Option(help="Repeat each test on pairs alike in these: brightness, contrast, size, x, y or attributes, with commas.")
    ] = "",
    lexicon: Annotated[
        list[str] | None, typer.Option(help="Look for these words: a shipped lexicon or a TOML file; default all shipped. May be repeated.")
    ] = None,
    mask: Annotated[
        list[str] | None, typer.Option(help="Look for units on this concept of the label maps; default face, person, hair, skin.")
    ] = None,
    against: Annotated[str | None, typer.Option(metavar="RUN|FILE", help="Compare with another run, or another table.")] = None,
    descriptions: Annotated[Path | None, typer.Option(help="Audit a table layer,unit,description instead of a run.")] = None,
    effect: Annotated[bool, typer.Option("--effect", help="Also compare what switching each unit off does to the groups.")] = False,
    fail_on: Annotated[
        list[str] | None, typer.Option(help="Gate: exit 6 if, for example, 'gender: any' or 'mask:face > 10'. May be repeated.")
    ] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the gates as JUnit XML.")] = None,
    sarif: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the findings as SARIF 2.1.0.")] = None,
    redact: Annotated[bool, typer.Option("--redact", help="Black out people in pictures; all of one without a mask.")] = False,
    report: Annotated[bool, typer.Option("--report/--no-report", help="Write the audit as HTML, JSON and CSV.")] = True,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FOLDER", help="Where the report goes.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of relabellings and bootstrap.")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Processes that read pictures.")] = 1,
) -> int:
    """Look for units selective for faces and for people's attributes: by description, by mask, by response, by effect.

    A gate that is not kept gives exit code 6. Group labels come from the data set's card; they are never inferred from pictures.

    Example: dissect audit latest --attribute gender_presentation --match brightness --fail-on "gender_presentation effect >= 0.8"
    """
    from dissect.audit.gate import parse
    from dissect.pipeline.audit import AuditRequest

    state: State = context.obj
    clauses = tuple(clause for text in fail_on or () for clause in parse(text))
    on = tuple(part.strip() for part in match.split(",") if part.strip())
    request = AuditRequest(tuple(attribute or ()), on, tuple(lexicon or ()), tuple(mask or ()), effect, redact, seed)
    if descriptions is not None:
        outcome = _of_table(run, descriptions, request, against, clauses, output, state, report)
    else:
        outcome = _of_run(state, run or "latest", request, against, clauses, output, report, workers)
    _write_files(outcome, junit, sarif)
    _show(state, outcome)
    return GATE_FAILED if outcome.failed else 0


def _of_table(
    run: str | None, path: Path, request: AuditRequest, against: str | None, clauses: tuple[Clause, ...], output: Path | None,
    state: State, report: bool,
) -> AuditOutcome:  # fmt: skip
    from dissect.pipeline.audit import audit_files

    if run is not None:
        raise UsageError("give a run or --descriptions, not both.")
    folder = (output or state.config.home / "reports" / f"audit-{path.stem}") if report else None
    return audit_files(path, request, against=Path(against) if against else None, clauses=clauses, folder=folder)


def _of_run(
    state: State, run: str, request: AuditRequest, against: str | None, clauses: tuple[Clause, ...], output: Path | None, report: bool,
    workers: int,
) -> AuditOutcome:  # fmt: skip
    from dissect.pipeline.audit import audit_run
    from dissect.probe.progress import progress_for

    return audit_run(
        state.store(create=False), state.config, run, request, progress_for(sys.stderr, quiet=state.quiet), against=against,
        clauses=clauses, folder=output, pages=report, workers=workers,
    )  # fmt: skip


def _write_files(outcome: AuditOutcome, junit: Path | None, sarif: Path | None) -> None:
    from dissect import atomic
    from dissect.exchange.gate_files import junit_text, sarif_text

    if junit is not None:
        atomic.write_text(junit, junit_text(outcome.report, outcome.verdicts))
    if sarif is not None:
        atomic.write_text(sarif, sarif_text(outcome.report, outcome.verdicts))


def _show(state: State, outcome: AuditOutcome) -> None:
    if state.json:
        gates = [{"gate": str(each.clause), "failed": each.failed, "units": each.units} for each in outcome.verdicts]
        number = outcome.record.id if outcome.record else None
        write_json({**outcome.report.as_plain(), "gates": gates, "audit": number, "page": str(outcome.page) if outcome.page else None})
        return
    for line in lines(outcome):
        print(line)


def lines(outcome: AuditOutcome) -> list[str]:
    """The audit on a terminal."""
    from dissect.cli.output import shown
    from dissect.exchange.audit_page import summary

    report = outcome.report
    found = [shown(f"{report.of}{f' against {report.against}' if report.against else ''}"), summary(report)]
    for words in report.words:
        counts = f"lemma {words.lemma}, whole word {words.whole}, substring {words.substring}"
        agreed = f"; by at least 1, 2, ... of {words.annotators} describers: {', '.join(map(str, words.agreement))}"
        found.append(shown(f"lexicon {words.lexicon}: of {words.units} units {counts}{agreed if words.annotators > 1 else ''}"))
        if words.false_hits:
            found.append(shown("  only substring: " + ", ".join(f"{word} ({number})" for word, number in words.false_hits[:6])))
    for kind, subject in sorted({(each.kind, each.subject) for each in report.findings if each.kind != "description"}):
        mine = [each for each in report.findings if (each.kind, each.subject) == (kind, subject)]
        states = ", ".join(f"{sum(each.state == state for each in mine)} {state}" for state in ("found", "not found", "not testable"))
        found.append(shown(f"by {kind}, {subject}: {states}"))
    found += [shown(f"{each.subject} by {each.kind}: {each.text} p {each.p:.2g}") for each in report.comparisons]
    found += [shown(f"not tested: {line}") for line in report.untested]
    found += [shown(f"gate {verdict.text}") for verdict in outcome.verdicts]
    return found + ([f"report: {outcome.page}"] if outcome.page else [])
