"""Sums of equal pairs against counting one by one."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissect.probe.areas import add_up

ROWS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9), st.integers(0, 2**22)), max_size=60)


@given(ROWS, st.sampled_from([1, 2**20]), st.sampled_from([1, 2**9]))
def test_sums_are_those_of_counting_one_by_one(rows: list[tuple[int, int, int]], far: int, high: int) -> None:
    """Also where the three numbers of a row take more than 63 bits together."""
    total: Counter[tuple[int, int]] = Counter()
    for row in rows:
        total[row[0] * far, row[1] * high] += row[2]
    unit, other, amount = (np.array([row[k] for row in rows], np.int64) for k in range(3))
    found = add_up(unit * far, other * high, amount)
    assert all(part.dtype == np.int64 for part in found)
    expected = sorted((*key, value) for key, value in total.items() if value)
    assert list(zip(*(part.tolist() for part in found), strict=True)) == expected


@pytest.mark.parametrize("amount", [2**20, 2**45])
def test_long_numbers_are_added_like_short_ones(amount: int) -> None:
    unit, other = np.array([9, 0, 9]), np.array([2**17, 3, 2**17])
    found = add_up(unit, other, np.full(3, amount))
    assert [part.tolist() for part in found] == [[0, 9], [3, 2**17], [amount, 2 * amount]]
