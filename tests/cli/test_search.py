"""`dissect search` and its options, `dissect unit --neighbours`, `dissect db hierarchy`: on a made-up run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dissect.cli.main import call
from dissect.store import Store
from tests.store.made_up_runs import save_run


@pytest.fixture
def database(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'dissect.db'}"
    with Store.open(url) as store:
        save_run(store)
    return url


def asked(database: str, capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, object]]:
    assert call(["--db", database, "--json", *words]) == 0
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize(
    ("options", "units"),
    [
        (["dog"], [0, 1]), (["dog", "--no-narrower"], [0]), (["dog OR carpet"], [0, 2, 1]), (["car -parked"], [0]),
        (["--kind", "formula"], [0]), (["--state", "dead"], [5]), (["--data", "streets", "carpet"], [2]), (["--data", "elsewhere"], []),
        (["--survives"], []),
        (["--min-score", "0.12", "--max-score", "0.2"], [1]), (["--order", "concept", "--detectors"], [0, 2, 3, 1]),
        (['"striped wheel"'], [3]), (["--detectors", "-wheel"], None),
    ],
)  # fmt: skip
def test_each_option_does_what_it_says(
    database: str, capsys: pytest.CaptureFixture[str], options: list[str], units: list[int] | None
) -> None:
    if units is None:
        assert call(["--db", database, "search", *options]) == 2
    else:
        assert [row["unit"] for row in asked(database, capsys, "search", *options)] == units


def test_pages_go_on_and_back(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    whole = asked(database, capsys, "search", "--order", "index")
    assert [row["unit"] for row in whole] == [0, 1, 2, 3, 4, 5]
    behind = asked(database, capsys, "search", "--order", "index", "--limit", "2", "--after", str(whole[2]["cursor"]))
    ahead = asked(database, capsys, "search", "--order", "index", "--limit", "2", "--before", str(whole[3]["cursor"]))
    assert [row["unit"] for row in behind + ahead] == [3, 4, 1, 2]
    assert call(["--db", database, "search", "--after", "nonsense"]) == 2


def test_facets_are_counted(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["--db", database, "--json", "search", "dog", "--facets"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["total"] == 2 and not found["capped"]
    assert {(value["name"], value["units"]) for value in found["methods"]} == {("netdissect", 1), ("compositional", 1)}
    assert call(["--db", database, "search", "dog", "--facets"]) == 0
    out = capsys.readouterr()
    assert "concepts" in out.out and "2 units" in out.err


def test_a_picture_needs_a_run(database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["--db", database, "search", "--image", str(tmp_path / "x.png")]) == 2
    assert "--run" in capsys.readouterr().err


def test_neighbours_are_listed(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    with Store.open(database) as store:
        save_run(store, "1" * 64)
    rows = asked(database, capsys, "unit", "tiny/conv1/0", "--neighbours", "3")
    assert [row["similarity"] for row in rows] == pytest.approx([1.0, 1.0, 1.0])
    assert {row["run"] for row in rows} == {1} and rows[0]["shared"] == "car, dog"


def test_the_shipped_hierarchy_is_put_on_an_older_database(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(database, capsys, "search", "animal") == []
    for _ in range(2):
        assert call(["--db", database, "--json", "db", "hierarchy"]) == 0
        assert json.loads(capsys.readouterr().out)["vocabularies"]["words"] > 5
    rows = asked(database, capsys, "search", "animal")
    assert {row["unit"]: row["why"] for row in rows}[1] == "narrower: terrier, under animal"
    assert asked(database, capsys, "search", "animal", "--no-narrower") == []
