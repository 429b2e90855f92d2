"""Run lengths: both spellings undo themselves, agree with a plain decoder, and damage is named."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dissect.concepts import rle
from dissect.concepts.regions import Mask
from dissect.errors import LabelMapError

masks = hnp.arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12)))
sizes = st.tuples(st.integers(1, 12), st.integers(1, 12))


def plain(counts: list[int], height: int, width: int) -> Mask:
    """The code spelled out, pixel by pixel."""
    flat = [position % 2 == 1 for position, count in enumerate(counts) for _ in range(count)]
    mask = np.zeros((height, width), dtype=np.bool_)
    for pixel, on in enumerate(flat):
        mask[pixel % height, pixel // height] = on
    return mask


@given(masks)
def test_decoding_undoes_encoding(mask: Mask) -> None:
    counts = rle.encode(mask)
    assert sum(counts) == mask.size
    np.testing.assert_array_equal(rle.decode(counts, list(mask.shape), "here"), mask)
    np.testing.assert_array_equal(rle.decode(rle.compress(counts), list(mask.shape), "here"), mask)


@given(st.data(), sizes)
def test_any_run_lengths_that_add_up_are_read_like_a_plain_decoder_does(data: st.DataObject, size: tuple[int, int]) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, size[0] * size[1]), max_size=9)))  # runs of length 0 too
    counts = np.diff([0, *cuts, size[0] * size[1]]).tolist()
    np.testing.assert_array_equal(rle.decode(counts, list(size), "here"), plain(counts, *size))


@given(st.lists(st.integers(0, 2**30), max_size=12))
def test_the_compressed_string_keeps_every_number(counts: list[int]) -> None:
    text = rle.compress(counts)
    assert rle.uncompress(text, "here").tolist() == counts
    assert rle.uncompress(text.encode(), "here").tolist() == counts


def test_the_compressed_string_is_the_one_others_write() -> None:
    # worked by hand: 6 -> '6'; 16 needs a second group because bit 16 is the sign; differences from the fourth number on
    assert rle.compress([6, 1, 40, 4]) == "61X13"
    assert rle.compress([16]) == "`0"
    assert rle.compress([5, 5, 5, 4]) == "555O"  # 4 - 5 = -1 is 31 in five bits


def test_columns_come_first() -> None:
    np.testing.assert_array_equal(rle.decode([2, 1, 3], [3, 2], "here"), [[0, 0], [0, 0], [1, 0]])


@pytest.mark.parametrize(
    ("counts", "size", "fault"),
    [
        ([3, 4], [2, 3], "runs past the end"),
        ([3, 2], [2, 3], "does not fill"),
        ([], [2, 3], "does not fill"),
        ([7, -1], [2, 3], "number 1 is -1"),
        ([3, 2.5], [2, 3], "number 1 is 2.5"),
        ([3, True], [2, 2], "number 1 is True"),
        ([3, None], [2, 2], "number 1 is None"),
        ([2**40], [2, 3], "number 0"),
        ({"a": 1}, [2, 3], "neither a list nor a string"),
        (None, [2, 3], "neither a list nor a string"),
        ([6], [2], "size"),
        ([6], [2, 3.0], "size"),
        ([6], [0, 3], "size"),
        ([0], [0, 0], "size"),
        ([10**12], [10**6, 10**6], "size"),
        ([6], "23", "size"),
        ([6], None, "size"),
        ("6é", [2, 3], "not part of the code"),
        ("\x00", [2, 3], "not part of the code"),
        ("oooooooo0", [2, 3], "not part of the code"),
        ("o", [2, 3], "ends inside a number"),
        ("O", [2, 3], "number 0 is -1"),
        ("", [2, 3], "does not fill"),
    ],
)
def test_a_damaged_code_is_named(counts: object, size: object, fault: str) -> None:
    with pytest.raises(LabelMapError, match=fault) as raised:
        rle.decode(counts, size, "a.json, annotation 7")
    assert "a.json, annotation 7" in str(raised.value) and "Export" in str(raised.value)
