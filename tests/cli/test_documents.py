"""The documents' commands run as written, in order, in an empty folder."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from dissect.cli.main import call
from dissect.cli.reference import commands
from tests.exchange.published_tables import ALL
from tests.pipeline.tiny import write_data, write_model

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "docs/cards.md", "docs/methods.md", "docs/audit.md", "docs/compare.md", "docs/exchange.md")
ELSEWHERE = ("make ", "pip install", "python benchmarks", "python -m benchmarks")
"""Lines that are tried by other means: a fresh clone, a benchmark run."""


def lines(page: str) -> list[str]:
    """Command lines of the page's `sh` blocks, without their comments."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    return [line.split("  #")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the documents' examples name: my-set.toml, streets.toml, mine.toml, published tables."""
    folder = tmp_path_factory.mktemp("desk")
    card = write_data(folder / "set").read_text()
    for name in ("my-set", "streets"):
        (folder / f"{name}.toml").write_text(card.replace('root = "."', 'root = "set"'))
    (folder / "annotations.csv").write_text("layer,unit,description\nlayer1,0,dog faces\nlayer1,1,surfaces\n")
    for name, kind in (("netdissect", "netdissect"), ("milan", "milan"), ("clip", "clip-dissect")):
        (folder / f"{name}.csv").write_text(ALL[kind])
    (folder / "mine.toml").write_text(write_model(folder).read_text())
    return folder


def environment(folder: Path) -> dict[str, str]:
    """A home inside the folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DISSECT_")}
    return {**kept, "DISSECT_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT)}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_documents_commands_run_as_written(desk: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """The first as a program of its own; the others in this process, which has loaded already what each would load again."""
    first = subprocess.run(
        [sys.executable, "-m", "dissect", "demo", "--images", "60"], cwd=desk, env=environment(desk), capture_output=True, check=False
    )
    assert first.returncode == 0, first.stderr.decode()
    monkeypatch.chdir(desk)
    monkeypatch.setenv("DISSECT_HOME", str(desk / "home"))
    failed = []
    for page in PAGES:
        for line in lines(page):
            if line.startswith(ELSEWHERE):
                continue
            program, *words = shlex.split(line)
            assert program == "dissect", line
            if (code := call(words)) != 0:
                failed.append(f"{page}: {line}: exit {code}: {capfd.readouterr().err[-300:]}")
    assert failed == []


def test_the_readmes_python_runs_as_written(desk: Path) -> None:
    code = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(code) == 1
    # The embedded set is drawn with 60 pictures, so that the test stays short; everything else is as it stands.
    text = code[0].replace('data="demo",', 'data="demo", limit=60,').replace("open_store()", "open_store(run.config.database_url)")
    done = subprocess.run([sys.executable, "-c", text], cwd=desk, env=environment(desk), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_every_command_is_named_in_the_documents() -> None:
    text = "".join((ROOT / page).read_text(encoding="utf-8") for page in (*PAGES, "docs/commands.md"))
    assert [name for name, _ in commands() if name not in text] == []


def test_links_between_documents_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text(encoding="utf-8")):
            assert ((ROOT / page).parent / target).exists(), f"{page} -> {target}"


READING = [
    ["search", "", "--limit", "3"],
    ["search", "nothing-like-this"],
    ["runs", "list"],
    ["runs", "show", "latest"],
    ["unit", "tiny/units/0"],
    ["data", "list"],
    ["models", "list"],
    ["models", "layers", "tiny.toml"],
    ["models", "check", "tiny.toml"],
    ["models", "show", "tiny.toml"],
    ["data", "show", "my-set.toml"],
    ["data", "check", "my-set.toml"],
    ["cache", "show"],
    ["cache", "prune", "--limit", "5GB"],
    ["cache", "clear", "--yes"],
    ["db", "current"],
    ["db", "check"],
    ["db", "verify"],
    ["db", "backup", "copy.db"],
    ["db", "verify", "copy.db"],
    ["db", "upgrade"],
    ["run", "tiny.toml", "--data", "my-set.toml", "--no-report"],
    ["run", "tiny.toml", "--data", "my-set.toml", "--dry-run"],
    ["score", "latest", "--quantile", "0.03", "--no-report"],
    ["probe", "latest"],
    ["export", "latest", "--format", "jsonl", "-o", "units.jsonl"],
    ["export", "latest", "--format", "html", "-o", "page"],
    ["audit", "latest"],
    ["audit", "--descriptions", "annotations.csv", "--no-report"],
    ["doctor", "--quick"],
    ["runs", "delete", "latest", "--yes"],
]


def test_stdout_holds_one_json_document_and_nothing_else(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    import json

    monkeypatch.chdir(desk)
    monkeypatch.setenv("DISSECT_HOME", str(desk / "json-home"))
    (desk / "tiny.toml").write_text((desk / "mine.toml").read_text())
    assert call(["run", "tiny.toml", "--data", "my-set.toml", "--json"]) == 0
    json.loads(capfd.readouterr().out)
    for words in READING:
        code = call([*words, "--json"])
        said = capfd.readouterr()
        assert code == 0, f"{words}: {said.err}"
        json.loads(said.out)
        assert "Traceback" not in said.err
