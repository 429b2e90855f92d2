"""What is counted from a layer's units, against counting by hand."""

from __future__ import annotations

import math
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from dissect.exchange.plots import histogram_plot, percent_of, runner_bars
from dissect.exchange.summary import HUES, NO_CATEGORY, category_place, hues, layer_facts, layer_sentence, orders
from dissect.exchange.view import ReportLabel, ReportLayer, ReportRun, ReportUnit

LABELS = st.none() | st.builds(
    ReportLabel, text=st.sampled_from(["car", "Bus", "sky", ""]), category=st.sampled_from(["object", "scene", None]),
    score=st.none() | st.floats(0, 1), detector=st.booleans(), q=st.none() | st.floats(0, 1),
)  # fmt: skip
LAYERS = st.lists(st.tuples(st.sampled_from(["ok", "dead", "saturated"]), LABELS), max_size=12).map(
    lambda found: ReportLayer("layer", tuple(ReportUnit(index, state, label=label) for index, (state, label) in enumerate(found)))
)


def run_of(layer: ReportLayer, **changes: object) -> ReportRun:
    return ReportRun(run="1", network="n", dataset="d", layers=(layer,), images={}, image_count=10, **changes)  # type: ignore[arg-type]


@given(LAYERS)
def test_the_histogram_holds_each_detector_once(layer: ReportLayer) -> None:
    facts = layer_facts(layer)
    drawn = Counter(unit.index for group in facts.histogram for bar in group.bars for unit in bar.units)
    assert drawn == Counter(unit.index for unit in layer.units if unit.label is not None and unit.label.detector)
    assert facts.detectors == sum(drawn.values()) and facts.concepts == sum(len(group.bars) for group in facts.histogram)
    for group in facts.histogram:
        sizes = [len(bar.units) for bar in group.bars]
        assert sizes == sorted(sizes, reverse=True) and group.units == sum(sizes)


@given(LAYERS)
def test_every_order_lists_every_unit_once(layer: ReportLayer) -> None:
    for name, units in orders(layer).items():
        assert sorted(unit.index for unit in units) == list(range(len(layer.units))), name


@given(LAYERS)
def test_the_order_by_score_is_best_first_and_then_by_index(layer: ReportLayer) -> None:
    def key(unit: ReportUnit) -> tuple[float, int]:
        return (-math.inf if unit.label is None or unit.label.score is None else unit.label.score), -unit.index

    listed = orders(layer)["score"]
    assert [key(unit) for unit in listed] == sorted((key(unit) for unit in listed), reverse=True)


def test_the_sentence_says_what_pages_promise() -> None:
    units = [ReportUnit(i, "ok", label=ReportLabel("car", "concept", "object", score=0.1, detector=i < 3)) for i in range(8)]
    layer = ReportLayer("conv", (*units, ReportUnit(8, "dead"), ReportUnit(9, "saturated")))
    said = layer_sentence(layer, layer_facts(layer), run_of(layer))
    assert said == "8 of 10 units ok, 3 detectors of 1 concept, 1 dead, 1 saturated, none of these labels was tested for chance."


def test_the_share_that_may_be_chance_is_of_the_tested_detectors() -> None:
    qs = (0.01, 0.4, 0.05, None)
    labels = [ReportLabel("car", score=0.1, detector=True, q=q) for q in qs]
    layer = ReportLayer("conv", tuple(ReportUnit(i, "ok", label=label) for i, label in enumerate(labels)))
    facts = layer_facts(layer)
    assert (facts.tested, facts.chance) == (3, 1)
    assert "33 % of the 3 tested may be chance" in layer_sentence(layer, facts, run_of(layer))


def test_pictures_without_labels_are_called_that() -> None:
    layer = ReportLayer("conv", (ReportUnit(0, "ok"),))
    assert layer_sentence(layer, layer_facts(layer), run_of(layer, label_kind="none")).endswith("so pictures only.")
    assert "no detector" in layer_sentence(layer, layer_facts(layer), run_of(layer))


@given(st.lists(st.sampled_from([*HUES, "garment", "class", "other", "a", "b", "c", "d"]), unique=True))
def test_known_categories_keep_their_hue_and_no_two_share_one(categories: list[str]) -> None:
    given_hues = hues(categories)
    assert all(given_hues[category] == category for category in categories if category in HUES)
    used = [hue for hue in given_hues.values() if hue != "none"]
    assert len(used) == len(set(used)) and set(given_hues) == set(categories)


def test_the_histogram_plot_marks_the_threshold_in_proportion() -> None:
    unit = ReportUnit(0, "ok", threshold=3.0, histogram=(100, 10, 0, 1), edges=(0.0, 1.0, 2.0, 3.0, 4.0))
    plot = histogram_plot(unit)
    assert plot is not None and plot.mark == 3.0 and plot.width == 4
    assert plot.path.startswith("M0 100V4h1") and "V100h1" in plot.path


def test_a_histogram_that_is_none_is_not_drawn() -> None:
    for counts, edges in (((), ()), ((0, 0), (0.0, 1.0, 2.0)), ((5,), (1.0, 1.0)), ((5,), (0.0, 1.0, 2.0))):
        assert histogram_plot(ReportUnit(0, "ok", histogram=counts, edges=edges)) is None


def test_bars_stay_inside_their_place() -> None:
    assert [percent_of(score, 0.5) for score in (None, -1.0, 0.0, 0.25, 0.7, math.nan)] == [0.0, 0.0, 0.0, 50.0, 100.0, 0.0]
    assert percent_of(0.3, 0.0) == 0.0


def test_runners_are_grouped_and_the_label_itself_is_left_out() -> None:
    label = ReportLabel("car", category="object", score=0.2)
    further = [ReportLabel(f"thing {n}", category="object", score=0.1 - n / 100, reachable=0.15 + n) for n in range(7)]
    unit = ReportUnit(0, "ok", label=label, runners=(label, *further, ReportLabel("road", category="scene", score=0.05)))
    groups = runner_bars(unit, 0.2)
    assert [(category, len(bars)) for category, bars in groups] == [("object", 5), ("scene", 1)]
    assert [bar.mark for bar in groups[0][1]][:2] == [75.0, None]


def test_bars_of_a_layer_share_one_scale() -> None:
    further = ReportLabel("road", category="scene", score=0.1)
    weak = ReportUnit(0, "ok", label=ReportLabel("car", category="object", score=0.1), runners=(further,))
    layer = ReportLayer("conv", (weak, ReportUnit(1, "ok", label=ReportLabel("sky", score=0.4))))
    (_, (bar,)), = runner_bars(weak, layer_facts(layer).top)
    assert bar.share == 25.0


@given(st.lists(st.sampled_from([*HUES, "garment", "class", NO_CATEGORY]), unique=True))
def test_categories_stand_in_one_order_everywhere(categories: list[str]) -> None:
    listed = sorted(categories, key=category_place)
    assert listed == [name for name in (*HUES, "class", "garment", NO_CATEGORY) if name in categories]
