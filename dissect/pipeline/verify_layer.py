"""The tests of one layer's labels, one after the other: chance, halves, interval, rotated bases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dissect.compose.formula import Formula
from dissect.compose.text import parse, show
from dissect.concepts.model import Vocabulary
from dissect.errors import NotSupportedError
from dissect.pipeline.compose import ComposeRequest
from dissect.pipeline.probed import Probed
from dissect.pipeline.verify_request import VerifyRequest
from dissect.probe.profile import profile
from dissect.probe.progress import Progress
from dissect.probe.tables import Int64, LayerProbe
from dissect.probe.upsample import grid
from dissect.score.best import best_concept
from dissect.score.count import LEAKED, scores
from dissect.store import LayerMethod, Store, UnitFilter
from dissect.verify.basis import BasisNull, basis_null
from dissect.verify.by_image import ByImage, concepts_by_image, formulas_by_image
from dissect.verify.crossfit import HeldOut, concept_held_out, no_split
from dissect.verify.crossfit_formulas import FormulaSearch, formula_held_out
from dissect.verify.fold_counts import FoldCounts, Rules, count_folds, held_categories
from dissect.verify.folds import Folds, group_numbers, split_folds
from dissect.verify.formula_null import FormulaNull, formula_null
from dissect.verify.intervals import Intervals, bootstrap
from dissect.verify.maxima import Rules as BasisRules
from dissect.verify.null import LayerNull, NullData, independence_null, null_data
from dissect.verify.reference import RandomReference

CONCEPTS, FORMULAS = "netdissect", "compositional"


@dataclass(frozen=True)
class Shared:
    """What all layers of a run share. null: label maps ready for shuffling; None where no such test is made, and `null_untested` says
    why if it was asked for. folds: the two halves. group (n,): number of each used image's group."""

    null: NullData | None
    null_untested: str
    folds: Folds
    group: Int64


@dataclass(frozen=True)
class Formulas:
    """The formulas of a layer (U; None: none), and the search that found them."""

    formulas: tuple[Formula | None, ...]
    search: FormulaSearch


@dataclass(frozen=True)
class LabelTests:
    """Tests of one method's labels (U units). named (U,): which units have one. winners (U): what each half chose, in words, empty where
    it chose nothing. z_names (U): the concept that stands out most. What was not made is None; `untested` says why by test."""

    named: NDArray[np.bool_]
    null: LayerNull | FormulaNull | None
    held: HeldOut | None
    winners: tuple[tuple[str, str], ...]
    interval: Intervals | None
    z_names: tuple[str, ...] = ()
    untested: Mapping[str, str] | None = None

    @property
    def p(self) -> NDArray[np.float64]:
        """(U,) of the independence null, NaN where it was not tested."""
        if self.null is None:
            return np.full(len(self.named), np.nan)
        return np.where(self.named, self.null.best_p, np.nan)


@dataclass(frozen=True)
class LayerTests:
    """All tests of a layer, by method of the labels; its rotated bases, None with the reason where they could not be made; and the same
    layer with random weights, where it was asked for."""

    layer: str
    labels: Mapping[str, LabelTests]
    basis: BasisNull | None
    basis_untested: str
    random: RandomReference | None = None


def shared(probed: Probed, request: VerifyRequest) -> Shared:
    """Read what is shared once."""
    result, records, rules = probed.result, probed.records, profile(probed.request.profile)
    used = [records[index] for index in result.image_index.tolist()]
    keys, groups = [record.key for record in used], [record.group for record in used]
    null, why = None, ""
    most = max(request.permutations, request.formula_permutations)
    if most:
        try:
            null = null_data(result, records, probed.vocabulary, rules, permutations=most, seed=request.seed)
        except NotSupportedError as error:
            why = str(error)
    held = held_categories(result.labels, probed.vocabulary, result.image_index) if result.labels is not None else None
    return Shared(null, why, split_folds(keys, groups, held=held, seed=request.seed), group_numbers(keys, groups))


def formulas_of(store: Store, run_id: int, layer: LayerProbe, vocabulary: Vocabulary, composed: LayerMethod) -> Formulas:
    """The formulas that a run holds of a layer, read back from their text."""
    found: list[Formula | None] = [None] * layer.layer.units
    for view in store.units(UnitFilter(run=run_id, layer=layer.layer.name), order="index", limit=layer.layer.units, exemplars=0):
        label = next((each for each in view.labels if each.method == FORMULAS and each.rank == 1), None)
        if label is not None and label.formula:
            found[view.index] = parse(label.formula, vocabulary)
    asked = ComposeRequest.from_plain(composed.settings)
    search = FormulaSearch(asked.length, asked.beam or 10, asked.penalty, asked.categories or None, max(1, asked.min_images))
    return Formulas(tuple(found), search)


def verify_layer(
    layer: LayerProbe, probed: Probed, common: Shared, formulas: Formulas | None, request: VerifyRequest, progress: Progress
) -> LayerTests:
    """Every test that was asked for and can be made, of every label of a layer."""
    name = layer.layer.name
    progress.start(f"halves of {name}", 1, "layer")
    rules = _rules(layer, probed)
    counts = None
    if request.held_out and common.folds.testable and probed.result.labels is not None:
        counts = count_folds(probed.result.recorded[name], probed.result.labels, rules, common.folds, probed.result.image_index)
    progress.done()
    progress.start(f"shuffles of {name}", 1, "layer")
    labels = {CONCEPTS: _concepts(layer, probed, common, counts, rules, request)}
    if formulas is not None:
        labels[FORMULAS] = _formulas(layer, probed, common, counts, rules, formulas, request)
    progress.done()
    basis, why = None, ""
    if request.rotations:
        progress.start(f"rotations of {name}", 1, "layer")
        try:
            basis = _basis(layer, probed, rules, request)
        except NotSupportedError as error:
            why = str(error)
        progress.done()
    return LayerTests(name, labels, basis, why)


def _concepts(
    layer: LayerProbe, probed: Probed, common: Shared, counts: FoldCounts | None, rules: Rules, request: VerifyRequest
) -> LabelTests:
    label = _labels(layer, probed)
    names = _Names(probed.vocabulary)
    null, untested = None, _why_not(common, request.permutations)
    if common.null is not None and request.permutations:
        try:
            null = independence_null(
                probed.result, layer, _first(common.null, request.permutations), min_images=_least(probed, request), over=rules.over
            )
        except NotSupportedError as error:
            untested["null"] = str(error)
    held, winners = _no_halves(layer, common, request)
    if counts is not None:
        found = concept_held_out(counts, rules, label)
        held, winners = found.scores, tuple((names.of(first), names.of(second)) for first, second in found.winner.tolist())
    interval = None
    if request.resamples and probed.result.labels is not None:
        result = probed.result
        tallies = result.tallies[layer.layer.name]
        by_image = concepts_by_image(tallies, probed.result.labels, probed.vocabulary, rules.profile, label, result.image_index)
        interval = _interval(by_image, common, request)
    z_names = tuple(names.of(number) for number in null.z_concept.tolist()) if null is not None else ()
    return LabelTests(label >= 0, null, held, winners, interval, z_names, untested)


def _formulas(
    layer: LayerProbe, probed: Probed, common: Shared, counts: FoldCounts | None, rules: Rules, formulas: Formulas, request: VerifyRequest
) -> LabelTests:
    null, untested, search = None, _why_not(common, request.formula_permutations), formulas.search
    if common.null is not None and request.formula_permutations:
        try:
            null = formula_null(
                probed.result, layer, common.null, length=search.length, width=search.width, penalty=search.penalty,
                permutations=request.formula_permutations, min_images=search.min_images, categories=search.categories, over=rules.over,
            )  # fmt: skip
        except NotSupportedError as error:
            untested["null"] = str(error)
    held, winners = _no_halves(layer, common, request)
    if counts is not None:
        found = formula_held_out(counts, rules, search, formulas.formulas)
        held = found.scores
        winners = tuple((_shown(first, probed.vocabulary), _shown(second, probed.vocabulary)) for first, second in found.winner)
    interval = None
    if request.resamples and probed.result.labels is not None:
        tallies = probed.result.tallies[layer.layer.name]
        by_image = formulas_by_image(
            tallies, probed.result.labels, probed.vocabulary, rules.profile, formulas.formulas, probed.result.image_index
        )
        interval = _interval(by_image, common, request)
    named = np.array([formula is not None for formula in formulas.formulas], np.bool_)
    return LabelTests(named, null, held, winners, interval, (), untested)


def _rules(layer: LayerProbe, probed: Probed) -> Rules:
    own = profile(probed.request.profile)
    over = grid(layer.layer.map_size, probed.result.label_size, own.upsampling, probed.network.input_size)
    return Rules(probed.vocabulary, own, probed.request.quantile, over, probed.request.min_images)


def _labels(layer: LayerProbe, probed: Probed) -> Int64:
    """(U,) concept of each unit's label, as the run has it; -1 for none."""
    if layer.tables is None:
        raise NotSupportedError(f"layer {layer.layer.name} has no counts by label. Choose a data set with label maps.")
    rules = profile(probed.request.profile)
    found = scores(layer.tables, probed.vocabulary, rules, min_images=probed.request.min_images)
    return best_concept(found, layer.stats.state, rules).concept[:, 0].astype(np.int64)


def _least(probed: Probed, request: VerifyRequest) -> int:
    return max(probed.request.min_images, request.null_min_images)


def _first(null: NullData, count: int) -> NullData:
    """The same with only the first shuffles."""
    return replace(null, shuffles=replace(null.shuffles, source=null.shuffles.source[: count + 1]))


def _why_not(common: Shared, wanted: int) -> dict[str, str]:
    return {"null": common.null_untested} if wanted and common.null_untested else {}


def _no_halves(layer: LayerProbe, common: Shared, request: VerifyRequest) -> tuple[HeldOut | None, tuple[tuple[str, str], ...]]:
    """What is said where no label was chosen on halves: why not, if it was asked for."""
    nothing = (("", ""),) * layer.layer.units
    return (no_split(common.folds, layer.layer.units) if request.held_out and not common.folds.testable else None), nothing


def _interval(by_image: ByImage, common: Shared, request: VerifyRequest) -> Intervals:
    return bootstrap(by_image, common.group, draws=request.resamples, seed=request.seed)


def _basis(layer: LayerProbe, probed: Probed, rules: Rules, request: VerifyRequest) -> BasisNull:
    result = probed.result
    return basis_null(
        result.recorded[layer.layer.name], result.labels, layer.tables, layer.stats.state, rules.over,
        labelling(probed),
        rotations=request.rotations, seed=request.seed,
    )  # fmt: skip


def labelling(probed: Probed) -> BasisRules:
    """The run's own rules of labelling, for what is compared with it."""
    asked = probed.request
    return BasisRules(probed.vocabulary, profile(asked.profile), asked.quantile, asked.min_images, asked.threshold)


def _shown(formula: Formula | None, vocabulary: Vocabulary) -> str:
    return "" if formula is None else show(formula, vocabulary)


class _Names:
    """Concepts by number, in words."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._names = [concept.name for concept in vocabulary.concepts]

    def of(self, number: int) -> str:
        return "" if number < LEAKED else "(label 0, which has no name)" if number == LEAKED else self._names[number - 1]
