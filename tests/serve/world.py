"""A small database as the service meets it: a run with labels of three kinds, tests, an audit, an ablation; a run without labels."""

from __future__ import annotations

import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from dissect.audit.finding import AuditReport, Finding
from dissect.probe.thumbnails import encode
from dissect.store import (
    AblationEntry,
    CheckpointRecord,
    ConceptEntry,
    DatasetRecord,
    ExemplarEntry,
    ImageEntry,
    LabelEntry,
    LayerRecord,
    LayerResult,
    ModelRecord,
    RunSpec,
    Store,
    UnitResult,
)
from tests.store.made_up_runs import IMAGES, concept_label, save_world, small_layer, spec, unit

MODEL = "tiny"
ODD = "torchvision:resnet18@random/weird ~näme.json"
"""A network's name with everything that an address may trip over."""


def shape(seed: int) -> bytes:
    """A mask of 8 x 8: a block of 3 x 3 somewhere."""
    mask = np.zeros((8, 8), np.bool_)
    top, left = seed % 5, (3 * seed) % 5
    mask[top : top + 3, left : left + 3] = True
    return zlib.compress(np.packbits(mask).tobytes())


def write_thumbnails(folder: Path) -> None:
    """Small pictures of the world's images, as the probe keeps them."""
    for index in range(IMAGES):
        sha256 = f"{index:064x}"
        path = folder / sha256[:2] / f"{sha256}-112.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(index).integers(0, 255, (7, 9, 3), dtype=np.uint8)
        path.write_bytes(encode(Image.fromarray(pixels).resize((144, 112))))


def seen(result: UnitResult) -> UnitResult:
    """The unit with masks that can be drawn."""
    images = [replace(each, mask=shape(each.rank + result.index), mask_size=(8, 8)) for each in result.exemplars]
    return replace(result, exemplars=tuple(images))


def fill(store: Store) -> int:
    """The world in a new store. Returns the number of the run with labels."""
    world = save_world(store)
    run = store.begin_run(spec(world, methods=("netdissect", "compositional", "milan")))
    layer = small_layer()
    tested = concept_label("striped_wheel", "part", 0.2, q=0.01, p=0.005, held_out_score=0.18, interval_low=0.15, interval_high=0.25)
    doubtful = concept_label("dog", "object", 0.05, q=0.6, p=0.4)
    weak = [unit(index, concept_label("car", "object", 0.06 - index / 1000)) for index in range(8, 24)]
    units = (*layer.units, unit(6, tested), unit(7, doubtful), *weak)
    store.write_layer(run.id, replace(layer, layer=replace(layer.layer, units=24), units=tuple(seen(each) for each in units)))
    effect = AblationEntry((0,), ("object", "car"), "mean", 0.0, "kl", 0.3, 0.2, 0.4, 0.0, 20, 0.01, 0.02, details={"shown": True})
    store.write_ablations(run.id, "conv1", [effect])
    finding = Finding("mask", "conv1", 0, "face", "found", text="unit 0 of conv1 overlaps faces")
    store.write_audit(run.id, "a" * 64, AuditReport(of="tiny on streets", settings={"least": 0.04}, findings=(finding,)))
    store.write_skipped(run.id, [("train/99.png", "truncated")])
    store.finish_run(run.id)
    return run.id


def fill_unlabelled(store: Store) -> int:
    """A run on a data set without labels, of a network with an odd name, not yet finished."""
    model_id = store.save_model(ModelRecord(ODD, "factory", "MIT", {}))
    checkpoint_id = store.save_checkpoint(model_id, CheckpointRecord("c" * 64))
    dataset_id = store.save_dataset(DatasetRecord("plain", "hash of plain", "", "none", IMAGES))
    store.save_images(dataset_id, [ImageEntry(index, f"{index}.png") for index in range(IMAGES)])
    store.save_concepts("words", [ConceptEntry("a/b c", "odd")])
    run = store.begin_run(RunSpec("9" * 64, checkpoint_id, dataset_id, ("netdissect",)))
    plain = UnitResult(0, unit(0).stats, (), (), (ExemplarEntry(0, 1, 2.0, b"", None),))
    said = replace(plain, index=1, labels=(LabelEntry("a <b> & c", "description", "milan", score=1.0, score_kind="pmi"),))
    layer = LayerRecord("block.0/conv", 2, 0, (7, 7), "conv", False, ())
    store.write_layer(run.id, LayerResult(layer, (plain, said), None, "e" * 64, "float16", None, IMAGES))
    return run.id
