"""Formulas of a run, on a network some of whose units are formulas: found, proven, stored, shown, taken up again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dissect.compose.formula import on_masks
from dissect.compose.text import parse
from dissect.concepts.model import Concept, Vocabulary
from dissect.errors import NotFoundError, NotSupportedError, UsageError
from dissect.pipeline import compose
from dissect.pipeline.remove import prune_cache
from dissect.probe.exemplars import unpack_mask
from dissect.store import Store
from tests.pipeline.desk import Desk, opened
from tests.pipeline.planted import FORMULAS, truth
from tests.store.made_up_runs import undo

WORDS = Vocabulary(
    "planted", ("object", "part"),
    tuple(
        Concept(number, name, category, (category,), str(number))
        for number, (name, category) in enumerate((("red", "object"), ("green", "object"), ("blue", "object"), ("dark", "part")), 1)
    ),
)  # fmt: skip
UNITS = [(layer, unit) for layer, units in FORMULAS.items() for unit in units]


@pytest.mark.parametrize(("layer", "unit"), UNITS)
def test_a_planted_formula_is_found_and_proven(read: Desk, layer: str, unit: int) -> None:
    (label,) = read.labels(layer, unit)
    assert (label.text, label.formula, label.score) == (FORMULAS[layer][unit], FORMULAS[layer][unit], 1.0)
    assert label.intersection == label.unit_area == label.concept_area and (label.intersection or 0) > 0
    assert (label.certificate, label.details["gap"], label.reachable, label.detector) == ("optimal", 0.0, 1.0, True)
    assert label.length == len(label.concepts) and {sign for *_, sign in label.concepts} <= {1, -1}


def test_a_formula_explains_all_images_of_its_unit_and_half_of_it_half_of_them(read: Desk, composed: Desk) -> None:
    assert [read.labels(layer, unit)[0].details["explanation_coverage"] for layer, unit in UNITS] == [1.0] * len(UNITS)
    composed.compose(length=1)
    label = composed.labels("first", 2)[0]
    assert label.text in ("red", "green") and label.details["explanation_coverage"] == label.details["activation_coverage"] == 0.5


def test_signs_and_categories_of_a_formula_stand_beside_it(read: Desk) -> None:
    (label,) = read.labels("first", 2)
    assert label.concepts == (("object", "red", 1), ("object", "green", 1), ("part", "dark", -1))
    assert label.details["formula"] == {
        "and": [
            {"or": [{"concept": 1, "name": "red", "category": "object"}, {"concept": 2, "name": "green", "category": "object"}]},
            {"not": {"concept": 4, "name": "dark", "category": "part"}},
        ]
    }


def test_the_gain_curve_of_a_planted_formula_is_the_one_counted_by_hand(read: Desk) -> None:
    """16 squares of 4 places are red or green and half of each dark: 32 active places, 16 of them on 8 red squares."""
    (label,) = read.labels("first", 2)
    curve = label.details["by_length"]
    assert isinstance(curve, list)
    found = [(point["length"], point["intersection"], point["area"], point["iou"]) for point in curve if isinstance(point, dict)]
    assert found == [(1, 16, 32, 16 / 48), (2, 32, 64, 0.5), (3, 32, 32, 1.0)]


def test_a_silent_unit_has_no_formula(read: Desk) -> None:
    assert read.store.unit("planted", "first", 4).labels == ()


def test_the_summary_counts_what_was_found(read: Desk) -> None:
    first, second = read.store.layer_methods(1)
    assert (first.layer, second.layer) == ("first", "second")
    assert (first.summary["units"], first.summary["formulas"], first.summary["proven"]) == (5, 4, 4)
    assert (second.summary["units"], second.summary["formulas"], second.summary["median_iou"]) == (2, 2, 1.0)
    assert first.summary["beam_short"] == 0 and first.settings["beam"] == 10
    assert "4 formulas for 5 units, median IoU 1.000" in compose.sentence(first)


@pytest.mark.parametrize(("layer", "unit"), UNITS)
def test_masks_beside_the_exemplars_are_where_the_formula_is_true_on_the_label_maps(read: Desk, work: Path, layer: str, unit: int) -> None:
    view = read.store.unit("planted", layer, unit)
    formula = parse(FORMULAS[layer][unit], WORDS)
    assert len(view.exemplars) == len(view.formula_masks) == 15
    for exemplar, packed in zip(view.exemplars, view.formula_masks, strict=True):
        assert packed is not None and exemplar.mask_size is not None
        maps = truth(work / "set", exemplar.key)
        expected = on_masks(formula, {concept.index: maps[concept.name] for concept in WORDS.concepts})
        assert np.array_equal(unpack_mask(packed, exemplar.mask_size), expected)


def test_several_meanings_of_a_unit_stand_beside_its_formula(read: Desk) -> None:
    several = read.labels("second", 1, "meanings")
    assert {label.text for label in several[:2]} == {"red AND NOT dark", "blue"}
    assert sum(label.intersection or 0 for label in several) == several[0].unit_area
    (label,) = read.labels("second", 1)
    assert label.details["meanings"] == [
        {"text": each.text, "gain": each.details["gain"], "coverage": each.details["coverage"], "new": each.intersection}
        for each in several
    ]  # fmt: skip


def test_composing_again_does_nothing(composed: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    before = composed.rows()
    monkeypatch.setattr(compose, "probe_again", forbidden)
    again = composed.compose()
    assert again.repeated == ("first", "second") and composed.rows() == before
    assert all(line.endswith("(was there already)") for line in again.lines())


def forbidden(*_: object) -> None:
    raise AssertionError("nothing should be read or searched again")


@pytest.mark.parametrize(
    ("settings", "texts"),
    [
        ({"length": 1}, ["red"]), ({"length": 2}, ["red OR green"]), ({"beam": 3}, [FORMULAS["first"][2]]),
        ({"optimal": False}, [FORMULAS["first"][2]]), ({"categories": ("object",)}, ["red OR green"]), ({"min_images": 9}, []),
        ({"meanings": 0}, [FORMULAS["first"][2]]),
    ],
    ids=str,
)  # fmt: skip
def test_other_settings_replace_the_formulas(composed: Desk, settings: dict[str, Any], texts: list[str]) -> None:
    """Every colour is on 8 images only, so that none is left where 9 are asked for, and `dark` alone overlaps nothing."""
    other = composed.compose(**settings)
    assert other.repeated == () and len(composed.store.layer_methods(1)) == 2
    found = composed.labels("first", 2)
    assert [label.text for label in found] == texts
    assert {label.certificate for label in found} <= {"optimal" if settings.get("optimal", True) else "none"}
    assert bool(composed.labels("first", 2, "meanings")) == (bool(texts) and "meanings" not in settings)
    assert composed.compose(**settings).repeated == ("first", "second")


def test_formulas_composed_back_and_forth_leave_the_rows_as_they_were(composed: Desk) -> None:
    before = composed.rows()
    composed.compose(length=1)
    assert composed.rows() != before
    composed.compose()
    assert composed.rows() == before


def test_counts_that_were_pruned_are_computed_again(work: Path, composed: Desk, probed: Desk) -> None:
    prune_cache(probed.config, probed.store, 0)
    assert not list(probed.config.cache.rglob("*.safetensors"))
    assert probed.compose().repeated == ()
    assert labels_of(probed) == labels_of(composed)


def labels_of(desk: Desk) -> dict[str, object]:
    rows = desk.rows()
    return {table: rows[table] for table in ("label", "label_concept", "label_mask", "layer_method")}


@pytest.mark.parametrize("stop_at", [1, 2])
def test_an_interrupted_command_run_again_does_what_is_missing(
    probed: Desk, composed: Desk, stop_at: int, monkeypatch: pytest.MonkeyPatch
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
        probed.compose()
    monkeypatch.undo()
    assert len(probed.store.layer_methods(1)) == stop_at - 1
    assert probed.compose().repeated == ("first", "second")[: stop_at - 1]
    assert probed.rows() == composed.rows()


def test_both_methods_at_once_give_what_one_after_the_other_gives(work: Path, tmp_path: Path, composed: Desk) -> None:
    for desk in opened(work, tmp_path / "at-once"):
        outcome = desk.run(methods=("netdissect", "compositional"))
        assert outcome.composed is not None and outcome.composed.repeated == ()
        assert any("4 formulas for 5 units" in line for line in outcome.lines())
        assert labels_of(desk) == labels_of(composed)
        assert desk.run(methods=("netdissect", "compositional")).composed.repeated == ("first", "second")  # type: ignore[union-attr]


def test_a_run_that_is_done_can_be_asked_for_formulas_later(probed: Desk, composed: Desk) -> None:
    outcome = probed.run(methods=("netdissect", "compositional"))
    assert outcome.repeated and outcome.composed is not None and outcome.composed.repeated == ()
    assert labels_of(probed) == labels_of(composed)


def test_the_compexp_profile_gives_the_published_search(probed: Desk) -> None:
    """Its beam of 5 fills with ties of `blue OR red` and loses `red AND NOT dark`, on which the planted formula would be built."""
    run = probed.run(profile="compexp").run
    outcome = probed.compose(run.id)
    assert [done.settings["beam"] for done in outcome.layers] == [5, 5]
    assert all(done.settings["optimal"] is False and "proven" not in done.summary for done in outcome.layers)
    for layer, unit in UNITS:
        (label,) = [each for each in probed.store.unit("planted", layer, unit, run=run.id).labels if each.method == "compositional"]
        expected = ("blue OR red", 0.75) if (layer, unit) == ("second", 1) else (FORMULAS[layer][unit], 1.0)
        assert (label.text, label.score, label.certificate, label.profile) == (*expected, "none", "compexp")
    (label,) = probed.store.unit("planted", "first", 2, run=run.id).labels[1:2]
    assert (label.details["ties"], label.details["published_length"]) == (["(green OR red) AND NOT dark"], 4)


@pytest.mark.parametrize("profile", ["netdissect", "lite"])
def test_profiles_that_count_twice_are_refused_before_and_after_the_run(probed: Desk, profile: str) -> None:
    run = probed.run(profile=profile).run
    with pytest.raises(NotSupportedError, match=r"--profile standard or --profile compexp"):
        probed.compose(run.id)
    with pytest.raises(NotSupportedError, match=r"--profile standard or --profile compexp"):
        probed.run(profile=profile, methods=("netdissect", "compositional"), threshold=0.1)
    assert len(probed.store.runs()) == 2


def test_data_without_label_maps_are_refused_before_and_after_the_run(work: Path, probed: Desk) -> None:
    card = probed.home / "pictures.toml"
    card.write_text(f'name = "plain"\nformat = "pictures"\nroot = "{work}/set/images"\nlicence = "MIT"\nsource = "tests"\n')
    with pytest.raises(NotSupportedError, match="data set plain has none"):
        probed.run(data=str(card), methods=("netdissect", "compositional"))
    assert len(probed.store.runs()) == 1
    run = probed.run(data=str(card)).run
    with pytest.raises(NotSupportedError, match=r"plain has no label maps.*Choose another"):
        probed.compose(run.id)


def test_a_run_that_is_not_done_is_refused(probed: Desk) -> None:
    run = probed.run(threshold=0.1).run
    undo(probed.store, run.id)
    with pytest.raises(NotFoundError, match=rf"run {run.id} is failed\. Finish it first"):
        probed.compose(run.id)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"length": 0}, "--length is 0.*1 to 16"),
    ({"length": 17}, "--length is 17.*1 to 16"),
    ({"beam": 0}, "--beam is 0.*1 to 1000"),
    ({"min_images": 0}, "--min-images is 0.*at least 1"),
    ({"meanings": -1}, "--meanings is -1.*0 to 50"),
    ({"penalty": 0.0}, "--penalty is 0.0.*above 0"),
    ({"penalty": float("nan")}, "--penalty is nan"),
    ({"budget": -1.0}, "--budget is -1.0.*0 or more"),
    ({"penalty": 0.9}, "Add --no-optimal"),
    ({"categories": ("objects",)}, r"no category 'objects'\. planted has: object, part"),
]


@pytest.mark.parametrize(("settings", "words"), REFUSED, ids=lambda value: str(value)[:24])
def test_a_setting_that_does_not_fit_is_refused_by_name(probed: Desk, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        probed.compose(**settings)
    assert probed.store.layer_methods(1) == []


def test_categories_are_refused_where_the_profile_has_its_own(probed: Desk) -> None:
    run = probed.run(profile="compexp").run
    with pytest.raises(UsageError, match="Leave --category out"):
        probed.compose(run.id, categories=("object",))


def test_a_penalty_makes_formulas_shorter(probed: Desk) -> None:
    """The single concept has IoU 1 / 3, two have 1 / 2 and three have 1: a factor of 1 / 4 for each leaves 1 / 3, 1 / 8 and 1 / 16."""
    probed.compose(penalty=0.25, optimal=False)
    assert [label.length for label in probed.labels("first", 2)] == [1]
