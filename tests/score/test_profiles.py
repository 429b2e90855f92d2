"""The four profiles, end to end from label planes and maps to IoU, against loops over pixels and against hand-computed numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissect.concepts.model import VOID, Concept, Labels, Plane, Vocabulary
from dissect.errors import UsageError
from dissect.probe.maps import MapShard
from dissect.probe.profile import PROFILES, Profile
from dissect.probe.signatures import build_label_shard, label_image
from dissect.probe.tally import merge_tally, tally_shard
from dissect.probe.upsample import grid, upsample
from dissect.score.best import best_concept
from dissect.score.count import ConceptScores, scores
from tests.probe.oracles import CATEGORIES, Scene, Straight, scene
from tests.score.programs import run


def scored(drawn: Scene, cut: np.ndarray[tuple[int], np.dtype[np.float32]], profile: Profile, **options: int) -> ConceptScores:
    """Scores of a scene through the kernels and tables; maps and labels of one size keep the upsampling out of the way."""
    over = grid(drawn.map_shard().map_size, drawn.size, "half_pixel")
    labels = drawn.label_shard()
    tally = tally_shard(drawn.map_shard(), cut, labels, over, drawn.vocabulary, profile)
    return scores(merge_tally([tally], [labels.table], drawn.size), drawn.vocabulary, profile, **options)


@given(st.integers(0, 10**6), st.sampled_from(["standard", "netdissect", "lite"]))
def test_every_profile_counts_as_its_program_does(seed: int, name: str) -> None:
    drawn, profile = scene(seed, most=6), PROFILES[name]
    cut = np.full(drawn.maps.shape[1], 0.3, np.float32)
    masks = upsample(drawn.maps, grid(drawn.map_shard().map_size, drawn.size, "half_pixel")) > cut[:, None, None]
    expected, got = run(drawn, masks, profile), scored(drawn, cut, profile)
    assert got.concept.tolist() == list(range(0 if profile.label_zero != "drop" else 1, len(drawn.vocabulary) + 1))
    for column, concept in enumerate(got.concept.tolist()):
        truth = expected.truth[concept]
        assert got.concept_area[column] == truth
        for unit in range(drawn.maps.shape[1]):
            both, area = expected.both[unit, concept], expected.area[unit, concept]
            assert (got.intersection[unit, column], got.unit_area[unit, column]) == (both, area)
            union = area + truth - both + profile.epsilon
            assert got.iou[unit, column] == (both / union if union else 0.0)


@given(st.integers(0, 10**6))
def test_compexp_counts_as_its_program_does(seed: int) -> None:
    """Its five categories hold two of the scenes' three: `object`, `part` and `texture` all, so nothing is left out here."""
    test_every_profile_counts_as_its_program_does.hypothesis.inner_test(seed, "compexp")  # type: ignore[attr-defined]


@given(st.integers(0, 10**6))
def test_standard_scores_lie_between_zero_and_what_is_reachable(seed: int) -> None:
    drawn = scene(seed)
    got = scored(drawn, np.full(drawn.maps.shape[1], 0.3, np.float32), PROFILES["standard"])
    assert (got.iou >= 0).all() and (got.iou <= got.reachable + 1e-15).all() and (got.reachable <= 1).all()


def one_row(
    planes: tuple[tuple[str, list[int]], ...], whole: tuple[int, ...], annotated: set[str], mask: list[int]
) -> tuple[Labels, list[int]]:
    """An image of one row of pixels and the unit's mask on it."""
    return Labels(tuple(Plane(name, np.array([ids], np.uint16)) for name, ids in planes), whole, frozenset(annotated)), mask


def hand(images: list[tuple[Labels, list[int]]], known: Vocabulary, profile: str) -> ConceptScores:
    """Scores of a unit whose maps are the given masks."""
    size = (1, len(images[0][1]))
    labels = build_label_shard([label_image(image, Straight(), size, known) for image, _ in images], size, len(known.categories))
    maps = np.array([[mask] for _, mask in images], np.float32)
    shard = MapShard.dense(maps, maps.max(axis=2), np.ones(len(images), np.bool_), size)
    tally = tally_shard(shard, np.full(1, 0.5, np.float32), labels, grid(size, size, "half_pixel"), known, PROFILES[profile])
    return scores(merge_tally([tally], [labels.table], size), known, PROFILES[profile])


def words(*pairs: tuple[str, str]) -> Vocabulary:
    """A vocabulary of (name, category) with all three categories."""
    return Vocabulary("hand", CATEGORIES, tuple(Concept(i + 1, name, kind, (kind,), name) for i, (name, kind) in enumerate(pairs)))


def areas(got: ConceptScores, concept: int) -> tuple[int, int, int]:
    """I, A, G of the only unit."""
    column = got.concept.tolist().index(concept)
    return int(got.intersection[0, column]), int(got.unit_area[0, column]), int(got.concept_area[column])


def test_the_unit_area_counts_different_images_under_each_profile() -> None:
    """Four images, four active pixels in each: the object under the mask; another object beside it; annotated and empty; not annotated."""
    images = [
        one_row((("object", [1, 1, 1, 1, 0, 0]),), (), {"object"}, [1, 1, 1, 1, 0, 0]),
        one_row((("object", [0, 0, 0, 0, 2, 2]),), (), {"object"}, [1, 1, 1, 1, 0, 0]),
        one_row((("object", [0, 0, 0, 0, 0, 0]),), (), {"object"}, [1, 1, 1, 1, 0, 0]),
        one_row((), (3,), {"texture"}, [1, 1, 1, 1, 0, 0]),
    ]
    known = words(("car", "object"), ("dog", "object"), ("dotted", "texture"))
    expected = {"standard": 12, "netdissect": 8, "lite": 4, "compexp": 16}
    for profile, area in expected.items():
        got = hand(images, known, profile)
        assert areas(got, 1) == (4, area, 4)
        column = got.concept.tolist().index(1)
        assert abs(got.iou[0, column] - 4 / (area + PROFILES[profile].epsilon)) < 1e-12


def test_a_present_concept_counts_although_its_category_is_not_annotated() -> None:
    """A part labelled in the object plane of an image whose parts were not annotated: only its own A grows (`standard`)."""
    images = [
        one_row((("object", [2, 2, 0, 0]),), (), {"object"}, [1, 0, 1, 0]),
        one_row((("part", [2, 3, 0, 0]),), (), {"part"}, [1, 1, 1, 0]),
    ]
    got = hand(images, words(("car", "object"), ("wheel", "part"), ("door", "part")), "standard")
    assert areas(got, 2) == (2, 5, 3) and areas(got, 3) == (1, 3, 1) and areas(got, 1) == (0, 2, 0)
    assert abs(got.iou[0, 1] - 2 / 6) < 1e-12


def test_one_concept_in_two_planes_counts_once_or_twice() -> None:
    images = [one_row((("object", [1, 1, 0, 0]), ("part", [1, 0, 0, 0])), (), {"object", "part"}, [1, 0, 0, 0])]
    known = words(("car", "object"))
    assert areas(hand(images, known, "standard"), 1) == (1, 1, 2)
    assert areas(hand(images, known, "compexp"), 1) == (1, 1, 2)
    assert areas(hand(images, known, "netdissect"), 1) == (2, 1, 3)
    assert areas(hand(images, known, "lite"), 1) == (2, 1, 3)
    assert abs(hand(images, known, "lite").iou[0, 1] - 2 / (1 + 3 - 2 + 1e-10)) < 1e-12


def test_void_pixels_leave_everything_or_stay_in_the_units_area() -> None:
    images = [one_row((("object", [1, VOID, VOID, 0]),), (), {"object"}, [1, 1, 0, 1])]
    known = words(("car", "object"))
    assert areas(hand(images, known, "standard"), 1) == (1, 2, 1)
    for profile in ("netdissect", "lite", "compexp"):
        assert areas(hand(images, known, profile), 1) == (1, 3, 1)


def test_the_label_zero_leaks_as_published_and_not_by_default() -> None:
    """Two images of four pixels, one with a whole-image 0; the unit is on three of its pixels and on one of the other's."""
    images = [one_row((), (0,), set(), [1, 1, 1, 0]), one_row((("object", [1, 1, 0, 0]),), (), {"object"}, [1, 0, 0, 0])]
    known = words(("car", "object"))
    for profile in ("standard", "compexp"):
        assert hand(images, known, profile).concept.tolist() == [1]
    published, lite = hand(images, known, "netdissect"), hand(images, known, "lite")
    assert areas(published, 0) == (3, 0, 4) and areas(lite, 0) == (3, 3, 4)
    assert abs(published.iou[0, 0] - 3 / (4 - 3)) < 1e-12
    assert abs(lite.iou[0, 0] - 3 / (3 + 4 - 3 + 1e-10)) < 1e-12
    assert published.category[0] == 2
    assert best_concept(published, ["ok"], PROFILES["netdissect"]).concept[0, 0] == 0
    assert best_concept(hand(images, known, "standard"), ["ok"], PROFILES["standard"]).concept[0, 0] == 1


def test_whole_image_labels_cover_every_pixel() -> None:
    images = [one_row((), (1,), {"texture"}, [1, 0, 0, 0]), one_row((), (), {"texture"}, [1, 1, 0, 0])]
    known = words(("dotted", "texture"))
    assert areas(hand(images, known, "standard"), 1) == (1, 3, 4)
    assert areas(hand(images, known, "netdissect"), 1) == (1, 1, 4)


def test_epsilons_are_those_of_the_programs() -> None:
    images = [one_row((("object", [1, 0]),), (), {"object"}, [1, 0])]
    known = words(("car", "object"))
    expected = {"standard": 1.0, "netdissect": 1 / (1 + 1e-20), "lite": 1 / (1 + 1e-10), "compexp": 1 / (1 + 1e-10)}
    for profile, value in expected.items():
        got = hand(images, known, profile)
        assert abs(got.iou[0, got.concept.tolist().index(1)] - value) < 1e-15


def test_compexp_leaves_materials_out_and_says_so_where_nothing_is_left() -> None:
    wood, leg = Concept(1, "wood", "material", ("material",), "w"), Concept(2, "leg", "part", ("part",), "l")
    known = Vocabulary("m", ("material", "part"), (wood, leg))
    images = [one_row((("material", [1, 1]), ("part", [2, 0])), (), {"material", "part"}, [1, 0])]
    assert hand(images, known, "compexp").scored.tolist() == [False, True]
    only = Vocabulary("m", ("material",), (wood,))
    with pytest.raises(UsageError, match="Choose another profile"):
        hand([one_row((("material", [1, 1]),), (), {"material"}, [1, 0])], only, "compexp")


def test_rare_concepts_may_be_left_out() -> None:
    drawn = scene(21)
    cut = np.full(drawn.maps.shape[1], 0.3, np.float32)
    every, rare = (scored(drawn, cut, PROFILES["standard"], min_images=count) for count in (0, len(drawn.labels) + 1))
    assert every.scored.all() and not rare.scored.any()
    assert np.array_equal(every.intersection, rare.intersection)
    assert best_concept(rare, ["ok"] * len(cut), PROFILES["standard"]).concept.max() == -1
