"""What is said of regions is true of them: every concept word is looked up in the label maps."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from dissect.caption.naming import Naming
from dissect.concepts.model import Vocabulary
from dissect.concepts.procedural.describe import LEAST, MOST_OF, Regions, Surfaces, said, said_together, shared_meanings, surfaces
from dissect.concepts.procedural.describe_words import HEADS, WHOLES, Meaning, phrasings, plural
from dissect.concepts.procedural.names import COLORS, NUMBER, PARTS, SCENES, TEXTURES
from dissect.concepts.procedural.pictures import Picture, picture
from dissect.errors import UsageError
from dissect.pipeline.captioner_planted import combined, single
from tests.concepts.drawn_set import open_demo

PICTURES = 150


@pytest.fixture(scope="module")
def drawn() -> list[Picture]:
    return [picture(900, index) for index in range(PICTURES)]


@pytest.fixture(scope="module")
def world(drawn: list[Picture]) -> Surfaces:
    return surfaces(drawn)


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Vocabulary:
    return open_demo(tmp_path_factory.mktemp("home"), 4).vocabulary


def truth(drawn: Picture, group: frozenset[int]) -> np.ndarray:
    """(P,): where one of a group of concepts is annotated, read from the picture's planes, not from its label sets."""
    found = np.isin(drawn.planes.reshape(len(drawn.planes), -1), list(group)).any(axis=0)
    return np.asarray(found | bool(group & {NUMBER[name] for name in drawn.whole}))


def regions_of(drawn: list[Picture], world: Surfaces, names: list[str], seed: int) -> tuple[Regions, list[int], np.ndarray]:
    """The largest regions where all the names hold, grown by a few random pixels as a unit's masks are."""
    masks = np.stack([np.logical_and.reduce([truth(each, frozenset({NUMBER[name]})) for name in names]) for each in drawn])
    images = [int(place) for place in np.argsort(-masks.sum(axis=1), kind="stable")[:12] if masks[place].any()]
    random = np.random.default_rng(seed)
    chosen = masks[images] | (random.random((len(images), masks.shape[1])) < 0.01)
    return Regions(world, images, chosen, list(range(0, PICTURES, 7)), seed), images, chosen


WHAT = [
    ["wheel"], ["wheel", "car"], ["sky"], ["sky", "night_city-s"], ["face"], ["hair"], ["striped"], ["striped", "fabric"], ["red-c"],
    ["crown", "tree"], ["wood", "table"], ["kitchen-s"], ["water"], ["keyboard"], ["person"], ["window", "building"], ["trunk"],
]  # fmt: skip


@pytest.mark.parametrize("names", WHAT, ids="+".join)
def test_every_word_said_of_regions_is_true_of_them(
    drawn: list[Picture], world: Surfaces, vocabulary: Vocabulary, names: list[str]
) -> None:
    naming = Naming(vocabulary)
    regions, images, masks = regions_of(drawn, world, names, 1)
    found = said(regions, np.random.default_rng(2), 6)
    assert found
    for each in found:
        groups = naming.named(each.text)
        assert groups, each.text
        covered = [
            np.logical_and.reduce([truth(drawn[image], group) for group in groups])[mask].mean()
            for image, mask in zip(images, masks, strict=True)
        ]
        assert np.mean(np.array(covered) >= LEAST) >= MOST_OF, each.text


def test_a_region_of_a_combination_is_called_by_it(drawn: list[Picture], world: Surfaces) -> None:
    regions, _, _ = regions_of(drawn, world, ["striped", "fabric"], 0)
    best = shared_meanings(regions)[0][1]
    assert (best.texture, best.material) == ("striped", "fabric")


def test_what_also_lies_everywhere_else_is_not_said_first(drawn: list[Picture], world: Surfaces) -> None:
    regions, _, _ = regions_of(drawn, world, ["keyboard"], 0)
    assert shared_meanings(regions)[0][1].head == "keyboard"


def test_hidden_combinations_are_not_said(drawn: list[Picture], world: Surfaces) -> None:
    regions, _, _ = regions_of(drawn, world, ["striped", "fabric"], 0)
    hidden = frozenset({frozenset({"striped", "fabric"})})
    for each in said(regions, np.random.default_rng(0), 8, hidden):
        assert not {"striped", "fabric"} <= {name for group in each.meaning.concepts for name in group}


def test_nothing_is_said_of_empty_masks_and_of_regions_that_share_nothing(world: Surfaces) -> None:
    empty = Regions(world, [0, 1], np.zeros((2, 4096), np.bool_), [2, 3])
    assert shared_meanings(empty) == [] and said(empty, np.random.default_rng(0)) == ()


def test_the_same_seed_says_the_same(drawn: list[Picture], world: Surfaces) -> None:
    regions, _, _ = regions_of(drawn, world, ["wheel"], 0)
    assert said(regions, np.random.default_rng(3), 5) == said(regions, np.random.default_rng(3), 5)


def meanings() -> list[Meaning]:
    owned = [Meaning(part, whole) for part, whole in itertools.product(("wheel", "face", "crown"), WHOLES)]
    looks = [Meaning("car", color=color, scene=scene) for color, scene in itertools.product(COLORS, SCENES)]
    return [*single(), *combined(), *owned, *looks, *(Meaning("wheel", "car", texture=texture) for texture in TEXTURES)]


def test_phrases_name_what_they_mean_and_nothing_else(vocabulary: Vocabulary) -> None:
    """Every phrase of thousands of meanings, read by the words alone."""
    naming = Naming(vocabulary)
    for meaning in meanings():
        wanted = set(meaning.numbers)
        phrases = phrasings(meaning)
        assert len(set(phrases)) == len(phrases) >= 1
        for phrase in phrases:
            found = naming.named(phrase)
            assert all(any(group & said_by for said_by in found) for group in wanted), (meaning, phrase)
            assert all(any(group & meant for meant in wanted) for group in found), (meaning, phrase)


def test_most_meanings_have_phrasings_for_three_annotators() -> None:
    several = [len(phrasings(meaning)) >= 2 for meaning in meanings()]
    assert np.mean(several) > 0.9


@pytest.mark.parametrize(
    ("meaning", "phrase"),
    [
        (Meaning("wheel", "car"), "wheels of cars"),
        (Meaning("wheel", "car", color="black"), "black wheels of cars"),
        (Meaning("car", color="red"), "cars that are red"),
        (Meaning(texture="striped", material="fabric"), "fabric with stripes"),
        (Meaning("face", "person"), "the faces of people"),
        (Meaning("sky", scene="night_city-s"), "skies in night scenes"),
        (Meaning("table", material="wood"), "tables made of wood"),
        (Meaning("sky"), "the sky"),
        (Meaning("umbrella"), "an umbrella"),
        (Meaning("water", color="blue"), "water that is blue"),
    ],
)
def test_these_are_among_the_phrasings(meaning: Meaning, phrase: str) -> None:
    assert phrase in phrasings(meaning)


@pytest.mark.parametrize("meaning", [Meaning(), Meaning("dragon"), Meaning(whole="car"), Meaning("wheel", "wheel"), Meaning(color="red-c")])
def test_what_means_nothing_is_refused(meaning: Meaning) -> None:
    with pytest.raises(UsageError, match="meaning"):
        phrasings(meaning)


def test_every_head_has_a_plural_and_parts_are_no_wholes() -> None:
    assert len({plural(head) for head in HEADS}) == len(HEADS)
    assert not set(PARTS) & set(WHOLES)
    assert not said_together(Meaning("face", material="skin")) and said_together(Meaning("table", material="wood"))


def test_label_sets_agree_with_the_planes(drawn: list[Picture], world: Surfaces) -> None:
    for place in range(0, PICTURES, 29):
        for name in ("sky", "person", "wall", "red-c", "wood", drawn[place].whole[0]):
            expected = truth(drawn[place], frozenset({NUMBER[name]}))
            assert (world.holds[world.kind[place], NUMBER[name]] == expected).all(), name


def test_no_module_of_the_drawn_set_needs_torch() -> None:
    source = Path(__file__).resolve().parents[2] / "dissect" / "concepts" / "procedural"
    assert not [path.name for path in source.glob("describe*.py") if "import torch" in path.read_text()]
