"""The embedded network: what its card states is reproduced, its training learns, its units find things."""

from __future__ import annotations

import io
import math
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from dissect.atomic import sha256_file
from dissect.concepts.procedural.files import jpeg
from dissect.concepts.procedural.names import CATEGORIES, CONCEPTS, NUMBER, SCENES
from dissect.concepts.procedural.pictures import Picture, picture
from dissect.network.card import load_card
from dissect.network.demo_net import INPUT, OUTPUTS, WIDTHS, DemoNet, demo_net
from dissect.network.load import load_network
from dissect.network.source import NetworkSpec
from dissect.paths import shipped
from dissect.pipeline import train_default
from dissect.pipeline.train_default import (
    BATCH,
    SEEN,
    Pictures,
    evaluate,
    learn,
    load_pictures,
    objective,
    prepared,
    ranked,
    restored,
    stored,
)
from tests.concepts.drawn_set import open_demo

WEIGHTS = shipped("models") / "demo.safetensors"
HELD_OUT = 400


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """These networks are small: a second thread costs more than it gives where other tests run beside."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@cache
def held_out() -> tuple[Picture, ...]:
    return tuple(picture(1, index) for index in range(HELD_OUT))


@cache
def held_out_pictures() -> Pictures:
    """The first held-out pictures as the reader would load them, through the JPEG and without the folder."""
    images = [np.asarray(Image.open(io.BytesIO(jpeg(drawn.image)))) for drawn in held_out()]
    present = torch.zeros((HELD_OUT, OUTPUTS), dtype=torch.bool)
    for row, drawn in zip(present, held_out(), strict=True):
        counts = np.bincount(drawn.planes.ravel(), minlength=OUTPUTS + 1)[1:]
        row[:] = torch.from_numpy(counts >= SEEN)
        row[[NUMBER[name] - 1 for name in drawn.whole]] = True
    return Pictures(torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous(), present)


def stated() -> dict[str, float]:
    """The figures in the card's comments."""
    text = (shipped("models") / "demo.toml").read_text(encoding="utf-8")
    found = re.findall(r"#\s+(scene accuracy|mean average precision|mean AUROC)[a-z0-9 ]*?\s+(0\.\d+)$", text, re.MULTILINE)
    return {name: float(value) for name, value in found}


def test_the_stated_held_out_accuracy_is_reproduced() -> None:
    scores, told = evaluate(restored(WEIGHTS), held_out_pictures()), stated()
    assert len(told) == 3
    assert abs(scores.scene_accuracy - told["scene accuracy"]) < 0.04
    assert abs(scores.mean_auroc - told["mean AUROC"]) < 0.04
    assert abs(scores.mean_average_precision - told["mean average precision"]) < 0.1, "rare concepts move it most"
    assert told["scene accuracy"] > 0.8 and told["mean AUROC"] > 0.8, "worth dissecting"


def test_a_network_that_has_learned_nothing_is_at_chance() -> None:
    scores = evaluate(demo_net(0), held_out_pictures())
    assert scores.scene_accuracy < 0.3 and 0.4 < scores.mean_auroc < 0.65


def test_the_card_loads_and_gives_the_same_logits_as_plain_torch() -> None:
    card = load_card("demo")
    assert card.classes == CONCEPTS
    assert card.sha256 == sha256_file(WEIGHTS)
    assert WEIGHTS.stat().st_size < 2_000_000
    network = load_network(NetworkSpec("demo", device="cpu"))
    assert network.input_size == (INPUT, INPUT)
    images = [Image.open(io.BytesIO(jpeg(drawn.image))) for drawn in held_out()[:6]]
    batch = np.stack([network.prepare(image) for image in images])
    expected = prepared(held_out_pictures().pixels[:6])
    assert np.allclose(batch, expected.numpy(), atol=1e-5), "the card's preprocessing is the one trained with"
    infos = network.layers(card.layers)
    assert [info.units for info in infos] == [WIDTHS[3], WIDTHS[5]]
    assert [info.map_size for info in infos] == [(16, 16), (8, 8)]
    maps = network.activations(batch, infos)
    with torch.inference_mode():
        plain = restored(WEIGHTS)
        features: dict[str, torch.Tensor] = {}
        plain.get_submodule("layer6").register_forward_hook(lambda module, given, result: features.update(layer6=result))
        plain(expected)
    assert torch.allclose(maps[infos[1].name].cpu(), features["layer6"], atol=1e-3)


def test_most_units_are_detectors_of_many_kinds_of_concepts() -> None:
    """NetDissect once more in plain numpy: IoU of thresholded, upsampled maps with every annotated concept."""
    best = dissected(restored(WEIGHTS), "layer6")
    found = best[best[:, 1] > 0.04]
    distinct = {int(concept) for concept in found[:, 0]}
    first = {NUMBER[name]: category for category, names in reversed(list(_by_category().items())) for name in names}
    assert len(found) > WIDTHS[-1] / 2
    assert len(distinct) >= 20
    assert len({first[concept] for concept in distinct}) >= 4
    assert len(found) > 1.5 * (dissected(demo_net(0), "layer6")[:, 1] > 0.04).sum(), "training made them"


def dissected(network: DemoNet, layer: str, images: int = 250) -> NDArray[np.float64]:
    """Best concept number and IoU of every unit, (U, 2)."""
    kept: list[torch.Tensor] = []
    hook = network.get_submodule(layer).register_forward_hook(lambda module, given, result: kept.append(result))
    with torch.inference_mode():
        for part in torch.split(held_out_pictures().pixels[:images], BATCH):
            network(prepared(part))
    hook.remove()
    maps = torch.cat(kept)
    flat = maps.permute(1, 0, 2, 3).flatten(1)
    thresholds = flat.topk(int(0.005 * flat.shape[1]) + 1, dim=1).values[:, -1]
    both = np.zeros((len(thresholds), OUTPUTS + 1))
    unit_area, concept_area = np.zeros(len(thresholds)), np.zeros(OUTPUTS + 1)
    for index, drawn in enumerate(held_out()[:images]):
        large = torch.nn.functional.interpolate(maps[index : index + 1], size=(64, 64), mode="bilinear", align_corners=False)[0]
        masks = (large > thresholds[:, None, None]).flatten(1).numpy()
        concepts = np.zeros((OUTPUTS + 1, 64 * 64), dtype=bool)
        concepts[drawn.planes.reshape(8, -1), np.arange(64 * 64)] = True
        concepts[[NUMBER[name] for name in drawn.whole]] = True
        concepts[0] = False
        both += masks.astype(np.float32) @ concepts.T.astype(np.float32)
        unit_area += masks.sum(axis=1)
        concept_area += concepts.sum(axis=1)
    iou = both / np.maximum(unit_area[:, None] + concept_area - both, 1)
    return np.stack([iou.argmax(axis=1), iou.max(axis=1)], axis=1)


def _by_category() -> dict[str, tuple[str, ...]]:
    from dissect.concepts.procedural.names import BY_CATEGORY

    return {category: BY_CATEGORY[category] for category in CATEGORIES}


def test_the_network_is_as_its_text_says() -> None:
    network = demo_net(0)
    sizes: dict[int, tuple[int, ...]] = {}
    for number in range(1, 7):
        network.get_submodule(f"layer{number}").register_forward_hook(
            lambda module, given, result, number=number: sizes.__setitem__(number, tuple(result.shape[1:]))
        )
    with torch.inference_mode():
        assert network.eval()(torch.zeros(2, 3, INPUT, INPUT)).shape == (2, OUTPUTS)
    assert list(sizes.values()) == list(zip(WIDTHS, (64, 32, 16, 16, 8, 8), (64, 32, 16, 16, 8, 8), strict=True))
    assert len(CONCEPTS) == OUTPUTS


def test_a_seed_gives_the_same_fresh_weights_and_leaves_torch_alone() -> None:
    torch.manual_seed(1)
    before = torch.rand(1)
    torch.manual_seed(1)
    first, second, other = demo_net(seed=7), demo_net(seed=7), demo_net(seed=8)
    assert torch.equal(torch.rand(1), before)
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name])
    assert not torch.equal(first.state_dict()["layer1.0.weight"], other.state_dict()["layer1.0.weight"])


def test_presence_is_what_the_reader_sees(tmp_path: Path) -> None:
    loaded = load_pictures(open_demo(tmp_path, 12, workers=1))
    assert torch.equal(loaded.present, held_out_pictures().present[:12])
    assert torch.equal(loaded.pixels, held_out_pictures().pixels[:12])


@given(st.lists(st.tuples(st.integers(-1000, 1000), st.booleans()), min_size=2, max_size=30, unique_by=lambda pair: pair[0]))
def test_precision_and_auroc_are_counts_over_pairs(pairs: list[tuple[int, bool]]) -> None:
    good = [score for score, positive in pairs if positive]
    bad = [score for score, positive in pairs if not positive]
    if not good or not bad:
        return
    precision, auroc = ranked(np.array([score for score, _ in pairs], dtype=np.float32), np.array([positive for _, positive in pairs]))
    assert math.isclose(auroc, sum(a > b for a in good for b in bad) / (len(good) * len(bad)), abs_tol=1e-9)
    by_hand = [sum(other >= score for other in good) / sum(other >= score for other in good + bad) for score in good]
    assert math.isclose(precision, sum(by_hand) / len(by_hand), abs_tol=1e-9)


def test_the_objective_is_its_formula() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn((3, OUTPUTS), generator=generator)
    present = torch.rand((3, OUTPUTS), generator=generator) < 0.2
    scenes = [CONCEPTS.index(name) for name in SCENES]
    present[:, scenes] = False
    present[0, scenes[2]] = present[1, scenes[5]] = True
    scene = 0.0
    for row, place in ((0, 2), (1, 5)):
        values = [math.exp(float(logits[row, k])) for k in scenes]
        scene -= math.log(values[place] / sum(values)) / 2
    others = [k for k in range(OUTPUTS) if k not in scenes]
    chance = [[1 / (1 + math.exp(-float(logits[row, k]))) for k in others] for row in range(3)]
    total = [-math.log(p if present[row, k] else 1 - p) for row in range(3) for k, p in zip(others, chance[row], strict=True)]
    assert math.isclose(float(objective(logits, present)), 0.3 * scene + 4 * sum(total) / len(total), rel_tol=1e-4)


def test_a_batch_without_scenes_has_an_objective() -> None:
    assert math.isfinite(float(objective(torch.zeros((2, OUTPUTS)), torch.zeros((2, OUTPUTS), dtype=torch.bool))))


def test_pictures_are_changed_but_only_a_little() -> None:
    pixels = held_out_pictures().pixels[:8]
    first = train_default.augmented(pixels, torch.Generator().manual_seed(3))
    again = train_default.augmented(pixels, torch.Generator().manual_seed(3))
    other = train_default.augmented(pixels, torch.Generator().manual_seed(4))
    assert torch.equal(first, again) and not torch.equal(first, other)
    plain = prepared(pixels)
    assert first.shape == plain.shape and abs(float(first.mean() - plain.mean())) < 0.5


def test_training_learns_and_its_seed_is_used() -> None:
    few = Pictures(held_out_pictures().pixels[:128], held_out_pictures().present[:128])
    said: list[str] = []
    first = learn(few, epochs=4, seed=1, say=said.append)
    losses = [float(line.split("loss ")[1].split(",")[0]) for line in said]
    assert len(losses) == 4 and losses[-1] < 0.7 * losses[0]
    again, other = (learn(few, epochs=1, seed=seed, say=said.append) for seed in (2, 3))
    assert not torch.equal(again.head.weight, other.head.weight)
    assert stored(learn(few, epochs=1, seed=2, say=said.append)) == stored(again)
    assert not first.training


def test_the_command_trains_evaluates_and_writes_a_card_that_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few = Pictures(held_out_pictures().pixels[:128], held_out_pictures().present[:128])
    monkeypatch.setattr(train_default, "drawn", lambda home, images, seed, say: few)
    output = tmp_path / "mine.safetensors"
    assert train_default.main(["--home", str(tmp_path), "--output", str(output), "--epochs", "1", "--threads", "1"]) == 0
    assert "scene_accuracy" in capsys.readouterr().out
    card = tomllib.loads((tmp_path / "mine.toml").read_text(encoding="utf-8"))
    assert card["sha256"] == sha256_file(output) and card["weights"] == output.name
    assert load_network(NetworkSpec(str(tmp_path / "mine.toml"), device="cpu")).input_size == (INPUT, INPUT)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.safetensors", "mine.toml"]


def test_evaluating_measures_the_shipped_weights_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(train_default, "drawn", lambda home, images, seed, say: held_out_pictures())
    before = sha256_file(WEIGHTS), sha256_file(WEIGHTS.with_suffix(".toml"))
    assert train_default.main(["--home", str(tmp_path), "--evaluate", "--threads", "1"]) == 0
    told = float(capsys.readouterr().out.split("scene_accuracy")[1].split()[0])
    assert abs(told - evaluate(restored(WEIGHTS), held_out_pictures()).scene_accuracy) < 0.001
    assert (sha256_file(WEIGHTS), sha256_file(WEIGHTS.with_suffix(".toml"))) == before
    assert list(tmp_path.iterdir()) == []
