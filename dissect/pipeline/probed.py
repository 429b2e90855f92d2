"""What a probe leaves for the steps after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dissect.concepts.model import ImageRecord, Vocabulary
from dissect.network import LoadedNetwork
from dissect.pipeline.request import RunRequest
from dissect.probe.runner import ProbeResult


@dataclass(frozen=True)
class Probed:
    """Counts and exemplars of every layer, with the concepts they are about, and what they were made of: all records of the data set
    (`result.image_index` says which were used), the network, and the run's request."""

    vocabulary: Vocabulary
    result: ProbeResult
    records: Sequence[ImageRecord]
    network: LoadedNetwork
    request: RunRequest
