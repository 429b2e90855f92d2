"""Commands on the home folder of a finished run: what they list, what they write, what they leave alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dissect.cli.main import call
from tests.pipeline.tiny import write_data, write_model

RUN = ["--data", "set/tiny.toml", "--label-size", "32x32", "--quantile", "0.02"]
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, a network, and the home folder of one run."""
    folder = tmp_path_factory.mktemp("desk")
    write_data(folder / "set")
    write_model(folder)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        patched.setenv("DISSECT_HOME", str(folder / "home"))
        assert call(["run", "tiny-net.toml", *RUN, "--quiet"]) == 0
    return folder


@pytest.fixture(autouse=True)
def here(desk: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(desk)
    monkeypatch.setenv("DISSECT_HOME", str(desk / "home"))
    return desk


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_table_on_stdout_is_the_file_byte_by_byte(capfdbinary: pytest.CaptureFixture[bytes], here: Path, form: str) -> None:
    assert call(["export", "1", "--format", form, "-o", f"units.{form}"]) == 0
    capfdbinary.readouterr()
    assert call(["export", "1", "--format", form, "-o", "-"]) == 0
    assert capfdbinary.readouterr().out == (here / f"units.{form}").read_bytes()
    assert not (here / "-").exists()


@pytest.mark.parametrize("words", [["--format", "html"], ["--format", "parquet"], ["--format", "csv", "--json"]])
def test_what_stdout_cannot_hold_is_refused(capsys: Capture, here: Path, words: list[str]) -> None:
    assert call(["export", "1", *words, "-o", "-"]) == 2
    assert "stdout cannot hold" in capsys.readouterr().err and not (here / "-").exists()


def test_the_cache_says_whose_each_stage_is(capsys: Capture) -> None:
    assert call(["cache", "show", "--json"]) == 0
    rows = {row["step"]: row for row in json.loads(capsys.readouterr().out)}
    assert {row["model"] for row in rows.values()} == {"tiny"} and {row["runs"] for row in rows.values()} == {"1"}
    assert rows["labels"]["layer"] is None and rows["tally"]["layer"] == rows["activations"]["layer"] == "units"


def test_the_cache_is_listed_where_there_is_no_database(capsys: Capture) -> None:
    assert call(["cache", "show", "--json", "--db", "sqlite:///absent.db"]) == 0
    assert {row["runs"] for row in json.loads(capsys.readouterr().out)} == {None}


def test_a_backup_replaces_a_file_only_with_force(capsys: Capture, here: Path) -> None:
    (here / "mine.db").write_text("mine")
    assert call(["db", "backup", "mine.db"]) == 2
    assert "--force" in capsys.readouterr().err and (here / "mine.db").read_text() == "mine"
    assert call(["db", "backup", "mine.db", "--force"]) == 0
    assert call(["db", "verify", "mine.db"]) == 0


def test_a_label_says_in_how_many_images_its_concept_is(capsys: Capture) -> None:
    assert call(["unit", "tiny/units/0"]) == 0
    page = capsys.readouterr().out
    assert "rare concept: in 8 images" in page and "quantile 0.02" in page
    assert call(["search", "red", "--format", "csv"]) == 0
    header, row = capsys.readouterr().out.splitlines()
    assert dict(zip(header.split(","), row.split(","), strict=True))["images"] == "8"


def test_search_means_the_newest_run_unless_it_is_told_otherwise(capsys: Capture) -> None:
    assert call(["score", "1", "--quantile", "0.05", "--no-report", "--quiet"]) == 0
    capsys.readouterr()
    found = {}
    for words in ([], ["--all-runs"], ["--run", "1"]):
        assert call(["search", "red", *words]) == 0
        header, *rows = capsys.readouterr().out.splitlines()
        found[" ".join(words)] = ("quantile" in header, sorted(int(row.split()[0]) for row in rows))
    assert found == {"": (False, [2]), "--all-runs": (True, [1, 2]), "--run 1": (False, [1])}
    for asked, said in {
        ("red", "--min-iou", "0.99999"): "nothing found with --min-iou 0.99999; without it there is something",
        ("red", "--model", "nobody"): "nothing found with --model nobody; without it there is: ",
        ("red or green",): "nothing found; or is looked for as a word, OR is the operator",
        ("red zzyzx",): "nothing found; all words must stand in one label",
    }.items():
        assert call(["search", *asked]) == 0
        assert said in capsys.readouterr().err


def test_clearing_the_cache_asks_first_and_loses_nothing(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("typer.confirm", _says_no)
    assert call(["cache", "clear"]) == 1
    assert "--yes" in capsys.readouterr().err
    assert call(["cache", "show", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) != []
    assert call(["cache", "clear", "--yes"]) == 0
    assert call(["cache", "show", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert call(["db", "verify", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["faults"] == [] and any("labels: " in line and "dissect probe" in line for line in told["pruned"])
    assert call(["probe", "1", "--quiet"]) == 0
    assert call(["unit", "tiny/units/0"]) == 0


def _says_no(*_: object, **__: object) -> None:
    import typer

    raise typer.Abort
