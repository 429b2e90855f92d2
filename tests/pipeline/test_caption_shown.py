"""Descriptions where people meet them: pages, tables, the command line, the Python API."""

from __future__ import annotations

import csv
import html
import io
import json
import re
import shutil
from pathlib import Path

import pytest

import dissect
from dissect.api import Units
from dissect.caption.milannotations import read_annotations
from dissect.cli.main import call
from dissect.exchange import csv_text, report_view
from dissect.exchange.described import layer_words, reason_words
from dissect.pipeline.report import write_run_report
from dissect.store import UnitFilter
from tests.pipeline.captioners import SAID, WORLD
from tests.pipeline.desk import Desk


@pytest.fixture
def report(described: Desk, tmp_path: Path) -> Path:
    """The folder of the run's report."""
    return write_run_report(described.store, described.config, 1, tmp_path / "report").parent


def text_of(page: Path) -> str:
    """Its words, without markup."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page.read_text(encoding="utf-8"))).split())


def layer_folder(report: Path, layer: str) -> Path:
    (folder,) = report.glob(f"*{layer}")
    return folder


def test_a_units_page_quotes_its_description_with_all_that_is_known_of_it(report: Path, described: Desk) -> None:
    words = text_of(layer_folder(report, "first") / "unit-1.html")
    label, *others = described.labels("first", 1, "milan")
    assert f"“{label.text}”" in words and "log p(d|E)" in words and "log p(d)" in words
    assert "AUC 1" in words and "another unit's description" in words and "the commonest concept" in words
    assert f"Its captioner only knows {WORLD}" in words
    assert all(f"“{other.text}”" in words for other in others)


def test_a_unit_without_description_says_why(report: Path) -> None:
    words = text_of(layer_folder(report, "first") / "unit-4.html")
    assert "No description: the masks of all its exemplars are empty." in words


def test_the_table_of_a_layer_has_a_column_of_descriptions(report: Path) -> None:
    page = layer_folder(report, "first") / "index.html"
    markup = page.read_text(encoding="utf-8")
    assert len(re.findall(r"<th scope=\"col\"", markup.partition('class="rows')[2].partition("</thead>")[0])) == 6
    rows = re.findall(r"<tr id=\"u\d+\">.*?</tr>", markup, re.DOTALL)
    assert len(rows) == 5 and all(row.count("<td") == 6 for row in rows)
    words = text_of(page)
    assert "Descriptions: 4 of 5 units by demo-captioner; detection 1.0 against" in words and f"only knows {WORLD}" in words
    assert any(f"“{text}”" in words for text in SAID["first", 1])


def test_pages_of_a_run_without_descriptions_have_no_word_of_them(composed: Desk, tmp_path: Path) -> None:
    folder = write_run_report(composed.store, composed.config, 1, tmp_path / "report").parent
    markup = (layer_folder(folder, "first") / "index.html").read_text(encoding="utf-8")
    assert "help.html#description" not in markup and markup.partition("</thead>")[0].count("<th ") == 5


def test_tables_have_text_pmi_and_detection(described: Desk) -> None:
    rows = list(csv.DictReader(io.StringIO(csv_text(report_view(described.store, 1)))))
    by_unit = {(row["layer"], int(row["unit"])): row for row in rows}
    label = described.labels("first", 1, "milan")[0]
    row = by_unit["first", 1]
    assert (row["description"], float(row["description_pmi"]), row["description_detection"]) == (label.text, label.score, "1.0")
    assert by_unit["first", 4]["description"] == ""


def test_the_api_describes_and_its_table_has_the_columns(composed: Desk, card: Path) -> None:
    run = dissect.api.Run(composed.store, composed.store.run(1), composed.config)
    (done,) = run.caption(quiet=True, captioner=str(card), exemplars=3, layers=("first",))
    assert (done.layer, done.summary["described"]) == ("first", 4)
    table = Units(composed.store.units(UnitFilter(run=1, layer="first"), order="index")).to_pandas()
    assert table["description"][1] in SAID["first", 1] and table["description_detection"][1] == 1.0
    assert table["description_pmi"].notna().tolist() == [True, True, True, True, False]


def home_of(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISSECT_HOME", str(desk.home))
    monkeypatch.chdir(desk.home)


def test_the_command_describes_a_run_and_shows_a_unit(
    composed: Desk, card: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    home_of(composed, monkeypatch)
    assert call(["caption", "latest", "--captioner", str(card), "--count", "3", "--no-report", "--quiet"]) == 0
    out = capfd.readouterr().out
    assert "run 1, first: 4 of 5 units described by demo-captioner" in out and "(AUC of constant" in out
    assert "1 without a description: the masks of all its exemplars are empty" in out
    assert call(["--json", "caption", "latest", "--captioner", str(card), "--count", "3", "--no-report"]) == 0
    assert json.loads(capfd.readouterr().out)["repeated"] == ["first", "second"]
    assert call(["unit", "planted/first/1"]) == 0
    out = capfd.readouterr().out
    assert "[description]   PMI" in out and "agrees with the concept: its words name the unit's concept" in out
    assert call(["search", "blue", "--method", "milan"]) == 0
    assert "squares" in capfd.readouterr().out


def test_the_command_writes_exemplars_and_describes_a_folder_of_them(
    described: Desk, card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    home_of(described, monkeypatch)
    folder = tmp_path / "published"
    assert call(["export", "latest", "--format", "milannotations", "-o", str(folder), "--quiet"]) == 0
    assert Path(capfd.readouterr().out.strip()) == folder and len(read_annotations(folder)) == len(SAID)
    shutil.rmtree(described.home / "cache", ignore_errors=True)
    words = ["caption", "--exemplars", str(folder), "--captioner", str(card), "--layers", "second", "--kept", "2", "--quiet"]
    assert call([*words, "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capfd.readouterr().out)))
    assert [(row["unit"], row["rank"]) for row in rows] == [("0", "1"), ("0", "2"), ("1", "1"), ("1", "2")]
    assert rows[0]["people"] and rows[0]["description"] and float(rows[0]["log_p_given"]) < 0
    assert call([*words, "-o", str(tmp_path / "said.csv")]) == 0
    assert len(list(csv.DictReader(io.StringIO((tmp_path / "said.csv").read_text())))) == 4


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["caption", "latest", "--captioner", "nobody"], 4, "there is no captioner 'nobody'"),
        (["caption", "9"], 4, "9"),
        (["caption", "latest", "-o", "x.csv"], 2, "belong to --exemplars"),
        (["caption", "--exemplars", "nowhere"], 4, "there is no folder nowhere"),
        (["caption", "latest", "--strategy", "best"], 2, "best"),
        (["caption", "latest", "--lambda", "nan"], 2, "lambda nan"),
    ],
    ids=lambda value: str(value)[-30:],
)
def test_what_cannot_be_done_is_said_in_one_line_with_its_exit_code(
    composed: Desk, words: list[str], code: int, said: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    home_of(composed, monkeypatch)
    assert call(words) == code
    assert said in capfd.readouterr().err


def test_a_layer_in_words_says_only_what_is_known() -> None:
    assert layer_words({}) == "" and layer_words({"described": True, "units": "x"}) == ""
    assert layer_words({"described": 1, "units": 2}) == " Descriptions: 1 of 2 units by a captioner."
    assert "not tested: no labels" in layer_words({"described": 1, "units": 2, "detection": {"auc": "x"}, "untested": "no labels"})
    assert reason_words({"reasons": {"3": "dark"}}, 3) == "dark" and reason_words({"reasons": []}, 3) == ""
