"""Histograms in blocks: cut, joined, narrowed and added, nothing is lost."""

from __future__ import annotations

import hypothesis.extra.numpy as arrays_of
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dissect.probe import blocks
from dissect.probe.histogram import Histogram, measure, merge_histograms

FEW = st.sampled_from([0.0, 1.0, -1.0, 0.5, 3.25, -2.0])


def maps(dtype: str) -> st.SearchStrategy[NDArray[np.float16]]:
    return arrays_of.arrays(dtype, st.tuples(st.integers(1, 3), st.just(5), st.integers(1, 4)), elements=FEW)


def same(left: Histogram, right: Histogram) -> bool:
    names = ("offsets", "keys", "counts", "low_sums", "minimum", "maximum")
    return all(np.array_equal(getattr(left, name), getattr(right, name)) for name in names)


@given(st.sampled_from(["float16", "float32"]).flatmap(maps), st.integers(0, 5), st.integers(0, 5))
def test_joining_undoes_cutting(values: NDArray[np.float16], first: int, second: int) -> None:
    whole = measure(values).histogram
    low, high = sorted((first, second))
    pieces = [blocks.part(whole, rows) for rows in (slice(0, low), slice(low, high), slice(high, 5))]
    assert same(blocks.joined(pieces), whole)


@given(st.sampled_from(["float16", "float32"]).flatmap(lambda dtype: st.lists(maps(dtype), min_size=1, max_size=4)), st.integers(1, 6))
def test_adding_narrow_histograms_in_blocks_is_adding_them(chunks: list[NDArray[np.float16]], size: int) -> None:
    found = [measure(values).histogram for values in chunks]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "UNITS", size)
        total = blocks.merged([blocks.narrowed(each) for each in found])
    assert total.counts.dtype == np.uint16
    assert same(blocks.part(total, slice(0, 5)), merge_histograms(found))


def test_counts_that_need_four_bytes_get_them() -> None:
    values = np.zeros((1, 1, 70_000), np.float16)
    values[0, 0, :10] = 1
    found = blocks.narrowed(measure(values).histogram)
    assert found.counts.dtype == np.uint32
    assert blocks.merged([found, found]).counts.tolist() == [139_980, 20]


@given(st.integers(0, 300))
def test_blocks_cover_all_units_once(units: int) -> None:
    assert [unit for rows in blocks.blocks(units) for unit in range(rows.start, rows.stop)] == list(range(units))
