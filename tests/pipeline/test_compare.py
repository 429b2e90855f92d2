"""Two runs of planted networks beside each other, and a training's snapshots."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from dissect.audit.change_gate import parse
from dissect.cli.main import call
from dissect.errors import CheckpointError, NotFoundError, UsageError
from dissect.pipeline.compare import CompareOutcome, CompareRequest, compare_runs
from dissect.pipeline.series import run_series, snapshots
from dissect.probe.progress import Quiet
from dissect.store import FormulaResult, LabelEntry, LayerMethod
from tests.pipeline.desk import Desk
from tests.pipeline.planted import formula_network

ORDER = [4, 3, 1, 0, 2]
"""Where each unit of the first layer stands in the shuffled network."""


@pytest.fixture
def shuffled(probed: Desk, tmp_path: Path) -> Desk:
    """A desk with a second run: the same network with the units of its first layer in another order."""
    state = formula_network().state_dict()
    state |= {"one.weight": state["one.weight"][ORDER], "one.bias": state["one.bias"][ORDER], "two.weight": state["two.weight"][:, ORDER]}
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, tmp_path / "shuffled.safetensors")
    probed.run(weights=str(tmp_path / "shuffled.safetensors"), step=20)
    return probed


def compared(desk: Desk, text: str = "", **values: Any) -> CompareOutcome:
    clauses = parse(text) if text else ()
    return compare_runs(desk.store, desk.config, 1, 2, CompareRequest(**values), clauses=clauses)


def test_by_number_a_shuffled_layer_looks_changed_and_the_next_one_kept(shuffled: Desk) -> None:
    found = compared(shuffled).changes
    assert [layer.first for layer in found.layers] == ["first", "second"]
    assert found.layers[0].counts()["same"] < 4 and found.layers[1].counts() == {**dict.fromkeys(found.layers[1].counts(), 0), "same": 2}
    assert set(found.differences) == {"weights", "setting step"} and "at step 20" in found.second


def test_by_response_every_unit_finds_itself(shuffled: Desk) -> None:
    layer = compared(shuffled, match="activation").changes.layers[0]
    pairs = {unit.first.index: unit.second.index for unit in layer.units if unit.first and unit.second}
    assert {pairs.pop(0), pairs.pop(3)} == {1, 3}  # red, and red that is not dark: alike in their maxima
    assert pairs == {1: 2, 2: 4} and layer.counts()["same"] == 4
    assert layer.counts()["only first"] == layer.counts()["only second"] == 1
    assert layer.mean_correlation is not None and layer.chance_correlation is not None and layer.mean_correlation > layer.chance_correlation


def test_no_concept_came_or_went_and_the_gate_says_so(shuffled: Desk) -> None:
    outcome = compared(shuffled, "new concept; lost concept; new label matches red")
    assert [verdict.failed for verdict in outcome.verdicts] == [False, False, True] and outcome.failed
    assert not any(concept.first != concept.second for layer in outcome.changes.layers for concept in layer.concepts())


def test_two_methods_of_one_run_are_compared_like_two_runs(composed: Desk) -> None:
    request = CompareRequest(method="netdissect", second_method="compositional")
    found = compare_runs(composed.store, composed.config, 1, 1, request).changes
    assert found.layers[0].counts()["changed"] == 2 and found.layers[0].counts()["same"] == 2 and found.differences == {}


def test_a_method_that_only_one_run_went_through_gives_no_unit_a_label(shuffled: Desk) -> None:
    """Each unit of the second run's second layer is described too; first labels would all differ."""
    plain = compared(shuffled, layers=(("second", "second"),)).changes
    layer = shuffled.store.layer_summary(2, "second")
    label = LabelEntry("things", "description", "milan", score=1.0, score_kind="pmi")
    results = [FormulaResult(index, (label,)) for index in range(layer.units)]
    shuffled.store.write_formulas(2, LayerMethod("second", "milan", "f" * 64), results, ("milan",))
    found = compared(shuffled, layers=(("second", "second"),)).changes
    assert found.layers[0].counts() == plain.layers[0].counts() and found.first.endswith(", netdissect")
    assert found.notes[0].startswith("Only one of the runs has labels of milan: labels of netdissect are compared.")
    parts = [FormulaResult(index, (LabelEntry("red", "formula", "ranges", score=1.0),)) for index in range(layer.units)]
    shuffled.store.write_formulas(2, LayerMethod("second", "milan", "e" * 64), parts, ("milan", "ranges"))
    assert not compared(shuffled, layers=(("second", "second"),)).changes.first.endswith(", netdissect")
    with pytest.raises(NotFoundError, match="no label of method 'milan'"):
        compared(shuffled, layers=(("second", "second"),), method="milan", second_method="milan")


def test_a_gate_looks_for_words_in_the_label_that_came_and_in_no_other_of_the_unit(composed: Desk, tmp_path: Path) -> None:
    """The formula of every gained unit 2 names green; its concept, which came, is red."""
    silent = {name: tensor * (name != "one.weight") for name, tensor in formula_network().state_dict().items()}
    save_file({name: tensor.contiguous() for name, tensor in silent.items()}, tmp_path / "silent.safetensors")
    composed.run(weights=str(tmp_path / "silent.safetensors"))
    named = {label.method: label.text for label in composed.store.unit("planted", "first", 2, run=1).labels if label.rank == 1}
    other = next(word for word in ("green", "dark") if word in named["compositional"] and word != named["netdissect"])
    for request, failed in ((CompareRequest(), False), (CompareRequest(second_method="compositional"), True)):
        outcome = compare_runs(composed.store, composed.config, 2, 1, request, clauses=parse(f"new label matches {other}"))
        assert outcome.failed is failed, outcome.verdicts


@pytest.mark.parametrize(("values", "error", "text"), [
    ({"layers": (("first", "second"),)}, UsageError, "5 units and second 2"), ({"layers": (("first", "third"),)}, NotFoundError, "third"),
    ({"method": "milan"}, NotFoundError, "no label of method 'milan'"), ({"match": "name"}, UsageError, "index or activation"),
    ({"least_correlation": 3.0}, UsageError, "--min-correlation"),
])  # fmt: skip
def test_what_cannot_be_compared_is_refused(shuffled: Desk, values: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        compared(shuffled, **values)


def test_a_run_is_not_compared_with_itself_and_a_gate_needs_words(shuffled: Desk) -> None:
    with pytest.raises(UsageError, match="same on both sides"):
        compare_runs(shuffled.store, shuffled.config, 1, 1, CompareRequest())
    with pytest.raises(UsageError, match="no word"):
        compared(shuffled, "new label matches ?!")


def test_the_command_writes_a_page_and_leaves_with_the_gates_code(shuffled: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["compare", "1", "2", "--db", shuffled.config.database_url, "--output", str(shuffled.home / "page")]
    assert call(words) == 0
    shown = capsys.readouterr().out
    assert "what differs" in shown and "page: " in shown
    page = (shuffled.home / "page" / "index.html").read_text()
    assert "What changed from" in page and "<script" not in page
    assert call([*words, "--fail-on", "new label", "--json"]) == 6
    found = json.loads(capsys.readouterr().out)
    assert found["gates"][0]["failed"] and len(found["layers"]) == 2
    stored = json.loads((shuffled.home / "page" / "comparison.json").read_text())
    assert stored["layers"] == found["layers"]
    assert call([*words, "--format", "csv", "--no-report"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1 + 7


def test_files_of_others_are_not_touched(shuffled: Desk) -> None:
    folder = shuffled.home / "mine"
    folder.mkdir()
    (folder / "units.csv").write_text("mine")
    assert call(["compare", "1", "2", "--db", shuffled.config.database_url, "--output", str(folder), "--quiet"]) == 2
    assert (folder / "units.csv").read_text() == "mine"


def save_snapshots(folder: Path) -> None:
    """Three steps: nothing is learned, half is, all is; and a file that is damaged."""
    folder.mkdir()
    learned = formula_network().state_dict()
    for step, share in ((0, 0.0), (50, 0.5), (100, 1.0)):
        state = {name: tensor * (share if name == "one.weight" else 1.0) for name, tensor in learned.items()}
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, folder / f"net-v2-step{step}.safetensors")
    (folder / "net-v2-step70.safetensors").write_bytes(b"damaged")


def test_a_training_is_dissected_snapshot_by_snapshot_and_once_only(probed: Desk, tmp_path: Path) -> None:
    save_snapshots(tmp_path / "steps")
    found = run_series(probed.request, tmp_path / "steps", probed.config, probed.store, Quiet())
    first = found.layers()["first"]
    assert [point.step for point in first] == [0, 50, 100] and [name for name, _ in found.failed] == ["net-v2-step70.safetensors"]
    assert first[0].silent == 5 and first[0].unique == 0 and first[-1].detectors == 4
    assert first[-1].by_category["object"][0] + first[-1].by_category["part"][0] == 4
    again = run_series(probed.request, tmp_path / "steps", probed.config, probed.store, Quiet())
    assert again == found and len(probed.store.runs()) == 3 and probed.store.run(first[1].run).step == 50


def test_the_command_draws_the_curves(probed: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_snapshots(tmp_path / "steps")
    words = ["series", probed.request.model, "--snapshots", str(tmp_path / "steps"), "--data", probed.request.data, "--quiet"]
    words += ["--db", probed.config.database_url, "--output", str(tmp_path / "page"), "--json"]
    assert call(words) == 3
    found = json.loads(capsys.readouterr().out)
    assert len(found["points"]) == 6 and found["failed"][0]["file"] == "net-v2-step70.safetensors"
    page = (tmp_path / "page" / "index.html").read_text()
    assert page.count("<svg") >= 2 and "step70" in page and (tmp_path / "page" / "series.csv").read_text().count("\n") == 7


def test_a_folder_of_snapshots_must_say_its_steps(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no folder"):
        snapshots(tmp_path / "gone")
    with pytest.raises(NotFoundError, match="no checkpoint"):
        snapshots(tmp_path)
    torch.save({}, tmp_path / "last.pt")
    with pytest.raises(UsageError, match="no number"):
        snapshots(tmp_path)
    (tmp_path / "last.pt").rename(tmp_path / "a-1.pt")
    torch.save({}, tmp_path / "b-01.pth")
    with pytest.raises(UsageError, match="both say step 1"):
        snapshots(tmp_path)


def test_a_folder_of_nothing_but_damage_fails(probed: Desk, tmp_path: Path) -> None:
    (tmp_path / "steps").mkdir()
    (tmp_path / "steps" / "net-1.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match="none of the 1 checkpoints"):
        run_series(probed.request, tmp_path / "steps", probed.config, probed.store, Quiet())
