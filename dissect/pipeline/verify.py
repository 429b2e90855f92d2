"""Tests of the labels of a run that is done: chance, held-out scores, intervals, rotated bases, entered beside the labels.

Everything is computed from the cache; what was pruned is computed again. q-values need all layers, so all are tested before any is
written; a killed command, run again, finds the layers that were written with the same settings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dissect.concepts.model import ProbeSet
from dissect.config import Config
from dissect.errors import NotFoundError, NotSupportedError
from dissect.fingerprint import Plain, fingerprint
from dissect.pipeline.compose import METHOD as COMPOSITIONAL
from dissect.pipeline.imported import refuse_imported
from dissect.pipeline.names import network_spec
from dissect.pipeline.open import open_data, probe_settings
from dissect.pipeline.probed import Probed
from dissect.pipeline.request import RunRequest
from dissect.pipeline.spec import probe_again
from dissect.pipeline.verify_layer import LabelTests, LayerTests, Shared, formulas_of, labelling, shared, verify_layer
from dissect.pipeline.verify_request import VerifyRequest
from dissect.pipeline.verify_rows import layer_summary, verified
from dissect.probe.cache import Cache
from dissect.probe.progress import Progress
from dissect.store import LayerMethod, RunRecord, Store
from dissect.verify.rates import q_values
from dissect.verify.reference import random_maker, random_reference

FloatArray = NDArray[np.float64]

METHOD = "verification"
VERIFYING = 4
"""Raised whenever the same counts are tested or stored differently."""


@dataclass(frozen=True)
class VerifyOutcome:
    """What came of it: the tested layers in numbers, and whether all of it was there already."""

    run: RunRecord
    layers: tuple[LayerMethod, ...]
    repeated: bool

    def lines(self) -> list[str]:
        """For a person."""
        found = []
        for each in self.layers:
            found.append(f"run {self.run.id}, {each.layer}:{' (was there already)' if self.repeated else ''}")
            found += [f"  {line}" for line in sentences(each.summary)]
        return found

    def as_plain(self) -> dict[str, object]:
        """For a program."""
        layers = [{"layer": each.layer, "settings": dict(each.settings), "summary": dict(each.summary)} for each in self.layers]
        return {"run": self.run.id, "repeated": self.repeated, "layers": layers}


def sentences(summary: Mapping[str, Plain]) -> list[str]:
    """A tested layer in words, a line each: what is tested by whom."""
    lines = summary.get("lines")
    return [str(line) for line in lines] if isinstance(lines, list | tuple) else []


def verify_run(
    store: Store, config: Config, reference: str | int, request: VerifyRequest, progress: Progress, *, workers: int = 1,
    probed: Probed | None = None,
) -> VerifyOutcome:  # fmt: skip
    """Test every label of a run and enter the results; an earlier verification is replaced.

    Raises:
        NotFoundError: the run is not done.
        NotSupportedError: the data set has no label maps, or the run was imported.
        DissectError: as `probe_again`.
    """
    record = store.run(reference)
    refuse_imported(record, "test labels with")
    if record.state != "done":
        raise NotFoundError(f"run {record.id} is {record.state}. Finish it first with the command that began it.")
    if record.label_kind != "masks":
        raise NotSupportedError(
            f"data set {record.dataset} has no label maps; the tests are about overlapping pixels. Choose a data set with masks."
        )
    _, data = open_data(RunRequest.from_plain(record.settings), config)
    together = [f"{item.ordered:d}{item.group or ''}" for item in data.records]
    methods = {(each.layer, each.method): each for each in store.layer_methods(record.id)}
    wanted = {
        each.layer: _fingerprint(each.fingerprint, methods.get((each.layer, COMPOSITIONAL)), request, together)
        for each in store.layers(record.id)
    }
    there = [methods[name, METHOD] for name in wanted if (name, METHOD) in methods and methods[name, METHOD].fingerprint == wanted[name]]
    if len(there) == len(wanted):
        return VerifyOutcome(record, tuple(there), True)
    probed = probed or probe_again(store, config, str(record.id), progress, workers)
    tested = _all_layers(store, record, probed, shared(probed, request), methods, request, progress)
    if request.random_weights:
        tested = _with_random(store, config, record, data, probed, tested, request, progress, workers)
    done = _write(store, record, tested, probed.request.threshold, wanted, request)
    return VerifyOutcome(record, tuple(done), False)


def _all_layers(
    store: Store, record: RunRecord, probed: Probed, common: Shared, methods: Mapping[tuple[str, str], LayerMethod], request: VerifyRequest,
    progress: Progress,
) -> list[LayerTests]:  # fmt: skip
    found = []
    for layer in probed.result.layers:
        composed = methods.get((layer.layer.name, COMPOSITIONAL))
        formulas = formulas_of(store, record.id, layer, probed.vocabulary, composed) if composed else None
        found.append(verify_layer(layer, probed, common, formulas, request, progress))
    return found


def _with_random(
    store: Store, config: Config, record: RunRecord, data: ProbeSet, probed: Probed, tested: Sequence[LayerTests], request: VerifyRequest,
    progress: Progress, workers: int,
) -> list[LayerTests]:  # fmt: skip
    """The layers with the reference of random weights, each probed with the run's pictures."""
    make = random_maker(network_spec(probed.request, config), probed.network, data, probed.result.image_index)
    settings = probe_settings(probed.request, config, tuple(layer.layer for layer in probed.result.layers), workers)
    found = random_reference(
        make, probed.result, data, settings, labelling(probed), Cache(config.cache), store.ledger(record.id), progress,
        seeds=tuple(range(request.seed, request.seed + request.random_weights)),
    )  # fmt: skip
    return [replace(layer, random=reference) for layer, reference in zip(tested, found, strict=True)]


def _write(
    store: Store, record: RunRecord, tested: Sequence[LayerTests], threshold: float, wanted: Mapping[str, str], request: VerifyRequest
) -> list[LayerMethod]:
    rates = _rates(tested)
    done = []
    for place, layer in enumerate(tested):
        results = [row for method, tests in layer.labels.items() for row in verified(method, tests, rates[place, method], layer)]
        summary = layer_summary(layer, {method: rates[place, method] for method in layer.labels}, threshold)
        entry = LayerMethod(layer.layer, METHOD, wanted[layer.layer], request.as_plain(), summary)
        store.write_verification(record.id, entry, results)
        done.append(entry)
    return done


def _rates(tested: Sequence[LayerTests]) -> dict[tuple[int, str], FloatArray]:
    """(layer, method) -> q (U,). One family for all units of all layers of a method: concepts and formulas are not mixed."""
    families: dict[str, list[tuple[int, LabelTests]]] = {}
    for place, layer in enumerate(tested):
        for method, tests in layer.labels.items():
            families.setdefault(method, []).append((place, tests))
    found: dict[tuple[int, str], FloatArray] = {}
    for method, members in families.items():
        q = q_values(np.concatenate([tests.p for _, tests in members]))
        cuts = np.cumsum([len(tests.p) for _, tests in members])[:-1]
        found |= {(place, method): part for (place, _), part in zip(members, np.split(q, cuts), strict=True)}
    return found


def _fingerprint(layer: str, composed: LayerMethod | None, request: VerifyRequest, together: Sequence[str]) -> str:
    """together: the group of each image and whether it is a sequence; the card says it, and a run's own results do not depend on it."""
    whole: dict[str, Plain] = {
        "verifying": VERIFYING, "layer": layer, "formulas": composed.fingerprint if composed else None, "settings": request.as_plain(),
        "together": list(together),
    }  # fmt: skip
    return fingerprint(whole)
