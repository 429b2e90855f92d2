"""Agreement and prediction by hand, and on what people really wrote."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dissect.caption.human import agreement, chance_agreement, predict
from dissect.caption.language import LanguageSizes
from dissect.caption.milannotations import read_annotations
from dissect.caption.training import Training, split_units
from dissect.errors import DataError

FILE = "data/human_annotations/MILANNOTATIONS_resnet152_imagenet.csv"


def test_agreement_by_hand() -> None:
    found = agreement([["red car", "Red car", "a dog"]])
    assert found.texts == 3
    assert found.exact == pytest.approx(2 / 3)
    assert found.best_f1 == pytest.approx(2 / 3)
    assert found.mean_f1 == pytest.approx((0.5 + 0.5 + 0) / 3)
    assert found.bleu == pytest.approx((4 / 6, (4 / 6 * 2 / 3) ** 0.5, 0, 0))
    same = agreement([["a b c d e"] * 3])
    assert (same.bleu[3], same.exact, same.best_f1) == pytest.approx((1, 1, 1))


def test_chance_never_compares_a_unit_with_itself() -> None:
    for seed in range(10):
        texts = [[word] * 3 for word in ("one", "two", "three", "four", "five", "six")]
        found = chance_agreement(texts, seed)
        assert found.exact == found.best_f1 == 0 and found.texts == 18
    assert chance_agreement([["a b", "a b"]] * 3).exact == 1


def test_models_see_only_their_side() -> None:
    texts = [["a red car", "a red car"]] * 8 + [["zebra zebra zebra"]]
    found = predict(texts, (np.arange(8), np.array([8])), groups=["a"] * 8 + ["z"], least=2)
    assert found.unknown == 1 and found.vocabulary == 3 + 4
    assert (found.train_texts, found.held_out_texts, found.log) == (16, 1, None)
    assert found.by_group == {"z": found.perplexity}
    assert found.perplexity["uniform"] == 5 and found.perplexity["unigram"] > 5
    seen = predict(texts, (np.arange(7), np.array([7])))
    assert seen.perplexity["trigram"] < seen.perplexity["bigram"] + 1e-9 < seen.perplexity["unigram"] < 5


def test_the_lstm_stops_by_training_units_and_is_measured_on_the_others() -> None:
    texts = [[f"a {colour} car", f"the {colour} car"] for colour in ("red", "blue", "green") * 10]
    how = Training(batch=16, epochs=12, rate=0.02, held_out=0.2)
    found = predict(texts, (np.arange(24), np.arange(24, 30)), lstm=LanguageSizes(8, 16, 1), how=how)
    assert found.log is not None and set(found.log.train_units) | set(found.log.held_out_units) == set(range(24))
    assert found.perplexity["lstm"] < 0.6 * found.perplexity["unigram"]


def test_wrong_calls_are_refused() -> None:
    with pytest.raises(DataError, match="two texts or more"):
        agreement([["a"]])
    with pytest.raises(DataError, match="two units or more"):
        chance_agreement([["a", "b"]])
    with pytest.raises(DataError, match="has no text"):
        predict([["a a"], []], (np.array([0]), np.array([1])))


@pytest.mark.shared
def test_what_people_wrote_is_read_whole_and_they_agree_more_than_by_chance(shared: Path) -> None:
    notes = read_annotations(shared / FILE, each=3)
    assert len(notes) == 3904 and sum(map(len, notes.texts)) == 11_712
    assert notes.layers == ("conv1", "layer1", "layer2", "layer3", "layer4")
    assert [unit for layer, unit in notes.units if layer == "layer4"] == list(range(2048))
    assert "skin of white people" in notes.texts[notes.units.index(("layer3", 693))]
    some = notes.texts[::8]
    same, chance = agreement(some), chance_agreement(some)
    assert same.best_f1 > 1.5 * chance.best_f1 and same.bleu[1] > 1.3 * chance.bleu[1] and same.exact < 0.1


@pytest.mark.shared
def test_context_helps_to_predict_what_people_wrote_about_units_never_seen(shared: Path) -> None:
    notes = read_annotations(shared / FILE, each=3)
    found = predict(notes.texts, split_units(len(notes), 0.1, 0), groups=[layer for layer, _ in notes.units])
    names = ("trigram", "bigram", "unigram", "uniform")
    values = [found.perplexity[name] for name in names]
    assert values == sorted(values) and found.perplexity["bigram"] < 0.6 * found.perplexity["unigram"]
    assert found.unknown < 0.05 and set(found.by_group) == set(notes.layers)
