"""An audit as a page, as JSON and as a table: whole, self-contained, and deaf to names that are scripts."""

from __future__ import annotations

import base64
import csv
import dataclasses
import hashlib
import io
import json
import re
from pathlib import Path

import pytest

from dissect.audit.finding import AuditReport, Comparison, Family, Finding, Group, Kind, Power, State, WordCounts, report_from_plain
from dissect.audit.gate import judge, parse
from dissect.errors import DataError, UsageError
from dissect.exchange.audit_page import MOST_ROWS, AuditPicture, csv_text, html_text, write_audit
from dissect.exchange.words import clean
from tests.exchange.hostile import PAYLOADS, payload
from tests.exchange.reading import read

GENDER = Finding(
    "response", "layer4", 17, "gender", "found", "woman", (Group("woman", 812, 300), Group("man", 790)), 0.81, "AUROC", (0.78, 0.84),
    0.0001, 0.012, ("brightness",), {"brightness": 0.04}, "", "fires more for woman than for man.",
)  # fmt: skip
REPORT = AuditReport(
    "tiny on streets", (
        GENDER, Finding("mask", "layer4", 3, "face", "found", "head", effect=0.09, effect_name="IoU", reason="not tested for chance"),
        Finding("response", "layer4", 4, "gender", "not found", effect=0.51, effect_name="AUROC"),
        *(Finding("response", "layer4", unit, "age", "not testable", "old",
                  reason="only 12 images of old; 50 are needed") for unit in (1, 2)),
        Finding("description", "layer4", 3, "faces", "found", "face", text="the description says head: a head"),
    ), "other", ("1 attribute, 5 units",), ("effect: no classes are known",), (Family("response, unmatched", 200, 1),),
    (Power("gender", (812, 790), 0.21, "standardised difference"),),
    (WordCounts("faces", "labels", 5, 15, 1, 2, 3, (("heads", 2),), (("surface", 1),), (("head of lettuce", 4),), (("face", 2),),
                3, (2, 1, 0), 0.31),),
    (Comparison("description", "faces", "tiny", "other", 5, 9, 2, 1, 0.29, (-0.1, 0.6), 0.2, 0.4),), {"match": ["brightness"]},
)  # fmt: skip


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_audit(REPORT, tmp_path_factory.mktemp("audit") / "a", judge(parse("gender: any; face > 3; age untestable"), REPORT))


def test_the_page_says_what_was_found_with_interval_q_sizes_and_balance(page: Path) -> None:
    words = read(page).words
    for text in ("layer4/17", "AUROC .81", ".78 to .84", ".012", "woman 812 (300 members), man 790", "matched on brightness", "+0.04"):
        assert text in words, text
    assert "3 findings in 2 units; 1 test found nothing; 2 tests could not be made." in words


def test_the_page_says_what_could_not_be_tested_and_what_a_finding_does_not_mean(page: Path) -> None:
    words = read(page).words
    assert "only 12 images of old; 50 are needed" in words and "effect: no classes are known" in words
    assert "not unfair treatment by itself" in words and "never inferred from faces" in words
    assert "not a unit for a group of people" in words


def test_the_page_shows_three_counts_agreement_comparison_families_and_gates(page: Path) -> None:
    words = read(page).words
    for text in ("Whole words miss “heads” (2)", "falsely takes “surface” (1)", "sets aside “head of lettuce” (4)",
                 "kappa) .31", "2 of 5", "1 of 9",
                 "-.10 to .60", "1 of 200 tests passed",
                 "Failed: gender any", "Passed: face units > 3", "Failed: age untestable"):  # fmt: skip
        assert text in words, text


def test_the_page_needs_nothing_else_and_runs_nothing(page: Path) -> None:
    found, text = read(page), page.read_text(encoding="utf-8")
    assert found.wrong == [] and found.open == []
    assert not found.all("script") and not found.all("link") and "url(" not in text
    style = re.search(r"<style>(.*?)</style>", text, re.S)
    policy = next(meta["content"] for meta in found.all("meta") if meta.get("http-equiv"))
    assert style and f"'sha256-{base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()}'" in policy
    assert "unsafe" not in policy and "prefers-color-scheme: dark" in text and "max-width: 760px" in text
    assert {link["href"] for link in found.all("a")} <= {"audit.json", "findings.csv"}


def test_the_json_is_the_report_and_the_table_has_a_row_for_every_finding(page: Path) -> None:
    plain = json.loads((page.parent / "audit.json").read_text(encoding="utf-8"))
    assert [gate["failed"] for gate in plain.pop("gates")] == [True, False, True]
    assert report_from_plain(plain).as_plain() == REPORT.as_plain()
    rows = list(csv.DictReader(io.StringIO((page.parent / "findings.csv").read_text(encoding="utf-8"))))
    assert [row["state"] for row in rows] == [finding.state for finding in REPORT.findings]


def test_a_long_list_is_cut_and_says_so() -> None:
    many = tuple(dataclasses.replace(GENDER, unit=unit) for unit in range(MOST_ROWS + 5))
    text = html_text(dataclasses.replace(REPORT, findings=many))
    assert text.count("layer4/") == MOST_ROWS and "5 more are in" in text


def test_an_empty_audit_has_a_page() -> None:
    text = html_text(AuditReport("nothing"))
    assert "0 findings in 0 units" in text and "Everything that was asked for could be tested" in text


STATES: tuple[State, ...] = ("found", "not testable")
WAYS: tuple[Kind, ...] = ("description", "mask", "response", "effect")
BOTH = [(kind, state) for kind in WAYS for state in STATES]


def hostile_report() -> AuditReport:
    findings = tuple(
        Finding(
            kind, payload(n), n, payload(n + 1), state, payload(n + 2), (Group(payload(n + 3), 3, 2),), 0.5, payload(n + 4), None, 0.1, 0.1,
            (payload(n + 5),), {payload(n + 6): 0.1}, payload(n + 7), payload(n + 8),
        )
        for n, (kind, state) in enumerate(BOTH * 3)
    )  # fmt: skip
    pairs = tuple((text, 1) for text in PAYLOADS)
    words = tuple(WordCounts(text, text, 1, 1, 1, 1, 1, pairs, pairs, pairs, pairs) for text in PAYLOADS)
    compared = tuple(Comparison("mask", text, text, text, 1, 1, 1, 1, 0.0, (0.0, 0.0), 1.0) for text in PAYLOADS)
    return AuditReport(
        payload(0), findings, payload(1), PAYLOADS, PAYLOADS, tuple(Family(text, 1, 1, rule=text) for text in PAYLOADS),
        tuple(Power(text, (1,), 1.0, text, text=text) for text in PAYLOADS), words, compared, {text: text for text in PAYLOADS},
    )  # fmt: skip


def test_no_name_becomes_an_element_or_an_attribute(tmp_path: Path) -> None:
    page = read(write_audit(hostile_report(), tmp_path / "a"))
    allowed = {
        *re.findall(
            r"\w+",
            "html head meta title style body main h1 h2 h3 p ul li b bdi br span code div table caption thead tbody tr "
                "th td dl dt dd footer a",
        )
    }
    assert {tag for tag, _ in page.elements} <= allowed and page.wrong == []
    for tag, attributes in page.elements:
        assert not any(name.startswith("on") or name in ("style", "srcdoc") for name in attributes), tag
    shown = "".join(page.text)
    assert all(clean(text) in shown for text in PAYLOADS)


def test_a_table_cell_is_no_formula() -> None:
    text = csv_text(AuditReport("a", (dataclasses.replace(GENDER, subject="=cmd()", layer="@x"),)))
    assert "'=cmd()" in text and "'@x" in text


def test_only_pictures_are_let_in() -> None:
    with pytest.raises(DataError):
        html_text(REPORT, pictures={("layer4", 17): [AuditPicture(b"<svg onload=1>", 1, 1, "x")]})


def test_a_folder_that_is_no_audit_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(UsageError, match=r"index\.html"):
        write_audit(REPORT, tmp_path)
    assert (tmp_path / "index.html").read_text() == "mine" and not (tmp_path / "audit.json").exists()
    write_audit(REPORT, tmp_path / "new")
    write_audit(AuditReport("again"), tmp_path / "new")
    assert "again" in (tmp_path / "new" / "audit.json").read_text()


def test_pictures_of_a_unit_stand_beside_its_first_finding_only() -> None:
    picture = AuditPicture(b"RIFFxxxxWEBP", 1, 1, "x")
    twice = dataclasses.replace(REPORT, findings=(*REPORT.findings, dataclasses.replace(GENDER, value="man")))
    assert html_text(twice, pictures={("layer4", 17): [picture], ("layer4", 3): [picture]}).count("data:image/webp") == 2
