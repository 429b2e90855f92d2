"""The published programs and ours, written again as loops over pixels, from their rules. Slow, and independent of the kernels."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dissect.concepts.model import VOID
from dissect.probe.profile import Profile
from tests.probe.oracles import CATEGORIES, Scene

Pixel = tuple[int, int]


@dataclass
class Sums:
    """I and A of (unit, concept), G of concepts; concept 0 is the leaked label 0."""

    both: dict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))
    area: dict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))
    truth: dict[int, int] = field(default_factory=lambda: defaultdict(int))


def labels_at(drawn: Scene, image: int, pixel: Pixel) -> tuple[list[int], set[str]]:
    """Concepts on a pixel, as often as they are labelled there, and the categories that are void."""
    labels, padded = drawn.labels[image], pixel[1] < drawn.pads[image]
    void = {name for name in CATEGORIES if padded or any(p.category == name and p.ids[pixel] == VOID for p in labels.planes)}
    ids = [int(plane.ids[pixel]) for plane in labels.planes if not padded] + list(labels.whole)
    named = [i for i in ids if i not in (0, VOID)]
    return [i for i in named if drawn.vocabulary.concepts[i - 1].category not in void], void


def run(drawn: Scene, masks: NDArray[np.bool_], profile: Profile) -> Sums:
    """Masks (n, U, H, W) against the labels, as the program of that name counts."""
    sums = Sums()
    for image in range(len(drawn.labels)):
        pixels = [(y, x) for y in range(drawn.size[0]) for x in range(drawn.size[1])]
        content = {pixel: labels_at(drawn, image, pixel) for pixel in pixels}
        _truth(sums, drawn, image, content, profile)
        for unit in range(masks.shape[1]):
            active = [pixel for pixel in pixels if masks[image, unit][pixel]]
            _both(sums, drawn, image, unit, active, content, profile)
            _area(sums, drawn, image, unit, active, content, profile)
    return sums


Content = dict[Pixel, tuple[list[int], set[str]]]


def _times(labels: list[int], profile: Profile) -> list[int]:
    return labels if profile.overlap == "multiplicity" else sorted(set(labels))


def _truth(sums: Sums, drawn: Scene, image: int, content: Content, profile: Profile) -> None:
    for labels, _ in content.values():
        for concept in _times(labels, profile):
            sums.truth[concept] += 1
        sums.truth[0] += drawn.labels[image].whole.count(0)


def _both(sums: Sums, drawn: Scene, image: int, unit: int, active: list[Pixel], content: Content, profile: Profile) -> None:
    for pixel in active:
        for concept in _times(content[pixel][0], profile):
            sums.both[unit, concept] += 1
        sums.both[unit, 0] += drawn.labels[image].whole.count(0)


def _area(sums: Sums, drawn: Scene, image: int, unit: int, active: list[Pixel], content: Content, profile: Profile) -> None:
    inside = {concept for labels, _ in content.values() for concept in labels}
    under = {concept for pixel in active for concept in content[pixel][0]}
    zero = 0 in drawn.labels[image].whole
    for concept in range(len(drawn.vocabulary) + 1):
        category = drawn.vocabulary.concepts[concept - 1].category if concept else CATEGORIES[-1]

        def of_category(found: set[int], category: str = category) -> bool:
            return any(drawn.vocabulary.concepts[other - 1].category == category for other in found)

        if profile.name == "standard":
            if category in drawn.labels[image].annotated or concept in inside:
                sums.area[unit, concept] += sum(category not in content[pixel][1] for pixel in active)
        elif profile.name == "netdissect":
            if concept and of_category(inside):
                sums.area[unit, concept] += len(active)
        elif profile.name == "lite":
            if of_category(under) or (zero and category == CATEGORIES[-1]):
                sums.area[unit, concept] += len(active)
        else:
            sums.area[unit, concept] += len(active)
