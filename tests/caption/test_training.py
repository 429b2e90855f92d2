"""Training: it learns, stops, puts the best weights back, keeps units apart, and follows its seed."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from dissect.caption import training
from dissect.caption.decoder import DecoderSizes
from dissect.caption.decoding import Decoding, describe
from dissect.caption.features import Keys
from dissect.caption.language import LanguageSizes, NgramModel
from dissect.caption.scores import text_log_p
from dissect.caption.tokens import Vocabulary
from dissect.caption.training import Training, TrainingLog, perplexity, split_units, train_captioner, train_language_model
from dissect.errors import DataError, UsageError

THINGS = ("red cars", "green trees", "a dog", "the road")
WORDS = Vocabulary.from_texts(THINGS)
SMALL = LanguageSizes(8, 16, 2, 0.1)


def world(units: int = 40, seed: int = 0) -> tuple[Keys, list[list[str]]]:
    """Units whose keys say which of four things they show; two texts each."""
    random = np.random.default_rng(seed)
    thing = random.integers(0, 4, units)
    values = random.normal(0, 0.1, (units, 3, 4)).astype(np.float32)
    values[np.arange(units), :, thing] += 1
    return Keys(values, np.ones((units, 3), bool)), [[THINGS[t]] * 2 for t in thing]


def held_out_loss(log: TrainingLog, model: torch.nn.Module, texts: list[list[str]]) -> float:
    chosen = [text for unit in log.held_out_units for text in texts[unit]]
    return math.log(perplexity(model, chosen, WORDS))  # type: ignore[arg-type]


def test_the_captioner_learns_and_generalises_to_held_out_units() -> None:
    keys, texts = world()
    how = Training(batch=16, epochs=15, rate=0.03, seed=1)
    model, log = train_captioner(keys, texts, WORDS, DecoderSizes(4, 8, 16), how, bleu_units=4)
    held = list(log.held_out_units)
    found = describe(model.over(Keys(keys.values[held], keys.present[held])), None, Decoding("greedy", 5))
    assert [each[0].text for each in found] == [texts[unit][0] for unit in held]
    best = log.epochs[log.best]
    assert best.held_out < 0.3 and log.epochs[0].held_out > 1 and best.bleu is not None
    assert log.plain()["held_out_perplexity"] == pytest.approx(math.exp(best.held_out))
    assert not model.training


UNLIKE = [["red cars"], ["green trees"], ["red cars"], ["green trees"], ["a dog the road"], ["the road"]]
"""Who learns the first four gets worse at the last two."""
SIDES = (np.arange(4), np.arange(4, 6))
WILD = Training(batch=2, epochs=15, patience=3, rate=0.05)


@pytest.mark.parametrize("seed", range(3))
def test_the_weights_put_back_are_those_of_the_best_epoch(seed: int) -> None:
    model, log = train_language_model(UNLIKE, WORDS, SMALL, replace(WILD, seed=seed), split=SIDES)
    losses = [epoch.held_out for epoch in log.epochs]
    assert log.best == int(np.argmin(losses)) and losses[-1] > losses[log.best] + 0.01
    assert held_out_loss(log, model, UNLIKE) == pytest.approx(losses[log.best], abs=1e-5)
    assert len(losses) == min(WILD.epochs, log.best + 1 + WILD.patience)


def test_a_restore_without_a_copy_is_what_the_test_above_would_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "_copied", lambda model: model.state_dict())
    model, log = train_language_model(UNLIKE, WORDS, SMALL, WILD, split=SIDES)
    assert abs(held_out_loss(log, model, UNLIKE) - log.epochs[log.best].held_out) > 0.01


def test_the_same_seed_gives_the_same_weights_and_leaves_the_global_one_alone() -> None:
    keys, texts = world(12)
    how = Training(batch=8, epochs=2, seed=5)
    state = torch.get_rng_state()
    runs = [train_captioner(keys, texts, WORDS, DecoderSizes(4, 8, 16), each) for each in (how, how, Training(batch=8, epochs=2, seed=6))]
    assert torch.equal(torch.get_rng_state(), state)
    flat = [torch.cat([p.detach().flatten() for p in model.parameters()]) for model, _ in runs]
    assert torch.equal(flat[0], flat[1]) and not torch.equal(flat[0], flat[2])
    assert runs[0][1] == runs[1][1]


def test_units_and_groups_are_never_on_both_sides() -> None:
    for seed in range(20):
        groups = [f"net{unit % 7}" for unit in range(50)]
        train, held = split_units(50, 0.2, seed, groups)
        assert sorted([*train, *held]) == list(range(50))
        assert not {groups[unit] for unit in train} & {groups[unit] for unit in held}
        train, held = split_units(50, 0.1, seed)
        assert len(held) == 5 and not set(train) & set(held)
    assert [len(side) for side in split_units(2, 0.01, 0)] == [1, 1]
    assert [len(side) for side in split_units(2, 0.99, 0)] == [1, 1]
    assert not np.array_equal(split_units(50, 0.1, 0)[1], split_units(50, 0.1, 1)[1])


def test_a_given_split_is_kept() -> None:
    _, texts = world(10)
    sides = (np.arange(3, 10), np.arange(3))
    _, log = train_language_model(texts, WORDS, SMALL, Training(batch=4, epochs=1), split=sides)
    assert log.held_out_units == (0, 1, 2) and log.train_units == tuple(range(3, 10))


def test_the_loss_does_not_depend_on_how_held_out_texts_fall_into_batches() -> None:
    _, texts = world(12)
    logs = [train_language_model(texts, WORDS, SMALL, Training(batch=batch, epochs=1, rate=1e-9, held_out=0.5))[1] for batch in (1, 5, 100)]
    assert logs[0].epochs[0].held_out == pytest.approx(logs[1].epochs[0].held_out, abs=1e-5)
    assert logs[0].epochs[0].held_out == pytest.approx(logs[2].epochs[0].held_out, abs=1e-5)


def test_perplexity_is_per_word_and_stop() -> None:
    model = NgramModel(WORDS, THINGS, 2)
    total = float(text_log_p(model, ["red cars", "a"]).sum())
    assert perplexity(model, ["red cars", "a"], WORDS) == pytest.approx(math.exp(-total / 5))


class Told:
    """A progress that remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def start(self, step: str, total: int, unit: str = "image") -> None:
        self.lines.append(f"{step} {total} {unit}")

    def advance(self, n: int = 1) -> None:
        self.lines.append(str(n))

    def done(self) -> None:
        self.lines.append("done")


def test_progress_is_told() -> None:
    told = Told()
    train_language_model(world(6)[1], WORDS, SMALL, Training(epochs=2), progress=told)
    assert told.lines == ["train language model 2 epoch", "1", "1", "done"]


def test_wrong_calls_are_refused() -> None:
    keys, texts = world(6)
    with pytest.raises(DataError, match="keys of 6 units, but texts of 5"):
        train_captioner(keys, texts[:5], WORDS)
    with pytest.raises(DataError, match="has no text"):
        train_language_model([["a"], []], WORDS, SMALL, split=(np.array([0]), np.array([1])))
    with pytest.raises(DataError, match="perplexity of no text"):
        perplexity(NgramModel(WORDS, THINGS, 1), [], WORDS)
    with pytest.raises(DataError, match="left the finite numbers"):
        train_language_model(texts, WORDS, SMALL, Training(batch=2, rate=1e30, epochs=5))
    with pytest.raises(UsageError, match="cannot be split"):
        split_units(5, 0.1, 0, ["one"] * 5)
    with pytest.raises(UsageError, match="2 groups for 3 units"):
        split_units(3, 0.1, 0, ["a", "b"])
    with pytest.raises(UsageError, match="1 or more"):
        Training(batch=0)
    with pytest.raises(UsageError, match="between 0 and 1"):
        Training(held_out=1)
