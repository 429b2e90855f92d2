"""What a surface looks like and what it is annotated with: colour, material, texture.

The named colour of a surface is chosen first and its red, green and blue are drawn from that colour's range, so that the colour
annotation is right by construction.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dissect.concepts.procedural.dice import Dice

Rgb = tuple[int, int, int]
Field = NDArray[np.float32]

TILE = 384
"""Side of a noise tile, in drawn pixels: that of a whole picture."""

PALETTE: dict[str, tuple[Rgb, ...]] = {
    "black": ((26, 26, 30), (44, 41, 46)),
    "blue": ((42, 84, 186), (66, 126, 214), (32, 52, 128)),
    "brown": ((112, 70, 40), (142, 96, 60), (88, 54, 32)),
    "grey": ((128, 128, 130), (164, 164, 166), (98, 99, 102)),
    "green": ((52, 132, 62), (92, 160, 72), (34, 94, 52)),
    "orange": ((236, 128, 36), (244, 150, 58)),
    "pink": ((240, 152, 182), (232, 112, 154)),
    "purple": ((122, 62, 152), (152, 92, 184)),
    "red": ((188, 38, 40), (216, 58, 50)),
    "white": ((240, 240, 238), (250, 247, 240)),
    "yellow": ((240, 204, 56), (250, 224, 98)),
}

GRAIN: dict[str, tuple[str, float]] = {
    "wood": ("wood", 0.13),
    "brick": ("brick", 0.30),
    "fabric": ("weave", 0.07),
    "stone": ("blotch", 0.17),
    "concrete": ("blotch", 0.08),
    "asphalt": ("speckle", 0.11),
    "foliage": ("leaves", 0.34),
    "leather": ("blotch", 0.12),
    "water": ("ripple", 0.17),
    "sand": ("speckle", 0.08),
    "hair": ("strands", 0.20),
    "grass": ("blades", 0.22),
    "snow": ("blotch", 0.05),
    "metal": ("brushed", 0.04),
}
"""Surface structure of a material: noise tile and amplitude (share of the colour)."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A texture: the second colour lies where the pattern is on.

    period: size in picture pixels. angle: radians. phase: random offset in picture pixels.
    """

    name: str
    rgb: Rgb
    color: str
    period: float
    angle: float = 0.0
    phase: float = 0.0


@dataclass(frozen=True, slots=True)
class Paint:
    """Colour of a surface with its annotations.

    shade: brightness at its first and last edge (top and bottom, or left and right if `across`).
    grain, strength: noise tile and amplitude.
    """

    rgb: Rgb
    color: str
    material: str = ""
    grain: str = ""
    strength: float = 0.0
    shade: tuple[float, float] = (1.0, 1.0)
    across: bool = False
    pattern: Pattern | None = None

    @property
    def plain(self) -> bool:
        """One colour all over."""
        return not self.grain and self.pattern is None and self.shade == (1.0, 1.0)

    def times(self, factor: float) -> Paint:
        """The same surface in more or less light."""
        return Paint(scaled(self.rgb, factor), self.color, self.material, self.grain, self.strength, self.shade, self.across, self.pattern)

    def flat(self) -> Paint:
        """The same without gradient, grain and pattern: for small pieces, where they would not be seen."""
        return Paint(self.rgb, self.color, self.material)

    def shaded(self, first: float, last: float, *, across: bool = False) -> Paint:
        """The same with a gradient of brightness."""
        return Paint(self.rgb, self.color, self.material, self.grain, self.strength, (first, last), across, self.pattern)


def scaled(rgb: Rgb, factor: float) -> Rgb:
    """A colour made brighter or darker, kept within 0..255."""
    return tuple(max(0, min(255, int(value * factor))) for value in rgb)  # type: ignore[return-value]


def coloured(dice: Dice, color: str | Sequence[str], material: str = "", grain: str = "", jitter: float = 0.12) -> Paint:
    """A surface of one of the named colours, with the structure of its material (or of `grain`)."""
    name = color if isinstance(color, str) else dice.pick(color)
    base = dice.pick(PALETTE[name])
    light = dice.between(1 - jitter, 1 + jitter * 0.7)
    tile, strength = GRAIN.get(grain or material, ("", 0.0))
    rgb = scaled((base[0] + dice.whole(-7, 7), base[1] + dice.whole(-7, 7), base[2] + dice.whole(-7, 7)), light)
    return Paint(rgb=rgb, color=name, material=material, grain=tile, strength=strength)


def exact(rgb: Rgb, color: str, material: str = "", grain: str = "") -> Paint:
    """A surface of exactly this colour (skin, hair, sky), annotated as the named one."""
    tile, strength = GRAIN.get(grain or material, ("", 0.0))
    return Paint(rgb=rgb, color=color, material=material, grain=tile, strength=strength)


def patterned(dice: Dice, paint: Paint, name: str, period: float, others: Sequence[str] = tuple(PALETTE)) -> Paint:
    """The same surface with a texture in a second colour that can be told from the first."""
    choices = [color for color in others if color != paint.color]
    for color in dice.shuffled(choices):
        second = coloured(dice, color)
        if sum(abs(a - b) for a, b in zip(second.rgb, paint.rgb, strict=True)) > 170:
            break
    angle = dice.pick((0.0, 0.0, np.pi / 2, np.pi / 4, -np.pi / 4)) if name in ("striped", "zigzagged", "wavy") else 0.0
    pattern = Pattern(name, second.rgb, second.color, period, float(angle), dice.between(0, period))
    return replace(paint, pattern=pattern)


def pattern_field(pattern: Pattern, x: Field, y: Field) -> NDArray[np.bool_]:
    """Where a texture's second colour lies. x (1, w) and y (h, 1) in picture pixels; gives (h, w)."""
    turn_x = x * np.float32(np.cos(pattern.angle)) + y * np.float32(np.sin(pattern.angle)) + np.float32(pattern.phase)
    turn_y = y * np.float32(np.cos(pattern.angle)) - x * np.float32(np.sin(pattern.angle)) + np.float32(pattern.phase)
    return _FIELDS[pattern.name](turn_x / np.float32(pattern.period), turn_y / np.float32(pattern.period))


def _striped(x: Field, y: Field) -> NDArray[np.bool_]:
    return np.asarray((x % 1 < 0.5) & (y == y), dtype=np.bool_)


def _dotted(x: Field, y: Field) -> NDArray[np.bool_]:
    row = np.floor(y)
    return np.asarray(((x + 0.5 * (row % 2)) % 1 - 0.5) ** 2 + (y % 1 - 0.5) ** 2 < 0.085, dtype=np.bool_)


def _checkered(x: Field, y: Field) -> NDArray[np.bool_]:
    return np.asarray((np.floor(x) + np.floor(y)) % 2 == 0, dtype=np.bool_)


def _zigzagged(x: Field, y: Field) -> NDArray[np.bool_]:
    return np.asarray((y + np.abs(x % 1 - 0.5)) % 1 < 0.5, dtype=np.bool_)


def _grid(x: Field, y: Field) -> NDArray[np.bool_]:
    return np.asarray((x % 1 < 0.2) | (y % 1 < 0.2), dtype=np.bool_)


def _wavy(x: Field, y: Field) -> NDArray[np.bool_]:
    return np.asarray((y + 0.22 * np.sin(4.2 * x)) % 1 < 0.45, dtype=np.bool_)


def _woven(x: Field, y: Field) -> NDArray[np.bool_]:
    over = (np.floor(x) + np.floor(y)) % 2 == 0
    return np.asarray(np.where(over, np.abs(x % 1 - 0.5) < 0.32, np.abs(y % 1 - 0.5) > 0.32), dtype=np.bool_)


def _cracked(x: Field, y: Field) -> NDArray[np.bool_]:
    return np.asarray(_looked_up(tile("cracks"), x, y) > 0, dtype=np.bool_)


def _bubbly(x: Field, y: Field) -> NDArray[np.bool_]:
    return np.asarray(_looked_up(tile("bubbles"), x, y) > 0, dtype=np.bool_)


def _spiralled(x: Field, y: Field) -> NDArray[np.bool_]:
    far_x, far_y = x % 3 - 1.5, y % 3 - 1.5
    return np.asarray((np.hypot(far_x, far_y) * 2.2 - np.arctan2(far_y, far_x) / (2 * np.pi)) % 1 < 0.45, dtype=np.bool_)


def _looked_up(field: Field, x: Field, y: Field) -> Field:
    across = (x * 40).astype(np.int32) % TILE
    down = (y * 40).astype(np.int32) % TILE
    return field[down, across]


_FIELDS: dict[str, Callable[[Field, Field], NDArray[np.bool_]]] = {
    "striped": _striped, "dotted": _dotted, "checkered": _checkered, "zigzagged": _zigzagged, "grid": _grid, "wavy": _wavy,
    "woven": _woven, "cracked": _cracked, "bubbly": _bubbly, "spiralled": _spiralled,
}  # fmt: skip


@functools.cache
def tile(name: str) -> Field:
    """A noise tile that repeats without a seam, four times side by side (768, 768), roughly in -1..1. Always the same."""
    noise = np.random.default_rng(sum(map(ord, name))).standard_normal((TILE, TILE)).astype(np.float32)
    return np.tile(np.clip(_TILES[name](noise), -1.5, 1.5).astype(np.float32), (2, 2))


def _smooth(noise: Field, down: float, across: float) -> Field:
    field = ndimage.gaussian_filter(noise, (down, across), mode="wrap")
    return np.asarray(field / (2 * field.std()), dtype=np.float32)


def _bricks(noise: Field) -> Field:
    y, x = np.mgrid[:TILE, :TILE]
    row = y // 16
    mortar = (y % 16 < 3) | ((x + 16 * (row % 2)) % 32 < 3)
    each = noise[row, (x + 16 * (row % 2)) // 32 % 16] * 0.18
    return np.where(mortar, 0.75, each + 0.08 * _smooth(noise, 1, 1) - 0.15).astype(np.float32)


def _leaves(noise: Field) -> Field:
    coarse, fine = _smooth(noise, 8, 8), _smooth(noise[::-1], 2.5, 2.5)
    return np.clip(0.55 * np.sign(coarse) * np.abs(coarse) ** 0.5 + 0.6 * fine, -1, 1)


def _cells(noise: Field) -> Field:
    points = np.zeros((TILE, TILE), dtype=bool)
    points[(noise > np.partition(noise.ravel(), -90)[-90])] = True
    wide = np.tile(points, (3, 3))
    nearest = ndimage.distance_transform_edt(~wide, return_distances=False, return_indices=True)
    label = (nearest[0] * 7919 + nearest[1]) % 65521
    middle = slice(TILE, 2 * TILE)
    return np.asarray(label[middle, middle], dtype=np.float32)


def _cracks(noise: Field) -> Field:
    label = _cells(noise)
    edge = (label != np.roll(label, 1, 0)) | (label != np.roll(label, 1, 1))
    return np.where(ndimage.binary_dilation(edge, iterations=2), 1, -1).astype(np.float32)


def _bubbles(noise: Field) -> Field:
    y, x = np.mgrid[:TILE, :TILE].astype(np.float32)
    step = TILE / 6
    rows, columns = (y // step).astype(int), (x // step).astype(int)
    radius = step * (0.36 + 0.1 * np.clip(noise[rows, columns], -1, 1))
    distance = np.hypot(x % step - step / 2, y % step - step / 2)
    shine = np.hypot(x % step - step * 0.38, y % step - step * 0.38)
    return np.where((distance < radius) & (distance > radius - 7) | (shine < 5), 1, -1).astype(np.float32)


_TILES: dict[str, Callable[[Field], Field]] = {
    "speckle": lambda noise: _smooth(noise, 1.2, 1.2),
    "blotch": lambda noise: 0.5 * _smooth(noise, 14, 14) + 0.5 * _smooth(noise[::-1], 3, 3),
    "wood": lambda noise: 0.6 * np.sin(14 * _smooth(noise, 5, 70)) + 0.4 * _smooth(noise[::-1], 1, 18),
    "ripple": lambda noise: _smooth(noise, 2.2, 16),
    "strands": lambda noise: _smooth(noise, 16, 1.5),
    "blades": lambda noise: 0.7 * _smooth(noise, 5, 1.3) + 0.4 * _smooth(noise[::-1], 20, 30),
    "brushed": lambda noise: _smooth(noise, 1.5, 30),
    "weave": lambda noise: 0.6 * _smooth(noise, 1, 4) + 0.6 * _smooth(noise[::-1], 4, 1),
    "brick": _bricks,
    "leaves": _leaves,
    "cracks": _cracks,
    "bubbles": _bubbles,
}
