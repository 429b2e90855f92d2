"""Causal effects of a run's units: switched off one by one or together, beside matched controls, on the network's own answers.

The data and the network are opened again and shown to be those of the run. Effects are added to the run's layers one layer at a time.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dissect.config import Config
from dissect.errors import NotFoundError, UsageError
from dissect.fingerprint import Plain
from dissect.network.ablate import HOWS, Ablation, Ablator, How, Means, look, mean_of
from dissect.network.model import LayerInfo
from dissect.network.outgoing import outgoing_norm
from dissect.pipeline.imported import refuse_imported
from dissect.pipeline.pictures import Held, held, passes
from dissect.pipeline.spec import Reopened, reopen
from dissect.pipeline.subjects import Subject, may_be_control, subjects, views
from dissect.probe.progress import Progress
from dissect.store import AblationEntry, AblationView, RunRecord, Store, UnitView
from dissect.verify.ablation import Effect, effect
from dissect.verify.controls import Balance, Controls, matched_controls
from dissect.verify.effects import (
    Answers,
    Floats,
    accuracy,
    answers,
    concept_loss,
    divergence,
    logit_change,
    losses,
    selectivity,
)
from dissect.verify.rates import q_values

DOSES = (0.75, 0.5, 0.25)
"""Shares of the activation that a dose curve has between all of it, which changes nothing, and none."""
ENOUGH = 20
"""Control sets from which a rank can fall to .05."""


@dataclass(frozen=True, slots=True)
class AblateRequest:
    """Which units are switched off, and how. See `subjects` for layer, units, together, concept and top.

    how: `mean`, `zero` or `resample`. controls: matched control sets a test. dose: also partly. images: at most so many pictures, evenly
    spaced. seed: of the order of pictures, of control sets of several units and of the bootstrap.
    """

    layer: str | None = None
    units: tuple[int, ...] = ()
    together: bool = False
    concept: str | None = None
    top: int = 10
    how: How = "mean"
    controls: int = ENOUGH
    dose: bool = False
    images: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("top", 1), ("controls", 0), ("images", 2)):
            if getattr(self, name) < least:
                raise UsageError(f"--{name} is {getattr(self, name)}. Give a whole number of at least {least}.")
        if self.how not in HOWS:
            raise UsageError(f"--how is {self.how!r}. Choose one of {', '.join(HOWS)}.")
        if self.together and not self.units:
            raise UsageError("--together says that the units of --units are switched off at once. Name them.")


@dataclass(frozen=True)
class AblateOutcome:
    """run; effects as the store holds them now, of this request only; notes: how it was computed, and what it cannot show."""

    run: RunRecord
    effects: tuple[AblationView, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Layer:
    """What is measured of a layer before anything is switched off. average, maximum (N, U); norm (U,) or None."""

    info: LayerInfo
    units: list[UnitView]
    average: Floats
    means: Means
    norm: Floats | None


def ablate_run(
    store: Store, config: Config, reference: str | int, request: AblateRequest, progress: Progress, *, workers: int = 1
) -> AblateOutcome:
    """Measure effects and add them to the run.

    Raises:
        NotFoundError: the run is not done, or has no such units. DissectError: as `reopen`.
    """
    record = store.run(reference)
    refuse_imported(record, "switch units off in")
    if record.state != "done":
        raise NotFoundError(f"run {record.id} is {record.state}. Finish it first with the command that began it.")
    wanted = subjects(
        store, record, layer=request.layer, units=request.units, together=request.together, concept=request.concept, top=request.top
    )
    opened = reopen(store, config, record.id)
    size = store.layers(record.id)[0].label_size
    found = held(opened.data, opened.network, size, limit=request.images, seed=request.seed, progress=progress)
    names = [(concept.category, concept.name) for concept in opened.data.vocabulary.concepts]
    right = answers(opened.network.classes, names, found.presence, found.whole)
    notes = [f"{len(found.records):,} of {record.images:,} pictures, {len(np.unique(found.groups)):,} groups"]
    rows: dict[str, list[AblationEntry]] = {}
    for layer in dict.fromkeys(subject.layer for subject in wanted):
        mine = [subject for subject in wanted if subject.layer == layer]
        rows[layer] = _layer_effects(store, opened, mine, found, names, right, request, progress, workers, notes)
    for layer, entries in rows.items():
        store.write_ablations(record.id, layer, _with_q(entries, [each for others in rows.values() for each in others]))
    marks = {(layer, each.members, each.concept, each.how) for layer, entries in rows.items() for each in entries}
    written = [each for each in store.ablations(record.id) if (each.layer, each.members, each.concept, each.how) in marks]
    return AblateOutcome(record, tuple(written), tuple(dict.fromkeys(notes)))


def _layer_effects(
    store: Store, opened: Reopened, wanted: Sequence[Subject], found: Held, names: Sequence[tuple[str, str]], right: Answers | None,
    request: AblateRequest, progress: Progress, workers: int, notes: list[str],
) -> list[AblationEntry]:  # fmt: skip
    layer = _measured(store, opened, wanted[0].layer, found, progress, workers)
    controls = {subject: _controls(opened, layer, subject, request) for subject in wanted}
    columns = {subject: names.index(subject.concept) if subject.concept in names else None for subject in wanted}
    doses = (*DOSES, 0.0) if request.dose else (0.0,)
    sets = dict.fromkeys(units for subject in wanted for units in (subject.units, *controls[subject].sets))
    choices = [Ablation(units, dose) for dose in doses for units in sets]
    ablator = Ablator(opened.network, layer.info, request.how, layer.means)
    answered = {column for column in columns.values() if column is not None and right is not None and column in right.concepts}
    measured = _measures(ablator, choices, found, right, sorted(answered), progress, workers)
    notes.append(f"{layer.info.name}: {len(choices):,} sets of units; each ran {ablator.path}")
    if layer.norm is None:
        notes.append(f"{layer.info.name}: no single layer reads its units one by one, so controls are not matched on outgoing weights")
    place = {choice: row for row, choice in enumerate(choices, start=1)}
    classes = found.presence[:, sorted(right.concepts)] if right is not None else found.presence
    index = selectivity(layer.average, classes)
    entries = []
    for subject in wanted:
        column = columns[subject]
        inside = found.presence[:, column] if column is not None else np.zeros(len(found.records), np.bool_)
        for dose in doses:
            rows = [place[Ablation(units, dose)] for units in (subject.units, *controls[subject].sets)]
            for name in _names_for(measured, column):
                values = measured[name]
                result = effect(values[0], values[rows[0]], values[rows[1:]], inside, found.groups, seed=request.seed)
                details = _details(subject, result, measured, rows[0], index, column, controls[subject])
                entries.append(_entry(subject, request.how, dose, name.partition(":")[0], result, controls[subject], details))
    return entries


def _measured(store: Store, opened: Reopened, name: str, found: Held, progress: Progress, workers: int) -> _Layer:
    info = opened.network.layers((name,))[0]
    progress.start(f"means of {name}", len(found.records), "image")
    seen, rows, norm, first = [], [], None, True
    for part, batch in passes(found, opened.network, workers, progress):
        if first:
            norm, first = outgoing_norm(opened.network, info, batch), False
        each = look(opened.network, info, batch)[1]
        seen.append(each)
        rows.append(part.stop - part.start)
    progress.done()
    average = np.concatenate([each.average[:count] for each, count in zip(seen, rows, strict=True)])
    prefix = np.concatenate([each.prefix[:count] for each, count in zip(seen, rows, strict=True)])
    return _Layer(info, views(store, opened.record, name), average, mean_of(average, prefix), norm)


def _controls(opened: Reopened, layer: _Layer, subject: Subject, request: AblateRequest) -> Controls:
    threshold = opened.request.threshold
    eligible = may_be_control(layer.units, subject.concept, threshold)
    images = max(opened.record.used or opened.record.images, 1)
    share = np.array([(view.stats.active_images or 0) / images for view in layer.units])
    features = [layer.average.mean(axis=0), share, *([layer.norm] if layer.norm is not None else [])]
    names = ("mean activation", "share of pictures it is active in", "outgoing weight norm")[: len(features)]
    return matched_controls(subject.units, eligible, np.stack(features, axis=1), names, count=request.controls, seed=request.seed)


def _measures(
    ablator: Ablator, choices: Sequence[Ablation], found: Held, right: Answers | None, columns: Sequence[int], progress: Progress,
    workers: int,
) -> dict[str, Floats]:  # fmt: skip
    """Measure -> (1 + K, N): the plain network first, then each choice. `concept_loss:7` is that of column 7."""
    kept: dict[str, list[Floats]] = {}
    progress.start(f"ablation in {ablator.layer.name}", len(found.records), "image")
    for part, batch in passes(found, ablator.network, workers, progress):
        logits = ablator.outputs(batch, choices)[:, : part.stop - part.start]
        for name, values in _of_batch(logits, found, right, columns, np.arange(part.start, part.stop)).items():
            kept.setdefault(name, []).append(values)
    progress.done()
    return {name: np.concatenate(parts, axis=1) for name, parts in kept.items()}


def _of_batch(
    logits: NDArray[np.float32], found: Held, right: Answers | None, columns: Sequence[int], rows: NDArray[np.int64]
) -> dict[str, Floats]:
    if right is None:
        return {"kl": divergence(logits), "logit_change": logit_change(logits)}
    here = right.rows(rows)
    own = {f"concept_loss:{column}": concept_loss(logits, here, column, found.presence[rows, column]) for column in columns}
    return {"loss": losses(logits, here), "accuracy": accuracy(logits, here), **own}


def _names_for(measured: Mapping[str, Floats], column: int | None) -> list[str]:
    """The measures that say something about a subject; first the one that says most."""
    own = f"concept_loss:{column}"
    return [name for name in (own, "loss", "kl", "logit_change") if name in measured]


def _details(
    subject: Subject, result: Effect, measured: Mapping[str, Floats], row: int, index: Floats, column: int | None, controls: Controls
) -> dict[str, Plain]:
    chosen = [float(index[unit]) for unit in subject.units if not math.isnan(index[unit])]
    facts: dict[str, Plain] = {
        **{name: value for name, value in dataclasses.asdict(result).items() if name not in ("value", "low", "high", "p", "controls")},
        "shown": result.shown,
        "no_effect": bool(subject.detector and result.value is not None and not result.shown),
        "score": subject.score,
        "class_selectivity": sum(chosen) / len(chosen) if chosen else None,
        "control_sets": [list(units) for units in controls.sets],
        "tested_with_concept": column is not None,
    }
    for name in ("accuracy", "loss"):
        if name in measured:
            facts |= {f"{name}_before": float(measured[name][0].mean()), f"{name}_after": float(measured[name][row].mean())}
    return facts


def _entry(
    subject: Subject, how: str, dose: float, measure: str, result: Effect, controls: Controls, details: Mapping[str, Plain]
) -> AblationEntry:
    return AblationEntry(
        members=subject.units, concept=subject.concept, how=how, dose=dose, measure=measure, effect=result.value,
        interval_low=result.low, interval_high=result.high, control_mean=result.control_mean, controls=result.controls, p=result.p,
        balance={each.feature: _balance(each) for each in controls.balance}, details=details,
    )  # fmt: skip


def _balance(each: Balance) -> dict[str, Plain]:
    return {"before": each.before, "after": each.after, "good": each.good}


def _with_q(entries: Sequence[AblationEntry], every: Sequence[AblationEntry]) -> list[AblationEntry]:
    """q by Benjamini-Hochberg over all tests of one measure and dose of this request."""
    found = []
    for entry in entries:
        family = [other for other in every if (other.measure, other.dose) == (entry.measure, entry.dose)]
        q = q_values(np.array([math.nan if other.p is None else other.p for other in family]))
        own = float(q[next(k for k, other in enumerate(family) if other is entry)])
        found.append(dataclasses.replace(entry, q=None if math.isnan(own) else own))
    return found
