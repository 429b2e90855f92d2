"""What each stage is made of, as a fingerprint, and how its images are cut into shards.

Two fingerprints are told apart. What was *measured* depends on content and settings only: it is the fingerprint of a probed layer. How it
is *kept* (images a shard, dense or sparse maps) changes no result, but another way of keeping is another set of files: the stage's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from dissect.fingerprint import Plain, fingerprint
from dissect.network.model import LayerInfo, Network
from dissect.probe.ledger import Stage

LABELS_VERSION = 1
ACTIVATIONS_VERSION = 1
TALLY_VERSION = 1
"""Raised whenever a step would give other numbers, or other files, for the same input."""

SHARD_BYTES = 256_000_000
"""Most bytes of maps a layer's shard may hold."""

_TRIED = ((224, 224), (640, 480), (480, 640), (1000, 333), (31, 17), (17, 31), (1, 1), (257, 255), (97, 1024))
"""Picture sizes (width, height) at which two geometries are compared."""

Ranges = list[tuple[int, int]]


def ranges(images: int, block: int, size: int) -> Ranges:
    """Cut 0..images-1 into blocks, and each block into shards of `size`, so that every shard lies inside one block."""
    cut = []
    for first in range(0, images, block):
        stop = min(first + block, images)
        cut += [(start, min(start + size, stop)) for start in range(first, stop, size)]
    return cut


def shard_size(layer: LayerInfo, itemsize: int, block: int) -> int:
    """Images in a shard of this layer: `block`, or fewer where the maps would take more than SHARD_BYTES."""
    image_bytes = layer.units * layer.map_size[0] * layer.map_size[1] * itemsize
    return max(1, min(block, SHARD_BYTES // max(image_bytes, 1)))


def describe_view(network: Network) -> Plain:
    """What part of pictures the network sees; equal for all networks that see the whole picture, whatever their size."""
    views = [network.view(size) for size in _TRIED]
    seen = [[view.left, view.top, view.right, view.bottom] for view in views]
    if all(box == [0, 0, width, height] for box, (width, height) in zip(seen, _TRIED, strict=True)):
        return "whole"
    described = network.describe()
    rules = {key: described[key] for key in ("geometry", "preprocessing") if key in described} or dict(described)
    return {"seen": seen, "input": list(network.input_size), "rules": rules}


def labels_stage(data_hash: str, view: Plain, size: tuple[int, int], block: int) -> Stage:
    """The label signatures of a data set, shared by every network with the same view."""
    settings: dict[str, Plain] = {
        "version": LABELS_VERSION,
        "data": data_hash,
        "view": view,
        "label_size": list(size),
        "shard_images": block,
    }
    return _stage("labels", None, settings)


def measured(data_hash: str, network: Mapping[str, Plain], layer: LayerInfo, dtype: str, left_out: Collection[int]) -> dict[str, Plain]:
    """What the activations of a layer depend on. left_out: images without usable labels, which do not enter thresholds."""
    return {
        "version": ACTIVATIONS_VERSION,
        "data": data_hash,
        "network": dict(network),
        "layer": layer.name,
        "form": layer.form,
        "prefix": layer.prefix,
        "dtype": dtype,
        "left_out": sorted(left_out),
    }


def activations_stage(layer: LayerInfo, what: Mapping[str, Plain], block: int, size: int, keep: Plain) -> Stage:
    """The maps of a layer. keep: `dense`, or what decides which maps are kept."""
    return _stage("activations", layer.name, {"measured": dict(what), "block": block, "shard_images": size, "keep": keep})


def floor_key(floor: NDArray[np.float32]) -> Plain:
    """`keep` of a sparse stage: the floors themselves, by hash."""
    return {"above": hashlib.sha256(np.ascontiguousarray(floor, "<f4").tobytes()).hexdigest()}


def pilot_key(images: Sequence[int], quantile: float) -> Plain:
    """`keep` of a pilot stage."""
    return {"pilot": list(images), "quantile": quantile}


def counted(what: Mapping[str, Plain], labels: Plain, size: tuple[int, int], quantile: float, profile: str) -> dict[str, Plain]:
    """What the counts of a layer depend on. labels: what the labels depend on, or None for data without label maps."""
    return {
        "version": TALLY_VERSION,
        "activations": fingerprint(what),
        "labels": labels,
        "label_size": list(size),
        "quantile": quantile,
        "profile": profile,
    }


def tally_stage(layer: LayerInfo, what: Mapping[str, Plain], block: int, size: int, spans: bool) -> Stage:
    """The counts of a layer under one profile and quantile."""
    return _stage("tally", layer.name, {"counted": dict(what), "block": block, "shard_images": size, "spans": spans})


def bands_stage(layer: LayerInfo, what: Mapping[str, Plain], block: int, size: int, count: int) -> Stage:
    """The counts of a layer by range of activation."""
    return _stage("ranges", layer.name, {"counted": dict(what), "block": block, "shard_images": size, "ranges": count})


def _stage(step: str, layer: str | None, settings: Mapping[str, Plain]) -> Stage:
    return Stage(fingerprint({"step": step, **settings}), step, layer, settings)
