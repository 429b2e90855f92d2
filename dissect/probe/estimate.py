"""What a run will take, before it is started: `--dry-run`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dissect.concepts.model import ProbeSet
from dissect.network.model import LayerInfo, Network

if TYPE_CHECKING:
    from dissect.probe.runner import ProbeSettings


@dataclass(frozen=True, slots=True)
class LayerEstimate:
    """One layer: its shards and the bytes its activations take in the cache (dense, and an estimate of sparse)."""

    layer: LayerInfo
    shards: int
    dense_bytes: int
    sparse_bytes: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """images to read, what each layer takes, whether maps are kept `dense` or `sparse`, and seconds from timed images."""

    images: int
    layers: tuple[LayerEstimate, ...]
    keep: Literal["dense", "sparse"]
    bytes: int
    """On disk, all layers, as kept."""
    seconds: float
    seconds_per_image: float
    timed_images: int
    fits: bool
    """False if even the sparse form is over the cache limit."""


def estimate(network: Network, data: ProbeSet, settings: ProbeSettings) -> Estimate:
    """Time ten images (fewer if there are fewer) after one to warm up, and extrapolate. Writes nothing.

    Raises:
        DataError: there are no images, or none of the timed ones can be used.
    """
    raise NotImplementedError
