"""Label signatures: which concepts lie on a pixel, as one number. Stub: signatures of the functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dissect.concepts.model import Labels, Vocabulary
from dissect.probe.tables import Int32, Int64, SignatureTable


class Sampler(Protocol):
    """Something that lays a label map under the network's view: `network.model.View`."""

    def sample(self, ids: NDArray[np.uint16], size: tuple[int, int], outside: int) -> NDArray[np.uint16]: ...


@dataclass(frozen=True)
class ImageLabels:
    """The signatures of one image. signature_map (P,) uint16 local ids; members: sorted uint16 ids of each local signature (bytes);
    pixels (L,) int64; annotated (K,) bool; whole: whole-image ids, 0 kept."""

    signature_map: NDArray[np.uint16]
    members: tuple[bytes, ...]
    pixels: Int64
    annotated: NDArray[np.bool_]
    whole: tuple[int, ...]


@dataclass(frozen=True)
class LabelShard:
    """Signatures of n images with P = H * W pixels. signature_map (n, P) uint16 local ids; local_offsets (n+1,) int64: the local ids of
    image i are rows local_offsets[i]..local_offsets[i+1] of local_signature (L,) int32 (into `table`) and local_pixels (L,) int64;
    annotated (n, K) bool; whole_offsets (n+1,) int64 and whole_ids uint16: whole-image labels, 0 kept; included (n,) bool, False = skipped."""

    signature_map: NDArray[np.uint16]
    local_offsets: Int64
    local_signature: Int32
    local_pixels: Int64
    table: SignatureTable
    annotated: NDArray[np.bool_]
    whole_offsets: Int64
    whole_ids: NDArray[np.uint16]
    included: NDArray[np.bool_]
    label_size: tuple[int, int]

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Flat named arrays for a shard file."""
        raise NotImplementedError

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> LabelShard:
        """The inverse of `to_arrays`; CacheError where they do not fit together."""
        raise NotImplementedError


def label_image(labels: Labels, view: Sampler, size: tuple[int, int], vocabulary: Vocabulary) -> ImageLabels:
    """Signatures of one image at label size (H, W)."""
    raise NotImplementedError


def build_label_shard(images: Sequence[ImageLabels | None], size: tuple[int, int], categories: int) -> LabelShard:
    """Images of one shard in order; None = skipped. `categories`: K, for a shard in which all are skipped."""
    raise NotImplementedError


def merge_tables(tables: Sequence[SignatureTable]) -> tuple[SignatureTable, list[Int32]]:
    """One table of all signatures, sorted by key, and for each table the position of its rows in it."""
    raise NotImplementedError
