"""`dissect import`, and what the other commands show of an imported run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dissect.cli.main import call
from tests.exchange.published_tables import CLIP_DISSECT, MILAN, NETDISSECT


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with three tables in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISSECT_HOME", str(tmp_path / "home"))
    for name, text in (("nd.csv", NETDISSECT), ("milan.csv", MILAN), ("clip.csv", CLIP_DISSECT)):
        (tmp_path / name).write_text(text)
    return tmp_path


def said(capfd: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    """What a command writes to stdout."""
    assert call(words) == code, capfd.readouterr().err
    return capfd.readouterr().out


def test_tables_come_in_and_meet_on_the_unit(capfd: pytest.CaptureFixture[str]) -> None:
    assert "3 units of net on broden" in said(capfd, "import", "auto", "nd.csv", "--model", "net", "--layer", "conv1")
    said(capfd, "import", "milan", "milan.csv", "--model", "net")
    said(capfd, "import", "clip-dissect", "clip.csv", "--model", "net")
    page = said(capfd, "unit", "net/conv1/0")
    assert "red   [description]   similarity 0.250" in page and "imported: its labels are all that is known of it" in page
    assert "car" in page and "(run 1, netdissect, data broden, from nd.csv)" in page and "Black lettering" in page
    document = json.loads(said(capfd, "unit", "net/conv1/0", "--json"))
    assert {each["method"] for each in document["others"]} == {"netdissect", "milan"}
    assert "was there already" in said(capfd, "import", "milan", "milan.csv", "--model", "net")


def test_rows_left_out_give_code_3_and_are_listed(desk: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (desk / "bad.csv").write_text(MILAN + "conv1,one,text\n")
    words = ("import", "auto", "bad.csv", "--model", "net")
    assert "line 5: unit is 'one'; units are whole numbers from 0" in said(capfd, *words, code=3)
    plain = json.loads(said(capfd, *words, "--json", code=3))
    assert (plain["units"], plain["refused"][0]["line"], plain["repeated"]) == (3, 5, True)
    assert "left out: line 5: unit is 'one'" in said(capfd, "runs", "show", "latest")
    assert "left out: line 5" in json.loads(said(capfd, "runs", "show", "latest", "--json"))["table"][0]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("import", "auto", "nd.csv"), 2, "which network is the table about?"),
        (("import", "auto", "nd.csv", "--model", "net"), 2, "Name it with --layer"),
        (("import", "nothing", "nd.csv", "--model", "net"), 2, "there is no kind of table 'nothing'"),
        (("import", "auto", "none.csv", "--model", "net"), 4, "there is no file none.csv to import"),
        (("import", "milan", "nd.csv", "--model", "net"), 1, "a table of milan needs the column layer"),
        (("import", "auto", "milan.csv", "--model", "net", "--alias", "conv1"), 2, "Write the table's name of a layer and ours"),
        (("import", "auto", "nd.csv", "--model", "net", "--layer", "x", "--threshold", "2"), 2, "--threshold is 2"),
        (("import", "auto", "nd.csv", "--model", "net", "--layer", "x", "--units", "0"), 2, "--units is 0"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    words: tuple[str, ...], code: int, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert call(words) == code
    error = capfd.readouterr().err
    assert message in error and error.count("\n") == 1 and "Traceback" not in error


def test_commands_that_need_the_network_refuse_an_imported_run(capfd: pytest.CaptureFixture[str]) -> None:
    said(capfd, "import", "auto", "nd.csv", "--model", "net", "--layer", "conv1")
    assert call(["score", "1", "--quantile", "0.01"]) == 2
    assert "run 1 was imported from nd.csv" in capfd.readouterr().err


def test_runs_go_out_to_files_and_to_stdout(capfd: pytest.CaptureFixture[str]) -> None:
    said(capfd, "import", "auto", "milan.csv", "--model", "net")
    assert said(capfd, "export", "latest", "--format", "milan", "-o", "-") == MILAN
    assert said(capfd, "export", "latest", "--format", "model-card", "-o", "-").startswith("# What the units of net detect")
    assert Path(said(capfd, "export", "latest", "--format", "neuronpedia").strip()) == Path("run-1-neuronpedia/net")
    assert said(capfd, "export", "latest", "--format", "milan").strip() == "run-1-milan.csv"
    assert call(["export", "latest", "--format", "neuronpedia", "-o", "-"]) == 2
