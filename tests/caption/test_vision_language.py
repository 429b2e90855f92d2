"""Describing with saved models: the set's score, the choice among candidates by exhaustive search, and odd units."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dissect.caption.decoding import Decoding, Description, Strategy
from dissect.caption.describer import ExemplarSet
from dissect.caption.vision_language import MARGINAL_UNITS, open_describer
from dissect.caption.vl_files import open_captioner, open_language_model
from dissect.caption.vl_models import PictureModel, picture_model
from dissect.caption.vl_prior import CausalPrior
from dissect.caption.vl_views import VIEWS, shown
from dissect.errors import DataError, NotSupportedError, UsageError
from dissect.fingerprint import fingerprint
from dissect.probe.progress import Quiet
from tests.caption.saved_models import CAPTIONERS, PHRASES, exemplar_set, save_blip

BEAM = Decoding("beam", length=5, kept=3, beam=8)
RERANK = dataclasses.replace(BEAM, strategy="rerank")


@pytest.fixture
def phrases(tmp_path: Path) -> str:
    """A file of candidates."""
    (tmp_path / "phrases.txt").write_text("\n".join(PHRASES))
    return str(tmp_path / "phrases.txt")


def set_score(model: PictureModel, exemplars: ExemplarSet, unit: int, text: str, view: Any = "masked") -> float:
    """The mean over a unit's pictures of log p(text | picture), one by one."""
    scores = []
    for rank in range(exemplars.image.shape[1]):
        if exemplars.image[unit, rank] >= 0 and exemplars.mask(unit, rank).any():
            picture = shown(exemplars.picture(int(exemplars.image[unit, rank])), exemplars.mask(unit, rank), view)
            scores.append(float(model.log_p(model.look([picture])[0], [text])[0]))
    return math.fsum(scores) / len(scores)


def texts(described: list[tuple[Description, ...]]) -> list[list[str]]:
    return [[each.text for each in several] for several in described]


@pytest.mark.parametrize("kind", CAPTIONERS)
@pytest.mark.parametrize("view", VIEWS)
def test_a_sets_score_is_the_mean_over_its_pictures(saved_models: dict[str, Path], phrases: str, kind: str, view: str) -> None:
    exemplars = exemplar_set()
    model = picture_model(open_captioner(str(saved_models[kind]), "cpu"))
    describer = open_describer(f"transformers:{saved_models[kind]}", view=view, candidates=phrases, device="cpu")
    for unit, found in enumerate(describer.describe(exemplars, BEAM, Quiet())):
        expected = {text: set_score(model, exemplars, unit, text, view) for text in PHRASES}
        assert [each.text for each in found] == sorted(PHRASES, key=lambda text: -expected[text])[:3]
        assert [each.log_p_given for each in found] == pytest.approx([expected[each.text] for each in found], abs=1e-4)
        assert all(each.log_p is None and each.pmi is None for each in found)


@pytest.mark.parametrize("weight", [0.0, 0.2, 1.5])
@pytest.mark.parametrize("prompt", [None, "a picture of"])
def test_the_lm_penalised_choice_is_that_of_exhaustive_search(
    saved_models: dict[str, Path], phrases: str, weight: float, prompt: str | None
) -> None:  # fmt: skip
    """The language model reads a description after the same prompt as the captioner."""
    exemplars = exemplar_set(seed=4)
    model = picture_model(open_captioner(str(saved_models["blip"]), "cpu"), prompt)
    prior = CausalPrior(open_language_model(str(saved_models["gpt2"]), "cpu"))
    describer = open_describer(
        f"transformers:{saved_models['blip']}", prior=f"lm:{saved_models['gpt2']}", candidates=phrases, prompt=prompt, device="cpu"
    )
    found = describer.describe(exemplars, dataclasses.replace(RERANK, weight=weight, kept=9), Quiet())
    for unit, several in enumerate(found):
        given = {text: set_score(model, exemplars, unit, text) for text in PHRASES}
        free = {text: float(prior.log_p([text], prompt or "")[0]) for text in PHRASES}
        scores = {text: given[text] - weight * free[text] for text in PHRASES}
        assert several[0].text == max(PHRASES, key=lambda text: scores[text])
        assert [each.pmi for each in several] == pytest.approx(sorted(scores.values(), reverse=True), abs=1e-3)
        assert {each.text: each.log_p for each in several} == pytest.approx(free, abs=1e-4)
    assert describer.facts()["score"] == "LM-penalised"


def test_the_marginal_of_a_list_is_the_mean_over_all_units(saved_models: dict[str, Path], phrases: str) -> None:
    exemplars = exemplar_set(5, 1)
    model = picture_model(open_captioner(str(saved_models["git"]), "cpu"))
    describer = open_describer(f"transformers:{saved_models['git']}", prior="marginal", candidates=phrases, device="cpu")
    found = describer.describe(exemplars, dataclasses.replace(RERANK, kept=9), Quiet())
    for each in (each for several in found for each in several):
        expected = math.log(sum(math.exp(set_score(model, exemplars, unit, each.text)) for unit in range(5)) / 5)
        assert each.log_p == pytest.approx(expected, abs=1e-4)
        assert each.pmi == pytest.approx(each.log_p_given - 0.2 * expected, abs=1e-4)
    assert describer.facts()["score"] == "PMI"


def test_the_marginal_of_own_candidates_is_the_mean_over_a_sample(saved_models: dict[str, Path]) -> None:
    units = MARGINAL_UNITS + 4
    exemplars = exemplar_set(units, 1)
    model = picture_model(open_captioner(str(saved_models["blip"]), "cpu"))
    describer = open_describer(f"transformers:{saved_models['blip']}", prior="marginal", device="cpu")
    best = describer.describe(exemplars, RERANK, Quiet())[3][0]
    sample = [place * units // MARGINAL_UNITS for place in range(MARGINAL_UNITS)]
    assert len(set(sample)) == MARGINAL_UNITS
    mean = sum(math.exp(set_score(model, exemplars, unit, best.text)) for unit in sample) / MARGINAL_UNITS
    assert best.log_p == pytest.approx(math.log(mean), abs=1e-4)


@pytest.mark.parametrize("kind", CAPTIONERS)
@pytest.mark.parametrize("strategy", ["greedy", "beam", "rerank"])
def test_what_a_captioner_proposes_is_scored_like_a_given_text(saved_models: dict[str, Path], kind: str, strategy: Strategy) -> None:
    """A text's figures do not depend on where it came from."""
    exemplars = exemplar_set(2, 3, seed=8)
    describer = open_describer(f"transformers:{saved_models[kind]}", prior=f"lm:{saved_models['gpt2']}", device="cpu")
    model = picture_model(open_captioner(str(saved_models[kind]), "cpu"))
    found = describer.describe(exemplars, dataclasses.replace(BEAM, strategy=strategy), Quiet())
    assert any(found) or strategy == "greedy"  # the most probable text may be none
    for unit, several in enumerate(found):
        order = [each.pmi if strategy == "rerank" else each.log_p_given for each in several]
        assert order == sorted(order, key=lambda score: -(score or 0.0)) and len({each.text for each in several}) == len(several) <= 3
        for each in several:
            assert each.log_p_given == pytest.approx(set_score(model, exemplars, unit, each.text), abs=1e-4)
            assert each.pmi == pytest.approx(each.log_p_given - 0.2 * (each.log_p or 0.0))


def test_units_without_exemplars_fewer_of_them_and_empty_masks(saved_models: dict[str, Path], phrases: str) -> None:
    whole = exemplar_set(4, 3)
    image, seen = whole.image.copy(), whole.seen.copy()
    image[0], seen[0] = -1, False  # no exemplar
    seen[1] = False  # all masks empty
    image[2, 1:], seen[2, 1:] = -1, False  # one exemplar instead of three
    seen[3, 0] = False  # the best one's mask is empty

    def mask_at(unit: int, rank: int) -> Any:
        return whole.mask_at(unit, rank) if seen[unit, rank] else np.zeros((10, 12), np.bool_)

    odd = ExemplarSet(whole.picture, image, mask_at, seen)
    describer = open_describer(f"transformers:{saved_models['blip']}", prior="marginal", candidates=phrases, device="cpu")
    model = picture_model(open_captioner(str(saved_models["blip"]), "cpu"))
    found = describer.describe(odd, BEAM, Quiet())
    assert [len(several) for several in found] == [0, 0, 3, 3]
    for unit in (2, 3):
        assert found[unit][0].log_p_given == pytest.approx(set_score(model, odd, unit, found[unit][0].text), abs=1e-4)
    nothing = ExemplarSet(whole.picture, np.full((2, 3), -1, np.int32), mask_at, np.zeros((2, 3), np.bool_))
    for prior in ("none", "marginal", f"lm:{saved_models['gpt2']}"):
        each = open_describer(f"transformers:{saved_models['blip']}", prior=prior, device="cpu")
        assert each.describe(nothing, BEAM, Quiet()) == [(), ()]


def test_names_of_a_data_set_are_candidates(saved_models: dict[str, Path]) -> None:
    describer = open_describer(
        f"transformers:{saved_models['blip']}", candidates="vocabulary", vocabulary=("Red_Car", "sky-s", "tree"), device="cpu"
    )
    found = describer.describe(exemplar_set(1, 1), BEAM, Quiet())
    assert {each.text for each in found[0]} == {"red car", "sky", "tree"}
    assert all(each.tokens and max(each.tokens) < 17 for each in found[0])
    with pytest.raises(UsageError, match="names no concept"):
        open_describer(f"transformers:{saved_models['blip']}", candidates="vocabulary", device="cpu")


def test_strategies_that_are_not_offered_say_which_are(saved_models: dict[str, Path]) -> None:
    describer = open_describer(f"transformers:{saved_models['blip']}", device="cpu")
    for strategy in ("sample", "stepwise"):
        with pytest.raises(NotSupportedError, match=f"decoding by {strategy} is not offered .*rerank"):
            describer.describe(exemplar_set(), dataclasses.replace(BEAM, strategy=strategy), Quiet())
    with pytest.raises(UsageError, match="--prior lm:FOLDER or --prior marginal, or decode by beam"):
        describer.describe(exemplar_set(), RERANK, Quiet())


def test_facts_tell_settings_and_weights_apart_and_name_no_path(saved_models: dict[str, Path], phrases: str, tmp_path: Path) -> None:
    blip, lm = f"transformers:{saved_models['blip']}", f"lm:{saved_models['gpt2']}"
    calls: list[dict[str, Any]] = [
        {}, {"view": "cropped"}, {"view": "outlined"}, {"prior": "marginal"}, {"prior": lm}, {"candidates": phrases}, {"prompt": "a"},
        {"candidates": "vocabulary", "vocabulary": ("a",)}, {"candidates": "vocabulary", "vocabulary": ("b",)},
    ]  # fmt: skip
    facts = [open_describer(blip, device="cpu", **call).facts() for call in calls]
    facts.append(open_describer(f"transformers:{save_blip(tmp_path / 'other', seed=1)}", device="cpu").facts())
    assert len({fingerprint(dict(each)) for each in facts}) == len(facts)
    assert str(saved_models["blip"].parent) not in str(facts)
    copied = open_describer(f"transformers:{save_blip(tmp_path / 'same')}", device="cpu")
    assert fingerprint(dict(copied.facts())) == fingerprint(dict(facts[0]))


@pytest.mark.parametrize(
    ("spec", "options", "message"),
    [
        ("blip", {}, "names no transformers model"),
        ("transformers:", {}, "names no transformers model"),
        ("transformers:x", {"view": "whole"}, "--view is 'whole'"),
        ("transformers:x", {"prior": "gpt2"}, "--prior is 'gpt2'"),
        ("transformers:x", {"prior": "lm:"}, "--prior is 'lm:'"),
        ("transformers:.@random", {}, "has its own weights"),
    ],
)
def test_options_that_mean_nothing_are_refused(spec: str, options: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_describer(spec, device="cpu", **options)  # type: ignore[arg-type]


def test_a_file_of_candidates_is_read_before_any_model(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(DataError, match="holds no phrase"):
        open_describer("transformers:nowhere", candidates=str(tmp_path / "empty.txt"), device="cpu")
