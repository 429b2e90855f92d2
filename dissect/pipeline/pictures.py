"""Pictures of a run's data set as whole passes in a seeded order, with what they hold. For methods that run the network again.

Letters: N pictures that can be used, C concepts, S pictures of a pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dissect.concepts.images import frame
from dissect.concepts.model import ImageRecord, ProbeSet
from dissect.errors import DataError, ImageError, LabelMapError
from dissect.network import LoadedNetwork
from dissect.probe.feed import pictures
from dissect.probe.progress import Progress
from dissect.probe.signatures import label_image


@dataclass(frozen=True)
class Held:
    """records (N) in seeded order. presence, whole (N, C): concepts that a picture holds, and as a label of the whole picture.

    groups (N,): number of the group of each; a picture without one is a group of its own.
    """

    records: tuple[ImageRecord, ...]
    presence: NDArray[np.bool_]
    whole: NDArray[np.bool_]
    groups: NDArray[np.int64]


def held(
    data: ProbeSet, network: LoadedNetwork, label_size: tuple[int, int] | None, *, limit: int, seed: int, progress: Progress
) -> Held:  # fmt: skip
    """At most `limit` pictures, evenly spaced over the data set, then shuffled; those whose picture or labels are damaged are left out.

    Raises:
        DataError: fewer than two pictures can be used.
    """
    count = len(data.records)
    kept = [data.records[k * count // limit] for k in range(limit)] if limit < count else list(data.records)
    progress.start("labels", len(kept), "image")
    found = []
    for record in kept:
        progress.advance()
        try:
            found.append((record, *_concepts(data, network, record, label_size)))
        except (ImageError, LabelMapError):
            continue
    progress.done()
    if len(found) < 2:
        raise DataError(f"{len(found)} pictures of {data.name} can be used; at least 2 are needed. See dissect data check.")
    order = np.random.default_rng(seed).permutation(len(found))
    rows = [found[place] for place in order]
    presence, whole = (np.zeros((len(rows), len(data.vocabulary)), np.bool_) for _ in range(2))
    for row, (_, seen, everywhere) in enumerate(rows):
        presence[row, seen] = True
        whole[row, everywhere] = True
    names = [record.group if record.group is not None else f"\0{record.index}" for record, _, _ in rows]
    return Held(tuple(row[0] for row in rows), presence, whole, np.unique(names, return_inverse=True)[1].astype(np.int64))


def passes(found: Held, network: LoadedNetwork, workers: int, progress: Progress) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """(rows of `found`, batch (S, 3, H, W)) of every pass; the last one is filled up with the first pictures of its own or of the order.

    Raises:
        DataError: a picture that could be opened before cannot be read now.
    """
    size = network.pass_size
    batch: list[NDArray[np.float32]] = []
    first_ones: list[NDArray[np.float32]] = []
    done = 0
    for picture in pictures(found.records, network, workers=workers, ahead=2 * size):
        if picture.pixels is None:
            raise DataError(f"{picture.reason} Run `dissect data check`, or leave the picture out of the set.")
        progress.advance()
        batch.append(picture.pixels)
        first_ones += [picture.pixels] if len(first_ones) < size else []
        if len(batch) == size:
            yield slice(done, done + size), np.stack(batch)
            done, batch = done + size, []
    if batch:
        filled = (batch + first_ones * size)[:size] if done else (batch * size)[:size]
        yield slice(done, done + len(batch)), np.stack(filled)


def _concepts(
    data: ProbeSet, network: LoadedNetwork, record: ImageRecord, size: tuple[int, int] | None
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Columns of the concepts that the network sees in a picture, and of those that are labels of the whole picture."""
    labels, shape = data.labels(record.index), frame(record.path)
    whole = np.array([concept - 1 for concept in labels.whole if concept > 0], np.intp)
    if size is None or not labels.planes:
        return whole, whole
    found = label_image(labels, network.view(shape.upright), size, data.vocabulary)
    ids = np.unique(np.concatenate([np.frombuffer(members, "<u2") for members in found.members])).astype(np.intp)
    return ids[(ids > 0) & (ids <= len(data.vocabulary))] - 1, whole
