"""JUnit and SARIF of an audit: the fields that readers need, counts that agree, and names that stay text."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

from dissect.audit.gate import judge, parse
from dissect.exchange.gate_files import junit_text, sarif_text
from dissect.exchange.words import clean
from tests.exchange.hostile import PAYLOADS
from tests.exchange.test_audit_page import REPORT, hostile_report

VERDICTS = judge(parse("gender: any; face > 3; age untestable"), REPORT)


def sarif(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found


def test_junit_has_a_case_for_every_gate_and_subject_and_its_counts_agree() -> None:
    root = ElementTree.fromstring(junit_text(REPORT, VERDICTS))
    cases = list(root.iter("testcase"))
    assert root.tag == "testsuites" and {suite.get("name") for suite in root} == {"gates", "response", "mask", "description"}
    assert all(case.get("name") and case.get("classname") for case in cases)
    for suite in (root, *root):
        inside = list(suite.iter("testcase"))
        counts = [len(inside), *(sum(case.find(tag) is not None for case in inside) for tag in ("failure", "error", "skipped"))]
        assert [int(suite.get(name, "-1")) for name in ("tests", "failures", "errors", "skipped")] == counts
    failed = [case.get("name") for case in cases if case.find("failure") is not None]
    assert failed == ["gender any", "age untestable"]
    assert [case.get("name") for case in cases if case.find("skipped") is not None] == ["age"]


def test_sarif_has_what_the_standard_requires_and_levels_follow_the_gates() -> None:
    document = sarif(sarif_text(REPORT, VERDICTS))
    assert document["version"] == "2.1.0" and document["$schema"].endswith("sarif-schema-2.1.0.json")
    (run,) = document["runs"]
    driver = run["tool"]["driver"]
    rules = driver["rules"]
    assert driver["name"] == "dissect" and len({rule["id"] for rule in rules}) == len(rules)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"] and result["message"]["text"]
        assert result["level"] in ("none", "note", "warning", "error")
        assert result["kind"] == "fail" or result["level"] == "none"  # 3.27.10: only a result of kind fail has another level
        assert result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"]
    levels = {(result["ruleId"], result["level"]) for result in run["results"]}
    assert {("response/gender", "error"), ("mask/face", "note"), ("response/age", "none")} <= levels


def test_results_keep_their_fingerprint_when_numbers_move_and_lose_it_with_the_unit() -> None:
    from dataclasses import replace

    def prints(report: Any) -> list[str]:
        results = sarif(sarif_text(report, ()))["runs"][0]["results"]
        return [result["partialFingerprints"]["dissectFinding/v1"] for result in results]

    moved = replace(REPORT, findings=(replace(REPORT.findings[0], effect=0.7), *REPORT.findings[1:]))
    other = replace(REPORT, findings=(replace(REPORT.findings[0], unit=18), *REPORT.findings[1:]))
    assert prints(moved) == prints(REPORT) and prints(other)[0] != prints(REPORT)[0] and len(set(prints(REPORT))) == len(prints(REPORT))


def test_names_that_are_scripts_stay_text_in_both() -> None:
    report = hostile_report()
    verdicts = judge(parse("*: any"), report)
    root = ElementTree.fromstring(junit_text(report, verdicts))
    assert {element.tag for element in root.iter()} == {"testsuites", "testsuite", "testcase", "failure", "skipped", "system-out"}
    assert clean(PAYLOADS[0]) in (root.get("name") or "")
    text = sarif_text(report, verdicts)
    assert text.isascii() and clean(PAYLOADS[0]) in json.dumps(sarif(text), ensure_ascii=False).replace('\\"', '"')


def test_what_xml_cannot_hold_is_replaced() -> None:
    from dataclasses import replace

    odd = replace(REPORT, of="a\0b\x1b\ud800\ufffe")
    assert ElementTree.fromstring(junit_text(odd, ())).get("name") == "dissect audit of a\ufffdb\ufffd\ufffd\ufffd"
