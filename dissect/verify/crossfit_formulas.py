"""Held-out scores of formulas by two-fold cross-fit: the search of the run on one fold's counts, membership scored on the other's.

Under `standard` it is the beam search, under `compexp` the published one; the proof that a run adds is not repeated. Letters: U units,
S signatures, column f: found on fold f.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dissect.compose.beam import beam
from dissect.compose.chain import Chain, to_formula
from dissect.compose.formula import Formula, on_signatures, signs
from dissect.compose.logic import equivalent
from dissect.compose.published import published
from dissect.compose.search import ratio
from dissect.compose.world import World, world
from dissect.errors import NotSupportedError, ShapeError
from dissect.score.best import UNLABELLED_STATES
from dissect.verify.crossfit import FloatArray, HeldOut, label_reasons, reasons
from dissect.verify.fold_counts import FoldCounts, Rules

PROFILES = ("standard", "compexp")


@dataclass(frozen=True, slots=True)
class FormulaSearch:
    """The run's own search. length: most concepts. width: formulas kept of each length. penalty: as `beam` and `published` take it.
    categories: only concepts of these, None for the profile's own, or all. min_images: only concepts that are in so many images of the
    fold."""

    length: int = 3
    width: int = 10
    penalty: float = 1.0
    categories: tuple[str, ...] | None = None
    min_images: int = 1


@dataclass(frozen=True)
class FormulaHeldOut:
    """Of formulas. winner (U, 2): the formula found on fold f, None where there is none."""

    scores: HeldOut
    winner: tuple[tuple[Formula | None, Formula | None], ...]


def formula_held_out(counts: FoldCounts, rules: Rules, search: FormulaSearch, label: Sequence[Formula | None]) -> FormulaHeldOut:
    """Cross-fit of the formulas of a layer. label (U): the run's formula of each unit.

    A formula is not testable on a fold that holds no pixel of it, or lacks one of the concepts it names positively.

    Raises:
        NotSupportedError: the profile has no formulas.
        ShapeError: formulas of another number of units.
    """
    units = len(counts.hidden[0])
    if rules.profile.name not in PROFILES:
        raise NotSupportedError(
            f"formulas under profile {rules.profile.name} are not supported: it counts a concept in two planes twice. "
            f"Score the run again with --profile {' or --profile '.join(PROFILES)}."
        )
    if len(label) != units:
        raise ShapeError(f"{len(label)} formulas for {units} units.")
    worlds = [[_world(counts, rules, search, f, g) for g in (0, 1)] for f in (0, 1)]
    found = [_masked(_search(counts, rules, search, f), counts, f) for f in (0, 1)]
    known = [_masked(label, counts, f) for f in (0, 1)]
    inside, outside, label_inside, label_outside = (
        np.stack([_scores(worlds[f][f if same else 1 - f], each[f]) for f in (0, 1)], axis=1)
        for each, same in ((found, True), (found, False), (known, True), (known, False))
    )
    winner = tuple(zip(*found, strict=True))
    agree = np.array([_same(one, two) for one, two in winner], np.bool_)
    with_label = np.array([_same(one, formula) for (one, _), formula in zip(winner, label, strict=True)], np.bool_)
    chosen = np.array([[formula is not None for formula in pair] for pair in winner], np.bool_).reshape(units, 2)
    labelled = np.array([formula is not None for formula in label], np.bool_)
    notes = ("formulas are searched by beam on each fold; a proof of the best formula is not repeated there",)
    result = HeldOut(
        inside, outside, label_inside, label_outside, agree, agree & with_label, reasons(counts, chosen, outside, "formula"),
        label_reasons(counts, labelled, label_inside, label_outside, "formula"), counts.folds.split_hash, counts.folds.images, notes,
    )  # fmt: skip
    return FormulaHeldOut(result, winner)


def _world(counts: FoldCounts, rules: Rules, search: FormulaSearch, f: int, g: int, min_images: int = 0) -> World:
    """Threshold of fold f, images of fold g; with all concepts, unless some are too rare to be chosen."""
    own = tuple(name for name in rules.profile.categories or () if name in rules.vocabulary.categories)
    categories = (search.categories or own or None) if min_images else None
    return world(counts.tables[f][g], rules.vocabulary, min_images=min_images, categories=categories, void=rules.profile.void)


def _search(counts: FoldCounts, rules: Rules, search: FormulaSearch, f: int) -> list[Formula | None]:
    here = _world(counts, rules, search, f, f, max(1, search.min_images))
    chains: Sequence[Chain | None]
    if rules.profile.name == "compexp":
        chains = published(here, beam=search.width, length=search.length, penalty=search.penalty).best
    else:
        chains = beam(here, length=search.length, width=search.width, penalty=search.penalty).chains
    return [None if chain is None else to_formula(chain, here) for chain in chains]


def _masked(formulas: Sequence[Formula | None], counts: FoldCounts, f: int) -> list[Formula | None]:
    """None for units without a mask under the threshold of fold f."""
    states, hidden = counts.thresholds[f].state, counts.hidden[f]
    return [None if hidden[unit] or states[unit] in UNLABELLED_STATES else formula for unit, formula in enumerate(formulas)]


def _scores(here: World, formulas: Sequence[Formula | None]) -> FloatArray:
    """(U,) IoU of one formula a unit, NaN where it cannot be scored."""
    pixels = np.zeros((3, len(formulas)), np.int64)
    known = np.zeros(len(formulas), np.bool_)
    for unit, formula in enumerate(formulas):
        if formula is None or not _present(formula, here):
            continue
        holds = on_signatures(formula, here)
        own = slice(here.unit_offsets[unit], here.unit_offsets[unit + 1])
        active = holds[here.unit_signature[own]]
        pixels[:, unit] = here.unit_count[own][active].sum(), here.pixels[holds].sum(), here.unit_area[unit]
        known[unit] = pixels[1, unit] > 0
    return np.where(known, ratio(*pixels), np.nan)


def _present(formula: Formula, here: World) -> bool:
    """Whether all concepts that the formula names positively are in some image."""
    positive = [concept for concept, both in signs(formula).items() if 1 in both]
    return bool((here.presence[np.searchsorted(here.concept, positive)] > 0).all())


def _same(one: Formula | None, two: Formula | None) -> bool:
    return one is not None and two is not None and equivalent(one, two)
