"""Meanings that planted units can have in a world, and the combinations that no captioner is shown.

A combination is an attribute with an object. None of `UNSEEN` is ever said to the captioner or to its language model while they are
trained, though both of its words are: whether it says them together of units that mean it is scored apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from dissect.concepts.procedural.describe import holds_in, said_together
from dissect.concepts.procedural.describe_words import BROAD, HEADS, SUBSTANCES, WHOLES, Meaning
from dissect.concepts.procedural.names import COLORS, OBJECTS, PARTS, SCENES, TEXTURES
from dissect.pipeline.captioner_units import World

UNSEEN: tuple[Meaning, ...] = (
    Meaning("car", color="red"),
    Meaning("bus", color="yellow"),
    Meaning("sofa", color="blue"),
    Meaning("house", color="white"),
    Meaning("boat", color="brown"),
    Meaning("refrigerator", color="grey"),
    Meaning("umbrella", color="orange"),
    Meaning("hat", color="purple"),
    Meaning("flower", color="pink"),
    Meaning("curtain", texture="striped"),
    Meaning("rug", texture="checkered"),
    Meaning("pillow", texture="dotted"),
    Meaning("torso", texture="zigzagged"),
    Meaning("wall", material="brick"),
    Meaning("bench", material="wood"),
)
HIDDEN: frozenset[frozenset[str]] = frozenset(
    frozenset({name for group in meaning.concepts for name in group}) for meaning in UNSEEN
)  # fmt: skip
"""The same as pairs of concept names."""
IMAGES, PIXELS = 25, 20
"""A meaning can be planted where so many pictures have so many label pixels of it."""


def hidden(meaning: Meaning) -> bool:
    """Whether a meaning holds an unseen combination."""
    names = {name for group in meaning.concepts for name in group}
    return any(pair <= names for pair in HIDDEN)


def plantable(meanings: Sequence[Meaning], world: World, images: int = IMAGES, pixels: int = PIXELS) -> list[Meaning]:
    """Those of the meanings that enough pictures of a world show."""
    contents = world.contents
    found = []
    for meaning in meanings:
        holds = holds_in(meaning, world.surfaces.holds)
        if holds.any():
            shown = np.bincount(contents.image, contents.count * holds[contents.signature], minlength=contents.images)
            found += [meaning] if int((shown >= pixels).sum()) >= images else []
    return found


def cover(meaning: Meaning, world: World) -> float:
    """Share of all label pixels of a world on which a meaning holds."""
    contents = world.contents
    holds = holds_in(meaning, world.surfaces.holds)
    return float((contents.count * holds[contents.signature]).sum() / contents.count.sum())


def single() -> list[Meaning]:
    """One entry each."""
    looks = [Meaning(color=name) for name in COLORS] + [Meaning(texture=name) for name in TEXTURES]
    return [
        *(Meaning(head=name) for name in HEADS),
        *looks,
        *(Meaning(material=name) for name in SUBSTANCES),
        *(Meaning(scene=name) for name in SCENES),
    ]


def combined() -> list[Meaning]:
    """Parts of things, things with a look, looks together, things in scenes; not what nobody would say."""
    return [meaning for meaning in _combined() if said_together(meaning)]


def _combined() -> Iterator[Meaning]:
    owners = [name for name in WHOLES if name not in BROAD or name in ("tree", "vehicle")]
    yield from (Meaning(part, whole) for part in PARTS for whole in owners)
    for head in (*OBJECTS, "tree", "torso", "roof", "door", "sail", "hull", "hair"):
        yield from (Meaning(head, color=color) for color in COLORS)
        yield from (Meaning(head, texture=texture) for texture in TEXTURES)
        yield from (Meaning(head, material=material) for material in SUBSTANCES)
        yield from (Meaning(head, scene=scene) for scene in SCENES)
    for color in COLORS:
        yield from (Meaning(color=color, material=material) for material in SUBSTANCES)
        yield from (Meaning(color=color, texture=texture) for texture in TEXTURES)
    yield from (Meaning(texture=texture, material=material) for texture in TEXTURES for material in SUBSTANCES)
