"""Tests of a layer's descriptions: do they tell which images excite the unit, and do their words name what the unit's other labels name?

Beside every score stand the same score of three descriptions that say nothing of the unit: `constant`, the concept that is in most
images; `most_frequent`, the layer's most frequent description; `shuffled`, the description of another unit of the layer.
Letters: N images that were used, U units, C concepts.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dissect.caption.detection import Contents, Detection, Examples, detection, detection_examples
from dissect.caption.naming import Named, Naming
from dissect.pipeline.probed import Probed
from dissect.probe.counting import all_maxima
from dissect.probe.levels import levels
from dissect.probe.profile import profile
from dissect.probe.tables import Exemplars, LayerProbe
from dissect.store import RunRecord, Store, UnitFilter

TESTING = 1
"""Raised whenever the same descriptions are tested differently."""
BASELINES = ("constant", "most_frequent", "shuffled")
NO_LABELS = "the data set has no labels, so nothing can be looked up"
NO_EXAMPLES = "beside its exemplars no image excites it, or every image does"
UNMAPPED = "the description names no concept of the data set, so it scores .5"
_SEED = 0x0DE5


@dataclass(frozen=True)
class Agreement:
    """Whether descriptions name what another label of their units names, of U units. known (U,): the unit has such a label and a
    description; agrees (U,): the description names its concept (of a formula: one that it does not exclude); chance (U,): the share
    of the other units' descriptions that do."""

    known: NDArray[np.bool_]
    agrees: NDArray[np.bool_]
    chance: NDArray[np.float64]


@dataclass(frozen=True)
class LayerTests:
    """reason: why nothing was looked up; empty where it was. detection: of the descriptions; baselines: of each of `BASELINES`.
    agreement: with the label of kind `concept` or `formula`. named (U): concept numbers that each description names, in order."""

    reason: str
    agreement: Mapping[str, Agreement]
    named: tuple[tuple[int, ...], ...]
    detection: Detection | None = None
    baselines: Mapping[str, Detection] = field(default_factory=dict)
    constant: str = ""
    most_frequent: str = ""


class Tester:
    """Tests layers of one run; what they share is read once."""

    def __init__(self, store: Store, record: RunRecord, probed: Probed) -> None:
        self._store = store
        self._record = record
        self._probed = probed
        self.vocabulary = probed.vocabulary
        self._naming = Naming(probed.vocabulary)
        self._contents = _contents(probed)
        self._scenes = _scenes(probed)

    def layer(self, layer: LayerProbe, texts: Sequence[str], best: Exemplars) -> LayerTests:
        """texts (U): the first description of each unit, empty where there is none. best: the exemplars that they were made from."""
        named = [self._naming.named(text) for text in texts]
        numbers = tuple(tuple(min(group) for group in each if len(group) == 1) for each in named)
        agreement = self._agreement(layer.layer.name, named, [bool(text) for text in texts])
        if self._contents is None:
            return LayerTests(NO_LABELS, agreement, numbers)
        examples = self._examples(layer, texts, best)
        constant, frequent = self._constant(), _most_frequent(texts)
        scored = {
            name: detection(several, examples, self._contents, self._naming)
            for name, several in (
                ("own", texts), ("constant", [constant] * len(texts)), ("most_frequent", [frequent] * len(texts)),
                ("shuffled", shuffled(texts)),
            )
        }  # fmt: skip
        return LayerTests("", agreement, numbers, scored.pop("own"), scored, constant, frequent)

    def _examples(self, layer: LayerProbe, texts: Sequence[str], best: Exemplars) -> list[Examples]:
        """Of each unit; none where it has no description."""
        used = self._probed.result.image_index
        recorded = self._probed.result.recorded[layer.layer.name]
        found = levels(recorded, self._probed.request.quantile, profile(self._probed.request.profile)).found
        cut = np.full(layer.layer.units, np.inf) if found is None else found.cut.astype(np.float64)
        cut[[not text for text in texts]] = np.inf
        rows = np.where(best.image >= 0, np.searchsorted(used, best.image), -1)
        return detection_examples(all_maxima(recorded, used.tolist()), cut, rows, self._scenes, _SEED)

    def _constant(self) -> str:
        """The name of the concept that is in most images."""
        assert self._contents is not None
        words = self._probed.vocabulary.concepts
        held = _presence(self._contents, len(words)).sum(axis=0)
        return words[int(held.argmax())].name if len(words) else ""

    def _agreement(self, layer: str, named: Sequence[Named], described: Sequence[bool]) -> dict[str, Agreement]:
        numbers = {(concept.category, concept.name): concept.index for concept in self._probed.vocabulary.concepts}
        labels: dict[str, dict[int, frozenset[int]]] = {"concept": {}, "formula": {}}
        for unit in self._store.units(UnitFilter(run=self._record.id, layer=layer), order="index", limit=1_000_000, exemplars=0):
            for label in unit.labels:
                if label.rank == 1 and (label.kind == "concept" or label.method == "compositional"):
                    used = [numbers.get((category, name), 0) for category, name, sign in label.concepts if sign > 0]
                    labels[label.kind].setdefault(unit.index, frozenset(used) - {0})
        return {kind: agreement(named, described, found) for kind, found in labels.items() if any(found.values())}


def agreement(named: Sequence[Named], described: Sequence[bool], concepts: Mapping[int, frozenset[int]]) -> Agreement:
    """named (U): what each description names. described (U): whether there is one. concepts: unit -> numbers of its other label."""
    said = [frozenset().union(*each) for each in named]
    known, agrees, chance = np.zeros(len(said), np.bool_), np.zeros(len(said), np.bool_), np.full(len(said), np.nan)
    speaking = [unit for unit, there in enumerate(described) if there]
    for unit in speaking:
        wanted = concepts.get(unit, frozenset())
        if wanted:
            known[unit], agrees[unit] = True, bool(said[unit] & wanted)
            others = [bool(said[other] & wanted) for other in speaking if other != unit]
            chance[unit] = float(np.mean(others)) if others else np.nan
    return Agreement(known, agrees, chance)


def shuffled(texts: Sequence[str]) -> list[str]:
    """The texts of other units, in an order that follows from their number alone; each unit that has one is given another unit's."""
    speaking = np.flatnonzero([bool(text) for text in texts])
    order = np.random.default_rng((_SEED, len(speaking))).permutation(speaking)
    given = [""] * len(texts)
    for place, unit in enumerate(order):
        given[unit] = texts[order[(place + 1) % len(order)]]
    return given


def _most_frequent(texts: Sequence[str]) -> str:
    counted = Counter(text for text in texts if text)
    return max(counted, key=lambda text: (counted[text], text)) if counted else ""


def _contents(probed: Probed) -> Contents | None:
    """What is annotated in the images that were used, rows as those of the maxima; None without labels."""
    used = probed.result.image_index.astype(np.int64)
    labels, whole = probed.result.labels, probed.result.image_level
    if labels is not None:
        every = Contents.from_shards([labels.part(first, stop) for first, stop in labels.ranges])
        kept = np.isin(every.image, used)
        rows = np.searchsorted(used, every.image[kept])
        return dataclasses.replace(every, image=rows, signature=every.signature[kept], count=every.count[kept], images=len(used))
    if whole is not None:
        return _of_presence(whole.presence)
    return None


def _of_presence(presence: NDArray[np.bool_]) -> Contents:
    """Labels of whole images (N, C) as one pixel an image."""
    images = np.arange(len(presence))
    offsets = np.concatenate([[0], np.cumsum(presence.sum(axis=1))]).astype(np.int64)
    members = (np.nonzero(presence)[1] + 1).astype(np.uint16)
    return Contents(offsets, members, images, images, np.ones(len(images), np.int64), len(images), 1)


def _presence(contents: Contents, concepts: int) -> NDArray[np.bool_]:
    """(N, C) from the signatures."""
    found = np.zeros((contents.images, concepts + 1), np.bool_)
    sizes = np.diff(contents.offsets)[contents.signature]
    inside = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    members = contents.members[np.repeat(contents.offsets[contents.signature], sizes) + inside]
    known = members <= concepts
    found[np.repeat(contents.image, sizes)[known], members[known]] = True
    return found[:, 1:]


def _scenes(probed: Probed) -> NDArray[np.int64]:
    """(N,) number of each used image's scene: its label of category scene, else its group; -1 for an image without either."""
    scene_of = _scene_labels(probed)
    names: list[str | int | None] = []
    for index in probed.result.image_index.tolist():
        names.append(scene_of.get(index, probed.records[index].group))
    numbers = {name: number for number, name in enumerate(dict.fromkeys(name for name in names if name is not None))}
    return np.array([-1 if name is None else numbers[name] for name in names], np.int64)


def _scene_labels(probed: Probed) -> dict[int, int]:
    """Image index -> number of its first whole-image label of category scene."""
    scenes = {concept.index for concept in probed.vocabulary.concepts if "scene" in concept.categories}
    found: dict[int, int] = {}
    if probed.result.labels is not None and scenes:
        for first, stop in probed.result.labels.ranges:
            shard = probed.result.labels.part(first, stop)
            owner = np.repeat(np.arange(first, stop), np.diff(shard.whole_offsets))
            for image, concept in zip(owner.tolist(), shard.whole_ids.tolist(), strict=True):
                if concept in scenes:
                    found.setdefault(image, concept)
    return found
