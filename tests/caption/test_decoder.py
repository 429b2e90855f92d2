"""The captioner against its formulas written again in NumPy, its loss, and its independence of batches, pads and absent keys."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from dissect.caption.decoder import CaptionDecoder, DecoderSizes
from dissect.caption.decoding import Decoding, Strategy, describe
from dissect.caption.features import Keys
from dissect.caption.language import LanguageSizes, LstmLanguageModel
from dissect.caption.scores import caption_log_p
from dissect.caption.tokens import Vocabulary
from dissect.errors import ShapeError, UsageError

WORDS = Vocabulary.from_texts(["red blue cars dogs on the road near a tall green tree"])
SIZES = DecoderSizes(features=6, embedding=5, hidden=7, attention=4)


def decoder(seed: int = 0, sizes: DecoderSizes = SIZES, scale: float = 3.0) -> CaptionDecoder:
    """A captioner whose words differ clearly in probability."""
    torch.manual_seed(seed)
    model = CaptionDecoder(WORDS, sizes)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(scale)
    return model.eval()


def some_keys(units: int, k: int = 4, seed: int = 0, features: int = 6) -> Keys:
    """Random keys, about a third of them absent."""
    random = np.random.default_rng(seed)
    present = random.random((units, k)) < 0.7
    values = random.normal(size=(units, k, features)).astype(np.float32)
    return Keys(np.where(present[:, :, None], values, np.float32(0)), present)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-x)))


def plain(model: CaptionDecoder, keys: np.ndarray, tokens: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities and attention of one unit whose keys (k, F) are all there, from the formulas."""
    p = {name: value.detach().double().numpy() for name, value in model.named_parameters()}

    def linear(name: str, x: np.ndarray) -> np.ndarray:
        return np.asarray(x @ p[f"{name}.weight"].T + p[f"{name}.bias"])

    mean = keys.mean(axis=0)
    h, c = np.tanh(linear("first_hidden", mean)), np.tanh(linear("first_cell", mean))
    log_p, attention = [], []
    for token in tokens:
        energy = np.array([linear("energy", np.tanh(linear("query", h) + linear("key", key)))[0] for key in keys])
        alpha = np.exp(energy) / np.exp(energy).sum()
        context = sigmoid(linear("gate", h)) * (alpha[:, None] * keys).sum(axis=0)
        x = np.concatenate([p["embedding.weight"][token], context])
        gates = x @ p["cell.weight_ih"].T + p["cell.bias_ih"] + h @ p["cell.weight_hh"].T + p["cell.bias_hh"]
        i, f, g, o = np.split(gates, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        logits = linear("output", h)
        log_p.append(logits - np.log(np.exp(logits).sum()))
        attention.append(alpha)
    return np.array(log_p), np.array(attention)


@pytest.mark.parametrize("seed", range(5))
def test_the_captioner_is_its_formulas(seed: int) -> None:
    model = decoder(seed)
    keys = np.random.default_rng(seed).normal(size=(4, 6)).astype(np.float32)
    row = WORDS.batch(["a red dogs near the tree"])
    log_p, attention = model(torch.from_numpy(keys)[None], torch.ones(1, 4, dtype=torch.bool), row)
    expected = plain(model, keys.astype(np.float64), row[0, :-1].tolist())
    assert np.allclose(log_p[0].detach().numpy(), expected[0], atol=1e-4)
    assert np.allclose(attention[0].detach().numpy(), expected[1], atol=1e-5)
    bound = model.over(Keys(keys[None], np.ones((1, 4), bool)))
    total = caption_log_p(bound, torch.tensor([0]), row)
    words = row[0, 1:].tolist()
    assert float(total) == pytest.approx(expected[0][np.arange(len(words)), words].sum(), abs=1e-3)


def test_the_loss_is_its_formula_and_pad_costs_nothing() -> None:
    model, keys = decoder(1), some_keys(3)
    values, present = torch.from_numpy(keys.values), torch.from_numpy(keys.present)
    rows = WORDS.batch(["a red tree", "dogs", ""])
    nll, count, spread = 0.0, 0, []
    for unit in range(3):
        there = keys.values[unit][keys.present[unit]].astype(np.float64)
        words = [token for token in rows[unit].tolist() if token != WORDS.pad]
        log_p, attention = plain(model, there, words[:-1])
        nll -= log_p[np.arange(len(words) - 1), words[1:]].sum()
        count += len(words) - 1
        spread += ((1 - attention.sum(axis=0)) ** 2).tolist()
    expected = nll / count + 0.5 * np.mean(spread)
    assert model.loss(values, present, rows, 0.5).item() == pytest.approx(expected, rel=1e-4)
    wide = functional.pad(rows, (0, 5), value=WORDS.pad)
    assert model.loss(values, present, wide, 0.5).item() == pytest.approx(expected, rel=1e-4)


def test_dropout_belongs_to_training_only() -> None:
    model, keys = decoder(2), some_keys(2)
    arguments = (torch.from_numpy(keys.values), torch.from_numpy(keys.present), WORDS.batch(["a red tree", "dogs"]))
    assert model.loss(*arguments).item() == model.loss(*arguments).item()
    model.train()
    assert model.loss(*arguments).item() != model.loss(*arguments).item()
    assert describe(model.over(keys), None, Decoding("beam", 4, 3)) == describe(model.over(keys), None, Decoding("beam", 4, 3))


def test_absent_keys_change_nothing_and_a_unit_without_keys_is_described() -> None:
    model, keys = decoder(3), some_keys(1, k=2, seed=1)
    keys.present[:] = True
    wider = Keys(np.concatenate([keys.values, np.full((1, 3, 6), 9, np.float32)], axis=1), np.array([[True, True, False, False, False]]))
    how = Decoding("beam", 5, 6)
    first, second = describe(model.over(keys), None, how)[0], describe(model.over(wider), None, how)[0]
    assert [d.tokens for d in first] == [d.tokens for d in second]
    assert [d.log_p_given for d in first] == pytest.approx([d.log_p_given for d in second], abs=1e-5)
    nothing = Keys(np.full((1, 2, 6), 9, np.float32), np.zeros((1, 2), bool))
    zeros = Keys(np.zeros((1, 2, 6), np.float32), np.zeros((1, 2), bool))
    assert describe(model.over(nothing), None, how) == describe(model.over(zeros), None, how)
    assert describe(model.over(Keys(np.zeros((0, 2, 6), np.float32), np.zeros((0, 2), bool))), None, how) == []


@pytest.mark.parametrize("strategy", ["greedy", "sample", "beam", "rerank", "stepwise"])
def test_the_batch_moves_no_log_probability_by_1e_5(strategy: Strategy) -> None:
    model = decoder(4, DecoderSizes(features=40, embedding=32, hidden=64), scale=2.0)
    torch.manual_seed(9)
    language = LstmLanguageModel(WORDS, LanguageSizes(16, 32, 2))
    bound = model.over(some_keys(23, k=15, features=40))
    runs = [describe(bound, language, Decoding(strategy, 6, 9, batch=batch)) for batch in (1, 4, 23)]
    for other in runs[1:]:
        for first, second in zip(runs[0], other, strict=True):
            assert [d.tokens for d in first] == [d.tokens for d in second]
            for name in ("log_p_given", "log_p", "pmi"):
                assert [getattr(d, name) for d in first] == pytest.approx([getattr(d, name) for d in second], abs=1e-5)


def test_the_searched_log_probability_is_that_of_the_text() -> None:
    bound = decoder(5).over(some_keys(3))
    torch.manual_seed(1)
    language = LstmLanguageModel(WORDS, LanguageSizes(8, 16, 2))
    for unit, found in enumerate(describe(bound, language, Decoding("rerank", 5, 8))):
        rows = WORDS.rows([d.tokens for d in found])
        again = caption_log_p(bound, torch.full((len(found),), unit), rows)
        assert [d.log_p_given for d in found] == pytest.approx(again.tolist(), abs=1e-5)
    mixed = caption_log_p(bound, torch.tensor([2, 0, 2, 1]), WORDS.batch(["a", "a", "red a", "a"]))
    alone = [caption_log_p(bound, torch.tensor([unit]), WORDS.batch([text])) for unit, text in ((2, "a"), (0, "a"), (2, "red a"), (1, "a"))]
    assert torch.allclose(mixed, torch.cat(alone), atol=1e-5)


def test_the_attention_is_as_wide_as_published_unless_told() -> None:
    assert DecoderSizes(3904).attended == 512 and DecoderSizes(100).attended == 100 and DecoderSizes(100, attention=7).attended == 7


def test_wrong_calls_are_refused() -> None:
    with pytest.raises(ShapeError, match="keys of 5 features for a captioner of 6"):
        decoder().over(some_keys(1, features=5))
    with pytest.raises(UsageError, match="no captioner"):
        DecoderSizes(0)
    with pytest.raises(UsageError, match="no captioner"):
        DecoderSizes(4, dropout=1)
