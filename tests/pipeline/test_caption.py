"""Descriptions of a run's units: from the right masks, stored with their figures, tested, taken up again, refused in words."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from dissect.caption.features import FeatureRecipe
from dissect.caption.files import read_captioner, save_captioner
from dissect.errors import CheckpointError, NetworkError, NotFoundError, UsageError
from dissect.network.model import View
from dissect.pipeline import caption
from dissect.pipeline.caption_exemplars import Wanted, cut, layer_exemplars
from dissect.pipeline.captioners import SHIPPED
from dissect.pipeline.remove import prune_cache
from dissect.pipeline.spec import probe_again
from dissect.probe.exemplars import unpack_mask
from dissect.probe.progress import Quiet
from dissect.store import Store, UnitFilter
from tests.pipeline.captioners import SAID, WORLD
from tests.pipeline.desk import Desk, opened
from tests.pipeline.planted import SIZE
from tests.store.made_up_runs import undo


def test_units_are_described_as_they_were_taught(described: Desk) -> None:
    for (layer, unit), texts in SAID.items():
        first, *more = described.labels(layer, unit, "milan")
        assert first.text in texts and (first.kind, first.score_kind, first.rank) == ("description", "pmi", 1)
        assert [label.rank for label in more] == [2, 3, 4, 5] and len({first.text, *(label.text for label in more)}) == 5


def test_every_description_keeps_the_figures_it_was_chosen_by(described: Desk, card: Path) -> None:
    for layer, unit in SAID:
        labels = described.labels(layer, unit, "milan")
        for label in labels:
            given, without, weight = (label.details[name] for name in ("log_p_given", "log_p", "lambda"))
            assert isinstance(given, float) and isinstance(without, float) and isinstance(weight, float) and weight == 0.2
            assert label.score == pytest.approx(given - weight * without) and max(given, without) < 0
            assert (label.details["captioner"], label.details["decoding"], label.details["world"]) == (SHIPPED, "rerank", WORLD)
        scores = [label.score or 0.0 for label in labels]
        assert scores == sorted(scores, reverse=True)


def test_a_silent_unit_has_no_description_and_the_layer_says_why(described: Desk) -> None:
    assert described.labels("first", 4, "milan") == []
    summary = described_layer(described, "first")
    assert summary["reasons"] == {"4": "the masks of all its exemplars are empty"}
    assert (summary["units"], summary["described"]) == (5, 4)


def described_layer(desk: Desk, layer: str) -> dict[str, Any]:
    (done,) = [each for each in desk.store.layer_methods(1) if each.method == "milan" and each.layer == layer]
    return dict(done.summary)


def test_the_masks_are_those_above_the_larger_share_of_all_raw_positions(probed: Desk, work: Path) -> None:
    """Written a second time: all maps of the layer, the value of rank floor(share n) + 1 from above, and the strict mask."""
    found = probe_again(probed.store, probed.config, "latest", Quiet(), 1)
    layer = found.result.layers[0]
    names = [record.path for record in found.records]
    batch = np.stack([found.network.prepare(Image.open(path).convert("RGB")) for path in names])
    maps = found.network.activations(batch, (layer.layer,))[layer.layer.name].numpy().astype(np.float16).astype(np.float32)
    for share in (0.005, 0.01, 0.03):
        best = layer_exemplars(found, layer.layer, Wanted(4, share))
        assert best is not None and best.mask_size == SIZE == maps.shape[2:]
        for unit in range(4):
            values = np.sort(maps[:, unit].ravel())[::-1]
            threshold = values[int(share * len(values))]
            strict = maps[:, unit] > threshold if threshold < values[0] else maps[:, unit] == values[0]
            order = np.lexsort((np.arange(len(maps)), -maps[:, unit].max(axis=(1, 2))))[:4]
            assert best.image[unit].tolist() == order.tolist()
            for rank, image in enumerate(order):
                assert np.array_equal(unpack_mask(best.masks[unit][rank], SIZE), strict[image])


def test_detection_tells_planted_units_from_texts_that_know_nothing_of_them(described: Desk) -> None:
    label = described.labels("first", 1, "milan")[0]
    found = label.details["detection"]
    assert isinstance(found, dict) and (found["auc"], found["mapped"]) == (1.0, True) and found["images"] == 10
    beside = found["baselines"]
    assert isinstance(beside, dict) and set(beside) == {"constant", "most_frequent", "shuffled"}
    summary = described_layer(described, "first")
    facts = summary["detection"]
    assert facts["units"] == 4 and facts["coverage"] == 1.0 and facts["auc"] > max(each["auc"] for each in facts["baselines"].values())
    assert facts["constant"] == "dark"  # the part that is in every picture


def test_descriptions_that_name_the_units_concept_and_formula_are_counted(described: Desk) -> None:
    first = described.labels("first", 0, "milan")[0]
    assert first.details["names_concept"] is True and first.details["names_formula"] is True
    chance = first.details["names_concept_chance"]
    assert chance == pytest.approx(2 / 3)  # two of the three other described units of the layer are called red as well
    assert described_layer(described, "first")["agreement"]["concept"] == {"units": 4, "agree": 1.0, "chance": pytest.approx(0.5)}


def test_words_of_descriptions_are_found_by_a_search(described: Desk) -> None:
    found = described.store.search("blue square", UnitFilter(method="milan"))
    assert {(unit.layer, unit.index) for unit in found} == {("first", 1), ("second", 1)}
    assert found[0].label is not None and found[0].label.kind == "description"


def test_where_all_active_images_are_exemplars_nothing_is_tested_and_the_reason_stands_there(composed: Desk, card: Path) -> None:
    composed.caption(captioner=str(card))
    label = composed.labels("first", 0, "milan")[0]
    assert label.details["detection"] is None and "no image excites it" in str(label.details["untested"])
    assert described_layer(composed, "first")["detection"]["units"] == 1  # 16 images are red or green, one more than there are exemplars


def test_describing_again_does_nothing(described: Desk, card: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = described.rows()
    monkeypatch.setattr(caption, "probe_again", forbidden)
    again = described.caption(captioner=str(card), exemplars=3)
    assert again.repeated == ("first", "second") and described.rows() == before
    assert "(was there already)" in again.lines()[0]


def forbidden(*_: object, **__: object) -> None:
    raise AssertionError("nothing should be read again")


@pytest.mark.parametrize(
    "settings",
    [{"weight": 0.5}, {"strategy": "beam"}, {"strategy": "greedy"}, {"strategy": "sample"}, {"strategy": "stepwise"}, {"beam": 3},
     {"prior": "marginal"}, {"kept": 2}, {"exemplars": 2}, {"share": 0.02}, {"length": 2}],
    ids=str,
)  # fmt: skip
def test_other_settings_are_never_met_by_what_is_there(described: Desk, card: Path, settings: dict[str, Any]) -> None:
    wanted = {"captioner": str(card), "exemplars": 3, **settings}
    assert described.caption(**wanted).repeated == ()
    assert described.caption(**wanted).repeated == ("first", "second")
    assert len([each for each in described.store.layer_methods(1) if each.method == "milan"]) == 2


def test_another_captioner_of_the_same_name_is_never_met_by_what_is_there(described: Desk, card: Path, tmp_path: Path) -> None:
    saved = read_captioner(card)
    with torch.no_grad():
        saved.decoder.output.bias[4] += 0.25
    other = tmp_path / card.name
    save_captioner(other, saved)
    assert described.caption(captioner=str(other), exemplars=3).repeated == ()


def test_new_formulas_have_descriptions_tested_again(described: Desk, card: Path) -> None:
    described.compose(length=1)
    assert described.caption(captioner=str(card), exemplars=3).repeated == ()


def test_layers_are_described_one_by_one_as_asked(composed: Desk, described: Desk, card: Path) -> None:
    assert [each.layer for each in composed.caption(captioner=str(card), exemplars=3, layers=("sec*",)).layers] == ["second"]
    assert composed.caption(captioner=str(card), exemplars=3).repeated == ("second",)
    mine, theirs = described_rows(composed), described_rows(described)
    assert mine == theirs
    with pytest.raises(NotFoundError, match=r"no layer 'third'\. Its layers: first, second"):
        composed.caption(captioner=str(card), layers=("third",))


def described_rows(desk: Desk) -> set[tuple[object, ...]]:
    """Every description, by unit; row numbers aside."""
    views = desk.store.units(UnitFilter(run=1), limit=100, exemplars=0)
    return {
        (view.layer, view.index, label.rank, label.text, label.score, json.dumps(label.details))
        for view in views for label in view.labels if label.method == "milan"
    }  # fmt: skip


@pytest.mark.parametrize("stop_at", [1, 2])
def test_an_interrupted_command_run_again_does_what_is_missing(
    composed: Desk, described: Desk, card: Path, stop_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, calls = Store.write_formulas, 0

    def interrupted(*words: object) -> None:
        nonlocal calls
        calls += 1
        if calls == stop_at:
            raise KeyboardInterrupt
        whole(*words)  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "write_formulas", interrupted)
    with pytest.raises(KeyboardInterrupt):
        composed.caption(captioner=str(card), exemplars=3)
    monkeypatch.undo()
    assert composed.caption(captioner=str(card), exemplars=3).repeated == ("first", "second")[: stop_at - 1]
    assert composed.rows() == described.rows()


def test_maps_that_were_pruned_are_computed_again(composed: Desk, described: Desk, card: Path) -> None:
    prune_cache(composed.config, composed.store, 0)
    composed.caption(captioner=str(card), exemplars=3)
    assert described_rows(composed) == described_rows(described)


def test_a_layer_that_was_kept_too_sparsely_is_recorded_again(work: Path, tmp_path: Path, card: Path) -> None:
    """The run keeps the maps above its own threshold, at a share of .01; masks of .05 need more of the second layer."""
    found = {}
    for limit in (70_000, 10_000_000):
        for desk in opened(work, tmp_path / str(limit)):
            desk.config = dataclasses.replace(desk.config, cache_limit=limit)
            notes = desk.run(quantile=0.01).notes
            assert any("holds only the maps that can matter" in note for note in notes) == (limit == 70_000)
            probed = probe_again(desk.store, desk.config, "latest", Quiet(), 1)
            lacking = [layer_exemplars(probed, layer.layer, Wanted(3, 0.05)) is None for layer in probed.result.layers]
            assert lacking == [False, limit == 70_000]
            desk.caption(captioner=str(card), exemplars=3, share=0.05)
            found[limit] = described_rows(desk)
    assert found[70_000] == found[10_000_000] and found[70_000]


def test_all_methods_at_once_give_what_one_after_the_other_gives(work: Path, tmp_path: Path, card: Path, composed: Desk) -> None:
    composed.caption(captioner=str(card))
    for desk in opened(work, tmp_path / "at-once"):
        desk.config = dataclasses.replace(desk.config, cards=(card.parent,))
        outcome = desk.run(methods=("netdissect", "compositional", "milan"))
        assert outcome.captioned is not None and any("4 of 5 units described" in line for line in outcome.lines())
        assert described_rows(desk) == described_rows(composed)


def test_pictures_without_labels_are_described_and_not_tested(work: Path, probed: Desk, card: Path) -> None:
    text = f'name = "plain"\nformat = "pictures"\nroot = "{work}/set/images"\nlicence = "MIT"\nsource = "tests"\n'
    plain = probed.home / "pictures.toml"
    plain.write_text(text)
    run = probed.run(data=str(plain)).run
    outcome = probed.caption(run.id, captioner=str(card), exemplars=3)
    assert "  detection not tested: the data set has no labels, so nothing can be looked up" in outcome.lines()
    view = probed.store.unit("planted", "first", 1, run=run.id)
    assert view.label is not None and view.label.text in SAID["first", 1]
    assert view.label.details["untested"] == "the data set has no labels, so nothing can be looked up"


def test_a_run_that_is_not_done_is_refused(probed: Desk, card: Path) -> None:
    run = probed.run(threshold=0.1).run
    undo(probed.store, run.id)
    with pytest.raises(NotFoundError, match=rf"run {run.id} is failed\. Finish it first"):
        probed.caption(run.id, captioner=str(card))


def test_a_captioner_that_is_not_there_is_named_with_what_is(probed: Desk, card: Path, tmp_path: Path) -> None:
    probed.config = dataclasses.replace(probed.config, cards=(card.parent,))
    with pytest.raises(NotFoundError, match=r"no captioner 'demo-captoner'\. Did you mean demo-captioner\?"):
        probed.caption(captioner="demo-captoner")
    with pytest.raises(NotFoundError, match=r"no captioner card .*gone\.json"):
        probed.caption(captioner=str(tmp_path / "gone.json"))


def test_a_captioner_of_another_shape_or_damaged_is_refused_in_one_line(probed: Desk, card: Path, tmp_path: Path) -> None:
    saved = read_captioner(card)
    other = FeatureRecipe("planted", saved.recipe.network, ("first", "second"), (6, 2))
    save_captioner(tmp_path / "shape.json", dataclasses.replace(saved, recipe=other))
    with pytest.raises(NetworkError, match="has 5 units, but feature recipe planted was made for 6"):
        probed.caption(captioner=str(tmp_path / "shape.json"))
    for name in ("cut.json", "cut.safetensors"):
        shutil.copy(card.with_suffix(Path(name).suffix), tmp_path / name)
    (tmp_path / "demo-captioner.safetensors").write_bytes(card.with_suffix(".safetensors").read_bytes()[:-7])
    shutil.copy(card, tmp_path / "cut.json")
    with pytest.raises(CheckpointError, match="SHA-256 differs"):
        probed.caption(captioner=str(tmp_path / "cut.json"))


def test_a_captioner_without_language_model_says_what_else_can_be_done(probed: Desk, card: Path, tmp_path: Path) -> None:
    save_captioner(tmp_path / "alone.json", dataclasses.replace(read_captioner(card), language_model=None))
    with pytest.raises(UsageError, match=r"alone has no language model.*--prior marginal"):
        probed.caption(captioner=str(tmp_path / "alone.json"))
    assert probed.caption(captioner=str(tmp_path / "alone.json"), strategy="beam", exemplars=3).repeated == ()
    (first, *_) = probed.labels("first", 0, "milan")
    assert first.score is None and first.details["log_p"] is None
    assert probed.caption(captioner=str(tmp_path / "alone.json"), prior="marginal", exemplars=3).repeated == ()
    with pytest.raises(UsageError, match="stepwise needs a language model"):
        probed.caption(captioner=str(card), prior="marginal", strategy="stepwise")


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"exemplars": 0}, "--exemplars is 0"), ({"kept": 51}, "--kept is 51"), ({"share": 1.0}, "--share is 1.0"), ({"beam": 0}, "beam is 0"),
     ({"strategy": "best"}, "no decoding strategy 'best'"), ({"weight": float("nan")}, "lambda nan")],
)  # fmt: skip
def test_a_setting_that_means_nothing_is_refused_by_name(probed: Desk, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        probed.caption(**settings)


def test_a_picture_is_cut_to_what_the_network_sees_of_it() -> None:
    picture = Image.fromarray(np.arange(24, dtype=np.uint8).reshape(4, 6))
    assert cut(picture, View(0, 0, 6, 4, 6, 4)) is picture
    assert np.array_equal(np.asarray(cut(picture, View(1, 0, 5, 4, 6, 4))), np.asarray(picture)[:, 1:5])
    beyond = np.asarray(cut(picture, View(0, -1, 6, 5, 6, 4)))
    assert beyond.shape == (6, 6) and not beyond[0].any() and np.array_equal(beyond[1:5], np.asarray(picture))
