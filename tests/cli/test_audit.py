"""`dissect audit` on the command line: exit codes, files of gates, words on stdout."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from dissect.cli.main import EXIT_CODES, call
from dissect.store import Store
from tests.exchange.test_formulas import stored

Capture = pytest.CaptureFixture[str]
TABLE = "layer,unit,description\nl,0,dog faces\nl,1,surfaces\nl,2,a woman\n"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a table of descriptions."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISSECT_HOME", str(tmp_path / "home"))
    (tmp_path / "said.csv").write_text(TABLE)
    return tmp_path


def test_a_gate_decides_the_exit_code_and_writes_its_files(desk: Path, capsys: Capture) -> None:
    files = ["--junit", "a.xml", "--sarif", "a.sarif", "--no-report"]
    assert call(["audit", "--descriptions", "said.csv", "--fail-on", "gender: any", *files]) == 6
    assert "gate gender any: FAILED" in capsys.readouterr().out and 6 in EXIT_CODES
    root = ElementTree.fromstring((desk / "a.xml").read_text())
    assert root.get("failures") == "1"
    assert json.loads((desk / "a.sarif").read_text())["version"] == "2.1.0"
    assert call(["audit", "--descriptions", "said.csv", "--fail-on", "gender > 5; faces > 5", *files]) == 0


def test_the_three_counts_stand_on_the_terminal_and_the_report_in_the_home(desk: Path, capsys: Capture) -> None:
    assert call(["audit", "--descriptions", "said.csv", "--lexicon", "faces"]) == 0
    shown = capsys.readouterr().out
    assert "lexicon faces: of 3 units lemma 1, whole word 0, substring 2" in shown and "surfaces (1)" in shown
    assert (desk / "home" / "reports" / "audit-said" / "index.html").exists()


def test_json_is_one_document(desk: Path, capsys: Capture) -> None:
    assert call(["audit", "--descriptions", "said.csv", "--against", "said.csv", "--json", "--no-report"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["counts"]["found"] == 2 and len(found["comparisons"]) == len(found["words"]) and found["page"] is None


@pytest.mark.parametrize(("words", "code"), [
    (["--fail-on", "gender >"], 2), (["--fail-on", "gendr: any"], 2), (["--attribute", "age"], 2), (["latest"], 2),
    (["--lexicon", "gone"], 4), (["--against", "gone.csv"], 4),
])  # fmt: skip
def test_what_is_wrong_has_its_exit_code_and_writes_nothing(desk: Path, capsys: Capture, words: list[str], code: int) -> None:
    assert call(["audit", "--descriptions", "said.csv", *words]) == code
    assert capsys.readouterr().err.startswith("error: ") and not (desk / "home" / "reports").exists()


def test_a_run_without_attributes_is_audited_by_its_labels_and_kept(desk: Path, capsys: Capture) -> None:
    url = f"sqlite:///{desk / 'units.db'}"
    with Store.open(url) as store:
        stored(store)
    assert call(["audit", "--db", url, "--mask", "car", "--mask", "face", "--no-report"]) == 0
    shown = capsys.readouterr().out
    assert "by mask, car: " in shown and "by mask, face: 0 found, 0 not found, 1 not testable" in shown
    assert "not tested: By response and by effect: no attribute was named" in shown
    with Store.open(url) as store:
        assert len(store.audits()) == 1
    assert call(["audit", "--db", url, "--match", "brightness"]) == 2
