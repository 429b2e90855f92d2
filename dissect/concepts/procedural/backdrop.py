"""What lies behind outdoor scenes: sky with sun, moon, clouds and stars, and ranges of mountains."""

from __future__ import annotations

from dissect.concepts.procedural import nature
from dissect.concepts.procedural.canvas import SIDE, Canvas, Pen, Point
from dissect.concepts.procedural.dice import Dice
from dissect.concepts.procedural.paint import Paint, Rgb, exact

SKIES: dict[str, tuple[tuple[Rgb, str, tuple[float, float]], ...]] = {
    "day": (((120, 174, 232), "blue", (0.82, 1.25)), ((150, 190, 226), "blue", (0.9, 1.2)), ((196, 202, 208), "grey", (0.9, 1.12))),
    "dusk": (((236, 150, 96), "orange", (0.72, 1.12)), ((222, 138, 158), "pink", (0.7, 1.15)), ((150, 96, 160), "purple", (0.7, 1.4))),
    "night": (((22, 28, 66), "blue", (0.5, 1.5)), ((18, 18, 28), "black", (0.6, 1.6))),
}


def band(canvas: Canvas, name: str, top: float, bottom: float, paint: Paint) -> None:
    """A horizontal band over the whole width: sky, sea, meadow, road."""
    with canvas.object(name):
        canvas.polygon([(-1, top), (SIDE + 1, top), (SIDE + 1, bottom), (-1, bottom)], paint)


def backdrop(canvas: Canvas, dice: Dice, horizon: float, time: str, *, clouds: float = 0.6) -> None:
    """Sky with sun or moon, clouds or stars."""
    rgb, color, shade = dice.pick(SKIES[time])
    band(canvas, "sky", -1, horizon + 2, exact(rgb, color).shaded(*shade))
    if time == "night":
        for _ in range(dice.whole(8, 30)):
            canvas.glow(dice.between(0, SIDE), dice.between(0, horizon), 0.7, 0.7, (255, 255, 245), 1.0)
    if dice.chance(0.5):
        radius = dice.between(5, 9)
        place = Pen(canvas, dice.between(10, SIDE - 10), dice.between(8, max(10, horizon - 12)), radius)
        (nature.draw_moon if time == "night" else nature.draw_sun)(place, dice)
    if time != "night" and dice.chance(clouds):
        light = exact((250, 250, 252), "white") if time == "day" else exact((250, 196, 180), "pink")
        for _ in range(dice.whole(1, 4)):
            nature.draw_cloud(Pen(canvas, dice.between(0, SIDE), dice.between(4, horizon * 0.75), dice.between(11, 24)), dice, light)
    if time != "night" and dice.chance(0.2):
        for _ in range(dice.whole(1, 3)):
            fly = Pen(canvas, dice.between(10, SIDE - 10), dice.between(10, horizon * 0.8), dice.between(18, 34), flip=dice.chance(0.5))
            nature.draw_bird(fly, dice, flying=True)


def ridge(canvas: Canvas, dice: Dice, base: float, height: float, paint: Paint, *, snow: bool = False) -> None:
    """A range of mountains over the whole width."""
    peaks: list[Point] = []
    x = -10.0
    while x < SIDE + 10:
        peaks += [(x, base - height * dice.between(0.1, 0.4)), (x + dice.between(8, 16), base - height * dice.between(0.6, 1.0))]
        x = peaks[-1][0] + dice.between(8, 18)
    with canvas.object("mountain"):
        canvas.polygon([(-12, base + 2), *peaks, (SIDE + 14, base - height * 0.2), (SIDE + 14, base + 2)], paint.shaded(1.15, 0.8))
        white = exact((244, 246, 250), "white", grain="snow")
        for (left, low), (top, high), (right, low_right) in zip(peaks[::2], peaks[1::2], peaks[2::2], strict=False):
            canvas.polygon([(top, high), (right, low_right), (top + (right - top) * 0.2, base)], paint.times(0.78))
            if snow:
                part = 0.4
                edge = [(top + (left - top) * part, high + (low - high) * part), (top - 2, high + (low - high) * 0.3),
                    (top + 1, high + (low - high) * 0.5),
                        (top + (right - top) * part, high + (low_right - high) * part)]  # fmt: skip
                canvas.polygon([(top, high), *edge], white)
