"""Language models: the LSTM walks as it was trained, Kneser-Ney is its formula, and all of them are distributions."""

from __future__ import annotations

import math

import hypothesis
import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given

from dissect.caption.language import LanguageSizes, LstmLanguageModel, NgramModel
from dissect.caption.scores import ModelPrior, row_log_p, text_log_p
from dissect.caption.tokens import Vocabulary
from dissect.errors import UsageError

TEXTS = ["a red car", "a red dog", "a car", "the dog and a cat", "red", "a red car on the road"]
WORDS = Vocabulary.from_texts(TEXTS)


def lstm(layers: int = 2) -> LstmLanguageModel:
    torch.manual_seed(1)
    return LstmLanguageModel(WORDS, LanguageSizes(6, 9, layers))


@pytest.mark.parametrize("layers", [1, 2])
def test_the_lstm_gives_step_by_step_what_it_gives_at_once(layers: int) -> None:
    model = lstm(layers).eval()
    rows = WORDS.batch(["a red dog", "", "the road and the zebra"])
    at_once = model(rows).gather(2, rows[:, 1:, None]).squeeze(2)
    expected = torch.where(rows[:, 1:] == WORDS.pad, 0.0, at_once).sum(dim=1).double()
    assert torch.allclose(row_log_p(model, model.begin(3), rows), expected, atol=1e-5)
    real = int((rows[:, 1:] != WORDS.pad).sum())
    assert model.loss(rows).item() == pytest.approx(-expected.sum().item() / real, rel=1e-5)


def test_the_lstm_walks_without_dropout_and_stays_in_training() -> None:
    model = lstm().train()
    assert torch.equal(text_log_p(model, TEXTS), text_log_p(model, TEXTS)) and model.training


@hypothesis.settings(max_examples=60)
@given(st.lists(st.text(alphabet="abc ", max_size=8), max_size=6), st.integers(1, 4), st.lists(st.sampled_from("abcz"), max_size=5))
def test_n_grams_are_distributions_and_one_formula(texts: list[str], order: int, prefix: list[str]) -> None:
    words = Vocabulary.from_texts(["a b c"])
    model = NgramModel(words, texts, order)
    context = ([words.start] * order + words.encode(" ".join(prefix)))[max(0, len(prefix) + 1) :]
    context = context[len(context) - (order - 1) :] if order > 1 else []
    whole = model.distribution(tuple(context))
    assert whole.sum() == pytest.approx(1)
    assert whole[words.start] == whole[words.pad] == 0
    assert [model.probability(token, context) for token in range(len(words))] == pytest.approx(whole.tolist())


def test_kneser_ney_by_hand() -> None:
    """Texts "a b", "a b", "a c". Bigrams: start a 3, a b 2, a c 1, b stop 2, c stop 1: n1 = 2, n2 = 2, D = 2 / 6 = 1/3.
    Continuations: a 1, b 1, c 1, stop 2: n1 = 3, n2 = 1, D = 3 / 5; five tokens may follow."""
    words = Vocabulary.from_texts(["a b c"])
    model = NgramModel(words, ["a b", "a b", "a c"], 2)
    (a,), (b,), (c,) = words.encode("a"), words.encode("b"), words.encode("c")
    one = (1 - 0.6) / 5 + 0.6 * 4 / 5 / 5
    stop = (2 - 0.6) / 5 + 0.6 * 4 / 5 / 5
    unknown = 0.6 * 4 / 5 / 5
    assert model.distribution(())[[a, b, c, words.stop, words.unknown]] == pytest.approx([one, one, one, stop, unknown])
    after_a = [
        1 / 3 * 2 / 3 * one,
        (2 - 1 / 3) / 3 + 1 / 3 * 2 / 3 * one,
        (1 - 1 / 3) / 3 + 1 / 3 * 2 / 3 * one,
    ]
    assert model.distribution((a,))[[a, b, c]] == pytest.approx(after_a)
    assert model.distribution((words.unknown,)).tolist() == model.distribution(()).tolist()
    start = model.distribution((words.start,))[a]
    at_stop = model.distribution((b,))[words.stop]
    assert float(text_log_p(model, ["a b"])) == pytest.approx(math.log(start * after_a[1] * at_stop), abs=1e-5)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_n_grams_give_whole_texts_what_their_steps_give(order: int) -> None:
    model = NgramModel(WORDS, TEXTS, order)
    rows = WORDS.batch(["a red car", "", "zebra on the zebra", "red red red"])
    assert torch.allclose(model.log_p(rows), ModelPrior(model).log_p(rows), atol=1e-5)


def test_more_context_fits_the_training_text_better() -> None:
    perplexities = [-float(NgramModel(WORDS, TEXTS, order).log_p(WORDS.batch(TEXTS)).sum()) for order in (1, 2, 3)]
    assert perplexities[0] > perplexities[1] > perplexities[2]


def test_wrong_calls_are_refused() -> None:
    with pytest.raises(UsageError, match="order 0"):
        NgramModel(WORDS, TEXTS, 0)
    with pytest.raises(UsageError, match="no language model"):
        LanguageSizes(layers=0)
