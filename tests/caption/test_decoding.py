"""Decoding against exhaustive search and a plain beam on small vocabularies, and what each strategy promises."""

from __future__ import annotations

import math
from collections import Counter

import hypothesis
import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given

from dissect.caption.decoding import Decoding, Strategy, describe
from dissect.caption.scores import Marginal, ModelPrior, State, caption_log_p, pmi, row_log_p, text_log_p
from dissect.errors import UsageError
from tests.caption.tables import Table, distribution, every_description, plain_beam, small

ALL = 400
"""More than all descriptions of the vocabularies below."""

SEARCHES: tuple[Strategy, ...] = ("beam", "rerank", "stepwise")
few = hypothesis.settings(max_examples=80)
"""Exhaustive search over hundreds of descriptions takes its time."""


@few
@given(st.integers(0, 999), st.integers(1, 4), st.integers(1, 3), st.floats(0, 2))
def test_a_wide_beam_and_its_rerank_equal_exhaustive_search(seed: int, words: int, length: int, weight: float) -> None:
    vocabulary = small(words)
    captioner, model = Table(vocabulary, seed, units=2), Table(vocabulary, seed + 1)
    found = {name: describe(captioner, model, Decoding(name, length, ALL, weight, kept=3)) for name in SEARCHES}
    for unit in range(2):
        plain = [(captioner.log_p_of(d, unit), model.log_p_of(d), d) for d in every_description(vocabulary, length)]
        by_p = sorted(plain, key=lambda row: -row[0])
        by_pmi = sorted(plain, key=lambda row: -(row[0] - weight * row[1]))
        for name, expected in zip(SEARCHES, (by_p, by_pmi, by_pmi), strict=True):
            mine = found[name][unit]
            assert len(mine) == min(3, len(plain))
            for description, (log_p_given, log_p, tokens) in zip(mine, expected, strict=False):
                assert description.tokens == tokens
                assert description.log_p_given == pytest.approx(log_p_given, abs=1e-5)
                assert description.log_p == pytest.approx(log_p, abs=1e-5)
                assert description.pmi == pytest.approx(log_p_given - weight * log_p, abs=1e-5)


@few
@given(st.integers(0, 999), st.integers(1, 5), st.integers(1, 4), st.integers(1, 6))
def test_a_narrow_beam_equals_a_plain_one(seed: int, words: int, length: int, width: int) -> None:
    vocabulary = small(words)
    captioner, model = Table(vocabulary, seed, units=3), Table(vocabulary, seed + 1)

    def given_p(prefix: tuple[int, ...], token: int) -> float:
        return float(distribution(seed, 1, prefix, len(vocabulary))[token])

    def both(prefix: tuple[int, ...], token: int) -> float:
        return given_p(prefix, token) - 0.7 * float(distribution(seed + 1, 0, prefix, len(vocabulary))[token])

    for strategy, value, wide in (("beam", given_p, width), ("greedy", given_p, 1), ("stepwise", both, width)):
        how = Decoding(strategy, length, wide, 0.7, kept=wide)  # type: ignore[arg-type]
        mine = describe(captioner, model, how)[1]
        expected = plain_beam(vocabulary, value, wide, length)
        assert [d.tokens for d in mine] == [tokens for _, tokens in expected]
        scores = [d.pmi if strategy == "stepwise" else d.log_p_given for d in mine]
        assert scores == pytest.approx([score for score, _ in expected], abs=1e-5)


def test_rerank_orders_the_beam_and_nothing_else() -> None:
    vocabulary = small(5)
    captioner, model = Table(vocabulary, 5, units=4), Table(vocabulary, 6)
    beam = describe(captioner, model, Decoding("beam", 4, 7, 0.9, kept=7))
    reranked = describe(captioner, model, Decoding("rerank", 4, 7, 0.9, kept=7))
    for first, second in zip(beam, reranked, strict=True):
        assert list(second) == sorted(first, key=lambda d: -(d.pmi or 0.0))
    assert any(first != second for first, second in zip(beam, reranked, strict=True))


@pytest.mark.parametrize("strategy", ["greedy", "sample", "beam", "rerank", "stepwise"])
def test_the_batch_changes_no_description(strategy: Strategy) -> None:
    vocabulary = small(4)
    captioner, model = Table(vocabulary, 8, units=7), Table(vocabulary, 9)
    results = [describe(captioner, model, Decoding(strategy, 4, 6, batch=batch)) for batch in (1, 3, 7, 50)]
    assert all(result == results[0] for result in results)
    assert len(results[0]) == 7


def test_samples_follow_the_distribution_and_the_seed() -> None:
    vocabulary = small(2)
    captioner = Table(vocabulary, 3)
    how = Decoding("sample", 1, 4000, kept=3, seed=1)
    usable = [vocabulary.stop, *vocabulary.encode("a b")]
    first = distribution(3, 0, (vocabulary.start,), len(vocabulary))[usable].softmax(0)
    counted = Counter[tuple[int, ...]]()
    for seed in range(300):
        counted[describe(captioner, None, Decoding("sample", 1, 1, seed=seed))[0][0].tokens] += 1
    for share, tokens in zip(first.tolist(), [(), (usable[1],), (usable[2],)], strict=True):
        assert abs(counted[tokens] / 300 - share) < 4 * math.sqrt(share * (1 - share) / 300)
    assert {d.tokens for d in describe(captioner, None, how)[0]} == {(), (usable[1],), (usable[2],)}
    again = [describe(captioner, None, Decoding("sample", 3, 5, kept=5, seed=seed)) for seed in (1, 1, 2)]
    assert again[0] == again[1] != again[2]
    for d in again[0][0]:
        assert d.log_p_given == pytest.approx(captioner.log_p_of(d.tokens), abs=1e-5)
        assert d.pmi is None and d.log_p is None


class Alike(Table):
    """All units have the distributions of unit 0."""

    def begin(self, units: torch.Tensor | int) -> State:
        return super().begin(units if isinstance(units, int) else len(units))


def test_units_that_are_alike_draw_different_samples() -> None:
    found = describe(Alike(small(5), 3, units=8), None, Decoding("sample", 5, 1))
    assert len({each[0].tokens for each in found}) > 2


def test_a_low_temperature_draws_what_greedy_takes() -> None:
    vocabulary = small(5)
    captioner = Table(vocabulary, 12, units=5)
    cold = describe(captioner, None, Decoding("sample", 4, 1, temperature=1e-3))
    assert [d[0].tokens for d in cold] == [d[0].tokens for d in describe(captioner, None, Decoding("greedy", 4))]


def test_descriptions_are_never_longer_than_the_limit_and_their_stop_is_counted() -> None:
    vocabulary = small(6)
    captioner = Table(vocabulary, 21, units=20)
    for length in (1, 2, 5):
        found = describe(captioner, None, Decoding("beam", length, 10))
        longest = max(len(d.tokens) for each in found for d in each)
        assert longest == length
        for unit, each in enumerate(found):
            for d in each:
                assert d.log_p_given == pytest.approx(captioner.log_p_of(d.tokens, unit), abs=1e-5)


def test_unknown_words_cost_what_the_model_says_and_are_never_written() -> None:
    vocabulary = small(3)
    model = Table(vocabulary, 4)
    unknown, a = vocabulary.unknown, vocabulary.encode("a")[0]
    assert text_log_p(model, ["a zebra a", ""]).tolist() == pytest.approx([model.log_p_of((a, unknown, a)), model.log_p_of(())], abs=1e-5)
    for seed in range(20):
        for d in describe(Table(vocabulary, seed), None, Decoding("beam", 3, 20, kept=20))[0]:
            assert not set(d.tokens) & {unknown, vocabulary.pad, vocabulary.start}


def test_log_p_of_given_texts_by_unit_and_marginal() -> None:
    vocabulary = small(3)
    captioner = Table(vocabulary, 11, units=3)
    texts = ["a b", "c", "", "a a a"]
    rows = vocabulary.batch(texts)
    by_unit = torch.stack([caption_log_p(captioner, torch.full((4,), unit), rows) for unit in range(3)])
    for unit in range(3):
        plain = [captioner.log_p_of(tuple(vocabulary.encode(text)), unit) for text in texts]
        assert by_unit[unit].tolist() == pytest.approx(plain, abs=1e-5)
    mean = by_unit.exp().mean(dim=0).log()
    assert torch.allclose(Marginal(captioner, rows_together=3).log_p(rows), mean)
    assert torch.allclose(pmi(by_unit[0], mean, 0.5), by_unit[0] - mean / 2)
    described = describe(captioner, Marginal(captioner), Decoding("rerank", 2, ALL))
    assert described[0][0].log_p == pytest.approx(
        float(
            torch.stack([caption_log_p(captioner, torch.tensor([u]), vocabulary.rows([described[0][0].tokens])) for u in range(3)])
            .exp()
            .mean()
            .log()
        ),
        abs=1e-5,
    )


def test_pad_columns_and_pass_sizes_change_no_log_p() -> None:
    model = Table(small(3), 2)
    rows = model.vocabulary.batch(["a b c", "a", "b"])
    wide = torch.nn.functional.pad(rows, (0, 4), value=model.vocabulary.pad)
    expected = row_log_p(model, model.begin(3), rows)
    assert torch.equal(row_log_p(model, model.begin(3), wide), expected)
    assert torch.equal(ModelPrior(model, rows_together=2).log_p(rows), expected)
    assert ModelPrior(model).log_p(rows[:0]).shape == (0,)


def test_progress_is_told() -> None:
    told: list[int] = []
    describe(Table(small(2), 1, units=5), None, Decoding("greedy", batch=2), advance=told.append)
    assert told == [2, 2, 1]


def test_wrong_calls_are_refused() -> None:
    captioner = Table(small(3), 1, units=2)
    rows = captioner.vocabulary.batch(["a"])
    with pytest.raises(UsageError, match="needs log p"):
        describe(captioner, None, Decoding("rerank"))
    with pytest.raises(UsageError, match="different vocabularies"):
        describe(captioner, Table(small(4), 2), Decoding("beam"))
    with pytest.raises(UsageError, match="every next word"):
        describe(captioner, Marginal(captioner), Decoding("stepwise"))
    with pytest.raises(UsageError, match="no decoding strategy"):
        Decoding("best")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="beam is 0"):
        Decoding(beam=0)
    with pytest.raises(UsageError, match="temperature is 0"):
        Decoding(temperature=0)
    with pytest.raises(UsageError, match="unit 2 asked of a captioner of 2"):
        caption_log_p(captioner, torch.tensor([2]), rows)
    with pytest.raises(UsageError, match="2 units for 1"):
        caption_log_p(captioner, torch.tensor([0, 1]), rows)
