"""The audit by effect: what switching a unit off does to each image, compared between groups with the tests of the audit by response.

A unit may respond to a group and not matter, or matter more for one group than for another and respond to both alike.
Letters: n images, U units, B pictures of a pass, K units switched off in turn, O outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dissect.audit.groups import Subjects
from dissect.audit.response import Rules, Selectivity, audit_responses
from dissect.concepts.images import open_image
from dissect.concepts.model import ImageRecord
from dissect.errors import ShapeError
from dissect.network.ablate import Ablation, Ablator, How, Means, look, mean_of
from dissect.network.loaded import LoadedNetwork
from dissect.network.model import LayerInfo

Measure = Callable[[NDArray[np.float32]], NDArray[Any]]
"""(..., O) outputs to (...) one number an image, such as the probability of a class."""


def audit_effects(effects: Mapping[str, NDArray[Any]], of: Subjects, rules: Rules | None = None) -> Selectivity:
    """Compare effects of ablation between groups. effects: layer -> (n, U), one number for each image of `of` and unit.

    Raises:
        As `response.audit_responses`.
    """
    return audit_responses(effects, of, rules, kind="effect")


def unit_effects(
    network: LoadedNetwork, layer: LayerInfo, records: Sequence[ImageRecord], index: NDArray[np.int32], measure: Measure, *,
    how: How = "mean", units: Sequence[int] | None = None,
) -> NDArray[np.float32]:  # fmt: skip
    """(n, K) how much `measure` falls when each unit alone is switched off: before less after, for the pictures `index`.

    units: None takes all. how: what is put in a unit's place; see `network.ablate`. Pictures are read again for every use.

    Raises:
        LayerError: a unit is not of the layer. ImageError: a picture cannot be opened. ShapeError: there are no pictures.
    """
    if not len(index):
        raise ShapeError("there are no pictures to switch units off in.")
    chosen = tuple(range(layer.units)) if units is None else tuple(units)
    means = _means(network, layer, records, index) if how == "mean" else None
    ablator = Ablator(network, layer, how, means)
    parts = []
    for batch, count in _batches(network, records, index):
        values = np.asarray(measure(ablator.outputs(batch, [Ablation((unit,)) for unit in chosen])), np.float64)  # K+1 B
        if values.shape != (len(chosen) + 1, len(batch)):
            raise ShapeError(f"the measure gives {values.shape} numbers for {len(chosen) + 1} x {len(batch)} outputs.")
        parts.append((values[0] - values[1:])[:, :count].T)
    return np.concatenate(parts).astype(np.float32)


def _means(network: LoadedNetwork, layer: LayerInfo, records: Sequence[ImageRecord], index: NDArray[np.int32]) -> Means:
    seen = [(look(network, layer, batch)[1], count) for batch, count in _batches(network, records, index)]
    average, prefix = (np.concatenate([getattr(each, name)[:count] for each, count in seen]) for name in ("average", "prefix"))
    return mean_of(average, prefix)


def _batches(network: LoadedNetwork, records: Sequence[ImageRecord], index: NDArray[np.int32]) -> Iterator[tuple[NDArray[np.float32], int]]:
    """Whole passes of pictures, the last filled up with its last picture, and how many of each are meant."""
    for first in range(0, len(index), network.pass_size):
        numbers = [int(i) for i in index[first : first + network.pass_size]]
        pixels = []
        for number in numbers:
            with open_image(records[number].path) as image:
                pixels.append(network.prepare(image))
        filled = pixels + [pixels[-1]] * (network.pass_size - len(pixels))
        yield np.stack(filled), len(pixels)
