"""How a shared meaning is said in English: several phrasings, none of which says more than the meaning.

A meaning is a head (object, part, or a broader name), whose it is (of a part), and what it looks like (colour, texture, material), perhaps
in a scene; or one of the looks, or the scene, alone. Each content word of a phrase stands for one entry of the meaning; all others
("areas", "made of", "that are") say nothing about the picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

from dissect.concepts.procedural.names import COLORS, KINDS, MATERIALS, NUMBER, OBJECTS, PARTS, SCENES, TEXTURES
from dissect.errors import UsageError

BROAD: Mapping[str, tuple[str, ...]] = {
    "tree": ("tree", "palm tree", "pine tree"),
    "lamp": ("lamp", "street lamp"),
    **{name: KINDS[name] for name in ("vehicle", "animal", "plant", "furniture", "facial part")},
    **{name: KINDS[name] for name in ("patterned", "outdoor scene", "indoor scene")},
}
"""Heads that stand for several concepts: one of them holds where the head does."""

HEADS: Mapping[str, tuple[str, ...]] = {
    **{name: (name,) for name in (*OBJECTS, *PARTS)},
    **BROAD,
}
"""Head: the concepts it stands for."""
WHOLES = tuple(name for name in HEADS if name not in PARTS and name not in ("facial part", "patterned", "outdoor scene", "indoor scene"))
"""Heads that have parts."""
SUBSTANCES = tuple(name for name in MATERIALS if name not in HEADS)
"""Materials that are said as such; water, sand and hair are heads."""

_MASS = ("water", "sand", "hair", "grass", "ground", "furniture")
_PLURAL = {
    **{name: name for name in (*_MASS, "glasses")},
    "sky": "skies", "cactus": "cactuses", "bus": "buses", "bench": "benches", "bush": "bushes", "person": "people",
    "facial part": "facial features", "patterned": "patterned surfaces", "outdoor scene": "outdoor scenes", "indoor scene": "indoor scenes",
}  # fmt: skip
_ONE_OF_A_KIND = ("sky", "sun", "moon")
_NO_ARTICLE = {*_MASS, "glasses", "facial part", "patterned", "outdoor scene", "indoor scene"}
_PLACES: Mapping[str, tuple[str, ...]] = {
    "street-s": ("on streets", "in street scenes"),
    "night_city-s": ("at night", "in night scenes"),
    "beach-s": ("at the beach", "on beaches"),
    "harbor-s": ("in harbors", "in a harbor"),
    "park-s": ("in parks", "in a park"),
    "forest-s": ("in forests", "in a forest"),
    "mountain-s": ("in mountain scenes",),
    "desert-s": ("in deserts", "in the desert"),
    "kitchen-s": ("in kitchens", "in a kitchen"),
    "bedroom-s": ("in bedrooms", "in a bedroom"),
    "living_room-s": ("in living rooms", "in a living room"),
    "office-s": ("in offices", "in an office"),
}
_ALSO: Mapping[str, tuple[str, ...]] = {
    "patterned": ("surfaces with patterns", "patterned areas", "patterns"),
    "outdoor scene": ("pictures taken outdoors", "places outdoors"),
    "indoor scene": ("pictures taken indoors", "places indoors"),
}
"""Further phrases for a head that is said alone."""
_MADE = {"wood": "wooden", "metal": "metal", "glass": "glass", "foliage": "leafy"}
_NOUNS = {
    "striped": "stripes", "dotted": "dots", "checkered": "checkers", "zigzagged": "zigzags", "grid": "grids", "wavy": "waves",
    "woven": "weave", "cracked": "cracks", "bubbly": "bubbles", "spiralled": "spirals",
}  # fmt: skip
_LOOSE = ("areas", "surfaces", "things")


@dataclass(frozen=True)
class Meaning:
    """What regions share; empty entries say nothing. head: a key of `HEADS`. whole: what a part belongs to, one of `WHOLES`.

    color, texture, material, scene: names, without Broden's ending for colours.
    """

    head: str = ""
    whole: str = ""
    color: str = ""
    texture: str = ""
    material: str = ""
    scene: str = ""

    @property
    def concepts(self) -> tuple[tuple[str, ...], ...]:
        """Groups of concept names: the meaning holds where each group has a member that holds."""
        groups = [HEADS.get(name, (name,)) for name in (self.head, self.whole) if name]
        groups += [(f"{self.color}-c",)] if self.color else []
        return (*groups, *((name,) for name in (self.texture, self.material, self.scene) if name))

    @property
    def numbers(self) -> tuple[frozenset[int], ...]:
        """The same as concept numbers."""
        return tuple(frozenset(NUMBER[name] for name in group) for group in self.concepts)

    @property
    def words(self) -> int:
        """How many entries it has."""
        return sum(bool(getattr(self, field.name)) for field in fields(self))

    @property
    def look(self) -> tuple[str, ...]:
        """Its attributes, Broden's endings put back."""
        return tuple(name for name in (self.color and f"{self.color}-c", self.texture, self.material) if name)


def check_meaning(meaning: Meaning) -> None:
    """Raise unless every entry is a name of its kind.

    Raises:
        UsageError: naming the entry.
    """
    known = {"head": tuple(HEADS), "whole": WHOLES, "color": COLORS, "texture": TEXTURES, "material": SUBSTANCES, "scene": SCENES}
    for name, names in known.items():
        if (value := getattr(meaning, name)) and value not in names:
            raise UsageError(f"{value!r} is no {name} that a meaning of drawn pictures can have. Choose one of: {', '.join(names)}.")
    if not meaning.words or (meaning.whole and not meaning.head):
        raise UsageError("a meaning has at least one entry, and a whole only beside a head.")


def phrasings(meaning: Meaning) -> tuple[str, ...]:
    """All phrases for a meaning, the plainest first, each once.

    Raises:
        UsageError: as `check_meaning`.
    """
    check_meaning(meaning)
    plain = dict.fromkeys(_without_scene(meaning))
    if not meaning.scene:
        return tuple(plain)
    if not plain:
        return tuple(_scene_alone(meaning.scene))
    return tuple(f"{phrase} {place}" for phrase in plain for place in _PLACES[meaning.scene])


def _without_scene(meaning: Meaning) -> Iterator[str]:
    if meaning.head:
        yield from _headed(meaning)
    elif meaning.material:
        yield from _of_material(meaning)
    elif meaning.texture:
        yield from _of_texture(meaning)
    elif meaning.color:
        yield from (f"{meaning.color} {loose}" for loose in _LOOSE)
        yield f"areas that are {meaning.color}"


def _headed(meaning: Meaning) -> Iterator[str]:
    before = " ".join(name for name in (meaning.color, meaning.texture, _MADE.get(meaning.material, meaning.material)) if name)
    many, one = plural(meaning.head), meaning.head
    if not meaning.whole:
        yield _joined(before, many)
        if one not in _NO_ARTICLE:
            yield _with_article(_joined(before, one))
        yield from _ALSO.get(meaning.head, ()) if not before else ()
    else:
        owners = plural(meaning.whole)
        yield f"{_joined(before, many)} of {owners}"
        yield f"the {_joined(before, many)} of {owners}"
        yield _joined(before, f"{meaning.whole} {many}")
        yield f"{_joined(before, one)} of {_with_article(meaning.whole)}"
    yield from _after(meaning, many + (f" of {plural(meaning.whole)}" if meaning.whole else ""))


def _after(meaning: Meaning, things: str) -> Iterator[str]:
    """The look said after the thing, where there is one entry of it."""
    if meaning.look == (f"{meaning.color}-c",):
        yield f"{things} that {'is' if meaning.head in _MASS else 'are'} {meaning.color}"
    elif meaning.look == (meaning.texture,):
        yield f"{things} with {_NOUNS[meaning.texture]}"
    elif meaning.look == (meaning.material,):
        yield f"{things} made of {meaning.material}"


def _of_material(meaning: Meaning) -> Iterator[str]:
    before = _joined(meaning.color, meaning.texture)
    yield _joined(before, meaning.material)
    yield f"{_joined(before, 'things')} made of {meaning.material}"
    yield _joined(before, f"{_MADE.get(meaning.material, meaning.material)} surfaces")
    if meaning.material == "foliage":
        yield _joined(before, "leaves")
    if meaning.texture and not meaning.color:
        yield f"{meaning.material} with {_NOUNS[meaning.texture]}"


def _of_texture(meaning: Meaning) -> Iterator[str]:
    yield _joined(meaning.color, f"{meaning.texture} surfaces")
    yield _joined(meaning.color, f"{meaning.texture} areas")
    yield _joined(meaning.color, _NOUNS[meaning.texture])
    yield f"surfaces with {_joined(meaning.color, _NOUNS[meaning.texture])}"


def _scene_alone(scene: str) -> Iterator[str]:
    name = "night" if scene == "night_city-s" else scene.removesuffix("-s").replace("_", " ")
    yield f"{name} scenes"
    if scene in ("night_city-s", "street-s"):
        yield f"{name} pictures"
    elif scene != "mountain-s":  # "mountain pictures" would name the thing, not the scene
        yield f"scenes {_PLACES[scene][-1]}"
    yield f"pictures taken {_PLACES[scene][0]}"


def plural(name: str) -> str:
    """More than one of a head or an object."""
    first, _, last = name.rpartition(" ")
    return _PLURAL.get(name) or _joined(first, _PLURAL.get(last, f"{last}s"))


def _with_article(words: str) -> str:
    if words.rsplit(" ", 1)[-1] in _NO_ARTICLE:
        return words
    if words.rsplit(" ", 1)[-1] in _ONE_OF_A_KIND:
        return f"the {words}"
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _joined(first: str, second: str) -> str:
    return f"{first} {second}" if first and second else first or second
