"""The probe: images through a network once, everything after that from what was kept.

    labels (once per data set) -> activations (all layers in one pass) -> thresholds -> tally -> merged counts -> exemplars -> thumbnails

Each step is a stage of the ledger with shards in the cache; a killed run does at most its current shards again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dissect.concepts.model import ProbeSet
from dissect.network.model import Network
from dissect.probe.cache import Cache
from dissect.probe.ledger import Ledger, Stage
from dissect.probe.profile import ActivationDtype
from dissect.probe.progress import Progress
from dissect.probe.tables import LayerProbe, Skipped


@dataclass(frozen=True, slots=True)
class ProbeSettings:
    """What may be chosen. The geometry is the network's.

    layers: names or wildcards. quantile: the share q of activations above the threshold. profile: a name of `profile.PROFILES`.
    activation_dtype: None takes the profile's first. label_size: (H, W); None takes the data set's, else half the network's input.
    batch_size, workers (decoding threads), shard_images and cache_limit (bytes) change no result.
    exemplars: K. thumbnails: whether to write them, thumbnail_size: pixels of the shorter side.
    """

    layers: tuple[str, ...] = ("*",)
    quantile: float = 0.005
    profile: str = "standard"
    activation_dtype: ActivationDtype | None = None
    label_size: tuple[int, int] | None = None
    batch_size: int = 32
    workers: int = 1
    shard_images: int = 1000
    cache_limit: int = 20_000_000_000
    exemplars: int = 15
    thumbnails: bool = True
    thumbnail_size: int = 112


@dataclass(frozen=True)
class ImageLevel:
    """What AUROC needs, for data sets without label maps: rows are the images that were used, in order.

    image_index (n,) int32; maxima (n, U) float32 by layer name: spatial maximum of each unit; presence (n, C) bool.
    """

    image_index: NDArray[np.int32]
    maxima: Mapping[str, NDArray[np.float32]]
    presence: NDArray[np.bool_]


@dataclass(frozen=True)
class ProbeResult:
    """What came out. `layers` in order of computation.

    images: how many were used. skipped: those that were not, and why. label_size: (H, W) of label maps and masks.
    image_level: set if the data set has whole-image labels only. image_files: SHA-256 of the file of every image that is an
    exemplar, by image index; `Cache.thumbnail(sha256, size)` is its thumbnail. stages: every stage used, with its fingerprint.
    forward_images: images that went through the network in this call (0 if everything was there).
    """

    layers: tuple[LayerProbe, ...]
    images: int
    skipped: tuple[Skipped, ...]
    label_size: tuple[int, int]
    image_level: ImageLevel | None
    image_files: Mapping[int, str]
    stages: tuple[Stage, ...]
    forward_images: int
    notes: tuple[str, ...] = field(default=())
    """Worth telling the user: layers rerun in float32, maps kept sparsely."""


def probe(network: Network, data: ProbeSet, settings: ProbeSettings, cache: Cache, ledger: Ledger, progress: Progress) -> ProbeResult:
    """Probe a network with a data set. See ProbeSettings and ProbeResult.

    Raises:
        DataError: no image can be used. LayerError, UsageError: the settings do not fit. ActivationError: NaN or infinity.
        StorageError: disk full or read-only; the same call continues where it stopped.
        UsageError: the cache limit is too small even for sparse maps; the message gives the numbers.
    """
    raise NotImplementedError
