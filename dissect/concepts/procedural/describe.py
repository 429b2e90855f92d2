"""What regions of drawn pictures share, said truthfully: the drawn set knows what lies on every pixel.

A region is a picture with a mask, and the regions of a unit are its exemplars. A meaning (`describe_words.Meaning`) is *true* of regions if
in at least `MOST_OF` of them the pixels where all of it holds cover at least `LEAST` of the mask; a look ("red cars", "wooden tables") must
also hold on most of what it is said of. Of the true meanings those are said that set the regions apart: with p the share of regions that
have the meaning, q the same when the masks lie on other pictures, and s, t the mean shares of the mask that it covers here and there (its
scene left out, which covers all or nothing),

    score = p log(p / q) + s log(s / t) - COST (entries - 1)

the gain in nats over saying nothing, less a price for every further word. Letters: N pictures, P pixels, S label sets (signatures), C
concepts, R regions, B background pictures, M meanings.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dissect.concepts.procedural.describe_words import BROAD, HEADS, SUBSTANCES, WHOLES, Meaning, phrasings
from dissect.concepts.procedural.names import COLORS, CONCEPTS, NUMBER, PARTS, SCENES, TEXTURES
from dissect.concepts.procedural.pictures import Picture

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]

LEAST = 0.15
"""Share of a mask that a meaning must cover to be true of a region."""
MOST_OF = 0.6
"""Share of a unit's regions of which it must be true."""
COST = 0.3
NEAR = 0.85
"""Meanings whose score is at least this share of the best one's may be said as well."""
PIXELS, BACKGROUND = 64, 32
"""Pixels of a mask, and other pictures, by which it is measured what a meaning covers elsewhere."""


@dataclass(frozen=True)
class Surfaces:
    """What lies where in N pictures. kind (N, P): which label set each pixel has; holds (S, C + 1): which concepts are in each label set,
    by concept number (column 0 is never true)."""

    kind: NDArray[np.int32]
    holds: BoolArray


@dataclass(frozen=True)
class Said:
    """A description of regions. score: nats, as in the module's text."""

    meaning: Meaning
    text: str
    score: float


def surfaces(pictures: Iterable[Picture]) -> Surfaces:
    """The label sets of drawn pictures, at label size."""
    known: dict[tuple[int, ...], int] = {}
    maps = []
    for drawn in pictures:
        whole = tuple(NUMBER[name] for name in drawn.whole)
        stack = drawn.planes.reshape(len(drawn.planes), -1).T
        sets, place = np.unique(stack, axis=0, return_inverse=True)
        numbers = [known.setdefault(tuple(sorted({*row.tolist(), *whole} - {0})), len(known)) for row in sets]
        maps.append(np.array(numbers, np.int32)[place.ravel()])
    holds = np.zeros((len(known), len(CONCEPTS) + 1), np.bool_)
    for members, row in known.items():
        holds[row, list(members)] = True
    return Surfaces(np.stack(maps), holds)


def holds_in(meaning: Meaning, holds: BoolArray) -> BoolArray:
    """(S,): the label sets in which a meaning holds. holds (S, C + 1)."""
    found = np.ones(len(holds), np.bool_)
    for group in meaning.numbers:
        found &= holds[:, list(group)].any(axis=1)
    return found


class Regions:
    """R regions with what lies under their masks here, and on background pictures."""

    def __init__(self, drawn: Surfaces, images: Sequence[int], masks: BoolArray, background: Sequence[int], seed: int = 0) -> None:
        """images (R,): a picture of each region, masks (R, P); regions with an empty mask count for nothing. background (B,): pictures."""
        random = np.random.default_rng((seed, 0xDE5C))
        full = [place for place in range(len(images)) if masks[place].any()]
        self.regions = len(full)
        here = [drawn.kind[images[place], masks[place]] for place in full]
        there = []
        for place in full:
            pixels = np.flatnonzero(masks[place])
            some = random.choice(pixels, min(PIXELS, len(pixels)), replace=False)
            there += list(drawn.kind[np.asarray(background)][:, some])
        self._here, self._sets = _counts(here)
        self._there, self._other_sets = _counts(there)
        self._holds, self._other_holds = drawn.holds[self._sets], drawn.holds[self._other_sets]

    def shares(self, meanings: Sequence[Meaning]) -> tuple[FloatArray, FloatArray]:
        """Share of each mask that each meaning covers: (R, M) here, (R B, M) on the background pictures."""
        here = np.stack([holds_in(meaning, self._holds) for meaning in meanings], axis=1).astype(np.float64)
        there = np.stack([holds_in(meaning, self._other_holds) for meaning in meanings], axis=1).astype(np.float64)
        return self._here @ here, self._there @ there

    def true(self, meanings: Sequence[Meaning]) -> BoolArray:
        """(M,): which meanings are true of the regions."""
        if not meanings or not self.regions:
            return np.zeros(len(meanings), np.bool_)
        return _have(self._here @ np.stack([holds_in(m, self._holds) for m in meanings], axis=1)) >= MOST_OF

    def fitting(self, meanings: Sequence[Meaning]) -> BoolArray:
        """(M,): whether the look of each meaning holds on at least half of what it is said of; True without look or head."""
        bare = [replace(meaning, color="", texture="", material="") if meaning.head else meaning for meaning in meanings]
        (with_look, _), (without, _) = self.shares(meanings), self.shares(bare)
        return np.asarray(with_look.sum(axis=0) >= 0.5 * without.sum(axis=0))

    def scores(self, meanings: Sequence[Meaning]) -> FloatArray:
        """(M,) nats, as in the module's text."""
        (here, there), (spot, elsewhere) = self.shares(meanings), self.shares([replace(meaning, scene="") for meaning in meanings])
        few = 0.5 / len(there)
        gain = _gain(_have(here), _have(there) + few) + _gain(spot.mean(axis=0), elsewhere.mean(axis=0) + few)
        return gain - COST * np.array([max(0, meaning.words - 1) for meaning in meanings])


def _have(shares: FloatArray) -> FloatArray:
    return np.asarray((shares >= LEAST).mean(axis=0), np.float64)


def _gain(share: FloatArray, elsewhere: FloatArray) -> FloatArray:
    """share log(share / elsewhere), 0 where the share is 0."""
    return share * np.log(np.maximum(share, 1e-12) / np.minimum(elsewhere, 1.0))


def _counts(rows: Sequence[NDArray[np.int32]]) -> tuple[FloatArray, NDArray[np.int32]]:
    """Share of each label set in each row (R, S'), and which label sets these are (S',)."""
    if not rows:
        return np.zeros((0, 0)), np.zeros(0, np.int32)
    sets, place = np.unique(np.concatenate(rows), return_inverse=True)
    owner = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    table = np.bincount(owner * len(sets) + place, minlength=len(rows) * len(sets)).reshape(len(rows), len(sets))
    return table / table.sum(axis=1, keepdims=True), sets


_SINGLE = (
    *(Meaning(head=name) for name in HEADS),
    *(Meaning(color=name) for name in COLORS),
    *(Meaning(texture=name) for name in TEXTURES),
    *(Meaning(material=name) for name in SUBSTANCES),
    *(Meaning(scene=name) for name in SCENES),
)


def shared_meanings(regions: Regions) -> list[tuple[float, Meaning]]:
    """All true meanings of regions with their scores, the highest first; equals in a fixed order. Empty if nothing is shared."""
    singles = [m for m, true in zip(_SINGLE, regions.true(_SINGLE), strict=True) if true]
    found = list(dict.fromkeys([*singles, *_true(regions, _combined(singles))]))
    found = [meaning for meaning in found if not _needless(meaning, found)]
    if not found:
        return []
    scores = regions.scores(found)
    order = np.argsort(-scores, kind="stable")
    return [(float(scores[place]), found[place]) for place in order]


def _true(regions: Regions, meanings: Sequence[Meaning]) -> list[Meaning]:
    true = [meaning for meaning, holds in zip(meanings, regions.true(meanings), strict=True) if holds]
    return [meaning for meaning, fits in zip(true, regions.fitting(true), strict=True) if fits] if true else []


def _combined(singles: Sequence[Meaning]) -> list[Meaning]:
    """Meanings of several entries, all of which are shared by themselves."""
    parts = [m for m in singles if m.head in PARTS]
    owned = [replace(part, whole=m.head) for part in parts for m in singles if m.head in WHOLES]
    heads = [*(m for m in singles if m.head and m.head not in ("outdoor scene", "indoor scene", "patterned")), *owned]
    colors = [m.color for m in singles if m.color]
    textures = [m.texture for m in singles if m.texture]
    materials = [m.material for m in singles if m.material]
    looks: list[Meaning] = list(heads)
    for base in (*heads, Meaning()):
        looks += [replace(base, color=color) for color in colors if base.words]
        looks += [replace(base, texture=texture, color=color) for texture in textures for color in ("", *colors)]
        looks += [replace(base, material=material, color=color) for material in materials for color in ("", *colors)]
        looks += [replace(base, texture=texture, material=material) for texture in textures for material in materials]
    scenes = [m.scene for m in singles if m.scene]
    bases = [base for base in dict.fromkeys([*looks, *(m for m in singles if m.color or m.material)]) if base.words <= 2]
    return list(dict.fromkeys([*looks, *(replace(base, scene=scene) for base in bases for scene in scenes)]))


def _needless(meaning: Meaning, all_of: Sequence[Meaning]) -> bool:
    """A broader name is not said where a narrower one is true too; nor a material that goes without saying."""
    heads = {other.head for other in all_of if other.words == 1}
    narrower = any((heads - {name}) & set(BROAD.get(name, ())) for name in (meaning.head, meaning.whole))
    return narrower or not said_together(meaning)


def said_together(meaning: Meaning) -> bool:
    """Whether people would say a meaning's head and material together."""
    return (meaning.head, meaning.material) not in _ALWAYS


_OF_SKIN = ("head", "face", "nose", "ear", "neck", "hand", "arm", "leg", "person", "facial part")
_GLAZED = ("bottle", "screen", "cup", "windowpane", "window")
_ALWAYS = frozenset(
    {
        ("road", "asphalt"),
        *((name, "skin") for name in _OF_SKIN),
        *((name, "foliage") for name in HEADS),
        *((name, "glass") for name in HEADS if name not in _GLAZED),
    }
)
"""Head and material that are not said together: the material goes without saying, or is only that of a part."""


def said(
    regions: Regions, random: np.random.Generator, count: int = 3, without: frozenset[frozenset[str]] = frozenset()
) -> tuple[Said, ...]:
    """What `count` annotators would say of the regions: the first the best meaning, the others that or one nearly as good, each in a
    phrasing of its own where there are so many. Empty if nothing is shared.

    without: pairs of concept names of which no meaning may hold both.
    """
    best = [(score, meaning) for score, meaning in shared_meanings(regions) if not _holds_pair(meaning, without)]
    if not best:
        return ()
    near = [pair for pair in best if pair[0] >= NEAR * best[0][0]] or best[:1]
    chosen = [near[0], *(near[int(random.integers(len(near)))] for _ in range(count - 1))]
    used: set[str] = set()
    found = []
    for score, meaning in chosen:
        phrases = phrasings(meaning)
        fresh = [phrase for phrase in phrases if phrase not in used] or list(phrases)
        text = fresh[min(int(random.geometric(0.45)) - 1, len(fresh) - 1)]
        used.add(text)
        found.append(Said(meaning, text, score))
    return tuple(found)


def _holds_pair(meaning: Meaning, pairs: frozenset[frozenset[str]]) -> bool:
    names = {name for group in meaning.concepts for name in group}
    return any(pair <= names for pair in pairs)
