"""What the drawn pictures show and what is annotated agree."""

from __future__ import annotations

import time

import numpy as np
import pytest

from dissect.concepts.colour import ANCHORS, name_pixels
from dissect.concepts.procedural.canvas import LABEL, PLANES, SIDE
from dissect.concepts.procedural.indoors import INDOORS
from dissect.concepts.procedural.names import BY_CATEGORY, CATEGORIES, COLORS, CONCEPTS, NUMBER, OBJECTS, SCENES, TEXTURES
from dissect.concepts.procedural.outdoors import OUTDOORS
from dissect.concepts.procedural.pictures import Picture, picture
from tests.concepts.drawn_set import SOME, mask, some_pictures

OBJECT, PART, COLOUR = range(2), range(2, 5), range(7, 8)


def scenes() -> list[Picture]:
    return [drawn for drawn in some_pictures() if drawn.whole[0] in SCENES]


def busts(*, indoors: bool = False) -> list[Picture]:
    return [
        drawn
        for drawn in scenes()
        if drawn.attributes["person"] == "close" and (not indoors or drawn.attributes["place"] == "indoors")
    ]


def test_a_picture_depends_on_seed_and_index_and_on_nothing_else() -> None:
    first = picture(3, 17)
    picture(3, 18)
    again = picture(3, 17)
    assert first.image.tobytes() == again.image.tobytes()
    assert np.array_equal(first.planes, again.planes)
    assert first.whole == again.whole and first.attributes == again.attributes
    others = [picture(3, 18), picture(4, 17)]
    assert all(first.image.tobytes() != other.image.tobytes() for other in others)


def test_the_demo_and_the_training_pictures_have_nothing_in_common() -> None:
    demo = {drawn.image.tobytes() for drawn in some_pictures()}
    assert len(demo) == SOME
    assert not demo & {picture(0, index).image.tobytes() for index in range(100)}


def test_every_concept_is_drawn_in_every_category_it_is_listed_in() -> None:
    seen: dict[str, set[int]] = {category: set() for category in CATEGORIES}
    for drawn in some_pictures():
        for category, plane in zip(PLANES, drawn.planes, strict=True):
            seen[category] |= set(np.unique(plane).tolist())
        seen["texture" if drawn.whole[0] in TEXTURES else "scene"].add(NUMBER[drawn.whole[0]])
    missing = {category: [n for n in BY_CATEGORY[category] if NUMBER[n] not in seen[category]] for category in CATEGORIES}
    assert missing == {category: [] for category in CATEGORIES}


def test_nothing_is_annotated_in_a_category_it_is_not_listed_in() -> None:
    allowed = {category: {0} | {NUMBER[name] for name in BY_CATEGORY[category]} for category in CATEGORIES}
    for drawn in some_pictures():
        for category, plane in zip(PLANES, drawn.planes, strict=True):
            assert set(np.unique(plane).tolist()) <= allowed[category]


def test_concepts_occur_ten_times_in_two_thousand_pictures(request: pytest.FixtureRequest) -> None:
    count = 2000 if request.config.getoption("--long") else SOME
    images = np.zeros(len(CONCEPTS) + 1, dtype=np.int64)
    for drawn in some_pictures() if count == SOME else (picture(1, index) for index in range(count)):
        found = np.union1d(np.unique(drawn.planes), [NUMBER[name] for name in drawn.whole])
        images[found.astype(np.int64)] += 1
    rare = {name: int(images[NUMBER[name]]) for name in CONCEPTS if images[NUMBER[name]] < 10 * count / 2000}
    assert rare == {}


def test_categories_and_names_are_brodens() -> None:
    assert CATEGORIES == ("object", "part", "scene", "material", "texture", "color")
    assert len(CONCEPTS) == len(set(CONCEPTS)) >= 60
    assert all(name.endswith("-s") for name in BY_CATEGORY["scene"]) and len(SCENES) >= 8
    assert BY_CATEGORY["color"] == tuple(f"{name}-c" for name in COLORS)
    assert set(COLORS) == ANCHORS.keys()
    assert "hair" in BY_CATEGORY["part"] and "hair" in BY_CATEGORY["material"]
    assert set(SCENES) == INDOORS.keys() | OUTDOORS.keys()


def test_objects_lie_over_objects() -> None:
    assert np.mean([drawn.planes[1].any() for drawn in scenes()]) > 0.25
    pairs = set()
    for drawn in scenes():
        front, behind = drawn.planes[0], drawn.planes[1]
        assert (front[behind > 0] > 0).all(), "the second plane is filled where the first is not"
        pairs |= {(CONCEPTS[a - 1], CONCEPTS[b - 1]) for a, b in np.unique(np.stack([front, behind])[:, behind > 0], axis=1).T.tolist()}
    assert {("hat", "person"), ("glasses", "person"), ("pillow", "bed"), ("pillow", "sofa"), ("book", "bookcase")} <= pairs


@pytest.mark.parametrize("name", ["eye", "nose", "mouth", "eyebrow", "beard"])
def test_what_is_part_of_a_persons_face_lies_in_a_face_in_a_head(name: str) -> None:
    pixels = 0
    for drawn in scenes():
        here = (drawn.planes[2] == NUMBER[name]) & mask(drawn, "person", OBJECT)
        pixels += int(here.sum())
        assert (drawn.planes[3][here] == NUMBER["face"]).all()
        assert (drawn.planes[4][here] == NUMBER["head"]).all()
    assert pixels > 100


def test_parts_belong_to_objects() -> None:
    for drawn in some_pictures():
        assert (drawn.planes[0][drawn.planes[2] > 0] > 0).all()


def test_a_third_of_the_pictures_shows_a_face_large_enough_to_be_seen() -> None:
    close = busts()
    assert len(close) >= SOME / 3
    for drawn in close:
        assert drawn.attributes["face_visible"] == "yes"
        assert mask(drawn, "head", PART).sum() >= 60
    assert all(drawn.attributes["face_visible"] == "no" for drawn in some_pictures() if drawn.attributes["person"] != "close")


def test_attributes_tell_whether_anybody_is_there() -> None:
    for drawn in some_pictures():
        anybody = bool(mask(drawn, "person", OBJECT).any())
        assert (drawn.attributes["person"] != "none") == anybody
        if drawn.attributes["person"] != "close":
            assert drawn.attributes["gender_presentation"] == drawn.attributes["hat"] == drawn.attributes["skin_tone"] == "none"


def test_hat_glasses_beard_and_hair_are_drawn_if_and_only_if_the_attributes_say_so() -> None:
    seen = set()
    for drawn in busts(indoors=True):
        known = drawn.attributes
        assert (known["hat"] == "yes") == bool(mask(drawn, "hat").any())
        assert (known["glasses"] != "no") == bool(mask(drawn, "glasses").any())
        assert (known["beard"] == "yes") == bool(mask(drawn, "beard").any())
        assert (known["hair_style"] != "bald") == bool(mask(drawn, "hair", PART).any())
        seen |= {(key, known[key]) for key in ("hat", "beard", "glasses")}
    assert {("hat", "yes"), ("hat", "no"), ("beard", "yes"), ("glasses", "no"), ("glasses", "eyeglasses"),
        ("glasses", "sunglasses")} <= seen


def test_skin_tone_is_the_tone_of_the_drawn_skin() -> None:
    light = {}
    for tone in ("dark", "medium", "light"):
        faces = [drawn for drawn in busts() if drawn.attributes["skin_tone"] == tone]
        values = [np.asarray(drawn.image.convert("L").resize((LABEL, LABEL)))[mask(drawn, "nose", PART)].mean() for drawn in faces[:40]]
        light[tone] = float(np.mean(values))
    assert light["dark"] + 25 < light["medium"] < light["light"] - 15


def test_hair_colour_is_the_colour_of_the_drawn_hair() -> None:
    term = {"black": "black", "brown": "brown", "blond": "yellow", "red": "orange", "grey": "grey"}
    for drawn in busts(indoors=True):
        if drawn.attributes["hair_colour"] != "none":
            colours = drawn.planes[7][mask(drawn, "hair", PART)]
            assert set(colours.tolist()) == {NUMBER[f"{term[drawn.attributes['hair_colour']]}-c"]}


def test_attributes_are_not_tied_to_each_other() -> None:
    people = [drawn.attributes for drawn in busts()]
    for key, value in (("hair_style", "long"), ("hair_style", "short"), ("hat", "yes"), ("skin_tone", "dark"), ("age_group", "senior")):
        assert {person["gender_presentation"] for person in people if person[key] == value} == {"feminine", "masculine"}, (key, value)


def test_almost_every_pixel_of_a_scene_has_an_object_and_a_colour() -> None:
    without_object = np.mean([(drawn.planes[0] == 0).mean() for drawn in scenes()])
    without_colour = np.mean([(drawn.planes[7] == 0).mean() for drawn in some_pictures()])
    assert without_object < 0.01
    assert without_colour < 0.001


def test_texture_pictures_show_one_texture_and_nothing_else() -> None:
    textures = [drawn for drawn in some_pictures() if drawn.whole[0] in TEXTURES]
    assert 0.05 < len(textures) / SOME < 0.16
    for drawn in textures:
        assert not drawn.planes[:5].any()
        assert (drawn.planes[6] == NUMBER[drawn.whole[0]]).all()
        assert len(np.unique(drawn.planes[7])) == 2


def test_named_colours_are_what_another_rule_sees_in_the_pixels() -> None:
    """The colour naming from pixels, made for photographs, is a second opinion; light, shade and grain move some pixels."""
    agree = np.zeros((len(COLORS), 2))
    for drawn in some_pictures()[:200]:
        terms = name_pixels(np.asarray(drawn.image.resize((LABEL, LABEL), 0)))
        for place, name in enumerate(COLORS):
            here = drawn.planes[7] == NUMBER[f"{name}-c"]
            agree[place] += (terms[here] == 1 + list(ANCHORS).index(name)).sum(), here.sum()
    share = dict(zip(COLORS, agree[:, 0] / agree[:, 1], strict=True))
    assert sum(agree[:, 0]) / sum(agree[:, 1]) > 0.5, share
    assert min(share.values()) > 0.2, share


def test_no_picture_is_blank_and_no_two_are_alike() -> None:
    small = np.stack([np.asarray(drawn.image.resize((8, 8))).ravel().astype(np.float64) for drawn in some_pictures()])
    assert all(np.asarray(drawn.image).std() > 12 for drawn in some_pictures())
    square = (small**2).sum(axis=1)
    distance = np.maximum(square[:, None] + square[None, :] - 2 * small @ small.T, 0) / small.shape[1]
    distance[np.diag_indices(SOME)] = np.inf
    assert distance.min() > 4**2


def test_sizes() -> None:
    drawn = some_pictures()[0]
    assert drawn.image.size == (SIDE, SIDE) and drawn.image.mode == "RGB"
    assert drawn.planes.shape == (len(PLANES), LABEL, LABEL) and drawn.planes.dtype == np.uint16
    assert len(OBJECTS) > 40


def test_two_thousand_pictures_take_at_most_thirty_seconds_on_two_cores() -> None:
    picture(1, 0)
    started = time.process_time()
    for index in range(40):
        picture(2, index)
    assert (time.process_time() - started) / 40 * 2000 / 2 < 30
