"""BLEU and F1 by hand."""

from __future__ import annotations

import math

import pytest

from dissect.caption.metrics import best_f1, bleu, token_f1
from dissect.errors import UsageError


def test_bleu_by_hand() -> None:
    """The cat example of the paper: seven times "the" against two references with it twice at most."""
    references = ["The cat is on the mat", "There is a cat on the mat"]
    assert bleu(["the the the the the the the"], [references], order=1) == pytest.approx(2 / 7)
    assert bleu(["the cat the mat"], [references], order=2) == pytest.approx(math.exp(1 - 6 / 4) * math.sqrt(2 / 3))
    assert bleu(["there is a cat on the mat"], [references]) == pytest.approx(1)
    assert bleu(["a dog"], [references]) == 0


def test_bleu_sums_counts_over_the_corpus() -> None:
    assert bleu(["a b", "c d e"], [["a x"], ["c d e"]], order=1) == pytest.approx(4 / 5)


def test_the_nearest_reference_counts_for_brevity_the_shorter_of_equals() -> None:
    assert bleu(["a b c"], [["a b", "a b c d"]], order=1) == pytest.approx(1)
    assert bleu(["a b c d"], [["a", "a b c d e"]], order=1) == pytest.approx(math.exp(1 - 5 / 4))
    assert bleu(["a b c"], [["a b c d", "a b c d e"]], order=1) == pytest.approx(math.exp(1 - 4 / 3))


def test_f1_by_hand() -> None:
    assert token_f1("a red red car", "red car") == pytest.approx(2 * 2 / 6)
    assert token_f1("", "") == 1 and token_f1("a", "") == 0
    assert best_f1("red car", ["dog", "a red car"]) == pytest.approx(0.8)


def test_wrong_calls_are_refused() -> None:
    wrong: list[tuple[list[str], list[list[str]]]] = [([], []), (["a"], [[]]), (["a"], [])]
    for candidates, references in wrong:
        with pytest.raises(UsageError, match="BLEU needs"):
            bleu(candidates, references)
    with pytest.raises(UsageError, match="F1 needs"):
        best_f1("a", [])
