"""Pictures decoded and prepared on background threads while the network runs, in order, never more than a few batches ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dissect.concepts.images import open_image
from dissect.concepts.model import ImageRecord
from dissect.errors import ImageError
from dissect.network.model import Network


@dataclass(frozen=True, slots=True)
class Picture:
    """A prepared picture, or the reason why it cannot be used.

    index: of its record. pixels (3, H, W) float32: the network's input, None if it cannot be used. small: the thumbnail, if asked for.
    """

    index: int
    pixels: NDArray[np.float32] | None
    small: Image.Image | None
    reason: str = ""


Shrink = Callable[[Image.Image, Network], Image.Image]


def load(record: ImageRecord, network: Network, shrink: Shrink | None) -> Picture:
    """Decode and prepare one picture. A picture that cannot be used is an answer, not an error; anything else is raised."""
    try:
        with open_image(record.path) as image:
            small = shrink(image, network) if shrink else None
            return Picture(record.index, network.prepare(image), small)
    except ImageError as error:
        return Picture(record.index, None, None, str(error))


def pictures(
    records: Sequence[ImageRecord], network: Network, *, workers: int, ahead: int, shrink: Shrink | None = None
) -> Generator[Picture, None, None]:
    """The pictures of `records`, in order. workers: threads (0: none, everything in the caller's). ahead: most pictures kept ready.

    Closing the iterator stops the threads. An exception of a thread is raised here, in its place.
    """
    if workers < 1:
        yield from (load(record, network, shrink) for record in records)
        return
    waiting: deque[Future[Picture]] = deque()
    rest = iter(records)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="dissect-decode")
    try:
        for record in rest:
            waiting.append(pool.submit(load, record, network, shrink))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
