"""The captioner of the embedded default: how it is made, in small; and the one that is shipped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from dissect.caption.decoder import CaptionDecoder, DecoderSizes
from dissect.caption.decoding import Decoding, Description, describe
from dissect.caption.features import RECIPES, Keys
from dissect.caption.files import SavedCaptioner, read_captioner
from dissect.caption.naming import Naming
from dissect.caption.tokens import Vocabulary, split
from dissect.cli.main import call
from dissect.concepts.procedural.describe_words import Meaning
from dissect.errors import UsageError
from dissect.network import LoadedNetwork
from dissect.pipeline import captioner_networks, evaluate_captioner, train_captioner
from dissect.pipeline.captioner_networks import HELD_OUT, SHAPES, TEACHING, Member, recorded, taught
from dissect.pipeline.captioner_planted import HIDDEN, UNSEEN, combined, hidden, plantable, single
from dissect.pipeline.captioner_result import BASELINES, METHODS
from dissect.pipeline.captioner_units import Units, World, annotated, captioner_keys, joined, open_world, phrased, planted, units_of
from dissect.pipeline.evaluate_captioner import SMALL, Evaluation, evaluate, names_all, shuffled
from dissect.pipeline.train_captioner import QUICK, Plan, embedded, feature_scale, folded, planted_units, reranked, shipped_captioner, train
from dissect.pipeline.train_default import prepared

FOUND = [Meaning("sky"), Meaning("wall"), Meaning("wheel"), Meaning(color="red"), Meaning("hat"), Meaning("windowpane")]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """These networks are small: a second thread costs more than it gives where other tests run beside."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def network() -> LoadedNetwork:
    return embedded()


@pytest.fixture(scope="module")
def world(home: Path, network: LoadedNetwork) -> World:
    return open_world(home, network, 100, 301, lambda _: None)


@pytest.fixture(scope="module")
def units(world: World) -> Units:
    return planted(FOUND, world, (8, 8))


def test_networks_that_are_tested_teach_nothing() -> None:
    assert not set(TEACHING) & set(HELD_OUT) and set(TEACHING) | set(HELD_OUT) == set(SHAPES)
    teaching, validating = Plan().members()
    held = [member for seed in Evaluation().seeds for member in Evaluation().members(seed)]
    every = [(member.shape, member.seed) for member in (*teaching, *validating, *held)]
    assert len(set(every)) == len(every)
    assert {member.shape for member in held} == set(HELD_OUT)
    pictures = {train_captioner.NETWORK_SEED, train_captioner.WORLD_SEED, train_captioner.VALIDATION_SEED, 0, 1}
    tested = {seed + of for seed in Evaluation().seeds for of in (evaluate_captioner.NETWORK_SEED, evaluate_captioner.WORLD_SEED)}
    assert len(pictures) == 5 and not pictures & tested


@pytest.mark.parametrize("shape", SHAPES)
def test_a_networks_maps_are_those_of_its_layers(shape: str, world: World) -> None:
    network = taught(Member(shape, 3, 0), world.pictures)
    found = recorded(network, world.pictures.pixels[:70], 2)
    widths = SHAPES[shape].widths
    assert list(found) == [f"layer{len(widths) - 1}", f"layer{len(widths)}"]
    given = prepared(world.pictures.pixels[64:70])
    with torch.inference_mode():
        expected = dict(network.maps(given))
        assert network(given).shape == (6, 145)
    for name, maps in found.items():
        assert np.allclose(maps[64:].astype(np.float32), expected[name].numpy(), atol=0.02, rtol=0.02)


def test_a_member_is_the_same_network_every_time(world: World) -> None:
    some = replace(world.pictures, pixels=world.pictures.pixels[:64], present=world.pictures.present[:64])
    one, two, other = (taught(Member("shallow", seed, 1), some).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["head.weight"], other["head.weight"])


def test_exemplars_are_the_strongest_pictures_and_masks_what_exceeds_the_quantile(world: World) -> None:
    maps = np.random.default_rng(0).random((100, 4, 8, 8)).astype(np.float16)
    maps[:, 2] = 0
    found = units_of("net/layer", maps, world)
    assert found.unit == (0, 1, 3) and found.image.shape == (3, 15)
    for place, unit in enumerate(found.unit):
        peaks = maps[:, unit].reshape(100, -1).max(axis=1)
        assert sorted(found.image[place].tolist()) == sorted(np.argsort(-peaks, kind="stable")[:15].tolist())
        cut = np.sort(maps[:, unit].ravel())[::-1][64]  # the (floor(.01 n) + 1)-th of n = 6,400
        whole = functional.interpolate(torch.from_numpy(maps[found.image[place], unit].astype(np.float32))[None], (64, 64), mode="bilinear")
        assert ((whole[0].numpy() > cut).reshape(15, -1) == found.masks[place]).mean() > 0.9999  # borders may be rounded otherwise
        assert found.threshold[place] == np.sort(maps[:, unit].ravel())[::-1][32]


def test_only_so_many_units_are_drawn(world: World) -> None:
    maps = np.random.default_rng(0).random((100, 9, 4, 4)).astype(np.float16)
    one, two = units_of("net/layer", maps, world, 4, 1), units_of("net/layer", maps, world, 4, 1)
    assert len(one) == 4 and one.unit == two.unit
    both = joined([one, units_of("other/layer", maps, world, 2)])
    assert len(both) == 6 and both.network.tolist() == [0, 0, 0, 0, 1, 1]


def test_planted_units_mean_what_was_planted(units: Units, world: World) -> None:
    """All but one may: on a map of 8 x 8 the cells of a wheel are mostly car."""
    naming = Naming(world.data.vocabulary)
    found = annotated(units, world)
    assert all(some and all(naming.named(each.text) for each in some) for some in found)
    right = [any(names_all(naming, FOUND[unit], each.text) for each in some) for unit, some in zip(units.unit, found, strict=True)]
    assert sum(right) >= len(FOUND) - 1, list(zip(right, found, strict=True))


def test_keys_are_of_the_embedded_recipe(units: Units, world: World, network: LoadedNetwork) -> None:
    keys = captioner_keys(units, world, network)
    assert keys.values.shape == (len(units), 15, sum(RECIPES["demo"].units))
    assert keys.present.tolist() == (units.masks.any(axis=2) & (units.image >= 0)).tolist()


def test_plantable_counts_pictures(world: World) -> None:
    found = plantable([Meaning("sky"), Meaning("cactus", color="purple")], world, images=10)
    assert found == [Meaning("sky")]


def test_units_of_one_meaning_that_see_other_pictures_have_other_exemplars(world: World) -> None:
    one, two = planted([Meaning("sky")] * 2, world, (8, 8), shown=0.5).image
    assert set(one) != set(two)


def test_half_of_the_planted_units_mean_one_thing_and_half_have_noise(world: World) -> None:
    meanings = [Meaning("sky"), Meaning("wall"), Meaning("sky", color="blue")]
    units, chosen = planted_units(meanings, world, 24, 0)
    assert len(units) == len(chosen) == 24
    assert sum(meaning.words == 1 for meaning in chosen) == 12
    assert sorted(set(units.layer)) == ["planted/16x16", "planted/8x8"]


def test_unseen_combinations_are_found_in_whatever_holds_them() -> None:
    assert hidden(Meaning("car", color="red", scene="street-s")) and hidden(Meaning("wheel", "car", color="red"))
    assert not hidden(Meaning("car")) and not hidden(Meaning("bus", color="red"))
    assert all(hidden(meaning) for meaning in UNSEEN)
    seen = [meaning for meaning in single() + combined() if not hidden(meaning)]
    for pair in HIDDEN:
        for name in pair:
            assert any(name in group for meaning in seen for group in meaning.concepts), name


def test_a_planted_unit_is_told_in_three_ways_where_there_are_three() -> None:
    found = phrased(Meaning("wheel", "car"), np.random.default_rng(0))
    assert len(found) == len(set(found)) == 3


def test_a_folded_scale_gives_the_same_probabilities() -> None:
    torch.manual_seed(0)
    words = Vocabulary.from_texts(["red cars", "blue skies"])
    decoder = CaptionDecoder(words, DecoderSizes(6, 4, 8, 5)).eval()
    values = np.random.default_rng(0).random((3, 4, 6)).astype(np.float32)
    present = np.array([[True] * 4, [True, False, False, True], [False] * 4])
    keys, scale = Keys(np.where(present[:, :, None], values, np.float32(0)), present), np.arange(1, 7, dtype=np.float32)
    rows = words.batch(["red cars", "blue skies", "red skies"])
    with torch.no_grad():
        before, _ = decoder(torch.from_numpy(keys.values * scale), torch.from_numpy(present), rows)
        after, _ = folded(decoder, scale)(torch.from_numpy(keys.values), torch.from_numpy(present), rows)
    assert torch.allclose(before, after, atol=1e-5)


def test_the_scale_brings_features_to_one_size() -> None:
    values = np.random.default_rng(0).random((5, 3, 4)).astype(np.float32) * np.array([1, 10, 0, 1000], np.float32)
    keys = Keys(values, np.ones((5, 3), np.bool_))
    scaled = values * feature_scale(keys, np.arange(5))
    assert np.sqrt((scaled.astype(np.float64) ** 2).mean(axis=(0, 1))) == pytest.approx([1, 1, 0, 1], abs=1e-5)


def test_lambda_reorders_one_beam() -> None:
    likely, telling = Description("areas", (1,), -1.0, -1.0), Description("red cars", (2,), -2.0, -9.0)
    assert reranked([likely, telling], 0.0) is likely
    assert reranked([likely, telling], 0.2) is telling


def test_shuffling_leaves_no_unit_its_own_and_none_its_network() -> None:
    groups = np.repeat([0, 1, 2], [5, 3, 2])
    for seed in range(20):
        places = shuffled(groups, np.random.default_rng(seed))
        assert sorted(places) == list(range(10))
        assert (groups[places] == groups).all() and (places != np.arange(10)).all()


@pytest.mark.parametrize(
    ("text", "right"),
    [("red cars", True), ("wheels of red cars", True), ("cars", False), ("red areas", False), ("red vehicles", False), ("", False)],
)
def test_a_meaning_is_named_by_all_its_words(world: World, text: str, right: bool) -> None:
    assert names_all(Naming(world.data.vocabulary), Meaning("car", color="red"), text) is right


def test_an_evaluation_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="at least one"):
        Evaluation(seeds=())


@pytest.fixture(scope="module")
def quick(home: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SavedCaptioner]:
    card = tmp_path_factory.mktemp("captioner") / "quick.json"
    return card, train(card, home, QUICK, say=lambda _: None)


@pytest.mark.slow
def test_a_captioner_is_made_from_nothing(quick: tuple[Path, SavedCaptioner]) -> None:
    card, saved = quick
    read = read_captioner(card)
    assert read.recipe == RECIPES["demo"] and read.facts == json.loads(json.dumps(dict(saved.facts)))
    tried = saved.facts["lambda_tried"]
    assert isinstance(tried, dict) and read.weight == saved.weight and f"{saved.weight:g}" in tried
    texts = [split(text) for text in read.decoder.vocabulary.plain()]
    assert ["wheels"] in texts or ["areas"] in texts


@pytest.mark.slow
def test_no_lesson_says_an_unseen_combination(home: Path, network: LoadedNetwork, world: World) -> None:
    from dissect.probe.progress import Quiet

    lessons, trial = train_captioner.gather(QUICK, home, network, lambda _: None, Quiet())
    naming, vocabulary = Naming(world.data.vocabulary), world.data.vocabulary
    numbers = {concept.name: concept.index for concept in vocabulary.concepts}
    for text in (text for some in lessons.texts for text in some):
        said = naming.named(text)
        for pair in HIDDEN:
            assert not all(any(group == frozenset({numbers[name]}) for group in said) for name in pair), text
    assert len(lessons.texts) == len(lessons.keys) == len(lessons.validation) == len(lessons.groups)
    sown = sum(group == "planted in other pictures" for group in lessons.groups)
    assert sown and lessons.validation.sum() - sown == len(trial.keys) == len(trial.examples)
    sides = [{lessons.groups[unit] for unit in np.flatnonzero(side)} for side in (lessons.validation, ~lessons.validation)]
    assert not sides[0] & sides[1]


@pytest.mark.slow
def test_an_evaluation_has_every_rule_and_its_claims(quick: tuple[Path, SavedCaptioner], home: Path) -> None:
    found = evaluate(quick[1], home, SMALL, say=lambda _: None)
    rows = {row.method: row for row in found.rows}
    assert tuple(rows) == METHODS
    assert rows["pmi"].above is None
    for name in BASELINES:
        gap = rows[name].above
        assert gap is not None and gap[1] <= gap[0] <= gap[2]
        assert gap[0] == pytest.approx(rows["pmi"].auc - rows[name].auc)
    assert all(0 <= row.auc <= 1 and 0 <= row.coverage <= 1 for row in found.rows)
    assert {row.kind for row in found.planted} >= {"concepts", "combinations"}
    assert all(0 <= row.chance <= 1 and 0 <= row.right <= 1 for row in found.planted)
    assert len(found.holds()) == 4


@pytest.mark.slow
def test_the_commands_work(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("DISSECT_HOME", str(home))
    card = tmp_path / "mine.json"
    assert call(["captioner", "train", "--quick", "-o", str(card), "--json"]) == 0
    scores = json.loads(capfd.readouterr().out)
    assert json.loads(card.read_text())["facts"]["held_out"] == scores
    assert call(["captioner", "evaluate", str(card), "--quick"]) == 0
    out = capfd.readouterr().out
    assert all(method in out for method in METHODS)
    assert call(["captioner", "evaluate", str(tmp_path / "none.json"), "--quick"]) == 4


SHIPPED = shipped_captioner()


def test_the_shipped_captioner_is_small_and_says_what_it_is() -> None:
    saved = read_captioner(SHIPPED)
    assert SHIPPED.with_suffix(".safetensors").stat().st_size + SHIPPED.stat().st_size < 5_000_000
    assert saved.recipe == RECIPES["demo"]
    assert "drawn" in str(saved.facts["world"])
    held = saved.facts["held_out"]
    assert isinstance(held, dict) and held["units"] > 500
    assert len(held["networks"]) == 6


def test_the_shipped_captioner_names_what_planted_units_mean(units: Units, world: World, network: LoadedNetwork) -> None:
    saved, naming = read_captioner(SHIPPED), Naming(world.data.vocabulary)
    keys = captioner_keys(units, world, network)
    found = describe(saved.decoder.over(keys), saved.language_model, Decoding(length=saved.length, weight=saved.weight))
    right = [names_all(naming, FOUND[unit], some[0].text) for unit, some in zip(units.unit, found, strict=True)]
    assert sum(right) >= len(FOUND) - 1, [some[0].text for some in found]


def test_the_held_out_shapes_are_known() -> None:
    assert all(len(shape.widths) == len(shape.pooled) for shape in captioner_networks.SHAPES.values())
