"""The vocabulary of the procedural set: which concepts exist, in which categories, and what is a kind of what.

Names follow Broden's habits: scenes end in `-s`, colours in `-c`, and one name may be annotated in two categories (`hair` is a part and
a material). Concept numbers run 1..C in the order of `CONCEPTS`; 0 is unlabelled.
"""

from __future__ import annotations

CATEGORIES = ("object", "part", "scene", "material", "texture", "color")

SCENES = (
    "street-s", "night_city-s", "beach-s", "harbor-s", "park-s", "forest-s", "mountain-s", "desert-s",
    "kitchen-s", "bedroom-s", "living_room-s", "office-s",
)  # fmt: skip
OBJECTS = (
    "sky", "cloud", "sun", "moon", "water", "sand", "grass", "ground", "road", "sidewalk", "mountain", "rock",
    "tree", "palm tree", "pine tree", "cactus", "bush", "flower",
    "house", "building", "fence", "street lamp", "traffic light", "bench", "umbrella", "ball",
    "car", "bus", "bicycle", "boat", "dog", "cat", "bird",
    "wall", "floor", "windowpane", "table", "chair", "sofa", "bed", "pillow", "lamp", "cup", "bottle", "plate", "apple",
    "book", "bookcase", "screen", "keyboard", "clock", "painting", "curtain", "rug", "potted plant", "refrigerator", "stove", "cabinet",
    "person", "hat", "glasses",
)  # fmt: skip
PARTS = (
    "head", "face", "eye", "eyebrow", "nose", "mouth", "ear", "hair", "beard", "neck", "torso", "arm", "hand", "leg", "shoe",
    "wheel", "window", "door", "headlight", "roof", "chimney", "trunk", "crown", "petal", "handlebar", "sail", "hull",
    "tail", "beak", "wing", "back", "seat", "handle", "shade", "pot", "drawer",
)  # fmt: skip
MATERIALS = (
    "wood", "brick", "metal", "glass", "fabric", "skin", "hair", "stone", "concrete", "asphalt", "foliage", "paper", "ceramic", "plastic",
    "leather", "rubber", "water", "sand",
)  # fmt: skip
TEXTURES = ("striped", "dotted", "checkered", "zigzagged", "grid", "wavy", "woven", "cracked", "bubbly", "spiralled")
COLORS = ("black", "blue", "brown", "grey", "green", "orange", "pink", "purple", "red", "white", "yellow")

BY_CATEGORY: dict[str, tuple[str, ...]] = {
    "object": OBJECTS,
    "part": PARTS,
    "scene": SCENES,
    "material": MATERIALS,
    "texture": TEXTURES,
    "color": tuple(f"{name}-c" for name in COLORS),
}
"""Names of each category, in Broden's order of categories."""

CONCEPTS: tuple[str, ...] = tuple(dict.fromkeys(name for category in CATEGORIES for name in BY_CATEGORY[category]))
"""All names, each once, in order of their numbers 1..C."""

NUMBER: dict[str, int] = {name: number for number, name in enumerate(CONCEPTS, start=1)} | {"": 0}
"""Concept number of a name; the empty name is 0, unlabelled."""

KINDS: dict[str, tuple[str, ...]] = {
    "vehicle": ("car", "bus", "bicycle", "boat"),
    "animal": ("dog", "cat", "bird"),
    "plant": ("tree", "palm tree", "pine tree", "cactus", "bush", "flower", "potted plant", "grass"),
    "construction": ("house", "building", "fence"),
    "furniture": ("table", "chair", "sofa", "bed", "bookcase", "cabinet", "bench"),
    "furnishing": ("pillow", "lamp", "rug", "curtain", "painting", "clock"),
    "appliance": ("refrigerator", "stove", "screen", "keyboard"),
    "tableware": ("cup", "bottle", "plate"),
    "celestial body": ("sun", "moon"),
    "terrain": ("sand", "ground", "road", "sidewalk", "rock", "mountain"),
    "wearable": ("hat", "glasses"),
    "facial part": ("eye", "eyebrow", "nose", "mouth", "beard"),
    "body part": ("head", "face", "ear", "neck", "torso", "arm", "hand", "hair", "facial part"),
    "outdoor scene": ("street-s", "night_city-s", "beach-s", "harbor-s", "park-s", "forest-s", "mountain-s", "desert-s"),
    "indoor scene": ("kitchen-s", "bedroom-s", "living_room-s", "office-s"),
    "patterned": TEXTURES,
}
"""Broader name: its narrower names. The broader names are groups only; nothing is annotated with them."""


PARTS_OF: dict[str, tuple[str, ...]] = {
    "person": ("head", "torso", "arm", "leg", "neck", "hand", "shoe"),
    "head": ("face", "hair", "ear"),
    "face": ("eye", "eyebrow", "nose", "mouth", "beard"),
    "vehicle": ("wheel", "headlight", "handlebar", "sail", "hull"),
    "construction": ("roof", "chimney"),
    "plant": ("trunk", "crown", "petal", "pot"),
    "animal": ("tail", "beak", "wing"),
    "furniture": ("seat", "back", "drawer"),
}
"""What has them: some of its parts. Parts of many different things (window, door, leg of a table) are left out."""


def hierarchy_rows() -> list[list[str]]:
    """Rows (narrower, broader, kind) of hierarchy.csv."""
    kinds = [[narrow, broad, "is_a"] for broad, narrows in KINDS.items() for narrow in narrows]
    return kinds + [[part, whole, "part_of"] for whole, parts in PARTS_OF.items() for part in parts]
