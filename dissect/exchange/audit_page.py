"""An audit as files: one HTML page that needs nothing else and runs no script, the same as JSON, and every finding as CSV.

The style is inside the page, and its policy lets in that style by its hash and nothing more; pictures are inside too.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from dissect import __version__, atomic
from dissect.audit.finding import KINDS, AuditReport, Finding, report_from_plain
from dissect.audit.gate import Verdict, strength
from dissect.errors import DataError, UsageError
from dissect.exchange.pages import TEMPLATES, environment
from dissect.exchange.tables import harmless
from dissect.exchange.words import clean, clip, count, sentence, some, two

PAGE, DATA, TABLE = "index.html", "audit.json", "findings.csv"
MOST_ROWS = 200
_PICTURES = {b"RIFF": "image/webp", b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg"}
TITLES = {
    "description": ("By description", "Units whose label or description holds a word of a lexicon. It says how somebody, or a method, "
                    "put the unit into words; two describers may differ."),
    "mask": ("By mask", "Units whose strongest places overlap something that the data set's label maps name."),
    "response": ("By response", "Units that respond differently to pictures of one group than to those of another, where a face or a "
                 "person is annotated. Groups are those of the data set's card."),
    "effect": ("By effect", "Units that change the network's answers for one group more than for another when they are switched off."),
}  # fmt: skip
MEANINGS = (
    "A response difference is not unfair treatment by itself: a unit may tell groups apart without the network's answers depending on it. "
    "Look at the findings by effect, and at the answers themselves.",
    "No finding is no proof of fairness: the data set, the groups it names and the sizes above limit what could be seen, and many units "
    "together can carry what no single one shows.",
    "Group labels come from the data set's card. They are never inferred from faces, and they are only as good as whoever wrote them.",
    "A unit for faces is not a unit for a group of people. Words such as “head” do not say whose, and may mean animals.",
    "A difference between groups can come from something that goes with them in these pictures, such as light or distance. "
    "Only what a finding was matched on is ruled out, and only as well as the balance says.",
    "A word in a description is the describer's. Nobody in the pictures was asked.",
)


@dataclass(frozen=True, slots=True)
class AuditPicture:
    """A small picture of a unit, as the bytes of a WebP, PNG or JPEG file; redacted already where that was asked for."""

    data: bytes
    width: int
    height: int
    alt: str

    @property
    def src(self) -> str:
        """As an address that holds the picture itself.

        Raises:
            DataError: it is none of the known formats.
        """
        kind = next((kind for start, kind in _PICTURES.items() if self.data.startswith(start)), None)
        if kind is None:
            raise DataError(f"picture {self.alt!r} is no WebP, PNG or JPEG.")
        return f"data:{kind};base64,{base64.b64encode(self.data).decode('ascii')}"


Pictures = Mapping[tuple[str, int], Sequence[AuditPicture]]


def write_audit(report: AuditReport, folder: Path, verdicts: Sequence[Verdict] = (), pictures: Pictures | None = None) -> Path:
    """Write an audit's page, JSON and table into `folder` (made if needed; files of an earlier audit are replaced). Returns the page.

    pictures: (layer, unit) -> pictures shown beside its findings.

    Raises:
        UsageError: the folder holds files of these names that are no audit's.
        StorageError: they could not be written.
    """
    _refuse_foreign(folder)
    atomic.write_text(folder / DATA, json_text(report, verdicts))
    atomic.write_text(folder / TABLE, csv_text(report))
    atomic.write_text(folder / PAGE, html_text(report, verdicts, pictures))
    return folder / PAGE


def html_text(report: AuditReport, verdicts: Sequence[Verdict] = (), pictures: Pictures | None = None) -> str:
    """The page. Every name goes through escaping."""
    style = (TEMPLATES / "dissect.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    page = environment().get_template("audit.html").render(
        policy=policy, style=Markup(style), program=__version__, data_href=DATA, table_href=TABLE,
        **audit_values(report, verdicts, pictures),
    )  # fmt: skip
    return clean(page)


def audit_values(
    report: AuditReport, verdicts: Sequence[Verdict] = (), pictures: Pictures | None = None, most: int = MOST_ROWS,
    address: Callable[[Finding], str] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """What the body of an audit's page shows. most: rows a subject. address: of the page of a finding's unit, "" for none."""
    return {
        "report": report, "verdicts": verdicts, "summary": summary(report), "meanings": MEANINGS, "untested": _untested(report.findings),
        "sections": _sections(report, pictures or {}, most, address or (lambda finding: "")),
    }  # fmt: skip


def json_text(report: AuditReport, verdicts: Sequence[Verdict] = ()) -> str:
    """The report with its gates; `report_from_plain` reads it back without them."""
    gates = [{"gate": str(each.clause), "failed": each.failed, "findings": len(each.found), "units": each.units} for each in verdicts]
    return json.dumps({**report.as_plain(), "gates": gates}, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def csv_text(report: AuditReport) -> str:
    """One row a finding, found or not."""
    columns = (
        "kind", "layer", "unit", "subject", "value", "state", "effect_name", "effect", "interval_low", "interval_high", "p", "q", "groups",
        "matched", "balance", "reason", "text",
    )  # fmt: skip
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    for finding in report.findings:
        low, high = finding.interval or (None, None)
        writer.writerow([harmless(clean(value) if isinstance(value, str) else value) for value in (
            finding.kind, finding.layer, finding.unit, finding.subject, finding.value, finding.state, finding.effect_name, finding.effect,
            low, high, finding.p, finding.q, _compared(finding), ", ".join(finding.matched), _balance(finding), finding.reason,
            finding.text,
        )])  # fmt: skip
    return buffer.getvalue()


def summary(report: AuditReport) -> str:
    """The audit in one sentence."""
    counts = report.counts()
    units = len({(each.layer, each.unit) for each in report.findings if each.found and each.unit is not None})
    return (
        f"{some(counts['found'], 'finding')} in {some(units, 'unit')}; {some(counts['not found'], 'test')} found nothing; "
        f"{some(counts['not testable'], 'test')} could not be made."
    )


def _sections(report: AuditReport, pictures: Pictures, most: int, address: Callable[[Finding], str]) -> list[dict[str, Any]]:
    sections = []
    waiting = dict(pictures)  # each unit's pictures stand beside its first finding only
    for kind in ("description", "mask", "response", "effect"):
        mine = [finding for finding in report.findings if finding.kind == kind]
        if not mine:
            continue
        title, about = TITLES[kind]
        quiet = Counter(finding.subject for finding in mine if finding.state == "not found")
        sections.append({
            "title": title, "about": about, "words": report.words if kind == "description" else (),
            "groups": _groups(mine, waiting, most, address),
            "sources": len({words.source for words in report.words}), "quiet": sorted(quiet.items()),
        })  # fmt: skip
    return sections


def _groups(
    findings: Sequence[Finding], waiting: dict[tuple[str, int], Sequence[AuditPicture]], most: int, address: Callable[[Finding], str]
) -> list[dict[str, Any]]:
    """The found ones by subject, strongest first."""
    by_subject: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.found:
            by_subject.setdefault(finding.subject, []).append(finding)
    groups = []
    for subject, found in by_subject.items():
        found.sort(key=lambda each: (each.q if each.q is not None else 1.0, -(strength(each) or 0.0), each.layer, each.unit or 0))
        rows = [_row(finding, waiting) | {"href": address(finding)} for finding in found[:most]]
        units = len({(each.layer, each.unit) for each in found})
        tested = any(row["effect_name"] or row["compared"] or row["limits"] for row in rows)
        more = max(0, len(found) - most)
        groups.append({"subject": subject, "tested": tested, "found": len(found), "units": units, "rows": rows, "more": more})
    return groups


def _row(finding: Finding, waiting: dict[tuple[str, int], Sequence[AuditPicture]]) -> dict[str, Any]:
    matched = f"matched on {', '.join(finding.matched)}; left after matching: {_balance(finding)}" if finding.matched else ""
    here = (finding.layer, -1 if finding.unit is None else finding.unit)
    alone = finding.kind == "description" and all(group.images <= 1 for group in finding.groups)  # one description is no share
    compared = "" if alone else "; ".join(filter(None, (_compared(finding), matched)))
    return {
        "where": where(finding), "text": sentence(finding.text), "effect": finding.effect,
        "effect_name": "" if alone else finding.effect_name,
        "interval": "" if finding.interval is None else f"{two(finding.interval[0])} to {two(finding.interval[1])}",
        "q": "not tested" if finding.q is None else two(finding.q), "compared": compared,
        "limits": finding.reason, "pictures": waiting.pop(here, ()),
    }  # fmt: skip


def where(finding: Finding) -> str:
    """`layer4/17`, a layer, or the whole network."""
    layer = clip(finding.layer, 160) or "network"
    return layer if finding.unit is None else f"{layer}/{finding.unit}"


def _compared(finding: Finding) -> str:
    return ", ".join(
        f"{group.name} {count(group.images)}" + (f" ({some(group.members, 'member')})" if group.members is not None else "")
        for group in finding.groups
    )  # fmt: skip


def _balance(finding: Finding) -> str:
    return ", ".join(f"{name} {value:+.2f}" for name, value in sorted(finding.balance.items()))


def _untested(findings: Sequence[Finding]) -> list[tuple[str, str, str, int, str]]:
    found = Counter(
        (each.kind, each.subject, each.value, each.reason or "not said") for each in findings if each.state == "not testable"
    )  # fmt: skip
    order = {kind: place for place, kind in enumerate(KINDS)}
    rows = sorted(found.items(), key=lambda pair: (order[pair[0][0]], pair[0]))
    return [(kind, subject, value, number, reason) for (kind, subject, value, reason), number in rows]


def _refuse_foreign(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file. Name a folder for the audit.")
    there = [name for name in (PAGE, DATA, TABLE) if (folder / name).exists()]
    if not there:
        return
    try:
        plain = json.loads((folder / DATA).read_text(encoding="utf-8"))
        report_from_plain({name: value for name, value in plain.items() if name != "gates"})
    except (OSError, ValueError, AttributeError, DataError) as error:
        raise UsageError(f"{folder} holds a {there[0]} that is no audit's; nothing was touched. Name a new or an empty folder.") from error
