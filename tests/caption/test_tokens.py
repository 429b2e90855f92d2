"""The tokeniser and its vocabulary."""

from __future__ import annotations

import json

import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from dissect.caption.tokens import SPECIAL, Vocabulary, join, split
from dissect.errors import DataError, UsageError


def test_words_numbers_and_signs_are_tokens() -> None:
    text = "Dog's heads, close-up (1,000.5 of them); NOT cats!"
    assert split(text) == ["dog's", "heads", ",", "close", "-", "up", "(", "1,000.5", "of", "them", ")", ";", "not", "cats", "!"]
    assert join(split(text)) == "dog's heads, close-up (1,000.5 of them); not cats!"


@example("İ ǰ J̌ a´ don’t snake_case 1,000 1. 5 ½ --- '")
@given(st.text())
def test_a_joined_text_cuts_into_the_same_tokens(text: str) -> None:
    tokens = split(text)
    assert split(join(tokens)) == tokens
    assert all(token and not any(sign.isspace() for sign in token) for token in tokens)


@given(st.lists(st.text(alphabet="abc -,.'"), max_size=6), st.integers(1, 3))
def test_the_vocabulary_holds_exactly_what_is_frequent_enough(texts: list[str], least: int) -> None:
    counts: dict[str, int] = {}
    for text in texts:
        for token in split(text):
            counts[token] = counts.get(token, 0) + 1
    frequent = {token for token, count in counts.items() if count >= least}
    if not frequent:
        with pytest.raises(DataError, match="no word occurs"):
            Vocabulary.from_texts(texts, least)
        return
    vocabulary = Vocabulary.from_texts(texts, least)
    assert set(vocabulary.tokens) == frequent | set(SPECIAL)
    ordered = [counts[token] for token in vocabulary.tokens[len(SPECIAL) :]]
    assert ordered == sorted(ordered, reverse=True)
    assert Vocabulary.from_plain(json.loads(json.dumps(vocabulary.plain()))) == vocabulary
    for text in texts:
        if all(token in frequent for token in split(text)):
            assert vocabulary.decode(vocabulary.encode(text)) == join(split(text))


def test_the_typographers_apostrophe_is_one() -> None:
    assert split("the dog’s") == split("the dog's")


def test_unknown_words_are_kept_as_unknown_and_shown_as_such() -> None:
    vocabulary = Vocabulary.from_texts(["a red dog"])
    numbers = vocabulary.encode("a green dog")
    assert numbers[1] == vocabulary.unknown and vocabulary.decode(numbers) == "a ... dog"


def test_batches_have_start_stop_and_pad_and_respect_the_length() -> None:
    vocabulary = Vocabulary.from_texts(["a red dog"])
    rows = vocabulary.batch(["a dog", "", "red red red red"], length=3)
    assert rows.shape == (3, 5)
    a, dog, red = vocabulary.encode("a dog red")
    assert rows[0].tolist() == [vocabulary.start, a, dog, vocabulary.stop, vocabulary.pad]
    assert rows[1].tolist() == [vocabulary.start, vocabulary.stop, vocabulary.pad, vocabulary.pad, vocabulary.pad]
    assert rows[2].tolist() == [vocabulary.start, red, red, red, vocabulary.stop]
    assert [vocabulary.decode(row.tolist()) for row in rows] == ["a dog", "", "red red red"]


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ({"a": 1}, "no list of strings"),
        (["a", 3], "no list of strings"),
        ([*SPECIAL, "a", "a"], "'a' twice"),
        ([*SPECIAL, ""], "an empty token"),
        (["<start>", "<stop>", "<unk>", "a"], "no <pad>"),
    ],
)
def test_a_broken_vocabulary_is_refused(plain: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Vocabulary.from_plain(plain)


def test_wrong_calls_are_refused() -> None:
    with pytest.raises(UsageError, match="least count is 0"):
        Vocabulary.from_texts(["a"], 0)
    with pytest.raises(UsageError, match="token 99 is outside a vocabulary of 5"):
        Vocabulary.from_texts(["a"]).decode([99])
