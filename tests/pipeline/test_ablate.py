"""Effects of a run's units in the database, checkpoints without units, and a planted spurious feature taken out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.spurious import spurious
from dissect.cli.main import call
from dissect.config import Config, resolve
from dissect.errors import NotFoundError, UsageError
from dissect.exchange.from_store import report_view
from dissect.pipeline.ablate import AblateRequest, ablate_run
from dissect.pipeline.edit import EditRequest, edit_run
from dissect.pipeline.pictures import Held, passes
from dissect.pipeline.remove import delete_run
from dissect.pipeline.request import RunRequest
from dissect.pipeline.run import run_request
from dissect.probe.progress import Quiet
from dissect.store import Store
from tests.pipeline.tiny import write_data, write_model

Opened = tuple[Store, Config, int]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    """The tiny run: units 0-2 detect red, green, blue; unit 3 is dead."""
    config = resolve({}, None, home=tmp_path / "home", device="cpu")
    store = Store.open(config.database_url)
    request = RunRequest(model=str(write_model(tmp_path)), data=str(write_data(tmp_path / "set")), quantile=0.03)
    yield store, config, run_request(request, config, store, Quiet()).run.id
    store.close()


def test_effects_are_kept_with_the_run_and_shown_in_its_report(opened: Opened) -> None:
    store, config, run = opened
    outcome = ablate_run(store, config, run, AblateRequest(how="zero", controls=5, dose=True), Quiet())
    assert {each.measure for each in outcome.effects} == {"kl", "logit_change"}
    assert {each.dose for each in outcome.effects} == {0.75, 0.5, 0.25, 0.0}
    change = [each for each in outcome.effects if each.members == (0,) and each.measure == "logit_change"]
    assert change and all(each.concept == ("object", "red") and each.effect is not None and each.effect > 0 for each in change)
    values = [each.effect or 0.0 for each in sorted(change, key=lambda each: each.dose)]
    assert values == sorted(values, reverse=True) and values[2] == pytest.approx(values[0] / 2, rel=1e-4)
    for each in outcome.effects:
        sets = each.details["control_sets"]
        assert isinstance(sets, list) and each.controls == len(sets) == 2 and [3] not in sets and list(each.members) not in sets
        assert set(each.balance) >= {"mean activation"}
    assert store.ablations(run) == list(outcome.effects)
    again = ablate_run(store, config, run, AblateRequest(how="zero", controls=5, dose=True), Quiet())
    assert [each.effect for each in again.effects] == [each.effect for each in outcome.effects]
    assert store.counts()["ablation"] == len(outcome.effects)
    words = report_view(store, run).layers[0].units[0].label
    assert words is not None and words.effect is not None and "switched off at 0" in words.effect
    delete_run(store, config, run)
    assert store.counts()["ablation"] == 0


def test_units_and_concepts_that_are_not_there_are_named(opened: Opened) -> None:
    store, config, run = opened
    for request, error, words in (
        (AblateRequest(layer="units", units=(9,)), NotFoundError, "has units 0 to 3; there is no unit 9"),
        (AblateRequest(concept="violet"), NotFoundError, "no detector of 'violet'. It has detectors of: blue, green, red"),
        (AblateRequest(layer="nowhere"), NotFoundError, "has no layer 'nowhere'"),
        (AblateRequest(units=(0,), concept="violet"), NotFoundError, "tiny has no concept 'violet'"),
    ):
        with pytest.raises(error, match=words):
            ablate_run(store, config, run, request, Quiet())
    for bad in ({"how": "half"}, {"images": 1}, {"together": True}, {"controls": -1}):
        with pytest.raises(UsageError):
            AblateRequest(**bad)


@pytest.mark.parametrize("count", [2, 15, 16, 17, 40])
def test_passes_are_whole_and_every_picture_has_another_ones_units(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    class Loaded:
        pass_size = 16

    class Shown:
        def __init__(self, index: int) -> None:
            self.pixels, self.reason = np.full((1, 1, 1), index, np.float32), ""

    monkeypatch.setattr("dissect.pipeline.pictures.pictures", lambda records, *_, **__: map(Shown, records))
    nobody = np.zeros((count, 0), np.bool_)
    found = Held(tuple(range(count)), nobody, nobody, np.arange(count))  # type: ignore[arg-type]
    seen = []
    for part, batch in passes(found, Loaded(), 0, Quiet()):  # type: ignore[arg-type]
        assert len(batch) == 16
        rows = batch[:, 0, 0, 0].astype(int).tolist()
        seen += rows[: part.stop - part.start]
        assert rows[: part.stop - part.start] == list(range(part.start, part.stop))
        assert all(rows[place] != rows[(place + 1) % 16] for place in range(part.stop - part.start))
    assert seen == list(range(count))


def test_an_edited_checkpoint_is_written_loaded_anew_and_compared(
    opened: Opened, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    store, config, run = opened
    done = edit_run(store, config, run, EditRequest(tmp_path / "edited.safetensors", (("units", (1,)),), how="zero"), Quiet())
    assert [(each.layer, each.units, each.module, each.place) for each in done.edits] == [("units", (1,), "convolution", "source")]
    assert done.table[0]["what"] == "KL divergence" and float(str(done.table[0]["after"])) > 0
    with pytest.raises(UsageError, match="own weights file"):
        request = RunRequest(model=str(tmp_path / "tiny-net.toml"), data=str(tmp_path / "set" / "tiny.toml"), weights=str(done.output))
        second = run_request(request, config, store, Quiet()).run
        edit_run(store, config, second.id, EditRequest(done.output, (("units", (0,)),)), Quiet())
    assert store.unit(None, "units", 1, run=second.id).stats.state == "dead"
    words = ["edit", str(run), "--units", "units:0", "-o", str(tmp_path / "x.safetensors"), "--json", "--db", config.database_url]
    assert call(words) == 0
    assert json.loads(capfd.readouterr().out)["edits"][0]["units"] == [0]
    assert call([*words[:3], "units:x", "--db", config.database_url]) == 2
    assert "'x' is no unit number" in capfd.readouterr().err


@pytest.mark.slow
def test_a_planted_spurious_feature_is_found_and_taken_out(tmp_path: Path) -> None:
    found = spurious(tmp_path, training=160, held_out=80)
    accuracy = {what: (before, after) for what, before, after in found.rows}
    before, after = accuracy["held out, squares outdoors"]
    assert found.iou > 0.2 and before < 0.6 and after > before + 0.15, found.lines()


@pytest.mark.slow
def test_detectors_of_the_embedded_network_matter_for_their_concepts_more_than_their_controls(tmp_path: Path) -> None:
    config = resolve({}, None, home=tmp_path, device="cpu")
    with Store.open(config.database_url) as store:
        run = run_request(RunRequest(model="demo", data="demo", layers=("layer6",), limit=200), config, store, Quiet()).run
        found = ablate_run(store, config, run.id, AblateRequest(top=6), Quiet()).effects
    own = [each for each in found if each.measure == "concept_loss" and each.effect is not None]
    shown = [each for each in own if each.shown]
    assert len(own) >= 5 and len(shown) >= len(own) / 2, [(each.members, each.concept, each.effect, each.p) for each in own]
    assert np.mean([each.effect for each in own if each.effect is not None]) > 0.02
