"""log p(text | picture) of saved models against a plain loop over tokens, and what must not change it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given
from PIL import Image

from dissect.caption.vl_files import hushed, open_captioner
from dissect.caption.vl_models import PictureModel, picture_model
from dissect.errors import NetworkError, UsageError
from tests.caption.saved_models import CAPTIONERS, PHRASES, pictures, save_llava, save_paligemma

KINDS = tuple(CAPTIONERS)
few = hypothesis.settings(max_examples=15)
"""Each example asks four models."""
OPENED: dict[tuple[str, str | None], PictureModel] = {}


def opened(folder: Path, prompt: str | None = None) -> PictureModel:
    """The model of a folder, opened once."""
    if (folder.name, prompt) not in OPENED:
        OPENED[folder.name, prompt] = picture_model(open_captioner(str(folder), "cpu"), prompt)
    return OPENED[folder.name, prompt]


def plain_log_p(model: Any, picture: Image.Image, text: str, prompt: str = "") -> float:
    """One text, one picture: each token's log-probability from a pass of its own over the whole network."""
    saved = model.saved
    module, tokenizer = saved.module, saved.tokenizer
    with hushed(), torch.inference_mode():
        if saved.kind == "llava":
            question = prompt or "Describe what is shown here in a few words."
            given = saved.processor(images=picture, text=f"USER: <image>\n{question} ASSISTANT:", return_tensors="pt")
            tokens, ends = tokenizer(f" {text}", add_special_tokens=False)["input_ids"], [1, 3]
            start = [0, *given["input_ids"][0].tolist()]
            pixels = given["pixel_values"]
        else:
            start = [{"blip": 4, "git": 1, "vision-encoder-decoder": 0}[saved.kind]]
            start += tokenizer(prompt, add_special_tokens=False)["input_ids"] if prompt else []
            glued = f" {text}" if prompt and saved.kind == "vision-encoder-decoder" else text
            tokens = tokenizer(glued, add_special_tokens=False)["input_ids"]
            ends = [0] if saved.kind == "vision-encoder-decoder" else [2]
            pixels = saved.processor(images=picture, return_tensors="pt")["pixel_values"]
        name = "decoder_input_ids" if saved.kind == "vision-encoder-decoder" else "input_ids"
        total = 0.0
        for place in range(len(tokens) + 1):
            logits = module(pixel_values=pixels, **{name: torch.tensor([start + tokens[:place]])}).logits[0, -1].double()
            p = torch.exp(logits - logits.max()) / torch.exp(logits - logits.max()).sum()
            total += float(torch.log(p[tokens[place]] if place < len(tokens) else p[ends].sum()))
    return total


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("prompt", [None, "a picture of"])
def test_log_p_equals_a_loop_over_tokens(saved_models: dict[str, Path], kind: str, prompt: str | None) -> None:
    model = opened(saved_models[kind], prompt)
    for picture in pictures(2, seed=3):
        found = model.log_p(model.look([picture])[0], PHRASES)
        assert found == pytest.approx([plain_log_p(model, picture, text, prompt or "") for text in PHRASES], abs=1e-4)
        assert len(set(found.round(3).tolist())) == len(PHRASES)
    assert model._follows is True  # type: ignore[attr-defined]


@few
@given(st.lists(st.sampled_from(PHRASES), min_size=1, max_size=40), st.sampled_from(KINDS), st.integers(0, 99))
def test_neighbours_and_padding_change_nothing(texts: list[str], kind: str, seed: int) -> None:
    """Texts of other lengths beside it, other pictures before it: log p is that of the text alone."""
    model = OPENED[kind, None]
    images = pictures(3, seed)
    together = model.look(images)
    alone = [model.look([image])[0] for image in images]
    for one, many in zip(alone, together, strict=True):
        single = {text: model.log_p(one, [text])[0] for text in set(texts)}
        assert model.log_p(many, texts) == pytest.approx([single[text] for text in texts], abs=1e-4)


@pytest.fixture(autouse=True)
def every_kind(saved_models: dict[str, Path]) -> None:
    """The property test above takes the four kinds from here."""
    for kind in KINDS:
        opened(saved_models[kind])


@pytest.mark.parametrize("kind", ["blip", "git", "encoder-decoder"])
def test_what_the_prompt_costs_is_not_counted(saved_models: dict[str, Path], kind: str) -> None:
    """log p("a picture of" then "tree") = log p of the prompt's tokens + log p(tree | prompt)."""
    whole, after = opened(saved_models[kind]), opened(saved_models[kind], "a picture of")
    picture = pictures(1)[0]
    state = whole.look([picture])[0]
    difference = whole.log_p(state, ["a picture of tree"])[0] - after.log_p(after.look([picture])[0], ["tree"])[0]
    other = whole.log_p(state, ["a picture of red car"])[0] - after.log_p(after.look([picture])[0], ["red car"])[0]
    assert difference == pytest.approx(other, abs=1e-4) and difference < -1


@pytest.mark.parametrize("kind", KINDS)
def test_the_picture_matters(saved_models: dict[str, Path], kind: str) -> None:
    model = opened(saved_models[kind])
    white, black = model.look([Image.new("RGB", (20, 20), colour) for colour in ("white", "black")])
    assert np.abs(model.log_p(white, PHRASES) - model.log_p(black, PHRASES)).max() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_proposals_are_clean_and_come_best_first(saved_models: dict[str, Path], kind: str) -> None:
    model = opened(saved_models[kind])
    states = model.look(pictures(10))
    found = model.propose(states, 4, 6)
    assert len(found) == 10 and any(found)
    assert found == [texts for state in states for texts in model.propose([state], 4, 6)]
    for texts in found:
        assert len(texts) == len(set(texts)) <= 4
        for text in texts:
            assert text and text == " ".join(text.split()) and not set(text) & set("\N{REPLACEMENT CHARACTER}\x00\x06\x15")
            assert not any(special in text for special in ("[SEP]", "[DEC]", "[PAD]", "</s>", "<|endoftext|>", "<image>"))
    if kind == "blip":  # whole words: a text is cut again as it was written
        best = [model.log_p(state, texts) for state, texts in zip(states, found, strict=True) if texts]
        assert all((np.diff(scores) <= 1e-4).all() for scores in best)


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_weights_are_read_and_computed_in_full(tmp_path: Path, kind: str) -> None:
    half = picture_model(open_captioner(str(CAPTIONERS[kind](tmp_path / "half", seed=1, dtype=torch.float16)), "cpu"))
    full = picture_model(open_captioner(str(CAPTIONERS[kind](tmp_path / "full", seed=1)), "cpu"))
    scores = [model.log_p(model.look(pictures(1))[0], PHRASES) for model in (half, full)]
    assert scores[0] == pytest.approx(scores[1], abs=0.1) and scores[0].tolist() != scores[1].tolist()


def test_a_model_that_does_not_agree_with_itself_is_asked_plainly(saved_models: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    honest = opened(saved_models["git"])
    odd: Any = picture_model(open_captioner(str(saved_models["git"]), "cpu"))
    monkeypatch.setattr(odd, "_places", lambda tokens, used: {"position_ids": torch.zeros_like(tokens)})
    state = odd.look(pictures(1))[0]
    assert odd.log_p(state, PHRASES) == pytest.approx(honest.log_p(state, PHRASES), abs=1e-4) and odd._follows is False
    assert honest._follows is True  # type: ignore[attr-defined]


def test_a_model_whose_question_is_read_both_ways(tmp_path: Path) -> None:
    """PaliGemma's texts are typed apart from its question; taken for a part of it they would see what follows, and are refused."""
    model: Any = picture_model(open_captioner(str(save_paligemma(tmp_path)), "cpu"), "a picture of")
    state = model.look(pictures(1))[0]
    found = model.log_p(state, PHRASES)
    assert model._follows is True
    model._follows = False
    assert model.log_p(state, PHRASES) == pytest.approx(found, abs=1e-3)
    model._follows, model._typed = None, 0
    with pytest.raises(NetworkError, match="is a paligemma whose words see those after them"):
        model.log_p(state, PHRASES)


def test_a_model_without_a_form_of_conversation_continues_the_prompt(tmp_path: Path) -> None:
    model = picture_model(open_captioner(str(save_llava(tmp_path, talks=False)), "cpu"), "a picture of")
    state = model.look(pictures(1))[0]
    assert np.isfinite(model.log_p(state, PHRASES)).all() and model.propose([state], 2, 4)


def test_what_is_too_long_or_nothing_is_refused_by_name(saved_models: dict[str, Path]) -> None:
    model = opened(saved_models["blip"])
    state = model.look(pictures(1))[0]
    with pytest.raises(UsageError, match=r"'red red red.*40 tokens after 1 others.*takes 32"):
        model.log_p(state, ["tree", " ".join(["red"] * 40)])
    with pytest.raises(UsageError, match="has no token"):
        model.log_p(state, [" "])
    with pytest.raises(UsageError, match="--prompt has 41 tokens"):
        opened(saved_models["blip"], " ".join(["red"] * 40))


def test_files_that_do_not_belong_together_give_one_line(tmp_path: Path) -> None:
    from transformers import BlipImageProcessor

    folder = CAPTIONERS["blip"](tmp_path)
    BlipImageProcessor(size={"height": 40, "width": 40}).save_pretrained(folder)
    model = picture_model(open_captioner(str(folder), "cpu"))
    with pytest.raises(NetworkError, match=r"fails when it is asked .*Check that its files belong together"):
        model.look(pictures(1))
