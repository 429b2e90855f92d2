"""Words of a lexicon in texts: by listed form, as whole words, and anywhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissect.audit.lexicon import Lexicon, cut, lexicon, names, read
from dissect.errors import CardError, NotFoundError

FACES = lexicon("faces")
SMALL = Lexicon("small", {"a": {"face": ("faces",), "dark skin": ("darker skin",)}, "b": {"face": ()}}, ("clock face",))
WORDS = st.lists(st.sampled_from(["face", "faces", "surface", "clock", "dark", "darker", "skin", "Head", "of"]), max_size=7)


@pytest.mark.parametrize(("text", "lemmas"), [
    ("The faces of dogs", ["face"]), ("surface", []), ("a HEAD, or nose", ["head", "nose"]), ("head of lettuce", []),
    ("heads of lettuce and a head", ["head"]), ("woman's eyes", ["eye"]), ("ahead nearby", []), ("", []),
    ("eye_level-head", ["eye", "head"]),
])  # fmt: skip
def test_listed_forms_count_and_phrases_of_other_meaning_do_not(text: str, lemmas: list[str]) -> None:
    assert [hit.lemma for hit in FACES.hits(text)] == lemmas


def test_the_three_rules_differ_as_they_should() -> None:
    assert FACES.hits("faces") and not FACES.whole("faces") and FACES.inside("faces") == ["faces"]
    assert not FACES.hits("surface") and not FACES.whole("surface") and FACES.inside("surface") == ["surface"]
    assert FACES.whole("a face") and FACES.hits("a face")[0].words == "face"
    assert FACES.set_aside("one head of lettuce") == ["head of lettuce"]


def test_a_word_that_two_groups_share_counts_for_both() -> None:
    assert [(hit.group, hit.lemma) for hit in SMALL.hits("face")] == [("a", "face"), ("b", "face")]


def plain(words: list[str]) -> bool:
    """The rule for SMALL once more: regular expressions on the text, exceptions blanked first."""
    text = re.sub(r"\bclock face\b", "|", " ".join(words).lower())
    return re.search(r"\b(faces?|dark skin|darker skin)\b", text) is not None


@given(WORDS)
def test_hits_agree_with_regular_expressions(words: list[str]) -> None:
    assert bool(SMALL.hits(" ".join(words))) == plain(words)


@given(st.text(max_size=40))
def test_any_text_can_be_cut_and_holds_only_lower_case_words(text: str) -> None:
    assert all(word and "'" not in word[-2:] for word in cut(text))
    assert all(hit.words in " ".join(cut(text)) for hit in FACES.hits(text))
    assert not FACES.whole(text) or FACES.inside(text)


@pytest.mark.parametrize("name", names())
def test_every_shipped_lexicon_reads_and_lists_no_form_of_two_lemmas_of_one_group(name: str) -> None:
    words = lexicon(name)
    assert words.about and words.groups
    for owners in words.forms.values():
        assert len({group for group, _ in owners}) == len(owners), (name, owners)


def test_skin_needs_more_than_a_colour() -> None:
    skin = lexicon("skin")
    assert skin.hits("skin of white people") and skin.hits("dark-skinned arms") and not skin.hits("white walls, a black cat")


def test_gender_knows_both_numbers_and_no_humans() -> None:
    gender = lexicon("gender")
    assert {hit.group for hit in gender.hits("women and a man")} == {"woman", "man"}
    assert not gender.hits("human figures with many instruments; manmade")


@pytest.mark.parametrize("text", [
    "about = 3", "[groups.a]", "groups = 3", "[groups.a]\nface = 'faces'", "[groups.a]\nface = ['!']", "[other]\na=1", "a = [",
    "except = ['x']",
    "about = 3\n[groups.a]\nface = []",
])  # fmt: skip
def test_a_malformed_lexicon_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(CardError, match="mine"):
        read(path)


def test_a_lexicon_of_ones_own_is_found_by_path_and_by_folder(tmp_path: Path) -> None:
    (tmp_path / "pets.toml").write_text("[groups.dog]\ndog = ['dogs']\n")
    assert lexicon(str(tmp_path / "pets.toml")).hits("two dogs")
    assert lexicon("pets", [tmp_path]).name == "pets" and "pets" in names([tmp_path])
    with pytest.raises(NotFoundError, match="faces"):
        lexicon("noses")
    with pytest.raises(NotFoundError, match="gone"):
        lexicon(str(tmp_path / "gone.toml"))
