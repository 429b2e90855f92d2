"""What a probe is told, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dissect.concepts.model import ProbeSet
from dissect.errors import UsageError
from dissect.network.model import Network
from dissect.probe.counting import TallySource
from dissect.probe.labelling import LabelSource
from dissect.probe.ledger import Stage
from dissect.probe.levels import RecordedLayer
from dissect.probe.profile import ActivationDtype, profile
from dissect.probe.tables import LayerProbe, Skipped


@dataclass(frozen=True, slots=True)
class ProbeSettings:
    """What may be chosen. The geometry is the network's.

    layers: names or wildcards. quantile: the share q of activations above the threshold. profile: a name of `profile.PROFILES`.
    activation_dtype: None takes the profile's first. label_size: (H, W); None takes the data set's, else half the network's input.
    batch_size, workers (decoding threads), shard_images and cache_limit (bytes) change no result.
    exemplars: K. thumbnails: whether to write them, thumbnail_size: pixels of the shorter side.
    activation_ranges: K, into how many ranges each unit's activations are cut and counted; 0 for none.
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
    activation_ranges: int = 0


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
    forward_images: images that went through the network in this call (0 if everything was there). labels: the recorded label maps,
    where the data set has them; readable while the cache keeps them. tallies: the recorded counts by image of each layer, likewise.
    recorded: the recorded activations of each layer, likewise. image_index (images,) int32: which images were used, ascending.
    """

    layers: tuple[LayerProbe, ...]
    images: int
    skipped: tuple[Skipped, ...]
    label_size: tuple[int, int]
    image_level: ImageLevel | None
    image_files: Mapping[int, str]
    stages: tuple[Stage, ...]
    forward_images: int
    labels: LabelSource | None
    tallies: Mapping[str, TallySource]
    recorded: Mapping[str, RecordedLayer] = field(default_factory=dict)
    image_index: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    notes: tuple[str, ...] = field(default=())
    """Worth telling the user: layers rerun in float32, maps kept sparsely."""


def label_size(network: Network, data: ProbeSet, settings: ProbeSettings) -> tuple[int, int]:
    """(H, W) of label maps and masks: the setting, else the data set's own, else half the network's input, rounded down."""
    height, width = network.input_size
    return settings.label_size or data.default_label_size or (max(1, height // 2), max(1, width // 2))


def activation_dtype(settings: ProbeSettings) -> ActivationDtype:
    """What maps are kept in.

    Raises:
        UsageError: the profile is defined for another type.
    """
    rules = profile(settings.profile)
    chosen = settings.activation_dtype or rules.activation_dtypes[0]
    if chosen not in rules.activation_dtypes:
        offered = " or ".join(rules.activation_dtypes)
        raise UsageError(f"profile {rules.name} keeps activations as {offered}, not {chosen}. Leave the type out.")
    return chosen


def check_settings(settings: ProbeSettings) -> None:
    """Refuse settings that mean nothing.

    Raises:
        UsageError: with the setting's name and its range.
    """
    activation_dtype(settings)
    if not 0 < settings.quantile < 1:
        raise UsageError(f"the quantile must lie between 0 and 1 (0.005 is usual), not {settings.quantile}.")
    for name in ("batch_size", "shard_images", "exemplars", "thumbnail_size", "cache_limit"):
        if getattr(settings, name) < 1:
            raise UsageError(f"{name} must be at least 1, not {getattr(settings, name)}.")
    if settings.workers < 0 or (settings.label_size is not None and min(settings.label_size) < 1):
        raise UsageError("workers must be at least 0, and both sides of label_size at least 1.")
