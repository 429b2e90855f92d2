"""A layer in numbers and words, and the orders in which its units are listed."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dissect.exchange.described import layer_words
from dissect.exchange.formulas import number
from dissect.exchange.view import ReportLabel, ReportLayer, ReportRun, ReportUnit
from dissect.exchange.words import may_be_chance, name_of, percent, some, two
from dissect.fingerprint import Plain

HUES = ("object", "part", "scene", "material", "texture", "color")
"""The categories that have a hue of their own, everywhere the same."""
NO_CATEGORY = "no category"
STATES_WITHOUT_LABEL = ("dead", "constant")


@dataclass(frozen=True, slots=True)
class ConceptBar:
    """One concept and the detector units that carry it, best first."""

    name: str
    category: str
    units: tuple[ReportUnit, ...]

    @property
    def anchor(self) -> str:
        """Id of the concept's first row on the pages in order of concept."""
        return f"u{self.units[0].index}"


@dataclass(frozen=True, slots=True)
class CategoryBars:
    """One category's histogram: distinct concepts, those with most units first."""

    category: str
    bars: tuple[ConceptBar, ...]

    @property
    def units(self) -> int:
        return sum(len(bar.units) for bar in self.bars)


@dataclass(frozen=True, slots=True)
class LayerFacts:
    """What is counted from a layer's units. top: highest score, the right end of every bar.

    measured: whether some label is a concept with an IoU. texts: distinct labels.
    """

    units: int
    states: Mapping[str, int]
    detectors: int
    concepts: int
    tested: int
    chance: int
    top: float
    histogram: tuple[CategoryBars, ...]
    measured: bool = True
    texts: int = 0


def layer_facts(layer: ReportLayer) -> LayerFacts:
    """Count a layer."""
    detectors = [unit for unit in layer.units if unit.label is not None and unit.label.detector]
    histogram = _histogram(detectors)
    labels = [unit.label for unit in detectors if unit.label is not None]
    every = [unit.label for unit in layer.units if unit.label is not None]
    states: dict[str, int] = defaultdict(int)
    for unit in layer.units:
        states[unit.state] += 1
    shown = [unit.label for unit in layer.units if unit.label is not None and unit.label.kind != "description"]
    tops = [label.score for label in shown if label.score is not None]
    return LayerFacts(
        units=len(layer.units),
        states=dict(states),
        detectors=len(detectors),
        concepts=layer.unique_best if layer.unique_best is not None else sum(len(group.bars) for group in histogram),
        tested=sum(label.q is not None for label in labels),
        chance=sum(may_be_chance(label) for label in labels),
        top=max(tops, default=0.0) or 1.0,
        histogram=histogram,
        measured=any(label.kind == "concept" and label.measure == "iou" for label in every),
        texts=len({label.text for label in every}),
    )


def _histogram(detectors: Sequence[ReportUnit]) -> tuple[CategoryBars, ...]:
    found: dict[str, dict[str, list[ReportUnit]]] = defaultdict(lambda: defaultdict(list))
    for unit in sorted(detectors, key=_by_score):
        found[category_of(unit.label)][name_of(unit.label)].append(unit)
    groups = []
    for category in sorted(found, key=category_place):
        bars = [ConceptBar(name, category, tuple(units)) for name, units in found[category].items()]
        groups.append(CategoryBars(category, tuple(sorted(bars, key=lambda bar: (-len(bar.units), bar.name)))))
    return tuple(groups)


def layer_sentence(layer: ReportLayer, facts: LayerFacts, run: ReportRun) -> str:
    """The layer's first line: `412 of 512 units ok, 38 detectors of 11 concepts, 6 dead, 31 % may be chance`."""
    if run.imported:
        return _imported_sentence(facts, run)
    parts = [f"{facts.states.get('ok', 0):,} of {some(facts.units, 'unit')} ok"]
    if run.label_kind != "none":
        found = f"{some(facts.detectors, 'detector')} of {some(facts.concepts, 'concept')}" if facts.detectors else "no detector"
        parts.append(found)
    parts += [f"{number:,} {state}" for state, number in sorted(facts.states.items()) if state != "ok"]
    if run.label_kind == "none":
        parts.append("no labels in this data set, so pictures only")
    elif facts.detectors and not facts.tested:
        parts.append("none of these labels was tested for chance")
    elif facts.detectors:
        parts.append(f"{percent(facts.chance / facts.tested)} of the {facts.tested:,} tested may be chance")
    return ", ".join(parts) + "." + _formula_sentence(layer.formulas) + layer_words(layer.descriptions)


def _imported_sentence(facts: LayerFacts, run: ReportRun) -> str:
    """`2,048 units with a row, 1,355 detectors of 186 concepts, from a netdissect table x.csv; nothing else is known of them.`"""
    parts = [f"{some(facts.units, 'unit')} with a row"]
    if facts.measured:
        parts.append(f"{some(facts.detectors, 'detector')} of {some(facts.concepts, 'concept')}")
    elif facts.texts:
        parts.append(f"{facts.texts:,} distinct labels")
    return f"{', '.join(parts)}, from the {run.imported}; nothing else is known of them."


def _formula_sentence(found: Mapping[str, Plain]) -> str:
    """` Formulas: median IoU .08 against .05 of single concepts; 92 % proven optimal at length 3; the beam fell short for 4 % of units.`

    The summary counts units: `units` in all, `proven`, `beam_short`; what it does not hold is not said.
    """
    median, single = number(found.get("median_iou")), number(found.get("median_concept_iou"))
    units, proven, short = (number(found.get(name)) for name in ("units", "proven", "beam_short"))
    length = number(found.get("length"))
    parts = []
    if median is not None:
        parts.append(f"median IoU {two(median)}" + (f" against {two(single)} of single concepts" if single is not None else ""))
    if units and proven is not None:
        parts.append(f"{percent(proven / units)} proven optimal" + (f" at length {length:.0f}" if length is not None else ""))
    if units and short is not None:
        parts.append(f"the beam fell short for {percent(short / units)} of units" if short else "the beam fell short for no unit")
    return f" Formulas: {'; '.join(parts)}." if parts else ""


def category_of(label: ReportLabel | None) -> str:
    """The label's category, or words for none."""
    return (label.category if label is not None else None) or NO_CATEGORY


def category_place(category: str) -> tuple[int, str]:
    """Sort key, the same on every page: the six with a hue in their order, then others by name, no category last."""
    known = HUES.index(category) if category in HUES else len(HUES) + (category == NO_CATEGORY)
    return known, category


def hues(categories: Sequence[str]) -> dict[str, str]:
    """Category -> hue. The six known categories keep theirs; others take what is free, in order; then grey (`none`)."""
    given = {category: category for category in categories if category in HUES}
    free = [hue for hue in HUES if hue not in given]
    for category in categories:
        if category not in given:
            given[category] = free.pop(0) if free else "none"
    return given


def _by_score(unit: ReportUnit) -> tuple[float, int]:
    score = unit.label.score if unit.label is not None else None
    return (-score if score is not None and math.isfinite(score) else math.inf, unit.index)


def orders(layer: ReportLayer) -> dict[str, list[ReportUnit]]:
    """The units in every order that is offered: by `score`, `index`, `concept`, `category`. Units without a label come last."""

    def by_category(unit: ReportUnit) -> tuple[bool, tuple[int, str], tuple[float, int]]:
        return unit.label is None, category_place(category_of(unit.label)), _by_score(unit)

    def by_concept(unit: ReportUnit) -> tuple[bool, bool, str, tuple[int, str], tuple[float, int]]:
        weak = unit.label is None or not unit.label.detector
        return unit.label is None, weak, name_of(unit.label).casefold(), category_place(category_of(unit.label)), _by_score(unit)

    return {
        "score": sorted(layer.units, key=_by_score),
        "index": sorted(layer.units, key=lambda unit: unit.index),
        "concept": sorted(layer.units, key=by_concept),
        "category": sorted(layer.units, key=by_category),
    }
