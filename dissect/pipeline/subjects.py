"""Which units `dissect ablate` and `dissect edit` switch off, and which of their layer may be controls for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dissect.errors import NotFoundError, UsageError
from dissect.store import LayerSummary, RunRecord, Store, UnitFilter, UnitView

Concept = tuple[str, str]
MOST_UNITS = 1_000_000


@dataclass(frozen=True, slots=True)
class Subject:
    """Units of a layer that are switched off together, and the (category, name) that they are tested for, None for none."""

    layer: str
    units: tuple[int, ...]
    concept: Concept | None
    score: float | None = None
    detector: bool = False


def subjects(
    store: Store, record: RunRecord, *, layer: str | None, units: Sequence[int], together: bool, concept: str | None, top: int
) -> list[Subject]:
    """The units that were named; else the detectors of the named concept, as one set a layer; else the `top` detectors of highest score.

    Raises:
        NotFoundError: no such layer, unit or concept, or no detectors. UsageError: units of which layer is not said.
    """
    layers = [store.layer_summary(record.id, layer)] if layer else store.layers(record.id)
    if units:
        return _named(store, record, layers, units, together, concept)
    found = [view for each in layers for view in views(store, record, each.layer) if view.label is not None and _is_concept(view)]
    if concept is not None:
        return _of_concept(found, record, concept)
    detectors = [view for view in found if view.label is not None and view.label.detector]
    best = sorted(detectors, key=lambda view: (-(view.label.score or 0.0) if view.label else 0.0, view.layer, view.index))[:top]
    if not best:
        raise NotFoundError(f"run {record.id} has no detectors. Name units with --layer and --units, as {record.model} has others.")
    return [_alone(view) for view in best]


def views(store: Store, record: RunRecord, layer: str) -> list[UnitView]:
    """All units of a layer of a run, by index."""
    return store.units(UnitFilter(run=record.id, layer=layer), order="index", limit=MOST_UNITS, exemplars=0)


def may_be_control(units: Sequence[UnitView], concept: Concept | None, threshold: float) -> NDArray[np.bool_]:
    """(U,) units that are alive and do not carry the concept.

    A unit carries a concept that one of its first labels names (in a formula: without NOT), or that overlaps it with at least half the
    threshold of a detector.
    """
    found = np.zeros(len(units), np.bool_)
    for place, view in enumerate(units):
        named = {(category, name) for label in view.labels if label.rank == 1 for category, name, sign in label.concepts if sign > 0}
        measured = view.label.score_kind if view.label is not None else "iou"
        least = threshold / 2 if measured == "iou" else (1 + threshold) / 2
        near = {(each.category, each.name) for each in view.concepts if (each.score or 0.0) >= least}
        found[place] = view.stats.state not in ("dead", "constant") and concept not in named | near
    return found


def _is_concept(view: UnitView) -> bool:
    return view.label is not None and view.label.kind == "concept" and bool(view.label.concepts)


def _alone(view: UnitView, concept: Concept | None = None) -> Subject:
    label = view.label if _is_concept(view) else None
    own = (label.concepts[0][0], label.concepts[0][1]) if label is not None else None
    same = label is not None and concept in (None, own)
    return Subject(
        view.layer, (view.index,), concept or own, label.score if same and label else None, bool(same and label and label.detector)
    )


def _named(
    store: Store, record: RunRecord, layers: Sequence[LayerSummary], units: Sequence[int], together: bool, concept: str | None
) -> list[Subject]:
    if len(layers) != 1:
        raise UsageError(f"--units of which layer? Run {record.id} has {', '.join(each.layer for each in layers)}: name one with --layer.")
    layer = layers[0]
    wrong = [unit for unit in units if not 0 <= unit < layer.units]
    if wrong:
        raise NotFoundError(f"layer {layer.layer} of run {record.id} has units 0 to {layer.units - 1}; there is no unit {wrong[0]}.")
    wanted = _concept(store, record, concept) if concept is not None else None
    chosen = [store.unit(None, layer.layer, unit, run=record.id, exemplars=0) for unit in dict.fromkeys(units)]
    alone = [_alone(view, wanted) for view in chosen]
    if not together:
        return alone
    carried = {subject.concept for subject in alone}
    common = carried.pop() if len(carried) == 1 else None
    return [Subject(layer.layer, tuple(sorted(view.index for view in chosen)), common, detector=all(each.detector for each in alone))]


def _of_concept(found: Sequence[UnitView], record: RunRecord, concept: str) -> list[Subject]:
    sets: dict[tuple[str, Concept], list[UnitView]] = {}
    for view in found:
        if view.label is not None and view.label.detector and view.label.text.casefold() == concept.casefold():
            sets.setdefault((view.layer, view.label.concepts[0][:2]), []).append(view)
    if not sets:
        near = sorted({view.label.text for view in found if view.label is not None and view.label.detector})
        raise NotFoundError(f"run {record.id} has no detector of {concept!r}. It has detectors of: {', '.join(near) or 'nothing'}.")
    return [
        Subject(layer, tuple(view.index for view in views), name, max(view.label.score or 0.0 for view in views if view.label), True)
        for (layer, name), views in sets.items()
    ]


def _concept(store: Store, record: RunRecord, name: str) -> Concept:
    there = [each for each in store.concepts(vocabulary=record.vocabulary) if each.category]
    found = [each for each in there if each.name.casefold() == name.casefold()]
    if not found:
        raise NotFoundError(f"{record.dataset} has no concept {name!r}. `dissect data show {record.dataset}` lists its concepts.")
    return found[0].category, found[0].name
