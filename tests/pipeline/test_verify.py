"""Tests of a run's labels: computed from the cache, entered beside the labels, taken up again, gone with them."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from dissect.errors import NotFoundError, NotSupportedError, UsageError
from dissect.exchange import report_view
from dissect.pipeline.remove import prune_cache
from dissect.pipeline.verify import METHOD
from dissect.pipeline.verify_request import VerifyRequest
from dissect.store import LabelView, UnitFilter
from tests.pipeline.desk import Desk
from tests.pipeline.planted import FORMULAS
from tests.store.made_up_runs import undo

FEW = {"permutations": 60, "formula_permutations": 20, "resamples": 200}


def part(label: LabelView, test: str) -> dict[str, object]:
    """What a label's details hold of one test."""
    kept = label.details["verification"]
    assert isinstance(kept, dict)
    found = kept.get(test, {})
    assert isinstance(found, dict)
    return found


def test_a_planted_unit_passes_every_test(composed: Desk) -> None:
    composed.verify(**FEW)
    for layer, unit in (("first", 0), ("first", 1)):
        label = composed.labels(layer, unit, "netdissect")[0]
        assert (label.score, label.held_out_score, label.held_out_agrees) == (1.0, 1.0, True)
        assert label.interval_low is None and "8 images, and 20 are needed" in str(part(label, "interval")["untested"])
        assert label.p is not None and label.p <= 1 / 61 and label.q is not None and label.q <= 0.05
        assert (label.null_kind, label.permutations) == ("independence", 60)
        assert part(label, "null")["floor"] == pytest.approx(1 / 61)
        assert part(label, "held_out")["winners"] == [label.text, label.text]


def test_formulas_are_tested_with_their_own_search(composed: Desk) -> None:
    composed.verify(**FEW)
    for layer, unit in (("first", 2), ("second", 0)):
        label = composed.labels(layer, unit)[0]
        assert (label.text, label.held_out_score, label.permutations) == (FORMULAS[layer][unit], 1.0, 20)
        assert label.p is not None and label.p <= 1 / 21
        assert "z" not in part(label, "null")
    summary = {each.layer: each.summary for each in composed.store.layer_methods(1) if each.method == METHOD}
    assert {"netdissect", "compositional", "basis", "lines"} <= set(summary["first"])


def test_a_silent_unit_is_not_tested_and_counts_nowhere(composed: Desk) -> None:
    composed.verify(**FEW)
    assert composed.store.unit("planted", "first", 4).labels == ()
    (first, _) = [each for each in composed.store.layer_methods(1) if each.method == METHOD]
    counts = first.summary["netdissect"]
    assert isinstance(counts, dict) and (counts["labels"], counts["tested"]) == (4, 4)


def test_q_is_found_by_a_filter_and_shown_in_the_report(composed: Desk) -> None:
    composed.verify(**FEW)
    assert {view.index for view in composed.store.units(UnitFilter(layer="first", max_q=0.05))} >= {0, 1}
    label = report_view(composed.store, 1).layers[0].units[0].label
    assert label is not None and label.tests is not None and label.tests.permutations == 60
    assert label.q is not None and any("no interval" in reason for reason in label.tests.untested)


def test_the_same_again_is_found_and_other_settings_replace_it(composed: Desk) -> None:
    first = composed.verify(**FEW)
    again = composed.verify(**FEW)
    assert (first.repeated, again.repeated) == (False, True)
    assert [each.summary for each in again.layers] == [each.summary for each in first.layers]
    assert not composed.verify(**{**FEW, "permutations": 40}).repeated
    assert composed.labels("first", 0, "netdissect")[0].permutations == 40


def test_new_formulas_are_untested_until_they_are_tested(composed: Desk) -> None:
    composed.verify(**FEW)
    composed.compose(length=2)
    assert composed.labels("first", 0)[0].q is None and composed.labels("first", 0, "netdissect")[0].q is not None
    assert not composed.verify(**FEW).repeated
    assert composed.labels("first", 0)[0].q is not None


def test_a_run_without_formulas_has_only_its_concepts_tested(probed: Desk) -> None:
    outcome = probed.verify(**FEW)
    assert all("compositional" not in each.summary for each in outcome.layers)
    assert probed.labels("first", 0, "netdissect")[0].q is not None


def test_a_test_that_is_not_wanted_is_not_made(probed: Desk) -> None:
    probed.verify(permutations=0, formula_permutations=0, resamples=0, held_out=False, rotations=0)
    label = probed.labels("first", 0, "netdissect")[0]
    assert (label.p, label.q, label.null_kind, label.held_out_score, label.interval_low) == (None,) * 5
    assert label.details["verification"] == {}


def test_results_do_not_depend_on_the_cache(composed: Desk) -> None:
    composed.verify(**FEW)
    before = composed.rows()
    prune_cache(composed.config, composed.store, 0)
    composed.verify(**{**FEW, "permutations": 61})
    composed.verify(**FEW)
    after = composed.rows()
    for table in ("label", "layer_method"):
        assert after[table] == before[table], table


def test_what_cannot_be_tested_is_refused(composed: Desk) -> None:
    with pytest.raises(UsageError, match="--permutations is -1"):
        VerifyRequest(permutations=-1)
    with pytest.raises(UsageError, match="--resamples is 50"):
        VerifyRequest(resamples=50)
    with pytest.raises(NotFoundError, match="there is no run"):
        composed.verify(9)
    record = composed.run(limit=6, methods=("netdissect",)).run
    undo(composed.store, record.id)
    with pytest.raises(NotFoundError, match="Finish it first"):
        composed.verify(record.id)


def test_a_data_set_without_masks_is_refused(composed: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    record = dataclasses.replace(composed.store.run(1), label_kind="image")
    monkeypatch.setattr(type(composed.store), "run", lambda *_: record)
    with pytest.raises(NotSupportedError, match="no label maps"):
        composed.verify(1)


def test_images_that_the_card_now_calls_a_sequence_are_another_verification(composed: Desk, work: Path, tmp_path: Path) -> None:
    shutil.copytree(work / "set", tmp_path / "set")
    card = tmp_path / "set" / "planted.toml"
    grouped = card.read_text() + "\n[group]\npattern = '(.)[^/]*$'\n"
    card.write_text(grouped)
    run = composed.run(data=str(card)).run.id
    assert not composed.verify(run, **FEW).repeated
    label = next(each for each in composed.store.unit("planted", "first", 0, run=run).labels if each.method == "netdissect")
    assert "one group" in str(part(label, "held_out")["untested"])
    card.write_text(grouped + "ordered = true\n")
    assert not composed.verify(run, **FEW).repeated
    assert composed.verify(run, **FEW).repeated
