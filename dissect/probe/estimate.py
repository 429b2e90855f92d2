"""What a run will take, before it is started: `--dry-run`."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from dissect.concepts.images import frame
from dissect.concepts.model import ImageRecord, ProbeSet
from dissect.errors import DataError, ImageError, LabelMapError
from dissect.network.model import LayerInfo, Network
from dissect.probe.feed import Picture, load
from dissect.probe.keeping import FLOOR_QUANTILE, stage_bytes
from dissect.probe.settings import ProbeSettings, activation_dtype, check_settings, label_size
from dissect.probe.signatures import label_image
from dissect.probe.stages import ranges, shard_size

TIMED = 10


@dataclass(frozen=True, slots=True)
class LayerEstimate:
    """One layer: its shards, and the bytes its activations take in the cache: dense, and a rough estimate of sparse."""

    layer: LayerInfo
    shards: int
    dense_bytes: int
    sparse_bytes: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """Images to read, what each layer takes, whether maps are kept `dense` or `sparse`, and seconds from timed images.

    bytes: on disk, all layers, as kept. fits: False if even the sparse form is over the cache limit. The time covers reading the
    pictures and their labels and the forward pass; counting adds a few percent, and what is cached already is not subtracted.
    """

    images: int
    layers: tuple[LayerEstimate, ...]
    keep: Literal["dense", "sparse"]
    bytes: int
    seconds: float
    seconds_per_image: float
    timed_images: int
    fits: bool


def estimate(network: Network, data: ProbeSet, settings: ProbeSettings) -> Estimate:
    """Time ten images (fewer if there are fewer) in one batch after a first one to warm up, and extrapolate. Writes nothing.

    Raises:
        DataError: there are no images, or none of the timed ones can be used. LayerError, UsageError: the settings do not fit.
    """
    check_settings(settings)
    layers = network.layers(settings.layers)
    dtype = activation_dtype(settings)
    seconds, timed, shares = _timed(network, data, settings, layers)
    found = tuple(_layer(layer, dtype, len(data.records), settings, shares[layer.name]) for layer in layers)
    dense, sparse = sum(layer.dense_bytes for layer in found), sum(layer.sparse_bytes for layer in found)
    keep: Literal["dense", "sparse"] = "dense" if dense <= settings.cache_limit else "sparse"
    size = dense if keep == "dense" else sparse
    images = len(data.records)
    return Estimate(images, found, keep, size, seconds * images, seconds, timed, size <= settings.cache_limit)


def _layer(layer: LayerInfo, dtype: str, images: int, settings: ProbeSettings, share: float) -> LayerEstimate:
    cut = ranges(images, settings.shard_images, shard_size(layer, np.dtype(dtype).itemsize, settings.shard_images))
    dense, sparse = (stage_bytes(layer, dtype, images, len(cut), part) for part in (1.0, share))
    return LayerEstimate(layer, len(cut), dense, sparse)


def _timed(network: Network, data: ProbeSet, settings: ProbeSettings, layers: Sequence[LayerInfo]) -> tuple[float, int, dict[str, float]]:
    """Seconds an image, how many were timed, and for each layer the share of maps that a sparse cache would keep."""
    records = data.records
    count = min(TIMED, len(records))
    chosen = [records[k * len(records) // count] for k in range(count)]
    for record in chosen:
        first = load(record, network, None)
        if first.pixels is not None:
            network.activations(first.pixels[None], layers)
            break
    else:
        raise DataError(f"data set {data.name} has no images, or none of those tried can be used. Run `dissect data check`.")
    began = time.perf_counter()
    pictures = [_read(record, network, data, settings) for record in chosen]
    good = np.stack([picture.pixels for picture in pictures if picture.pixels is not None])
    maps = network.activations(good, layers)
    seconds = (time.perf_counter() - began) / count
    return seconds, len(good), {layer.name: _share(maps[layer.name]) for layer in layers}


def _read(record: ImageRecord, network: Network, data: ProbeSet, settings: ProbeSettings) -> Picture:
    picture = load(record, network, None)
    if data.label_kind == "masks":
        with contextlib.suppress(ImageError, LabelMapError):
            view = network.view(frame(record.path).upright)
            label_image(data.labels(record.index), view, label_size(network, data, settings), data.vocabulary)
    return picture


def _share(maps: torch.Tensor) -> float:
    """Share of (image, unit) maps with a value above the unit's floor, over a few images."""
    values = maps.permute(1, 0, 2, 3).flatten(1).float()
    rank = max(1, int((1 - FLOOR_QUANTILE) * values.shape[1]))
    floor = torch.kthvalue(values, rank, dim=1).values
    return float((maps.amax(dim=(2, 3)) > floor).float().mean())
