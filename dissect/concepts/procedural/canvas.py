"""A picture and its annotations, drawn together.

Every shape is drawn twice: anti-aliased into the picture (at three times its size, reduced at the end) and as a number into a map at
the label size. The number stands for a *surface*: the objects, parts, material, texture and colour that hold there. A later shape hides
an earlier one in both, so that occlusion needs no thought. Units: picture pixels, origin at the upper left.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from dissect.concepts.procedural.dice import Dice
from dissect.concepts.procedural.names import NUMBER
from dissect.concepts.procedural.paint import TILE, Field, Paint, Rgb, pattern_field, tile

Point = tuple[float, float]

SIDE = 128
"""Width and height of a picture."""
LABEL = 64
"""Width and height of its label maps."""
OVERSAMPLING = 2

PLANES = ("object", "object", "part", "part", "part", "material", "texture", "color")
"""Category of each plane; the first of a category is the dominant one (the front object, the finest part)."""


@dataclass(frozen=True, slots=True)
class Surface:
    """What is being drawn: at most two objects and three parts, from the finest to the widest."""

    objects: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()

    def numbers(self, material: str, texture: str, color: str) -> tuple[int, ...]:
        """Concept numbers where it is seen in this material, texture and colour, one for each of `PLANES`."""
        names = (*(*self.objects, "", "")[:2], *(*self.parts, "", "", "")[:3], material, texture, color and f"{color}-c")
        return tuple(NUMBER[name] for name in names)


class Canvas:
    """The picture in the making. `here` tells which objects and parts the next shapes belong to."""

    def __init__(self, dice: Dice) -> None:
        side = SIDE * OVERSAMPLING
        self._picture = Image.new("RGB", (side, side))
        self._draw = ImageDraw.Draw(self._picture)
        self._map = Image.new("I", (LABEL, LABEL), 0)
        self._map_draw = ImageDraw.Draw(self._map)
        self._surfaces: dict[tuple[Surface, str, str, str], int] = {(Surface(), "", "", ""): 0}
        self._offset = (dice.whole(0, TILE - 1), dice.whole(0, TILE - 1))
        self.here = Surface()

    @contextlib.contextmanager
    def object(self, name: str, *, over: bool = False) -> Iterator[None]:
        """What is drawn inside belongs to this object; with `over` also to the object (and parts) drawn around it."""
        before = self.here
        self.here = replace(before, objects=(name, *before.objects)) if over else Surface(objects=(name,))
        yield
        self.here = before

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        """What is drawn inside is this part of the current object or part."""
        before = self.here
        self.here = replace(before, parts=(name, *before.parts))
        yield
        self.here = before

    def polygon(self, points: Sequence[Point], paint: Paint) -> None:
        """Fill a polygon in the picture and in the label map."""
        outline = [(x * OVERSAMPLING - 0.5, y * OVERSAMPLING - 0.5) for x, y in points]
        small = [(x * LABEL / SIDE - 0.5, y * LABEL / SIDE - 0.5) for x, y in points]
        if paint.plain or (paint.pattern is None and _small(outline)):
            self._draw.polygon(outline, fill=paint.rgb)
        else:
            self._fill(outline, paint)
        self._map_draw.polygon(small, fill=self._number(paint))
        if paint.pattern is not None:
            self._mark_pattern(small, paint)

    def glow(self, x: float, y: float, width: float, height: float, rgb: Rgb, strength: float) -> None:
        """A soft spot of light or shadow (half-axes in pixels) in the picture alone: nothing is annotated."""
        left, top = int((x - width) * OVERSAMPLING), int((y - height) * OVERSAMPLING)
        size = (max(2, int(2 * width * OVERSAMPLING)), max(2, int(2 * height * OVERSAMPLING)))
        spot = _soft_spot(int(strength * 20)).resize(size, Image.Resampling.NEAREST)
        self._picture.paste(rgb, (left, top), spot)

    def picture(self) -> Image.Image:
        """The picture at its own size, anti-aliased."""
        return self._picture.reduce(OVERSAMPLING)

    def planes(self) -> NDArray[np.uint16]:
        """Concept numbers, (8, 64, 64): one map for each of `PLANES`."""
        table = np.array([surface.numbers(*seen) for surface, *seen in self._surfaces], dtype=np.uint16)
        return np.ascontiguousarray(table[np.asarray(self._map)].transpose(2, 0, 1))

    def _number(self, paint: Paint, *, second: bool = False) -> int:
        pattern = paint.pattern
        color = pattern.color if second and pattern else paint.color
        seen = (self.here, paint.material, pattern.name if pattern else "", color)
        return self._surfaces.setdefault(seen, len(self._surfaces))

    def _fill(self, outline: list[Point], paint: Paint) -> None:
        box = _bounds(outline, SIDE * OVERSAMPLING)
        if box is None:
            return
        left, top, right, bottom = box
        mask = Image.new("L", (right - left, bottom - top))
        ImageDraw.Draw(mask).polygon([(x - left, y - top) for x, y in outline], fill=255)
        pixels = self._pixels(box, paint)
        self._picture.paste(Image.frombuffer("RGB", mask.size, pixels, "raw", "RGB", 0, 1), (left, top), mask)

    def _pixels(self, box: tuple[int, int, int, int], paint: Paint) -> NDArray[np.uint8]:
        left, top, right, bottom = box
        height, width = bottom - top, right - left
        light = _gradient(paint, height, width)
        if paint.grain:
            grain = tile(paint.grain)[self._offset[0] + top : self._offset[0] + bottom, self._offset[1] + left : self._offset[1] + right]
            light = light + light * (grain * np.float32(paint.strength))
        base = np.array(paint.rgb, dtype=np.float32)
        if paint.pattern is not None:
            x = np.arange(left, right, dtype=np.float32)[None, :] / np.float32(OVERSAMPLING)
            y = np.arange(top, bottom, dtype=np.float32)[:, None] / np.float32(OVERSAMPLING)
            both = np.array([paint.rgb, paint.pattern.rgb], dtype=np.float32)
            base = both[pattern_field(paint.pattern, x, y).view(np.uint8)]
        lit = base * light[:, :, None]
        pixels = np.empty((height, width, 3), dtype=np.uint8)
        pixels[...] = np.minimum(lit, np.float32(255), out=lit)
        return pixels

    def _mark_pattern(self, outline: list[Point], paint: Paint) -> None:
        box = _bounds(outline, LABEL)
        if box is None or paint.pattern is None:
            return
        left, top, right, bottom = box
        mask = Image.new("L", (right - left, bottom - top))
        ImageDraw.Draw(mask).polygon([(x - left, y - top) for x, y in outline], fill=255)
        x = (np.arange(left, right, dtype=np.float32)[None, :] + np.float32(0.5)) * (SIDE / LABEL)
        y = (np.arange(top, bottom, dtype=np.float32)[:, None] + np.float32(0.5)) * (SIDE / LABEL)
        on = np.asarray(mask) * pattern_field(paint.pattern, x.astype(np.float32), y.astype(np.float32))
        self._map.paste(self._number(paint, second=True), (left, top), Image.fromarray(on.astype(np.uint8)))


class Pen:
    """Draws in an object's own coordinates: x to the right, y up, the origin where the object stands, a unit is `scale` pixels.

    flip mirrors left and right. turn is an angle in radians, clockwise.
    """

    def __init__(self, canvas: Canvas, x: float, y: float, scale: float, *, flip: bool = False, turn: float = 0.0) -> None:
        self.canvas, self.scale, self.flip = canvas, scale, flip
        self._x, self._y = x, y
        self._cos, self._sin = math.cos(turn) * scale, math.sin(turn) * scale
        self._side = -1.0 if flip else 1.0

    def at(self, x: float, y: float, scale: float = 1.0, *, turn: float = 0.0) -> Pen:
        """A pen whose origin is at (x, y) of this one and whose unit is `scale` of this one's units."""
        across, down = self.place(x, y)
        own = math.atan2(self._sin, self._cos)
        return Pen(self.canvas, across, down, self.scale * scale, flip=self.flip, turn=own + turn * self._side)

    def place(self, x: float, y: float) -> Point:
        """Picture pixels of a point."""
        x *= self._side
        return self._x + x * self._cos + y * self._sin, self._y + x * self._sin - y * self._cos

    def polygon(self, points: Sequence[Point], paint: Paint) -> None:
        """A filled polygon."""
        across, down, cos, sin, side = self._x, self._y, self._cos, self._sin, self._side
        self.canvas.polygon([(across + x * side * cos + y * sin, down + x * side * sin - y * cos) for x, y in points], paint)

    def box(self, left: float, bottom: float, right: float, top: float, paint: Paint) -> None:
        """A filled rectangle."""
        self.polygon(((left, bottom), (right, bottom), (right, top), (left, top)), paint)

    def oval(self, x: float, y: float, width: float, height: float, paint: Paint) -> None:
        """A filled ellipse with these half-axes."""
        self.polygon([(x + width * cos, y + height * sin) for cos, sin in _CIRCLE], paint)

    def smooth(self, points: Sequence[Point], paint: Paint) -> None:
        """A filled closed curve through the points."""
        self.polygon(curve(points), paint)

    def stroke(self, points: Sequence[Point], width: float, paint: Paint) -> None:
        """A line of this width through the points, with round joints."""
        for (x0, y0), (x1, y1) in itertools.pairwise(points):
            length = math.hypot(x1 - x0, y1 - y0) or 1.0
            across, up = (y1 - y0) / length * width / 2, -(x1 - x0) / length * width / 2
            self.polygon(((x0 + across, y0 + up), (x1 + across, y1 + up), (x1 - across, y1 - up), (x0 - across, y0 - up)), paint)
        if width * self.scale > 2:
            for x, y in points[1:-1]:
                self.oval(x, y, width / 2, width / 2, paint)

    def ring(self, x: float, y: float, radius: float, width: float, paint: Paint, *, squeeze: float = 1.0) -> None:
        """A circle's line; squeeze is its height in widths."""
        outside = [(x + radius * cos, y + radius * squeeze * sin) for cos, sin in _CIRCLE]
        inner = radius - width
        inside = [(x + inner * cos, y + inner * squeeze * sin) for cos, sin in _CIRCLE]
        self.polygon([*outside, outside[0], inside[0], *inside[::-1]], paint)

    def glow(self, x: float, y: float, width: float, height: float, rgb: Rgb, strength: float) -> None:
        """A soft spot of light or shadow, not annotated."""
        across, down = self.place(x, y)
        self.canvas.glow(across, down, width * self.scale, height * self.scale, rgb, strength)

    def shadow(self, width: float, strength: float = 0.45) -> None:
        """The shadow of an object on the ground it stands on."""
        self.glow(0, 0, width, width * 0.22, (15, 15, 25), strength)


def curve(points: Sequence[Point], steps: int = 4) -> list[Point]:
    """A closed Catmull-Rom curve through the points, `steps` points for each."""
    found = []
    count = len(points)
    for place in range(count):
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = (points[(place + k) % count] for k in (-1, 0, 1, 2))
        for step in range(steps):
            t = step / steps
            found.append((_spline(ax, bx, cx, dx, t), _spline(ay, by, cy, dy, t)))
    return found


def _spline(a: float, b: float, c: float, d: float, t: float) -> float:
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t * t + (3 * b - a - 3 * c + d) * t * t * t)


def _small(outline: Sequence[Point]) -> bool:
    across, down = [x for x, _ in outline], [y for _, y in outline]
    return (max(across) - min(across)) * (max(down) - min(down)) < _TOO_SMALL


_TOO_SMALL = 160 * OVERSAMPLING
"""Area of a shape's frame, in drawn pixels, below which gradient and grain would not be seen."""


def _gradient(paint: Paint, height: int, width: int) -> Field:
    first, last = paint.shade
    count = width if paint.across else height
    light = np.arange(count, dtype=np.float32) * np.float32((last - first) / max(1, count - 1)) + np.float32(first)
    return light[None, :] if paint.across else light[:, None]


def _bounds(outline: Sequence[Point], side: int) -> tuple[int, int, int, int] | None:
    across, down = [x for x, _ in outline], [y for _, y in outline]
    left, top = max(0, int(min(across))), max(0, int(min(down)))
    right, bottom = min(side, int(max(across)) + 2), min(side, int(max(down)) + 2)
    return (left, top, right, bottom) if left < right and top < bottom else None


@functools.cache
def _soft_spot(strength: int) -> Image.Image:
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    fall = np.clip(1 - np.hypot(x, y), 0, 1)
    return Image.fromarray((255 * strength / 20 * fall * (2 - fall) * 0.9).astype(np.uint8))


_CIRCLE = tuple((math.cos(2 * math.pi * k / 22), math.sin(2 * math.pi * k / 22)) for k in range(22))
