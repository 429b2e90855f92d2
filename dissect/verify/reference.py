"""Random weights as a reference: how many detectors the same architecture has without having learnt anything.

Units of a random network answer to colours and edges of the pictures, so some match concepts well beyond chance. That makes them a
reference for how much of a layer's result is owed to training, and no 5 % check of a test. Letters: U units, S seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dissect.concepts.images import open_image
from dissect.concepts.model import ProbeSet
from dissect.errors import ImageError, UsageError
from dissect.fingerprint import Plain
from dissect.network.loaded import LoadedNetwork
from dissect.network.model import Network
from dissect.network.randomise import load_random
from dissect.network.source import NetworkSpec
from dissect.probe.cache import Cache
from dissect.probe.ledger import Ledger
from dissect.probe.progress import Progress
from dissect.probe.runner import probe
from dissect.probe.settings import ProbeResult, ProbeSettings
from dissect.verify.maxima import Rules, Summary, best_labels, summary

CALIBRATION_IMAGES = 128
"""Pictures on which the batch norms of a random network are measured, evenly spaced over those that were used."""
_BATCH = 32


@dataclass(frozen=True)
class RandomReference:
    """One layer of a trained network beside the same layer with random weights.

    layer: its name. trained; random (S): summaries by seed. weights (S): hashes of the random weights. notes: of the random networks.
    """

    layer: str
    trained: Summary
    random: tuple[Summary, ...]
    seeds: tuple[int, ...]
    weights: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def mean_unique(self) -> float:
        """Unique detectors of the random networks, mean over seeds."""
        return float(np.mean([each.unique for each in self.random]))

    def lines(self) -> list[str]:
        """For people."""
        median = float(np.mean([each.median for each in self.random]))
        return [
            f"{self.layer}: {self.trained.unique} unique detectors, {self.mean_unique:.1f} with random weights (mean of {len(self.seeds)})",
            f"{self.layer}: median best IoU {self.trained.median:.4f}, {median:.4f} with random weights",
            *self.notes,
        ]

    def as_plain(self) -> dict[str, Plain]:
        """For JSON."""
        return {
            "layer": self.layer, "trained": self.trained.as_plain(), "random": [each.as_plain() for each in self.random],
            "seeds": list(self.seeds), "weights": list(self.weights), "notes": list(self.notes),
        }  # fmt: skip


def random_reference(
    make: Callable[[int], Network], trained: ProbeResult, data: ProbeSet, settings: ProbeSettings, rules: Rules,
    cache: Cache, ledger: Ledger, progress: Progress, *, seeds: Sequence[int] = (0,),
) -> tuple[RandomReference, ...]:  # fmt: skip
    """Probe networks of random weights with the data of a run, under its settings. One reference a layer, layers as in `trained`.

    `make(seed)`: the network (`random_maker` makes one). `settings`: those of the run; layers are taken from `trained`, and neither
    exemplars nor thumbnails are made.

    Raises:
        UsageError: no seed, a data set without label maps, or random networks that share the weights of another.
        NetworkError, DataError, ActivationError: as the probe.
    """
    if not seeds:
        raise UsageError("at least one seed of random weights is needed.")
    if trained.labels is None:
        raise UsageError("the random-weight reference compares overlaps with label maps, and this data set has none.")
    names = tuple(layer.layer.name for layer in trained.layers)
    plain = replace(settings, layers=names, exemplars=1, thumbnails=False, activation_ranges=0)
    found, weights, notes = [], [], []
    for seed in seeds:
        network = make(seed)
        weights.append(str(network.describe()["weights"]))
        notes += [note for note in getattr(network, "notes", ()) if note not in notes]
        found.append(_summaries(probe(network, data, plain, cache, ledger, progress), rules))
    if len(set(weights)) < len(weights):
        raise UsageError("two random networks have the same weights: the network does not depend on the seed, or a seed was given twice.")
    own = _summaries(trained, rules)
    return tuple(
        RandomReference(name, own[k], tuple(each[k] for each in found), tuple(seeds), tuple(weights), tuple(notes))
        for k, name in enumerate(names)
    )


def random_maker(spec: NetworkSpec, trained: LoadedNetwork, data: ProbeSet, used: NDArray[np.int32]) -> Callable[[int], LoadedNetwork]:
    """What `random_reference` wants: from a seed to the spec's network with random weights, its batch norms measured on used images.

    `trained`: gives the preprocessing. `used`: `ProbeResult.image_index`.
    """

    def make(seed: int) -> LoadedNetwork:
        network = load_random(spec, seed, lambda: calibration(trained, data, used), trained.preprocessing)
        if network.describe()["weights"] == trained.describe()["weights"]:
            raise UsageError(f"network {trained.name} has no weights that a seed could change, so random weights are no reference for it.")
        return network

    return make


def calibration(network: Network, data: ProbeSet, used: NDArray[np.int32]) -> Iterator[NDArray[np.float32]]:
    """Batches (B, 3, height, width) of prepared pictures, evenly spaced over the used ones, `CALIBRATION_IMAGES` at most.

    A picture that can no longer be read is left out.
    """
    count = min(CALIBRATION_IMAGES, len(used))
    chosen = [int(used[k * len(used) // count]) for k in range(count)]
    waiting: list[NDArray[np.float32]] = []
    for index in chosen:
        try:
            waiting.append(network.prepare(open_image(data.records[index].path)))
        except ImageError:
            continue
        if len(waiting) == _BATCH:
            yield np.stack(waiting)
            waiting = []
    if waiting:
        yield np.stack(waiting)


def _summaries(result: ProbeResult, rules: Rules) -> list[Summary]:
    found = []
    for layer in result.layers:
        if layer.tables is None:
            raise UsageError("the random-weight reference compares overlaps with label maps, and this data set has none.")
        found.append(summary(best_labels(layer.tables, layer.stats.state, rules), layer.stats.state, rules.threshold))
    return found
