"""What a run is: its fingerprint and rows, and its probe taken up again."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import metadata

import dissect
from dissect.concepts.card import DataCard
from dissect.concepts.model import ProbeSet
from dissect.config import Config
from dissect.errors import DissectError
from dissect.fingerprint import Plain, fingerprint
from dissect.network import LoadedNetwork
from dissect.network.model import LayerInfo
from dissect.pipeline.imported import refuse_imported
from dissect.pipeline.open import chosen_layers, open_data, open_network, probe_settings
from dissect.pipeline.probed import Probed
from dissect.pipeline.request import RunRequest
from dissect.probe.cache import Cache
from dissect.probe.progress import Progress
from dissect.probe.runner import probe
from dissect.store import CheckpointRecord, DatasetRecord, ModelRecord, RunRecord, RunSpec, Store

SCORING = 2
"""Raised whenever the same counts are scored or stored differently: part of every run's fingerprint."""


@dataclass(frozen=True)
class Reopened:
    """A run's data and network, shown to be those that it was made of."""

    record: RunRecord
    request: RunRequest
    data: ProbeSet
    network: LoadedNetwork
    layers: tuple[LayerInfo, ...]


def reopen(store: Store, config: Config, reference: str | int) -> Reopened:
    """Open what a run was made of.

    Raises:
        DissectError: the data or the weights are no longer what the run was made of.
    """
    record = store.run(reference)
    refuse_imported(record, "open again")
    request = RunRequest.from_plain(record.settings)
    card, data = open_data(request, config)
    network = open_network(request, config)
    layers = chosen_layers(request, network)
    spec = run_spec(request, card, data, network, layers, store)
    if spec.fingerprint != record.fingerprint:
        raise DissectError(
            f"run {record.id} was made of other content: data, weights, versions or device differ now. Start a new run with "
            f"dissect run {request.model} --data {request.data}."
        )
    return Reopened(record, request, data, network, layers)


def probe_again(
    store: Store, config: Config, reference: str, progress: Progress, workers: int, *, activation_ranges: int = 0,
    quantile: float | None = None,
) -> Probed:  # fmt: skip
    """Compute what the cache lacks of a run. The database's results stay as they are.

    quantile: the share of activations above the threshold, instead of the run's own.

    Raises:
        DissectError: as `reopen`.
    """
    opened = reopen(store, config, reference)
    data = opened.data
    settings = replace(probe_settings(opened.request, config, opened.layers, workers), activation_ranges=activation_ranges)
    settings = settings if quantile is None else replace(settings, quantile=quantile)
    result = probe(opened.network, data, settings, Cache(config.cache), store.ledger(opened.record.id), progress)
    return Probed(data.vocabulary, result, data.records, opened.network, opened.request)


def run_spec(
    request: RunRequest, card: DataCard, data: ProbeSet, network: LoadedNetwork, layers: tuple[LayerInfo, ...], store: Store
) -> RunSpec:
    """Save model, checkpoint and data set, and say what the run is: its fingerprint covers all that changes a result."""
    describe = dict(network.describe())
    content = data.content_hash()
    rules: dict[str, Plain] = {
        name: value
        for name, value in request.as_plain().items()
        if name in ("profile", "quantile", "activation_dtype", "label_size", "threshold", "min_images", "top", "exemplars")
    }
    whole: dict[str, Plain] = {
        "scoring": SCORING,
        "data": content,
        "network": describe,
        "rules": rules,
        "layers": [{"name": each.name, "form": each.form, "prefix": each.prefix} for each in layers],
    }
    model_id = store.save_model(ModelRecord(network.name, source=network.source, licence=network.licence or ""))
    checkpoint_id = store.save_checkpoint(
        model_id,
        CheckpointRecord(
            str(describe["weights"]), file_sha256=network.file_sha256, source=request.weights or network.source, step=request.step,
            describe=describe,
        ),
    )
    dataset_id = store.save_dataset(
        DatasetRecord(
            data.name,
            content,
            data.vocabulary.name,
            label_kind=data.label_kind,
            images=len(data.records),
            licence=card.licence,
            source=card.source,
        )
    )
    return RunSpec(
        fingerprint=fingerprint(whole),
        checkpoint_id=checkpoint_id,
        dataset_id=dataset_id,
        methods=request.methods,
        profile=request.profile,
        quantile=request.quantile,
        settings={
            **replace(request, layers=tuple(each.name for each in layers)).as_plain(),
            "preprocessing": describe.get("preprocessing"),
            "notes": list(network.notes),
        },
        versions=versions(),
    )


def versions() -> Mapping[str, str]:
    """Of this program and of what it computes with."""
    names = ("torch", "numpy", "numba", "pillow", "scipy")
    return {"dissect": dissect.__version__, "python": platform.python_version(), **{name: metadata.version(name) for name in names}}
