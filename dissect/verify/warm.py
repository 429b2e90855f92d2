"""Compile the kernels of this room once, so that the first test of a user does not wait: `python -m dissect.verify.warm`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dissect.concepts.model import Concept, ImageRecord, Vocabulary
from dissect.probe.profile import PROFILES
from dissect.probe.signatures import ImageLabels, build_label_shard
from dissect.verify.columns import columns
from dissect.verify.null import NullData, unit_counts
from dissect.verify.null_kernels import signatures_of_unit
from dissect.verify.shuffles import shuffles
from dissect.verify.spans import MaskSpans, join_labels, join_masks, shard_spans


def tiny() -> tuple[MaskSpans, NullData]:
    """A unit that is active on three pixels of two images; arrays are read-only where those of shard files are."""
    words = Vocabulary("tiny", ("object",), (Concept(1, "thing", "object", ("object",), "1"),))
    image = ImageLabels(np.array([0, 1, 1, 0], np.uint16), (b"", b"\1\0"), np.array([2, 2]), np.ones(1, np.bool_), ())
    shard = build_label_shard([image, image], (2, 2), 1)
    labels = join_labels([shard])
    shard.signature_map.flags.writeable = False
    join_labels([shard])
    owner, unit, offsets = _fixed(np.array([0, 1], np.int32)), _fixed(np.zeros(2, np.int32)), _fixed(np.array([0, 1, 2]))
    first, last = _fixed(np.array([0, 3], np.uint16)), _fixed(np.array([1, 3], np.uint16))
    masks = join_masks([shard_spans(owner, unit, offsets, first, last, np.arange(2))], 1)
    drawn = shuffles(labels.annotated, [ImageRecord(k, str(k), Path()) for k in range(2)], count=2)
    return masks, NullData(labels, columns(labels, words, PROFILES["standard"]), drawn, words, PROFILES["standard"])


def _fixed(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array


def warm() -> float:
    """Compile all kernels and keep them on disk. Returns the seconds it took; a second call takes next to none."""
    began = time.perf_counter()
    masks, data = tiny()
    unit_counts(masks, data, 0, np.ones(1, np.int64), np.zeros(1, np.int64))
    labels, scratch = data.labels, np.zeros(4, np.int32)
    signatures_of_unit(
        data.shuffles.source[1], masks.image, masks.offsets, masks.first, masks.last,
        labels.offsets, labels.last, labels.local, labels.jump, labels.local_offsets,
        labels.row_signature, scratch, scratch.copy(), np.zeros(4, np.int64), scratch.copy(),
    )  # fmt: skip
    return time.perf_counter() - began


if __name__ == "__main__":
    print(f"kernels of the tests against chance are compiled ({warm():.1f} s)")
