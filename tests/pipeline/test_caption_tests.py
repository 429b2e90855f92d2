"""What stands beside a description's scores: agreement with other labels, and texts that know nothing of the unit."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dissect.pipeline.caption_tests import _of_presence, _presence, agreement, shuffled

NUMBERS = st.frozensets(st.integers(1, 4), max_size=3)


@given(st.lists(st.sampled_from(["", "a", "b", "c", "d"]), max_size=12))
def test_shuffled_texts_are_the_same_texts_each_at_another_unit(texts: list[str]) -> None:
    mixed = shuffled(texts)
    speaking = [unit for unit, text in enumerate(texts) if text]
    assert sorted(mixed) == sorted(texts) and [bool(text) for text in mixed] == [bool(text) for text in texts]
    assert mixed == shuffled(texts)
    named = [str(unit) if text else "" for unit, text in enumerate(texts)]
    if len(speaking) > 1:
        assert all(shuffled(named)[unit] != named[unit] for unit in speaking)


@given(st.lists(st.tuples(st.lists(NUMBERS, max_size=3), st.booleans(), NUMBERS), max_size=8))
def test_agreement_is_counted_as_one_would_by_hand(units: list[tuple[list[frozenset[int]], bool, frozenset[int]]]) -> None:
    named = [tuple(groups) if there else () for groups, there, _ in units]
    described = [there for _, there, _ in units]
    found = agreement(named, described, {unit: wanted for unit, (_, _, wanted) in enumerate(units)})
    for unit, (_, there, wanted) in enumerate(units):
        assert found.known[unit] == (there and bool(wanted))
        if not found.known[unit]:
            continue
        says = [any(group & wanted for group in groups) for groups in named]
        assert found.agrees[unit] == says[unit]
        others = [says[other] for other in range(len(units)) if other != unit and described[other]]
        assert np.isnan(found.chance[unit]) if not others else found.chance[unit] == np.mean(others)


@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=6))
def test_labels_of_whole_images_come_back_from_their_contents(rows: list[list[bool]]) -> None:
    presence = np.array(rows, np.bool_)
    assert np.array_equal(_presence(_of_presence(presence), 3), presence)
