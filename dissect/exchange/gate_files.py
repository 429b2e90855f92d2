"""What continuous integration reads of an audit: JUnit XML and SARIF 2.1.0. Names are escaped; unprintable characters become �."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from xml.etree import ElementTree

from dissect import __version__
from dissect.audit.finding import AuditReport, Finding
from dissect.audit.gate import Verdict
from dissect.exchange.words import clean, clip
from dissect.fingerprint import fingerprint

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
MOST_LISTED = 50
_KIND_WORDS = {
    "description": "A unit is described by words for this subject.",
    "response": "A unit responds differently to pictures of one group than to those of another.",
    "effect": "Switching a unit off changes the answers for one group more than for another.",
    "mask": "The strongest places of a unit lie on this subject.",
}


def junit_text(report: AuditReport, verdicts: Sequence[Verdict]) -> str:
    """One test case a gate, which fails if the gate does; and one a subject, skipped if nothing of it could be tested."""
    root = ElementTree.Element("testsuites", name=_text(f"dissect audit of {report.of}"))
    gates = _suite(root, "gates", len(verdicts), sum(each.failed for each in verdicts), 0)
    for verdict in verdicts:
        case = ElementTree.SubElement(gates, "testcase", classname="dissect.audit.gates", name=_text(str(verdict.clause)), time="0")
        if verdict.failed:
            failure = ElementTree.SubElement(case, "failure", message=_text(verdict.text), type="gate")
            failure.text = _text("\n".join(_lines(verdict.found)))
    for kind, subjects in _subjects(report).items():
        skipped = sum(_untested(findings) for findings in subjects.values())
        suite = _suite(root, kind, len(subjects), 0, skipped)
        for subject, findings in subjects.items():
            _case(suite, kind, subject, findings)
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def sarif_text(report: AuditReport, verdicts: Sequence[Verdict]) -> str:
    """Every finding that was found or could not be tested as a result. Level `error` where a gate fails on it, else `note`."""
    failed = {id(finding) for verdict in verdicts if verdict.failed for finding in verdict.found}
    told = [finding for finding in report.findings if finding.state != "not found"]
    rules = sorted({(finding.kind, finding.subject) for finding in told})
    places = {rule: index for index, rule in enumerate(rules)}
    driver = {
        "name": "dissect", "version": __version__, "informationUri": "https://pypi.org/project/neuron-dissect/",
        "rules": [_rule(*rule) for rule in rules],
    }  # fmt: skip
    results = [_result(report, finding, places[finding.kind, finding.subject], id(finding) in failed) for finding in told]
    run = {"tool": {"driver": driver}, "results": results, "columnKind": "unicodeCodePoints"}
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def _suite(root: ElementTree.Element, name: str, tests: int, failures: int, skipped: int) -> ElementTree.Element:
    counts = {"name": name, "tests": str(tests), "failures": str(failures), "errors": "0", "skipped": str(skipped), "time": "0"}
    return ElementTree.SubElement(root, "testsuite", counts)


def _subjects(report: AuditReport) -> dict[str, dict[str, list[Finding]]]:
    found: dict[str, dict[str, list[Finding]]] = {}
    for finding in report.findings:
        found.setdefault(finding.kind, {}).setdefault(finding.subject, []).append(finding)
    return found


def _untested(findings: Sequence[Finding]) -> bool:
    return all(finding.state == "not testable" for finding in findings)


def _case(suite: ElementTree.Element, kind: str, subject: str, findings: Sequence[Finding]) -> None:
    case = ElementTree.SubElement(suite, "testcase", classname=f"dissect.audit.{kind}", name=_text(subject), time="0")
    if _untested(findings):
        ElementTree.SubElement(case, "skipped", message=_text("not testable: " + findings[0].reason))
        return
    found = [finding for finding in findings if finding.found]
    said = [f"{len(found)} of {len(findings)} tests found something; a gate (--fail-on) decides what fails.", *_lines(found)]
    ElementTree.SubElement(case, "system-out").text = _text("\n".join(said))


def _lines(findings: Sequence[Finding]) -> Iterator[str]:
    for finding in findings[:MOST_LISTED]:
        yield f"{_where(finding)}: {_said(finding)}"
    if len(findings) > MOST_LISTED:
        yield f"and {len(findings) - MOST_LISTED:,} more"


def _rule(kind: str, subject: str) -> dict[str, object]:
    words = f"{_KIND_WORDS[kind]} Subject: {_text(clip(subject, 200))}. A finding is a difference to look at, no proof of unfair treatment."
    return {
        "id": _rule_id(kind, subject), "name": kind, "shortDescription": {"text": f"{kind}: {_text(clip(subject, 80))}"},
        "fullDescription": {"text": words}, "defaultConfiguration": {"level": "note"},
    }  # fmt: skip


def _rule_id(kind: str, subject: str) -> str:
    return _text(f"{kind}/{clip(subject, 80)}")


def _result(report: AuditReport, finding: Finding, rule: int, failed: bool) -> dict[str, object]:
    tested = finding.found
    key = [report.of, finding.kind, finding.layer, finding.unit, finding.subject, finding.value, list(finding.matched)]
    name = _text(f"{report.of}/{_where(finding)}")
    return {
        "ruleId": _rule_id(finding.kind, finding.subject), "ruleIndex": rule, "kind": "fail" if tested else "notApplicable",
        "level": ("error" if failed else "note") if tested else "none", "message": {"text": _text(_said(finding))},
        "locations": [{"logicalLocations": [{"name": _text(_where(finding)), "fullyQualifiedName": name, "kind": "module"}]}],
        "partialFingerprints": {"dissectFinding/v1": fingerprint(key)},
        "properties": {
            "effect": finding.effect, "effectName": finding.effect_name, "interval": list(finding.interval or ()) or None, "p": finding.p,
            "q": finding.q, "gateFailed": failed,
        },
    }  # fmt: skip


def _where(finding: Finding) -> str:
    layer = clip(finding.layer, 200) or "network"
    return layer if finding.unit is None else f"{layer}/{finding.unit}"


def _said(finding: Finding) -> str:
    number = "" if finding.effect is None else f" ({finding.effect_name} {finding.effect:.3g})"
    return clip((finding.text or finding.reason or finding.state) + number, 1000)


def _text(text: str) -> str:
    """Text that XML 1.0 can hold."""
    return clean(text)
