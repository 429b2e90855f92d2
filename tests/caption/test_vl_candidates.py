"""Lists of phrases, names of concepts and pooled proposals."""

from __future__ import annotations

from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from dissect.caption.vl_candidates import concept_phrases, list_hash, pooled, read_phrases
from dissect.errors import DataError, NotFoundError


def test_phrases_are_lines_each_once_in_order(tmp_path: Path) -> None:
    file = tmp_path / "phrases.txt"
    file.write_bytes("\ufeffred car\r\n\n# a remark\n a   tree \nred car\nWörter\n".encode())
    assert read_phrases(file) == ("red car", "a tree", "Wörter")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no phrase"),
        (b"# nothing\n\n", "holds no phrase"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"a\n" + b"x" * 600, "line 2: 600 characters"),
        (b"a\0b", "line 1"),
    ],
)
def test_a_file_that_is_no_list_is_refused_by_name(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "odd.txt"
    file.write_bytes(content)
    with pytest.raises(DataError, match=rf"odd\.txt.*{message}"):
        read_phrases(file)


def test_a_file_that_is_not_there_says_what_may_be_given(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"one phrase a line, captioner or vocabulary"):
        read_phrases(tmp_path / "none.txt")


def test_names_of_concepts_are_written_as_people_do() -> None:
    names = ("Traffic_Light", "street-s", "red-c", "Car", "car", " tennis  court ", "t-shirt", "")
    assert concept_phrases(names) == ("traffic light", "street", "red", "car", "tennis court", "t-shirt")


@given(st.lists(st.lists(st.sampled_from("abcdef"), max_size=5), max_size=6), st.integers(1, 7))
def test_pooled_puts_texts_of_most_pictures_first(proposed: list[list[str]], most: int) -> None:
    found = pooled(proposed, most)
    texts = list(dict.fromkeys(text for each in proposed for text in each))
    votes = {text: sum(text in each for each in proposed) for text in texts}
    best = {text: min(list(dict.fromkeys(each)).index(text) for each in proposed if text in each) for text in texts}
    assert list(found) == sorted(texts, key=lambda text: (-votes[text], best[text], texts.index(text)))[:most]


def test_another_order_is_another_list() -> None:
    assert list_hash(("a", "b")) != list_hash(("b", "a")) and list_hash(("a", "b")) == list_hash(["a", "b"])
