"""How a drawn person looks, chosen before anything is drawn: what the audit's attributes say is what the picture shows.

The values are labels of drawings. Gender presentation changes how often some features occur (long hair, beard, lipstick), never
always, so that none of them stands for it.
"""

from __future__ import annotations

from dataclasses import dataclass

from dissect.concepts.procedural.dice import Dice
from dissect.concepts.procedural.paint import Paint, Rgb, exact, scaled

SKIN: dict[str, tuple[tuple[Rgb, str], ...]] = {
    "light": (((246, 210, 184), "pink"), ((238, 196, 166), "pink")),
    "medium": (((214, 164, 120), "orange"), ((196, 144, 100), "brown")),
    "dark": (((134, 88, 58), "brown"), ((98, 62, 42), "brown")),
}
HAIR: dict[str, tuple[Rgb, str]] = {
    "black": ((30, 26, 28), "black"),
    "brown": ((96, 60, 34), "brown"),
    "blond": ((226, 188, 100), "yellow"),
    "red": ((176, 74, 32), "orange"),
    "grey": ((182, 180, 178), "grey"),
}
STYLES = {
    "feminine": {"long": 5.0, "bun": 2.0, "bob": 3.0, "short": 1.2, "curly": 2.0},
    "masculine": {"short": 6.0, "curly": 1.5, "bald": 1.2, "long": 0.7, "parted": 3.0},
}


@dataclass(frozen=True)
class Looks:
    """One person: the audit's attributes and the paints that follow from them."""

    gender: str
    age: str
    tone: str
    skin: Paint
    hair_name: str
    hair: Paint
    style: str
    beard: bool
    glasses: str
    hat: str
    expression: str
    lipstick: bool
    iris: Rgb


def chosen(dice: Dice) -> Looks:
    """A person drawn from the population: half feminine, a fifth children, a fifth seniors, skin tones alike often."""
    gender = dice.pick(("feminine", "masculine"))
    age = dice.weighted({"adult": 3.0, "child": 1.0, "senior": 1.0})
    tone = dice.pick(tuple(SKIN))
    rgb, color = dice.pick(SKIN[tone])
    name = _hair_name(dice, age, tone)
    hair, hair_color = HAIR[name]
    style = dice.weighted({key: weight for key, weight in STYLES[gender].items() if not (age == "child" and key == "bald")})
    return Looks(
        gender=gender,
        age=age,
        tone=tone,
        skin=exact(scaled(rgb, dice.between(0.95, 1.04)), color, "skin"),
        hair_name="none" if style == "bald" else name,
        hair=exact(scaled(hair, dice.between(0.85, 1.15)), hair_color, "hair"),
        style=style,
        beard=gender == "masculine" and age != "child" and dice.chance(0.35),
        glasses=dice.weighted({"": 7.0, "eyeglasses": 2.2, "sunglasses": 0.9}),
        hat=dice.weighted({"": 7.5, "cap": 1.0, "brimmed": 0.9, "beanie": 0.8}),
        expression=dice.weighted({"smiling": 4.0, "neutral": 3.5, "open": 1.5}),
        lipstick=gender == "feminine" and age != "child" and dice.chance(0.6),
        iris=dice.pick(((70, 110, 160), (90, 60, 36), (70, 110, 66), (46, 32, 24))),
    )


def _hair_name(dice: Dice, age: str, tone: str) -> str:
    if age == "senior" and dice.chance(0.8):
        return "grey"
    if tone == "dark":
        return dice.weighted({"black": 7.0, "brown": 2.0, "blond": 0.5, "red": 0.3})
    return dice.weighted({"black": 3.0, "brown": 3.0, "blond": 2.5 if tone == "light" else 1.0, "red": 1.3})
