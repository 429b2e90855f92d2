"""Captioners on disk: what is written comes back, and what is damaged is refused in words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from dissect.atomic import sha256_file
from dissect.caption.decoder import CaptionDecoder, DecoderSizes
from dissect.caption.decoding import Decoding, describe
from dissect.caption.features import RECIPES, Keys
from dissect.caption.files import SavedCaptioner, read_captioner, save_captioner
from dissect.caption.language import LanguageSizes, LstmLanguageModel
from dissect.caption.tokens import Vocabulary
from dissect.errors import CheckpointError, NotFoundError, UsageError

WORDS = Vocabulary.from_texts(["red cars, green trees and a dog's head"])


def captioner(language: bool = True) -> SavedCaptioner:
    torch.manual_seed(0)
    decoder = CaptionDecoder(WORDS, DecoderSizes(640, 6, 10))
    model = LstmLanguageModel(WORDS, LanguageSizes(5, 7)) if language else None
    return SavedCaptioner(decoder, model, RECIPES["demo"], 9, 0.4, {"epochs": 3, "held_out_loss": 1.25, "networks": ["a", "b"]})


def some_keys() -> Keys:
    values = np.random.default_rng(0).normal(size=(5, 3, 640)).astype(np.float32)
    return Keys(values, np.ones((5, 3), bool))


@pytest.mark.parametrize("language", [True, False])
def test_a_captioner_comes_back_whole(language: bool, tmp_path: Path) -> None:
    saved = captioner(language)
    sha256 = save_captioner(tmp_path / "mine.json", saved)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.json", "mine.safetensors"]
    assert sha256 == sha256_file(tmp_path / "mine.safetensors")
    back = read_captioner(tmp_path / "mine.json")
    assert (back.recipe, back.length, back.weight, back.facts) == (saved.recipe, 9, 0.4, saved.facts)
    assert back.decoder.vocabulary == WORDS and back.decoder.sizes == saved.decoder.sizes
    assert (back.language_model is None) == (not language)
    how = Decoding("rerank" if language else "beam", 5, 6)
    mine = describe(saved.decoder.over(some_keys()), saved.language_model, how)
    assert describe(back.decoder.over(some_keys()), back.language_model, how) == mine
    assert not back.decoder.training and all(parameter.requires_grad for parameter in back.decoder.parameters())
    back.decoder.loss(torch.zeros(1, 2, 640), torch.ones(1, 2, dtype=torch.bool), WORDS.batch(["red"])).backward()  # type: ignore[no-untyped-call]


def test_half_precision_halves_the_file_and_is_read_as_float32(tmp_path: Path) -> None:
    save_captioner(tmp_path / "whole.json", captioner())
    save_captioner(tmp_path / "half.json", captioner(), torch.float16)
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("half", "whole")]
    assert sizes[0] < 0.55 * sizes[1]
    for mine, other in zip(read_captioner(tmp_path / "half.json").decoder.parameters(), captioner().decoder.parameters(), strict=True):
        assert mine.dtype == torch.float32 and torch.allclose(mine, other, atol=1e-3)


def changed(**change: object) -> Callable[[Path], None]:
    """A card with some entries changed, or taken out where the new value is `...`."""

    def do(card: Path) -> None:
        plain: dict[str, Any] = json.loads(card.read_text())
        plain.update(change)
        card.write_text(json.dumps({key: value for key, value in plain.items() if value is not ...}))

    return do


def other_tensors(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    """Other tensors under a card that names them."""

    def do(card: Path) -> None:
        weights = card.with_suffix(".safetensors")
        tensors = safetensors.torch.load_file(weights)
        change(tensors)
        safetensors.torch.save_file(tensors, weights)
        changed(sha256=sha256_file(weights))(card)

    return do


def cut(card: Path) -> None:
    weights = card.with_suffix(".safetensors")
    weights.write_bytes(weights.read_bytes()[:-100])


def flip(card: Path) -> None:
    weights = card.with_suffix(".safetensors")
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 4
    weights.write_bytes(bytes(data))


SIZES = DecoderSizes(640, 6, 10).plain()
DAMAGE: list[tuple[Callable[[Path], Any], str]] = [
    (cut, "SHA-256 differs"),
    (flip, "SHA-256 differs"),
    (lambda card: card.write_text(card.read_text()[:-30]), "cannot be read as JSON"),
    (lambda card: card.write_text("[" * 100_000), "cannot be read as JSON"),
    (lambda card: card.write_bytes(b"\xff\xfe\x00"), "cannot be read as JSON"),
    (lambda card: card.write_text("[1]"), "is no captioner's card"),
    (changed(format="other"), "is no captioner's card"),
    (changed(version=2), "is of version 2"),
    (changed(facts=..., decoder=...), "lacks decoder, facts"),
    (changed(length="9"), "length is a number"),
    (changed(vocabulary=["a"]), "the vocabulary holds no <pad>"),
    (changed(features={"name": "x"}), "a feature recipe has exactly"),
    (changed(decoder={**SIZES, "hidden": "10"}), "the size hidden is '10'"),
    (changed(decoder={**SIZES, "hidden": True}), "the size hidden is True"),
    (changed(decoder={**SIZES, "more": 1}), "sizes need exactly"),
    (changed(decoder={**SIZES, "hidden": 0}), "is no captioner"),
    (changed(decoder={**SIZES, "hidden": 11}), "of another shape"),
    (changed(decoder={**SIZES, "hidden": 1 << 40}), "of another shape|no module has the sizes"),
    (changed(decoder={**SIZES, "hidden": 1 << 70}), "no module has the sizes"),
    (changed(vocabulary=[*WORDS.plain(), "more"]), "of another shape"),
    (changed(language_model={**LanguageSizes(5, 7).plain(), "layers": 3}), "missing"),
    (changed(language_model={**LanguageSizes(5, 7).plain(), "layers": 1 << 40}), "is no language model"),
    (other_tensors(lambda tensors: tensors.pop("decoder.gate.bias")), "1 missing .gate.bias."),
    (other_tensors(lambda tensors: tensors.update({"decoder.more": torch.ones(1)})), "1 unexpected .more."),
    (other_tensors(lambda tensors: tensors["decoder.gate.bias"].fill_(float("nan"))), "holds NaN"),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGE)
def test_damage_is_refused_in_words(damage: Callable[[Path], Any], message: str, tmp_path: Path) -> None:
    card = tmp_path / "mine.json"
    save_captioner(card, captioner())
    damage(card)
    with pytest.raises(CheckpointError, match=message):
        read_captioner(card)


def test_a_card_cannot_name_a_file_elsewhere(tmp_path: Path) -> None:
    card = tmp_path / "inside" / "mine.json"
    save_captioner(card, captioner())
    card.with_suffix(".safetensors").rename(tmp_path / "mine.safetensors")
    changed(weights="../mine.safetensors")(card)
    with pytest.raises(NotFoundError, match="not beside it"):
        read_captioner(card)


def test_wrong_calls_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"NAME\.json"):
        save_captioner(tmp_path / "mine.pt", captioner())
    with pytest.raises(UsageError, match="float32 or float16"):
        save_captioner(tmp_path / "mine.json", captioner(), torch.int8)
    with pytest.raises(NotFoundError, match="no captioner card"):
        read_captioner(tmp_path / "none.json")
