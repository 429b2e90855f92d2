"""Tables of units: what goes out comes back, and a spreadsheet runs nothing of it."""

from __future__ import annotations

import csv
import dataclasses
import importlib.util
import io
import json
import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissect.errors import MissingExtraError
from dissect.exchange import tables
from dissect.exchange.view import ReportLabel, ReportLayer, ReportRun, ReportUnit
from dissect.store import Store
from tests.exchange.fake_run import fake_run

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def read_csv(text: str) -> list[dict[str, str]]:
    """Rows with the protecting apostrophe taken off again."""
    rows = csv.DictReader(io.StringIO(text, newline=""))
    return [{name: cell.removeprefix("'") for name, cell in row.items()} for row in rows]


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> ReportRun:
    return fake_run(tmp_path_factory.mktemp("cache"), units=40, pictures=40)


def one(label: ReportLabel | None) -> ReportRun:
    layer = ReportLayer("conv", (ReportUnit(0, "ok", threshold=math.inf, label=label),))
    return ReportRun(run="1", network="n", dataset="d", layers=(layer,), images={}, image_count=1)


def test_every_unit_is_a_row_in_order_of_layer_and_unit(view: ReportRun) -> None:
    found = read_csv(tables.csv_text(view))
    assert [(row["layer"], int(row["unit"])) for row in found] == [(layer.name, n) for layer in view.layers for n in range(40)]
    assert tuple(found[0]) == tables.COLUMNS


def test_the_columns_are_those_of_the_document() -> None:
    table = (tables.__doc__ or "").split("not computed):\n\n")[1].split("\n\n")[0]
    named = [name.strip() for line in table.splitlines() for name in re.split(r"\s{2,}", line.strip())[0].split(",")]
    assert tuple(named) == tables.COLUMNS


def test_numbers_come_back_exactly_from_both_forms(view: ReportRun) -> None:
    lines = [json.loads(line) for line in tables.jsonl_text(view).splitlines()]
    cells = read_csv(tables.csv_text(view))
    units = [unit for layer in view.layers for unit in layer.units]
    for unit, line, row in zip(units, lines, cells, strict=True):
        assert line["threshold"] == unit.threshold and float(row["threshold"]) == unit.threshold
        assert line["label"] == (unit.label.text if unit.label else None)
        assert line["score"] == (unit.label.score if unit.label else None)
        assert (float(row["score"]) if row["score"] else None) == line["score"]
        assert json.loads(row["runners"]) == line["runners"] and len(line["runners"]) == len(unit.runners)
        assert [e["activation"] for e in line["exemplars"]] == [e.activation for e in unit.exemplars]


@given(TEXT, TEXT)
def test_any_text_comes_back_from_csv(text: str, category: str) -> None:
    (row,) = read_csv(tables.csv_text(one(ReportLabel(text, category=category))))
    assert (row["label"], row["category"]) == (text, category)


@given(st.text(st.characters(exclude_categories=[])))
def test_any_text_comes_back_from_json_lines(text: str) -> None:
    (line,) = tables.jsonl_text(one(ReportLabel(text))).splitlines()
    assert json.loads(line)["label"] == text


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "＝1", "'=1", '=HYPERLINK("http://x","y")', "=cmd|' /C calc'!A0"],
)
def test_a_formula_is_text_to_a_spreadsheet(text: str) -> None:
    cell = next(csv.DictReader(io.StringIO(tables.csv_text(one(ReportLabel(text))), newline="")))["label"]
    assert cell == "'" + text


def test_numbers_and_ordinary_words_stay_as_they_are() -> None:
    assert [tables.harmless(cell) for cell in (-1.5, 3, None, "car", "a-b", "")] == [-1.5, 3, None, "car", "a-b", ""]


def test_half_characters_do_not_stop_a_table() -> None:
    assert "car\ufffd\ufffd" in tables.csv_text(one(ReportLabel("car\ud800\0")))


def test_infinite_and_missing_values_are_empty() -> None:
    (row,) = tables.rows(one(None))
    assert row["threshold"] is None and row["label"] is None and row["score"] is None and row["others"] == []
    assert "Infinity" not in tables.jsonl_text(one(None))


def test_other_labels_keep_their_method() -> None:
    view = one(ReportLabel("car"))
    formula = ReportLabel("car OR bus", kind="formula", method="compositional", score=0.2, interval=(0.1, 0.3))
    unit = dataclasses.replace(view.layers[0].units[0], labels=(formula,))
    (row,) = tables.rows(dataclasses.replace(view, layers=(dataclasses.replace(view.layers[0], units=(unit,)),)))
    (other,) = row["others"]
    wanted = {"kind": "formula", "method": "compositional", "label": "car OR bus", "low": 0.1, "high": 0.3}
    assert {name: other[name] for name in wanted} == wanted


def test_skipped_images_are_a_table() -> None:
    text = tables.skipped_text(dataclasses.replace(one(None), skipped=(("a.png", 'cut "short", here'),)))
    assert list(csv.reader(io.StringIO(text))) == [["image", "reason"], ["a.png", 'cut "short", here']]


@pytest.mark.skipif(importlib.util.find_spec("pyarrow") is not None, reason="pyarrow is installed")
def test_parquet_without_its_package_says_how_to_get_it(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path}/units.db") as store, pytest.raises(MissingExtraError, match=r"neuron-dissect\[parquet\]"):
        tables.export_parquet(store, 1, tmp_path / "units.parquet")
    assert not (tmp_path / "units.parquet").exists()
