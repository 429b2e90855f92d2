"""A run in the file layout in which Neuronpedia exchanges features: one folder a layer, JSON lines, batches of 1,024.

    MODEL/N-SET/  release.jsonl  model.jsonl  sourceset.jsonl  source.jsonl
                  features/batch-0.jsonl.gz  explanations/batch-0.jsonl.gz  activations/batch-0.jsonl.gz

Names of files and fields are those of Neuronpedia's public export and conversion programs (github.com/hijohnnylin/neuronpedia, folder
utils/neuronpedia-utils). They were made for language models: a picture takes the place of a text of one token, its key that of the token,
and the unit's maximum over the picture that of its activation. What a unit of a vision network does not have stays empty.
"""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from dissect import atomic
from dissect.errors import UsageError
from dissect.exchange.published import AT_ONCE
from dissect.fingerprint import Plain
from dissect.store import LabelView, LayerSummary, RunRecord, Store, UnitFilter, UnitView

BATCH = 1024
EXEMPLARS = 15
CREATOR = "dissect"
NO_LISTS = (
    "topkCosSimIndices", "topkCosSimValues", "neuron_alignment_indices", "neuron_alignment_values", "neuron_alignment_l1",
    "correlated_neurons_indices", "correlated_neurons_pearson", "correlated_neurons_l1", "correlated_features_indices",
    "correlated_features_pearson", "correlated_features_l1", "neg_str", "neg_values", "pos_str", "pos_values",
    "logits_hist_data_bar_heights", "logits_hist_data_bar_values", "decoder_weights_dist", "vector",
)  # fmt: skip
"""Lists of a feature that need a decoder, a vocabulary of tokens or other features; empty here."""

Line = dict[str, Plain]


def export_neuronpedia(store: Store, run_id: int, folder: Path) -> Path:
    """Write every layer of a run below `folder`, which must be new or empty. Returns the network's folder.

    Raises:
        UsageError: the folder holds something.
        StorageError: a file could not be written.
    """
    record = store.run(run_id)
    if folder.is_dir() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty. Give -o a new folder: files of another export would stay among these.")
    place = folder / slug(record.model)
    for number, layer in enumerate(store.layers(record.id)):
        _layer(store, record, layer, number, place)
    return place


def slug(name: str) -> str:
    """A name as an id and a folder: letters, digits, points and hyphens, at most 60."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-.")[:60] or "unnamed"


def _layer(store: Store, record: RunRecord, layer: LayerSummary, number: int, place: Path) -> None:
    set_name = f"{slug(layer.layer)}-run{record.id}"
    source = f"{number}-{set_name}"
    for name, line in _heads(record, layer, set_name, source).items():
        atomic.write_text(place / source / f"{name}.jsonl", _json(line))
    for batch, views in enumerate(_batches(store, record, layer.layer)):
        lines = {
            "features": [_feature(record, source, view) for view in views],
            "explanations": [line for view in views for line in _explanations(record, source, view)],
            "activations": [line for view in views for line in _activations(record, source, view)],
        }
        for name, found in lines.items():
            data = gzip.compress("".join(map(_json, found)).encode(), mtime=0)
            atomic.write_bytes(place / source / name / f"batch-{batch}.jsonl.gz", data)


def _heads(record: RunRecord, layer: LayerSummary, set_name: str, source: str) -> dict[str, Line]:
    """The four files of one line."""
    model, made = slug(record.model), _made(record)
    said = f"Units of layer {layer.layer} of {record.model}, dissected with {record.dataset}"
    return {
        "release": {
            "name": set_name, "description": said, "descriptionShort": said, "urls": [], "creatorNameShort": CREATOR,
            "creatorName": CREATOR, "creatorId": CREATOR, "createdAt": made,
        },
        "model": {
            "id": model, "instruct": False, "creatorId": CREATOR, "displayNameShort": record.model, "displayName": record.model,
            "dimension": None, "visibility": "PUBLIC", "inferenceEnabled": False, "layers": len(record.layers),
            "neuronsPerLayer": layer.units, "createdAt": made, "updatedAt": made, "owner": "", "website": None,
        },
        "sourceset": {
            "modelId": model, "name": set_name, "creatorId": CREATOR, "createdAt": made, "creatorName": CREATOR,
            "releaseName": set_name, "description": said, "visibility": "PUBLIC",
        },
        "source": {
            "id": source, "modelId": model, "setName": set_name, "creatorId": CREATOR, "hasDashboards": True, "inferenceEnabled": False,
            "visibility": "PUBLIC", "dataset": record.dataset, "num_prompts": record.used if record.used is not None else record.images,
            "num_tokens_in_prompt": 1, "createdAt": made,
            "notes": f"dissect run {record.id}, profile {record.profile}, fingerprint {record.fingerprint}",
        },
    }  # fmt: skip


def _feature(record: RunRecord, source: str, view: UnitView) -> Line:
    stats = view.stats
    edges = stats.edges
    middles: list[Plain] = [(low + high) / 2 for low, high in itertools.pairwise(edges)]
    return {
        "modelId": slug(record.model), "layer": source, "index": str(view.index), "creatorId": CREATOR, "createdAt": _made(record),
        "maxActApprox": stats.maximum, "hasVector": False, "vectorLabel": None, "hookName": view.layer,
        "sourceSetName": source.split("-", 1)[1],
        "frac_nonzero": stats.active_share, "freq_hist_data_bar_heights": list(stats.histogram), "freq_hist_data_bar_values": middles,
        **{name: [] for name in NO_LISTS},
    }  # fmt: skip


def _explanations(record: RunRecord, source: str, view: UnitView) -> Iterator[Line]:
    """First label of every method."""
    for label in view.labels:
        if label.rank == 1:
            yield {
                "id": _id(record, source, view.index, label.method, label.kind), "modelId": slug(record.model), "layer": source,
                "index": str(view.index), "authorId": CREATOR, "description": label.text, "embedding": None, "triggeredById": None,
                "typeName": f"dissect_{label.method}", "explanationModelName": None, "notes": _notes(label), "createdAt": _made(record),
            }  # fmt: skip


def _notes(label: LabelView) -> str:
    """What is needed to believe or to doubt the label, as JSON."""
    known: dict[str, Plain] = {
        "kind": label.kind, "category": label.category, "profile": label.profile, "measure": label.score_kind, "score": label.score,
        "detector": label.detector, "held_out": label.held_out_score, "p": label.p, "q": label.q,
    }  # fmt: skip
    return json.dumps({name: value for name, value in known.items() if value is not None}, ensure_ascii=True, allow_nan=False)


def _activations(record: RunRecord, source: str, view: UnitView) -> Iterator[Line]:
    """The unit's highest pictures, a line each."""
    for exemplar in view.exemplars:
        yield {
            "id": _id(record, source, view.index, "exemplar", exemplar.rank), "modelId": slug(record.model), "layer": source,
            "index": str(view.index), "tokens": [exemplar.key], "values": [exemplar.activation], "maxValue": exemplar.activation,
            "maxValueTokenIndex": 0, "minValue": exemplar.activation, "creatorId": CREATOR, "createdAt": _made(record),
            "dataSource": record.dataset, "dataIndex": str(exemplar.image_index), "dfaValues": [], "lossValues": [],
        }  # fmt: skip


def _batches(store: Store, record: RunRecord, layer: str) -> Iterator[Sequence[UnitView]]:
    waiting: list[UnitView] = []
    after: str | None = None
    filters = UnitFilter(run=record.id, layer=layer)
    while page := store.units(filters, order="index", limit=AT_ONCE, after=after, exemplars=EXEMPLARS):
        waiting += page
        after = page[-1].cursor
        while len(waiting) >= BATCH:
            yield waiting[:BATCH]
            waiting = waiting[BATCH:]
    if waiting:
        yield waiting


def _id(record: RunRecord, *parts: object) -> str:
    """25 hex digits, the same for the same run and thing."""
    return hashlib.sha256(":".join(map(str, (record.fingerprint, *parts))).encode()).hexdigest()[:25]


def _made(record: RunRecord) -> str:
    return record.created_at.isoformat()


def _json(line: Mapping[str, Plain]) -> str:
    return json.dumps(line, ensure_ascii=True, allow_nan=False) + "\n"
