"""Canvas, pen, paint and dice against a few lines of plain Python, and every thing drawn alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissect.concepts.procedural import buildings, furniture, nature, small, vehicles
from dissect.concepts.procedural.canvas import LABEL, SIDE, Canvas, Pen, Surface, curve
from dissect.concepts.procedural.dice import Dice
from dissect.concepts.procedural.looks import chosen
from dissect.concepts.procedural.names import COLORS, CONCEPTS, NUMBER, TEXTURES
from dissect.concepts.procedural.paint import PALETTE, Paint, Pattern, coloured, exact, pattern_field, patterned, scaled, tile
from dissect.concepts.procedural.people import draw_bust, draw_person

RED = exact((200, 30, 30), "red")
BLUE = exact((30, 30, 200), "blue", "metal")
CELL = SIDE // LABEL


def blank() -> Canvas:
    return Canvas(Dice(0, 0))


def square(left: int, top: int, right: int, bottom: int) -> list[tuple[float, float]]:
    """A rectangle through the middles of the label cells at the corners of left..right-1, top..bottom-1."""
    x0, y0, x1, y1 = ((cell + 0.5) * CELL for cell in (left, top, right - 1, bottom - 1))
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


CELLS = st.tuples(st.integers(0, LABEL - 1), st.integers(0, LABEL - 1), st.integers(1, 12), st.integers(1, 12),
    st.sampled_from(("car", "dog", "cup")))


@given(st.lists(CELLS, max_size=6))
def test_later_shapes_hide_earlier_ones(shapes: list[tuple[int, int, int, int, str]]) -> None:
    canvas, expected = blank(), np.zeros((LABEL, LABEL), dtype=int)
    for left, top, width, height, name in shapes:
        right, bottom = min(LABEL, left + width), min(LABEL, top + height)
        with canvas.object(name):
            canvas.polygon(square(left, top, right, bottom), RED)
        expected[top:bottom, left:right] = NUMBER[name]
    planes = canvas.planes()
    assert np.array_equal(planes[0], expected)
    assert np.array_equal(planes[7] == NUMBER["red-c"], expected > 0)


def test_parts_are_listed_from_the_finest_and_objects_from_the_front() -> None:
    canvas = blank()
    with canvas.object("person"), canvas.part("head"):
        canvas.polygon(square(0, 0, 60, 60), RED)
        with canvas.part("face"):
            canvas.polygon(square(10, 10, 40, 40), RED)
            with canvas.part("eye"):
                canvas.polygon(square(20, 20, 24, 24), BLUE)
            with canvas.object("glasses", over=True):
                canvas.polygon(square(30, 30, 34, 34), BLUE)
    planes = canvas.planes()

    def at(place: int) -> list[str]:
        return [CONCEPTS[number - 1] if number else "" for number in planes[:, place, place].tolist()]

    assert at(2) == ["person", "", "head", "", "", "", "", "red-c"]
    assert at(12) == ["person", "", "face", "head", "", "", "", "red-c"]
    assert at(22) == ["person", "", "eye", "face", "head", "metal", "", "blue-c"]
    assert at(32) == ["glasses", "person", "face", "head", "", "metal", "", "blue-c"]
    assert at(63) == [""] * 8
    assert canvas.here == Surface()


def test_a_new_object_forgets_the_parts_around_it() -> None:
    canvas = blank()
    with canvas.object("bed"), canvas.part("back"), canvas.object("cat"):
        canvas.polygon(square(0, 0, 9, 9), RED)
    assert canvas.planes()[:5, 4, 4].tolist() == [NUMBER["cat"], 0, 0, 0, 0]


def test_edges_are_smooth_in_the_picture() -> None:
    canvas = blank()
    canvas.polygon([(10, 10), (100, 20), (40, 110)], exact((255, 255, 255), "white"))
    values = np.unique(np.asarray(canvas.picture())[..., 0])
    assert {0, 255} < set(values.tolist())


@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(0.5, 20), st.floats(-math.pi, math.pi), st.booleans())
def test_a_pen_places_points_as_a_rotation_matrix_does(x: float, y: float, scale: float, turn: float, flip: bool) -> None:
    pen = Pen(blank(), 50, 60, scale, flip=flip, turn=turn)
    right = -x if flip else x
    matrix = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    expected = np.array([50, 60]) + scale * matrix @ np.array([right, -y])
    assert np.allclose(pen.place(x, y), expected)
    assert np.allclose(pen.at(x, y, 0.5).place(0, 0), expected)
    assert pen.at(x, y, 0.5).scale == scale * 0.5


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), min_size=3, max_size=8))
def test_a_curve_goes_through_its_points(points: list[tuple[float, float]]) -> None:
    assert np.allclose(curve(points)[::4], points)


def test_a_stroke_is_as_wide_as_it_says() -> None:
    canvas = blank()
    with canvas.object("car"):
        Pen(canvas, 0, SIDE, 1).stroke(((10, 64), (110, 64)), 20, RED)
    rows = (canvas.planes()[0] > 0)[:, 30].sum()
    assert abs(rows * CELL - 20) <= 2


def test_a_ring_is_hollow() -> None:
    canvas = blank()
    with canvas.object("car"):
        Pen(canvas, 64, 64, 1).ring(0, 0, 40, 8, RED)
    ids = canvas.planes()[0]
    assert ids[32, 32] == 0 and ids[32, 32 + 18] == NUMBER["car"] and ids[32, 32 + 22] == 0


def test_glow_changes_the_picture_and_no_label() -> None:
    canvas = blank()
    canvas.glow(64, 64, 20, 20, (255, 255, 255), 0.8)
    assert np.asarray(canvas.picture()).max() > 100
    assert not canvas.planes().any()


PLAIN: dict[str, Callable[[float, float], bool]] = {
    "striped": lambda x, y: x - math.floor(x) < 0.5,
    "checkered": lambda x, y: (math.floor(x) + math.floor(y)) % 2 == 0,
    "grid": lambda x, y: x - math.floor(x) < 0.2 or y - math.floor(y) < 0.2,
    "zigzagged": lambda x, y: (y + abs(x - math.floor(x) - 0.5)) % 1 < 0.5,
}


@given(st.sampled_from(sorted(PLAIN)), st.integers(0, 127), st.integers(0, 127), st.sampled_from((4.0, 8.0, 16.0)))
def test_patterns_are_their_formulas(name: str, column: int, row: int, period: float) -> None:
    x, y = np.float32(column + 0.25), np.float32(row + 0.25)
    field = pattern_field(Pattern(name, (0, 0, 0), "black", period), np.array([[x]]), np.array([[y]]))
    assert field.shape == (1, 1)
    assert bool(field[0, 0]) == PLAIN[name](float(x) / period, float(y) / period)


@pytest.mark.parametrize("name", TEXTURES)
def test_every_texture_has_much_of_both_colours_and_is_annotated_with_them(name: str) -> None:
    canvas, dice = blank(), Dice(1, 2)
    paint = patterned(dice, coloured(dice, "white"), name, 14)
    canvas.polygon([(0, 0), (SIDE, 0), (SIDE, SIDE), (0, SIDE)], paint)
    planes = canvas.planes()
    assert (planes[6][1:-1, 1:-1] == NUMBER[name]).all()
    assert paint.pattern is not None
    both = Counter(planes[7].ravel().tolist())
    assert both[NUMBER["white-c"]] > 400 and both[NUMBER[f"{paint.pattern.color}-c"]] > 400
    pixels = np.asarray(canvas.picture().resize((LABEL, LABEL))).astype(int)
    first, second = (np.abs(pixels - np.array(rgb)).sum(axis=2) for rgb in (paint.rgb, paint.pattern.rgb))
    nearer = np.where(first < second, NUMBER["white-c"], NUMBER[f"{paint.pattern.color}-c"])
    assert (nearer == planes[7]).mean() > 0.75, "the annotation is where the picture has the colour"


@given(st.integers(0, 10**6), st.sampled_from(COLORS))
def test_a_named_colour_stays_near_its_range(seed: int, name: str) -> None:
    paint = coloured(Dice(seed, 0), name)
    assert paint.color == name
    assert min(max(abs(a - b) for a, b in zip(paint.rgb, base, strict=True)) for base in PALETTE[name]) <= 45


def test_every_colour_has_its_palette() -> None:
    assert set(PALETTE) == set(COLORS)


@given(st.tuples(*[st.integers(0, 255)] * 3), st.floats(0, 3))
def test_light_keeps_colours_in_range(rgb: tuple[int, int, int], factor: float) -> None:
    assert all(0 <= value <= 255 for value in scaled(rgb, factor))
    assert Paint(rgb, "red").times(factor).rgb == scaled(rgb, factor)


def test_tiles_repeat_without_a_seam() -> None:
    for name in ("wood", "leaves", "brick", "ripple"):
        field = tile(name)
        half = field.shape[0] // 2
        assert np.array_equal(field[:half, :half], field[half:, half:])
        assert 0.1 < field.std() < 1.0 and abs(field).max() <= 1.5


@given(st.integers(0, 10**9), st.integers(0, 10**6), st.floats(-100, 100), st.floats(0, 50), st.integers(-5, 5), st.integers(0, 9))
def test_dice_stay_in_range_and_repeat(seed: int, index: int, low: float, width: float, least: int, more: int) -> None:
    first, second = Dice(seed, index), Dice(seed, index)
    rolled = [first.between(low, low + width), first.whole(least, least + more), first.pick("abc"),
        first.weighted({"a": 0.0, "b": 2.0, "c": 1.0})]
    again = [second.between(low, low + width), second.whole(least, least + more), second.pick("abc"),
        second.weighted({"a": 0.0, "b": 2.0, "c": 1.0})]
    assert rolled == again
    assert low <= float(str(rolled[0])) <= low + width and least <= int(str(rolled[1])) <= least + more
    assert rolled[3] != "a"
    assert sorted(first.shuffled(range(more))) == list(range(more))


def test_weights_are_kept_in_the_long_run() -> None:
    dice = Dice(5, 5)
    count = Counter(dice.weighted({"a": 3.0, "b": 1.0}) for _ in range(4000))
    assert 0.71 < count["a"] / 4000 < 0.79
    assert 0.46 < np.mean([dice.chance(0.5) for _ in range(4000)]) < 0.54


THINGS: dict[str, tuple[Callable[[Pen, Dice], object], float, tuple[str, ...]]] = {
    "tree": (nature.draw_tree, 16, ("trunk", "crown")),
    "pine tree": (nature.draw_pine, 15, ("trunk", "crown")),
    "palm tree": (nature.draw_palm, 18, ("trunk", "crown")),
    "cactus": (nature.draw_cactus, 30, ()),
    "bush": (nature.draw_bush, 60, ()),
    "flower": (nature.draw_flower, 80, ("petal",)),
    "rock": (nature.draw_rock, 60, ()),
    "dog": (nature.draw_dog, 80, ("head", "ear", "eye", "leg", "tail", "mouth")),
    "cat": (nature.draw_cat, 110, ("head", "ear", "eye", "leg", "tail", "mouth", "nose")),
    "bird": (lambda pen, dice: nature.draw_bird(pen, dice, flying=False), 150, ("head", "beak", "wing", "tail", "leg", "eye")),
    "car": (vehicles.draw_car, 25, ("wheel", "window", "door", "handle", "headlight", "roof")),
    "bus": (vehicles.draw_bus, 13, ("wheel", "window", "door", "headlight", "roof")),
    "bicycle": (vehicles.draw_bicycle, 55, ("wheel", "seat", "handlebar")),
    "boat": (vehicles.draw_boat, 20, ("hull",)),
    "house": (buildings.draw_house, 14, ("roof", "door", "window", "handle")),
    "building": (buildings.draw_building, 7, ("roof", "window", "door")),
    "fence": (lambda pen, dice: buildings.draw_fence(pen, dice, 4), 30, ()),
    "street lamp": (buildings.draw_street_lamp, 22, ("shade",)),
    "traffic light": (buildings.draw_traffic_light, 30, ()),
    "bench": (buildings.draw_bench, 50, ("leg", "back", "seat")),
    "umbrella": (buildings.draw_umbrella, 40, ("handle",)),
    "ball": (buildings.draw_ball, 150, ()),
    "table": (furniture.draw_table, 60, ("leg",)),
    "chair": (furniture.draw_chair, 100, ("leg", "back", "seat")),
    "sofa": (furniture.draw_sofa, 50, ("leg", "back", "seat", "arm")),
    "bed": (furniture.draw_bed, 45, ("leg", "back")),
    "bookcase": (furniture.draw_bookcase, 60, ()),
    "cabinet": (furniture.draw_cabinet, 80, ("handle",)),
    "refrigerator": (furniture.draw_refrigerator, 60, ("door", "handle")),
    "stove": (furniture.draw_stove, 100, ("door", "window", "handle")),
    "windowpane": (lambda pen, dice: furniture.draw_windowpane(pen.at(0, 0.7), dice, BLUE), 70, ()),
    "curtain": (lambda pen, dice: furniture.draw_curtain(pen.at(0, 0.9), dice), 60, ()),
    "rug": (lambda pen, dice: furniture.draw_rug(pen.at(0, 0.5), dice, 0.5, 0.2), 100, ()),
    "cup": (small.draw_cup, 400, ("handle",)),
    "bottle": (small.draw_bottle, 250, ()),
    "plate": (small.draw_plate, 250, ()),
    "apple": (small.draw_apple, 600, ()),
    "book": (small.draw_book, 250, ()),
    "screen": (small.draw_screen, 170, ()),
    "keyboard": (small.draw_keyboard, 220, ()),
    "lamp": (lambda pen, dice: small.draw_lamp(pen, dice, tall=True), 60, ("shade",)),
    "clock": (lambda pen, dice: small.draw_clock(pen.at(0, 0.25), dice), 220, ()),
    "painting": (lambda pen, dice: small.draw_painting(pen.at(0, 0.4), dice), 120, ()),
    "potted plant": (small.draw_potted_plant, 100, ("pot",)),
    "person": (lambda pen, dice: draw_person(pen, dice, chosen(dice)), 60, ("head", "face", "eye", "mouth", "torso", "arm", "hand", "leg",
        "shoe")),
}


@pytest.mark.parametrize("name", sorted(THINGS))
def test_each_thing_drawn_alone_is_annotated_with_its_name_and_its_parts(name: str) -> None:
    draw, scale, parts = THINGS[name]
    for seed in range(6):
        canvas, dice = blank(), Dice(9, seed)
        draw(Pen(canvas, SIDE / 2, SIDE - 12, scale), dice)
        planes = canvas.planes()
        ids = (planes[:2] == NUMBER[name]).any(axis=0)
        assert ids.sum() > 100, "large enough to be seen"
        found = {CONCEPTS[number - 1] for number in np.unique(planes[2:5][:, ids]).tolist() if number}
        assert set(parts) <= found
        assert (planes[7][ids] > 0).all(), "every pixel of a thing has a colour"
        assert np.asarray(canvas.picture())[..., :].any()


def test_every_thing_that_stands_somewhere_is_in_the_table() -> None:
    stretches = {"sky", "cloud", "sun", "moon", "water", "sand", "grass", "ground", "road", "sidewalk", "mountain", "wall", "floor"}
    carried = {"pillow", "hat", "glasses"}
    from dissect.concepts.procedural.names import OBJECTS

    assert THINGS.keys() | stretches | carried == set(OBJECTS)


@pytest.mark.parametrize("seed", range(12))
def test_a_bust_has_a_face_with_all_its_features(seed: int) -> None:
    dice, canvas = Dice(11, seed), blank()
    looks = chosen(dice)
    draw_bust(Pen(canvas, 64, 56, 26), dice, looks)
    parts = {CONCEPTS[number - 1] for number in np.unique(canvas.planes()[2:5]).tolist() if number}
    expected = {"head", "face", "nose", "mouth", "neck", "torso"} | ({"eye"} if looks.glasses != "sunglasses" else set())
    assert expected <= parts
    eyes = np.argwhere(canvas.planes()[2] == NUMBER["eye"])
    mouth = np.argwhere(canvas.planes()[2] == NUMBER["mouth"])
    if len(eyes):
        assert eyes[:, 0].max() < mouth[:, 0].min(), "eyes are above the mouth"
        assert eyes[:, 1].min() < mouth[:, 1].mean() < eyes[:, 1].max()


def test_glasses_and_hat_are_objects_over_the_person() -> None:
    seen = set()
    for seed in range(40):
        dice, canvas = Dice(12, seed), blank()
        draw_bust(Pen(canvas, 64, 60, 24), dice, chosen(dice))
        planes = canvas.planes()
        for name in ("glasses", "hat"):
            here = planes[0] == NUMBER[name]
            if here.any():
                seen.add(name)
                assert (planes[1][here] == NUMBER["person"]).all()
                assert (planes[2:5, here] == NUMBER["head"]).any(axis=0).all()
    assert seen == {"glasses", "hat"}
