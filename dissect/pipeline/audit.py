"""An audit from beginning to end: of a run in the database, or of tables of descriptions; against another one if asked for."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dissect.audit.finding import AuditReport, Finding
from dissect.audit.gate import Clause, Verdict, judge
from dissect.audit.lexicon import Lexicon, lexicon, names
from dissect.audit.masks import audit_masks
from dissect.audit.words import Description, audit_descriptions, compare_proportions, with_q
from dissect.config import Config
from dissect.errors import UsageError
from dissect.exchange.audit_page import write_audit
from dissect.exchange.descriptions import read_descriptions
from dissect.fingerprint import Plain, fingerprint
from dissect.pipeline.audit_units import RunUnits, concepts_for, run_units
from dissect.probe.progress import Progress
from dissect.store import AuditRecord, Store

if TYPE_CHECKING:
    from dissect.pipeline.probed import Probed

AUDITING = 1
"""Version of the rules; part of an audit's fingerprint."""
MASKS = ("face", "person", "hair", "skin")


@dataclass(frozen=True)
class AuditRequest:
    """What is to be audited.

    attributes: of the data set's card, `all` for every one; none: nothing by response. match: what groups are matched on. lexicons,
    masks: names; none takes the usual ones. effect: also switch every unit off. redact: pictures are blacked where people are.
    """

    attributes: tuple[str, ...] = ()
    match: tuple[str, ...] = ()
    lexicons: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()
    effect: bool = False
    redact: bool = False
    seed: int = 0

    def as_plain(self) -> dict[str, Plain]:
        """The settings by name, with the usual ones filled in."""
        plain: dict[str, Plain] = {
            name: list(value) if isinstance(value, tuple) else value for name, value in dataclasses.asdict(self).items()
        }
        return plain | {"lexicons": list(self.lexicons or names()), "masks": list(self.masks or MASKS)}


@dataclass(frozen=True)
class AuditOutcome:
    """What came of it. record: of the database, None for tables. page: first file of the report, None if none was written."""

    report: AuditReport
    record: AuditRecord | None
    verdicts: tuple[Verdict, ...] = ()
    page: Path | None = None

    @property
    def failed(self) -> bool:
        """Whether a gate fails."""
        return any(verdict.failed for verdict in self.verdicts)


def audit_run(
    store: Store, config: Config, reference: str, request: AuditRequest, progress: Progress, *, against: str | None = None,
    clauses: Sequence[Clause] = (), folder: Path | None = None, pages: bool = True, workers: int = 1,
) -> AuditOutcome:  # fmt: skip
    """Audit a run, write it to the database and as a report. folder: None takes `<home>/reports/audit-N`.

    Raises:
        NotFoundError: no such run, lexicon, attribute or confounder.
        UsageError: settings that do not go together, or a gate on something that was not audited.
    """
    _check(request)
    units = run_units(store, reference)
    other = run_units(store, against) if against is not None else None
    parts = [_words_and_masks(request, units, other)]
    probed = None
    if request.attributes or (request.redact and pages):
        probed = _probed(store, config, units, progress, workers)
    if request.attributes and probed is not None:
        second = _probed(store, config, other, progress, workers) if other is not None else None
        parts += _by_groups(request, units, probed, other, second, workers)
    report = _joined(request, units, other, parts)
    verdicts = judge(clauses, report)
    record = store.write_audit(units.record.id, _fingerprint(report, units, other), report)
    if not pages:
        return AuditOutcome(report, record, verdicts)
    from dissect.pipeline.audit_pictures import audit_pictures

    pictures = audit_pictures(store, units.record, report, config.cache / "thumbs", probed, redacted=request.redact)
    page = write_audit(report, folder or config.home / "reports" / f"audit-{record.id}", verdicts, pictures)
    return AuditOutcome(report, record, verdicts, page)


def audit_files(
    path: Path, request: AuditRequest, *, against: Path | None = None, clauses: Sequence[Clause] = (), folder: Path | None = None
) -> AuditOutcome:
    """Audit a table of descriptions by its words alone. folder: where the report goes; None writes none.

    Raises:
        NotFoundError, DataError: a table is not there or malformed.
        UsageError: something was asked for that a table cannot answer.
    """
    if request.attributes or request.match or request.masks or request.effect or request.redact:
        raise UsageError("a table of descriptions holds words only: --attribute, --match, --mask, --effect and --redact need a run.")
    first = (path.name, read_descriptions(path), None)
    second = (against.name, read_descriptions(against), None) if against is not None else None
    report = with_comparisons(_by_words(_lexicons(request), first, second))
    settings: dict[str, Plain] = {"lexicons": request.as_plain()["lexicons"], "descriptions": path.name}
    report = dataclasses.replace(report, settings=settings)
    verdicts = judge(clauses, report)
    return AuditOutcome(report, None, verdicts, write_audit(report, folder, verdicts) if folder is not None else None)


def _probed(store: Store, config: Config, units: RunUnits, progress: Progress, workers: int) -> Probed:
    from dissect.pipeline.spec import probe_again  # loads torch, which an audit of words does not need

    return probe_again(store, config, str(units.record.id), progress, workers)


def _by_groups(
    request: AuditRequest, units: RunUnits, probed: Probed, other: RunUnits | None, second: Probed | None, workers: int
) -> list[AuditReport]:
    from dissect.pipeline.audit_groups import audit_groups, compare_groups

    asked = request.attributes, request.match
    parts = audit_groups(units.name, probed, *asked, seed=request.seed, effect=request.effect, workers=workers)
    if other is not None and second is not None:
        compared = compare_groups((units.name, other.name), probed, second, request.attributes, seed=request.seed)
        parts.append(AuditReport(units.name, comparisons=tuple(compared)))
    return parts


Described = tuple[str, Sequence[Description], int | None]
"""Name, descriptions, and how many units there are (None: as many as are described)."""


def _check(request: AuditRequest) -> None:
    if (request.match or request.effect) and not request.attributes:
        what = "--match" if request.match else "--effect"
        raise UsageError(f"{what} compares groups. Name their attribute with --attribute, or all of the card's with --attribute all.")


def _lexicons(request: AuditRequest) -> list[Lexicon]:
    return [lexicon(name) for name in request.lexicons or names()]


def _words_and_masks(request: AuditRequest, units: RunUnits, other: RunUnits | None) -> AuditReport:
    second: Described | None = None if other is None else (other.name, other.descriptions, other.units)
    words = _by_words(_lexicons(request), (units.name, units.descriptions, units.units), second)
    return _merged(units.name, [words, _by_masks(request.masks or MASKS, units, other)])


def _by_words(lexicons: Sequence[Lexicon], first: Described, second: Described | None) -> AuditReport:
    (name, said, _), comparisons = first, []
    results = [audit_descriptions(words, said, name) for words in lexicons]
    for words, result in zip(lexicons, results, strict=True):
        if second is not None:
            counts, others = result.counts, audit_descriptions(words, second[1], second[0]).counts
            sides = [(each[0], count.lemma, each[2] or count.units) for each, count in ((first, counts), (second, others))]
            if all(side[2] for side in sides):
                comparisons.append(compare_proportions("description", words.name, sides[0], sides[1]))
    units = len({(each.layer, each.unit) for each in said})
    tested = f"The descriptions of {units:,} units, for words of {len(lexicons)} lexicons: {', '.join(words.name for words in lexicons)}."
    return AuditReport(
        name, tuple(finding for result in results for finding in result.findings), second[0] if second else "", (tested,),
        words=tuple(result.counts for result in results), comparisons=tuple(comparisons),
    )  # fmt: skip


def _by_masks(subjects: Sequence[str], units: RunUnits, other: RunUnits | None) -> AuditReport:
    findings, comparisons = [], []
    for subject in dict.fromkeys(subjects):
        mine = _masks(subject, units)
        findings += mine
        theirs = _masks(subject, other) if other is not None else []
        if other is not None and all(each.state != "not testable" for each in (*mine, *theirs)) and units.units and other.units:
            sides = [(each.name, sum(one.found for one in found), each.units) for each, found in ((units, mine), (other, theirs))]
            comparisons.append(compare_proportions("mask", subject, sides[0], sides[1]))
    tested = f"The best concepts of {units.units:,} units, for {', '.join(subjects)}: found where IoU is above {units.threshold:g}."
    return AuditReport(units.name, tuple(findings), tested=(tested,), comparisons=tuple(comparisons))


def _masks(subject: str, units: RunUnits) -> list[Finding]:
    return audit_masks(
        subject, concepts_for(subject, units.concepts), units.scores, units.threshold, units.units, repr(units.record.vocabulary)
    )


def _joined(request: AuditRequest, units: RunUnits, other: RunUnits | None, parts: Sequence[AuditReport]) -> AuditReport:
    """All parts as one report, with what was asked for and what was not."""
    settings: dict[str, Plain] = {name: value for part in parts for name, value in part.settings.items() if name != "kind"}
    settings |= {**request.as_plain(), "run": units.record.id, "threshold": units.threshold}
    unasked = () if request.attributes else ("By response and by effect: no attribute was named (--attribute).",)
    effect = ("By effect: not asked for (--effect).",) if request.attributes and not request.effect else ()
    merged = with_comparisons(_merged(units.name, parts))
    return dataclasses.replace(
        merged, against=other.name if other is not None else "", untested=(*merged.untested, *unasked, *effect), settings=settings
    )


def _merged(of: str, parts: Sequence[AuditReport]) -> AuditReport:
    return AuditReport(
        of, findings=tuple(each for part in parts for each in part.findings), tested=tuple(each for part in parts for each in part.tested),
        untested=tuple(each for part in parts for each in part.untested), families=tuple(each for part in parts for each in part.families),
        power=tuple(each for part in parts for each in part.power), words=tuple(each for part in parts for each in part.words),
        comparisons=tuple(each for part in parts for each in part.comparisons),
    )  # fmt: skip


def with_comparisons(report: AuditReport) -> AuditReport:
    """The report with q-values over all of its comparisons."""
    return dataclasses.replace(report, comparisons=with_q(report.comparisons))


def _fingerprint(report: AuditReport, units: RunUnits, other: RunUnits | None) -> str:
    whole: dict[str, Plain] = {
        "auditing": AUDITING, "run": units.record.fingerprint, "against": other.record.fingerprint if other is not None else None,
        "settings": {name: value for name, value in report.settings.items() if name != "run"},
    }  # fmt: skip
    return fingerprint(whole)
