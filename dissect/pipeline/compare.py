"""Two runs beside each other: settings that differ, labels gained and lost, units paired by number or by what they answer to.

Reads the database alone, unless units are paired by their activations: then both probes are read from the cache, and computed again
where they were pruned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dissect.audit.change_gate import ChangeClause, ChangeVerdict, judge
from dissect.audit.changes import LayerChange, RunChanges, UnitLabel, unit_changes
from dissect.audit.pairing import pair_units
from dissect.config import Config
from dissect.errors import NotFoundError, UsageError
from dissect.probe.progress import Progress, Quiet
from dissect.store import HeadlineView, LayerSummary, RunRecord, Store, UnitFilter
from dissect.store.details import PARTS

Match = Literal["index", "activation"]
MOST_UNITS = 1_000_000
USUAL = "netdissect"
LEFT_OUT = ("model", "data", "notes", "layers", "methods", "profile", "quantile")
"""Settings that stand elsewhere or are words for a person."""
MATCHES: tuple[Match, ...] = ("index", "activation")


@dataclass(frozen=True)
class CompareRequest:
    """What is to be compared.

    layers: (layer of the first run, layer of the second); empty: all of the same name, or the only one of each. match: how units are
    paired. method, second_method: whose labels; None: the unit's headline. least_correlation: pairs below it are taken apart again.
    """

    layers: tuple[tuple[str, str], ...] = ()
    match: Match = "index"
    method: str | None = None
    second_method: str | None = None
    least_correlation: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.match not in MATCHES:
            raise UsageError(f"units cannot be matched by {self.match!r}. Choose {' or '.join(MATCHES)}.")
        if not -1 <= self.least_correlation <= 1:
            raise UsageError(f"--min-correlation is {self.least_correlation}. Give a correlation from -1 to 1; 0.3 is usual.")


@dataclass(frozen=True)
class CompareOutcome:
    """What came of it. page: the HTML page, None if none was written."""

    changes: RunChanges
    verdicts: tuple[ChangeVerdict, ...] = ()
    page: Path | None = field(default=None)

    @property
    def failed(self) -> bool:
        """Whether a gate fails."""
        return any(verdict.failed for verdict in self.verdicts)


def compare_runs(
    store: Store, config: Config, first: str | int, second: str | int, request: CompareRequest, progress: Progress | None = None, *,
    clauses: Sequence[ChangeClause] = (), folder: Path | None = None, pages: bool = False, workers: int = 1,
) -> CompareOutcome:  # fmt: skip
    """Compare two runs, or two methods of one. pages: also write the HTML page, into `folder` or `<home>/reports/compare-A-B`.

    Raises:
        NotFoundError: no such run, layer, or label of the method.
        UsageError: the layers cannot be paired so.
    """
    one, two = _two(store, first, second, request)
    named = _layers(store, one, two, request)
    request, why = _fair(store, one, two, named, request)
    responses = _responses(store, config, one, two, named, progress or Quiet(), workers) if request.match == "activation" else {}
    changes = _changes(store, one, two, named, request, responses, why)
    sides = {"first": (one, request.method), "second": (two, request.second_method)}
    verdicts = judge(clauses, changes, lambda side, words: matching(store, sides[side][0], words, sides[side][1]))
    page = None
    if pages:
        from dissect.exchange.compare_page import write_comparison

        page = write_comparison(changes, folder or config.home / "reports" / f"compare-{one.id}-{two.id}", verdicts)
    return CompareOutcome(changes, verdicts, page)


def compare_stored(store: Store, first: str | int, second: str | int, request: CompareRequest) -> RunChanges:
    """Compare two runs by what the database holds of them; units are paired by number.

    Raises:
        NotFoundError, UsageError: as `compare_runs`.
    """
    one, two = _two(store, first, second, request)
    named = _layers(store, one, two, request)
    request, why = _fair(store, one, two, named, request)
    return _changes(store, one, two, named, request, {}, why)


def _two(store: Store, first: str | int, second: str | int, request: CompareRequest) -> tuple[RunRecord, RunRecord]:
    one, two = store.run(first), store.run(second)
    if one.id == two.id and request.method == request.second_method:
        raise UsageError(f"run {one.id} is the same on both sides. Name another run, or two methods: --method A --against-method B.")
    return one, two


def _fair(
    store: Store, one: RunRecord, two: RunRecord, named: Sequence[tuple[LayerSummary, LayerSummary]], request: CompareRequest
) -> tuple[CompareRequest, tuple[str, ...]]:  # fmt: skip
    """Where only one of the runs went through a further method and none was asked for: a method that both have, and a note that says so.

    Otherwise each unit that only the further method describes would have gained or lost a label.
    """
    if request.method is not None or request.second_method is not None:
        return request, ()
    sides = [((one.id, here.layer), (two.id, there.layer)) for here, there in named]
    pairs = [tuple(set(store.label_methods(*side)) - set(PARTS) for side in pair) for pair in sides]
    shared = set.intersection(*(first & second for first, second in pairs)) if pairs else set()
    if not shared or all(first == second for first, second in pairs):
        return request, ()
    method = USUAL if USUAL in shared else min(shared)
    further = ", ".join(sorted(set.union(*(first ^ second for first, second in pairs))))
    note = f"Only one of the runs has labels of {further}: labels of {method} are compared. Others: --method NAME --against-method NAME."
    return replace(request, method=method, second_method=method), (note,)


def _changes(
    store: Store, one: RunRecord, two: RunRecord, named: Sequence[tuple[LayerSummary, LayerSummary]], request: CompareRequest,
    responses: Mapping[tuple[str, str], tuple[NDArray[np.float32], NDArray[np.float32]]], why: tuple[str, ...] = (),
) -> RunChanges:  # fmt: skip
    layers = tuple(_layer(store, one, two, pair, request, responses) for pair in named)
    titles = _title(one, request.method), _title(two, request.second_method)
    return RunChanges(*titles, differences(one, two), layers, (*why, *_notes(one, two, request)), one.id, two.id)


def matching(store: Store, run: RunRecord, words: str, method: str | None = None) -> set[tuple[str, int, str]]:
    """(layer, unit, label) of a run where a search for the words finds that label; of a method if it is named.

    Raises:
        UsageError: the words hold nothing that can be looked for: such a gate would pass for ever.
    """
    if not any(letter.isalnum() for letter in words):
        raise UsageError(f"--fail-on: {words!r} holds no word to look for.")
    found = store.search(words, UnitFilter(run=run.id, method=method), limit=MOST_UNITS, exemplars=0)
    return {(view.layer, view.index, view.label.text) for view in found if view.label is not None}


def differences(one: RunRecord, two: RunRecord) -> dict[str, tuple[str, str]]:
    """Setting -> its value in either run, where they differ; `–` where a run has no such setting."""
    sides = (_facts(one), _facts(two))
    names = list(dict.fromkeys([*sides[0], *sides[1]]))
    found = {name: (sides[0].get(name, "–"), sides[1].get(name, "–")) for name in names}
    return {name: pair for name, pair in found.items() if pair[0] != pair[1]}


def _facts(run: RunRecord) -> dict[str, str]:
    facts: dict[str, object] = {
        "network": run.model, "weights": run.weights_hash[:16], "data set": run.dataset, "content of the data": run.dataset_hash[:16],
        "images used": run.images if run.used is None else run.used, "methods": ", ".join(run.methods),
        "profile": run.profile, "quantile": run.quantile, "seed": run.seed,
    }  # fmt: skip
    plain: Mapping[str, object] = {name: value for name, value in run.settings.items() if name not in (*LEFT_OUT, *facts)}
    facts |= {f"setting {name}": value for name, value in plain.items()}
    facts |= {f"version of {name}": value for name, value in run.versions.items()}
    return {name: str(value) for name, value in facts.items() if value is not None}


def _title(run: RunRecord, method: str | None) -> str:
    step = "" if run.step is None else f" at step {run.step}"
    return f"run {run.id}: {run.model}{step} on {run.dataset}" + (f", {method}" if method else "")


def _notes(one: RunRecord, two: RunRecord, request: CompareRequest) -> tuple[str, ...]:
    notes = []
    if one.model != two.model and request.match == "index":
        notes.append(
            "Units are paired by number. Units of two networks that were trained apart have no common order: pair them by what they "
            "answer to with --match activation."
        )
    if one.dataset_hash != two.dataset_hash:
        notes.append("The runs saw different pictures or annotations; a label may have changed for that alone.")
    if (one.profile, one.quantile) != (two.profile, two.quantile):
        notes.append("The runs count by different rules (profile or quantile); scores are not on one scale.")
    if request.match == "activation":
        notes.append(
            f"Pairs whose responses correlate by less than {request.least_correlation:g} were taken apart again; their units stand alone."
        )
    return tuple(notes)


def _layers(store: Store, one: RunRecord, two: RunRecord, request: CompareRequest) -> list[tuple[LayerSummary, LayerSummary]]:
    if request.layers:
        return [(store.layer_summary(one.id, here), store.layer_summary(two.id, there)) for here, there in request.layers]
    first, second = store.layers(one.id), store.layers(two.id)
    names = {name: layer for layer in second for name in (layer.layer, *layer.aliases)}
    shared = [(layer, names[name]) for layer in first for name in (layer.layer, *layer.aliases) if name in names]
    pairs = list({pair[0].layer: pair for pair in reversed(shared)}.values())[::-1]
    if not pairs and len(first) == len(second) == 1:
        pairs = [(first[0], second[0])]
    if not pairs:
        there = [", ".join(layer.layer for layer in side) or "none" for side in (first, second)]
        raise UsageError(
            f"runs {one.id} and {two.id} have no layer of the same name ({there[0]}; {there[1]}). Pair them: --layers FIRST=SECOND."
        )
    return pairs


def _layer(
    store: Store, one: RunRecord, two: RunRecord, pair: tuple[LayerSummary, LayerSummary], request: CompareRequest,
    responses: Mapping[tuple[str, str], tuple[NDArray[np.float32], NDArray[np.float32]]],
) -> LayerChange:  # fmt: skip
    here, there = pair
    first, second = _labels(store, one, here, request.method), _labels(store, two, there, request.second_method)
    if request.match == "index":
        if here.units != there.units:
            raise UsageError(
                f"layer {here.layer} has {here.units} units and {there.layer} {there.units}; they cannot be paired by number. "
                "Use --match activation."
            )
        both = {unit.index for unit in first} & {unit.index for unit in second}
        return LayerChange(here.layer, there.layer, "index", unit_changes(first, second, ((unit, unit, None) for unit in sorted(both))))
    found = pair_units(*responses[here.layer, there.layer], seed=request.seed)
    rows = zip(found.first.tolist(), found.second.tolist(), found.correlation.tolist(), strict=True)
    kept = [row for row in rows if row[2] >= request.least_correlation]
    return LayerChange(here.layer, there.layer, "activation", unit_changes(first, second, kept), found.mean, found.chance)


def _labels(store: Store, run: RunRecord, layer: LayerSummary, method: str | None) -> list[UnitLabel]:
    found = [_unit_label(view) for view in store.headlines(run.id, layer.layer, method)]
    if method is not None and all(unit.text is None for unit in found):
        there = ", ".join(store.label_methods(run.id, layer.layer)) or "none"
        raise NotFoundError(f"layer {layer.layer} of run {run.id} has no label of method {method!r}. Methods there: {there}.")
    return found


def _unit_label(view: HeadlineView) -> UnitLabel:
    if view.text is None:
        return UnitLabel(view.index, state=view.state)
    counts = view.detector if view.detector is not None else bool(view.text.strip())
    return UnitLabel(view.index, view.text, view.category, view.score, counts, view.state, view.q)


def _responses(
    store: Store, config: Config, one: RunRecord, two: RunRecord, named: Sequence[tuple[LayerSummary, LayerSummary]], progress: Progress,
    workers: int,
) -> dict[tuple[str, str], tuple[NDArray[np.float32], NDArray[np.float32]]]:  # fmt: skip
    """Spatial maxima of both runs' layers over the images that both used."""
    from dissect.pipeline.spec import probe_again
    from dissect.probe.counting import all_maxima

    if one.dataset_hash != two.dataset_hash:
        raise UsageError(f"runs {one.id} and {two.id} saw different pictures; units can be paired by activation over the same ones only.")
    probes = [probe_again(store, config, str(run.id), progress, workers).result for run in (one, two)]
    used = np.intersect1d(probes[0].image_index, probes[1].image_index).tolist()
    return {
        (here.layer, there.layer): (
            all_maxima(probes[0].recorded[here.layer], used), all_maxima(probes[1].recorded[there.layer], used),
        )
        for here, there in named
    }  # fmt: skip
