"""Label signatures: which concepts lie on a pixel, as one number.

A signature is the sorted tuple of concept ids at a pixel, over any number of planes and whole-image labels, with multiplicity. Images
hold tens of them, so that a unit's active pixels need be counted by signature only, whatever the number of concepts. Signatures of
different shards are joined by the 128-bit BLAKE2b of their members. Letters: n images, P = H * W pixels, K categories, L local
signatures of all images together, S signatures.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dissect.concepts.model import UNLABELLED, VOID, Labels, Vocabulary
from dissect.errors import CacheError, CountError, LabelMapError
from dissect.probe import kernels
from dissect.probe.tables import VOID_MARK, ZERO_MARK, Int32, Int64, SignatureTable

MOST_LOCAL = 65_536
"""Different signatures of one image; local ids are uint16."""


class Sampler(Protocol):
    """Something that lays a label map under the network's view: `network.model.View`."""

    def sample(self, ids: NDArray[np.uint16], size: tuple[int, int], outside: int) -> NDArray[np.uint16]: ...


@dataclass(frozen=True)
class ImageLabels:
    """The signatures of one image.

    signature_map (P,) uint16: local signature 0..L-1 of each pixel. members (L): bytes of the sorted uint16 ids of each, little-endian,
    all different. pixels (L,) int64: pixels with each. annotated (K,) bool. whole: the whole-image ids, 0 kept.
    """

    signature_map: NDArray[np.uint16]
    members: tuple[bytes, ...]
    pixels: Int64
    annotated: NDArray[np.bool_]
    whole: tuple[int, ...]


@dataclass(frozen=True)
class LabelShard:
    """Signatures of n images.

    signature_map (n, P) uint16: local ids. local_offsets (n+1,) int64: image i owns rows local_offsets[i]..local_offsets[i+1] of
    local_signature (L,) int32, into `table`, and local_pixels (L,) int64. annotated (n, K) bool. whole_offsets (n+1,) int64 and
    whole_ids uint16: whole-image labels, 0 kept. included (n,) bool: False for an image that was skipped; it owns nothing.
    """

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
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        table = {"table_keys": self.table.keys, "table_offsets": self.table.offsets, "table_members": self.table.members}
        return {**arrays, **table, "label_size": np.array(self.label_size, np.int64)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> LabelShard:
        """The inverse of `to_arrays`.

        Raises:
            CacheError: an array is missing, or they do not fit together.
        """
        try:
            table = SignatureTable(arrays["table_keys"], arrays["table_offsets"], arrays["table_members"])
            height, width = (int(length) for length in arrays["label_size"])
            shard = cls(**{name: arrays[name] for name in _ARRAYS}, table=table, label_size=(height, width))
        except (KeyError, ValueError) as error:
            raise CacheError(f"a shard of labels lacks an array ({error}); delete its file and run again.") from error
        _check(shard)
        return shard


_ARRAYS = (
    "signature_map", "local_offsets", "local_signature", "local_pixels", "annotated", "whole_offsets", "whole_ids", "included",
)  # fmt: skip


def _check(shard: LabelShard) -> None:
    """The arrays of a file fit together: a damaged index must not reach a compiled loop."""
    images = len(shard.included)
    sizes = np.diff(shard.local_offsets)
    pixels = shard.label_size[0] * shard.label_size[1]
    fits = (
        shard.signature_map.shape == (images, pixels)
        and len(shard.annotated) == images
        and len(shard.local_offsets) == len(shard.whole_offsets) == images + 1
        and (sizes >= 0).all()
        and shard.local_offsets[-1] == len(shard.local_signature) == len(shard.local_pixels)
        and shard.whole_offsets[-1] == len(shard.whole_ids)
        and shard.table.offsets[-1] == len(shard.table.members)
        and (not images or (shard.signature_map.max(axis=1) < np.maximum(sizes, 1)).all())
        and (not len(shard.local_signature) or (shard.local_signature.min() >= 0 and shard.local_signature.max() < len(shard.table)))
    )
    if not fits:
        raise CacheError("the arrays of a shard of labels do not fit together; delete its file and run again.")


def label_image(labels: Labels, view: Sampler, size: tuple[int, int], vocabulary: Vocabulary) -> ImageLabels:
    """Signatures of one image at label size (H, W): labels are sampled nearest-neighbour over what the network sees.

    A pixel is void for a category where any plane of the category says so, and for all where the network's view was padded; concepts
    of a primary category that is void there are left out, and VOID_MARK + k is put in. A whole-image 0 becomes ZERO_MARK.

    Raises:
        LabelMapError: an id is not in the vocabulary, or there are more than 65,536 signatures.
        DataError: a plane's category is not in the vocabulary.
    """
    primary = primary_categories(vocabulary)
    padded = view.sample(np.zeros((1, 1), np.uint16), size, VOID)
    columns = [vocabulary.category_index(plane.category) for plane in labels.planes]
    stack = np.stack([padded, *(view.sample(plane.ids, size, VOID) for plane in labels.planes)]).reshape(len(columns) + 1, -1)
    classes, ids, pixels = _classes(stack)
    _check_ids(ids[:, 1:], labels.whole, len(vocabulary))
    rows = _members(ids, np.array(columns, np.int64), labels.whole, primary, len(vocabulary.categories))
    signatures: dict[bytes, int] = {}
    local = np.array([signatures.setdefault(row, len(signatures)) for row in rows], np.int64)
    annotated = np.array([category in labels.annotated for category in vocabulary.categories], np.bool_)
    weights = np.zeros(len(signatures), np.int64)
    np.add.at(weights, local, pixels)
    return ImageLabels(local.astype(np.uint16)[classes], tuple(signatures), weights, annotated, tuple(labels.whole))


def build_label_shard(images: Sequence[ImageLabels | None], size: tuple[int, int], categories: int) -> LabelShard:
    """Put the images of a shard together, in order; None is an image that was skipped. `categories`: K, also if all were skipped."""
    signatures: dict[bytes, int] = {}
    local = [[signatures.setdefault(row, len(signatures)) for row in image.members] if image else [] for image in images]
    pixels = [image.pixels for image in images if image]
    whole = [image.whole if image else () for image in images]
    maps = np.zeros((len(images), size[0] * size[1]), np.uint16)
    annotated = np.zeros((len(images), categories), np.bool_)
    for index, image in enumerate(images):
        if image:
            maps[index], annotated[index] = image.signature_map, image.annotated
    table, place = _sorted_table(list(signatures))
    flat = np.array([signature for row in local for signature in row], np.int64)
    return LabelShard(
        maps, _offsets([len(row) for row in local]), place[flat].astype(np.int32) if len(flat) else flat.astype(np.int32),
        np.concatenate(pixels) if pixels else np.zeros(0, np.int64), table, annotated,
        _offsets([len(row) for row in whole]), np.array([label for row in whole for label in row], np.uint16),
        np.array([image is not None for image in images], np.bool_), size,
    )  # fmt: skip


def merge_tables(tables: Sequence[SignatureTable]) -> tuple[SignatureTable, list[Int32]]:
    """One table of all signatures, sorted by key, and for each table where its rows lie in it (int32). Any order, same table.

    Raises:
        CountError: two different signatures have one key; only damaged files can do that.
    """
    keys = np.concatenate([table.keys for table in tables]) if tables else np.zeros((0, 2), np.uint64)
    lengths = np.concatenate([np.diff(table.offsets) for table in tables]) if tables else np.zeros(0, np.int64)
    members = np.concatenate([table.members for table in tables]) if tables else np.zeros(0, np.uint16)
    starts = np.concatenate(([0], np.cumsum(lengths)))[:-1].astype(np.int64)
    order = np.lexsort((keys[:, 1], keys[:, 0]))
    new = np.ones(len(order), np.bool_)
    new[1:] = (keys[order[1:]] != keys[order[:-1]]).any(axis=1)
    place = np.empty(len(order), np.int32)
    place[order] = np.cumsum(new) - 1
    kept = order[new]
    merged = SignatureTable(keys[kept], _offsets(lengths[kept]), _gather(members, starts[kept], lengths[kept]))
    _check_equal(merged, place, lengths, members)
    bounds = np.cumsum([len(table) for table in tables])[:-1]
    return merged, list(np.split(place, bounds)) if tables else []


def _check_equal(merged: SignatureTable, place: Int32, lengths: Int64, members: NDArray[np.uint16]) -> None:
    again = _gather(merged.members, merged.offsets[place], np.diff(merged.offsets)[place])
    if (np.diff(merged.offsets)[place] != lengths).any() or (again != members).any():
        raise CountError("two different label signatures have the same key: a shard of labels is damaged. Delete the labels and run again.")


def _gather(members: NDArray[np.uint16], starts: Int64, lengths: Int64) -> NDArray[np.uint16]:
    """Concatenation of members[start : start + length]."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    gathered: NDArray[np.uint16] = members[np.arange(total) + np.repeat(starts - ends + lengths, lengths)]
    return gathered


def _offsets(lengths: Sequence[int] | Int64) -> Int64:
    return np.concatenate(([0], np.cumsum(np.asarray(lengths, np.int64)))).astype(np.int64)


def _sorted_table(rows: Sequence[bytes]) -> tuple[SignatureTable, Int64]:
    """The table of some different signatures, sorted by key, and where each went."""
    digests = b"".join(hashlib.blake2b(row, digest_size=16).digest() for row in rows)
    keys = np.frombuffer(digests, ">u8").reshape(-1, 2).astype(np.uint64)
    order = np.lexsort((keys[:, 1], keys[:, 0]))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    ordered = [rows[row] for row in order]
    members = np.frombuffer(b"".join(ordered), "<u2").astype(np.uint16)
    return SignatureTable(keys[order], _offsets([len(row) // 2 for row in ordered]), members), place


def _classes(stack: NDArray[np.uint16]) -> tuple[NDArray[np.uint32], NDArray[np.uint16], Int64]:
    """Equal columns of stack (m, P): class of each pixel (P,), ids of each class (L, m), pixels (L,)."""
    classes = np.empty(stack.shape[1], np.uint32)
    first, pixels = np.empty(stack.shape[1], np.int64), np.empty(stack.shape[1], np.int64)
    found = kernels.column_classes(np.ascontiguousarray(stack), classes, first, pixels)
    if found > MOST_LOCAL:
        raise LabelMapError(f"an image has {found} different label combinations; at most {MOST_LOCAL}. Choose a smaller label size.")
    return classes, np.ascontiguousarray(stack[:, first[:found]].T), pixels[:found]


def _check_ids(ids: NDArray[np.uint16], whole: Sequence[int], concepts: int) -> None:
    wrong = ids[(ids > concepts) & (ids != VOID)]
    stray = [int(label) for label in wrong] + [label for label in whole if not 0 <= label <= concepts]
    if stray:
        raise LabelMapError(f"label id {stray[0]} is not in the vocabulary of {concepts} concepts. Check the card's list of labels.")


def _members(ids: NDArray[np.uint16], columns: Int64, whole: Sequence[int], primary: Int64, categories: int) -> list[bytes]:
    """Sorted members of each class, as bytes. ids (L, 1 + planes), the first column VOID where the view was padded."""
    rows = len(ids)
    void = np.zeros((rows, categories), np.bool_)
    for position, category in enumerate(columns):
        void[:, category] |= ids[:, 1 + position] == VOID
    void[ids[:, 0] == VOID] = True
    named = np.concatenate([ids[:, 1:], np.tile(np.array([label for label in whole if label], np.uint16), (rows, 1))], axis=1)
    hidden = (named == UNLABELLED) | (named == VOID)
    hidden |= void[np.arange(rows)[:, None], primary[np.where(hidden, 0, named)]] & ~hidden
    marks = np.where(void, (VOID_MARK + np.arange(categories)).astype(np.uint16), np.uint16(VOID))
    zeros = np.full((rows, sum(label == 0 for label in whole)), ZERO_MARK, np.uint16)
    table = np.sort(np.concatenate([np.where(hidden, np.uint16(VOID), named), marks, zeros], axis=1), axis=1)
    lengths = (table != VOID).sum(axis=1)
    little = table.astype("<u2")
    return [little[row, :length].tobytes() for row, length in enumerate(lengths)]


_PRIMARY: dict[int, tuple[Vocabulary, Int64]] = {}
"""Of the last vocabularies, by identity: hashing a vocabulary of 1,200 concepts takes longer than the rest of an image."""


def primary_categories(vocabulary: Vocabulary) -> Int64:
    """(C+1,) category number of each concept id; entry 0, of no concept, is 0."""
    known = _PRIMARY.get(id(vocabulary))
    if known is None or known[0] is not vocabulary:
        numbers = {category: index for index, category in enumerate(vocabulary.categories)}
        known = vocabulary, np.array([0, *(numbers[concept.category] for concept in vocabulary.concepts)], np.int64)
        if len(_PRIMARY) > 8:
            _PRIMARY.clear()
        _PRIMARY[id(vocabulary)] = known
    return known[1]
