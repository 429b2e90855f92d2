"""A checkpoint without chosen units: weights changed, written, loaded anew, checked, and compared with the network as it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray

from dissect import atomic
from dissect.config import Config
from dissect.errors import CheckpointError, NotFoundError, UsageError
from dissect.fingerprint import Plain
from dissect.network import LoadedNetwork, load_network
from dissect.network.ablate import TOLERANCE, look
from dissect.network.edit import Edit, edit
from dissect.pipeline.imported import refuse_imported
from dissect.pipeline.names import network_spec
from dissect.pipeline.pictures import Held, held, passes
from dissect.pipeline.spec import Reopened, reopen
from dissect.pipeline.subjects import subjects
from dissect.probe.progress import Progress
from dissect.score.auroc import auroc
from dissect.store import RunRecord, Store
from dissect.verify.effects import Answers, accuracy, answers, concept_loss, divergence, logit_change, losses


@dataclass(frozen=True, slots=True)
class EditRequest:
    """Which units are taken out. units: (layer, indices) pairs; or concept: all its detectors, in every layer or only in `layer`.

    how: `mean` or `zero`: the constant that is left of them. images: for means, check and comparison, evenly spaced. seed: of their order.
    """

    output: Path
    units: tuple[tuple[str, tuple[int, ...]], ...] = ()
    concept: str | None = None
    layer: str | None = None
    how: str = "mean"
    images: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        if bool(self.units) == (self.concept is not None):
            raise UsageError("say which units to take out: either --units LAYER:3,17 or --concept NAME.")
        if self.how not in ("mean", "zero"):
            raise UsageError(f"--how is {self.how!r}. A checkpoint can hold a constant: choose mean or zero.")
        if self.images < 2:
            raise UsageError(f"--images is {self.images}. Give a whole number of at least 2.")


@dataclass(frozen=True)
class EditOutcome:
    """What was written. edits: by layer. table: rows before and after, all pictures first, then classes by change of loss."""

    run: RunRecord
    output: Path
    sha256: str
    edits: tuple[Edit, ...]
    table: tuple[Mapping[str, Plain], ...]
    images: int

    def as_plain(self) -> dict[str, object]:
        """For a program."""
        edits = [
            {"layer": each.layer, "units": list(each.units), "module": each.module, "place": each.place, "difference": each.difference}
            for each in self.edits
        ]
        return {
            "run": self.run.id, "output": str(self.output), "sha256": self.sha256, "images": self.images, "edits": edits,
            "table": [dict(row) for row in self.table],
        }  # fmt: skip


def edit_run(
    store: Store, config: Config, reference: str | int, request: EditRequest, progress: Progress, *, workers: int = 1
) -> EditOutcome:
    """Write the checkpoint, as safetensors with the names of the network's own tensors.

    Raises:
        NotSupportedError: the architecture does not allow it. NotFoundError: no such units. CheckpointError: the written file does not give
        the ablated answers when it is loaded anew. DissectError: as `reopen`.
    """
    record = store.run(reference)
    refuse_imported(record, "edit")
    if record.state != "done":
        raise NotFoundError(f"run {record.id} is {record.state}. Finish it first with the command that began it.")
    wanted = _wanted(store, record, request)
    opened = reopen(store, config, record.id)
    spec = network_spec(opened.request, config)
    if spec.weights is not None and spec.weights.expanduser().resolve() == request.output.resolve():
        raise UsageError(f"{request.output} is the run's own weights file. Choose another name with -o.")
    found = held(
        opened.data, opened.network, store.layers(record.id)[0].label_size, limit=request.images, seed=request.seed, progress=progress
    )
    plain = load_network(replace(spec, fast=False))
    batch = next(passes(found, plain, 0, progress))[1]
    edits = []
    for layer, units in wanted.items():
        info = plain.layers((layer,))[0]
        values = _means(plain, layer, found, progress, workers) if request.how == "mean" else np.zeros(info.units)
        edits.append(edit(plain, info, units, values, batch))
    sha256 = atomic.write_bytes(request.output, _bytes(plain, edits, request.how))
    anew = load_network(replace(spec, weights=request.output))
    _check(plain, anew, batch, request.output)
    names = [(concept.category, concept.name) for concept in opened.data.vocabulary.concepts]
    table = _table(opened, anew, found, names, progress, workers)
    return EditOutcome(record, request.output, sha256, tuple(edits), tuple(table), len(found.records))


def _wanted(store: Store, record: RunRecord, request: EditRequest) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    if request.concept is not None:
        chosen = subjects(store, record, layer=request.layer, units=(), together=False, concept=request.concept, top=1)
    else:
        chosen = [
            each
            for layer, units in request.units
            for each in subjects(store, record, layer=layer, units=units, together=True, concept=None, top=1)
        ]
    for subject in chosen:
        found[subject.layer] = tuple(sorted({*found.get(subject.layer, ()), *subject.units}))
    order = {each.layer: each.position for each in store.layers(record.id)}
    return dict(sorted(found.items(), key=lambda item: order[item[0]]))


def _means(network: LoadedNetwork, layer: str, found: Held, progress: Progress, workers: int) -> NDArray[np.float64]:
    """(U,) of the network as it is now: a layer behind one that was edited sees what is left of that one."""
    info = network.layers((layer,))[0]
    progress.start(f"means of {layer}", len(found.records), "image")
    total = np.zeros(info.units)
    for part, batch in passes(found, network, workers, progress):
        total += look(network, info, batch)[1].average[: part.stop - part.start].sum(axis=0)
    progress.done()
    return total / len(found.records)


def _bytes(network: LoadedNetwork, edits: Sequence[Edit], how: str) -> bytes:
    tensors = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in network.module.state_dict().items()}
    words = "; ".join(f"{each.layer}: {','.join(map(str, each.units))} at {each.module}" for each in edits)
    data: bytes = safetensors.torch.save(tensors, metadata={"dissect": f"units held constant ({how}): {words}"})
    return data


def _check(edited: LoadedNetwork, anew: LoadedNetwork, batch: NDArray[np.float32], path: Path) -> None:
    expected, found = edited.outputs(batch), anew.outputs(batch)
    scale = max(float(expected.abs().max()), 1e-30)
    worst = float(torch.abs(found.to(expected.device) - expected).max()) / scale
    if not worst <= TOLERANCE:
        raise CheckpointError(
            f"{path}, loaded anew, answers differently from the edited network (by {worst:.1e}). The model's code or card must be changing "
            "weights while it loads; do not use the file."
        )


def _table(
    opened: Reopened, anew: LoadedNetwork, found: Held, names: Sequence[tuple[str, str]], progress: Progress, workers: int
) -> list[dict[str, Plain]]:
    progress.start("comparison", len(found.records), "image")
    before: list[NDArray[np.float32]] = []
    after: list[NDArray[np.float32]] = []
    for part, batch in passes(found, opened.network, workers, progress):
        for network, kept in ((opened.network, before), (anew, after)):
            kept.append(network.outputs(batch)[: part.stop - part.start].flatten(1).cpu().numpy())
    progress.done()
    logits = np.stack([np.concatenate(before), np.concatenate(after)])
    right = answers(opened.network.classes, names, found.presence, found.whole)
    if right is None:
        measures = (("KL divergence", divergence(logits)), ("change of outputs", logit_change(logits)))
        return [{"what": what, "before": 0.0, "after": float(values[1].mean())} for what, values in measures]
    rows = [_row("all pictures", len(found.records), losses(logits, right).mean(axis=1), accuracy(logits, right).mean(axis=1))]
    classes = [_class_row(logits, right, column, found.presence[:, column], names[column][1]) for column in right.concepts]
    return rows + sorted(classes, key=lambda row: -abs(float(str(row["loss_after"])) - float(str(row["loss_before"]))))


def _class_row(logits: NDArray[np.float32], right: Answers, column: int, present: NDArray[np.bool_], name: str) -> dict[str, Plain]:
    loss = concept_loss(logits, right, column, present)
    hit = (loss < np.log(2)).mean(axis=1)
    both = present.any() and not present.all()
    outputs = np.ascontiguousarray(logits[:, :, right.concepts[column]].T)
    ranked = auroc(outputs, present[:, None])[:, 0].tolist() if both else [None, None]
    row = _row(name, int(present.sum()), loss.mean(axis=1), hit)
    return row | {"auroc_before": ranked[0], "auroc_after": ranked[1]}


def _row(what: str, images: int, loss: NDArray[np.float64], hit: NDArray[np.float64]) -> dict[str, Plain]:
    return {
        "what": what, "pictures": images, "loss_before": float(loss[0]), "loss_after": float(loss[1]),
        "accuracy_before": float(hit[0]), "accuracy_after": float(hit[1]),
    }  # fmt: skip
