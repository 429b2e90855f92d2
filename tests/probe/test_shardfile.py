"""Shard files: what is written is read, by us and by the safetensors library; what is damaged is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import hypothesis.extra.numpy as arrays_of
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dissect.atomic import sha256_file, writing
from dissect.errors import CacheError
from dissect.probe.shardfile import ROOM, ShardWriter, hash_of, read_shard, write_shard

DTYPES = [np.bool_, np.uint8, np.uint16, np.uint32, np.uint64, np.int32, np.int64, np.float16, np.float32, np.float64]
ANY_ARRAY = st.sampled_from(DTYPES).flatmap(
    lambda dtype: arrays_of.arrays(dtype, arrays_of.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5))
)
NAMES = st.text("abcdefgh_", min_size=1, max_size=6)


def same(left: NDArray[Any], right: NDArray[Any]) -> bool:
    return left.dtype == right.dtype and left.shape == right.shape and left.tobytes() == right.tobytes()


@given(st.dictionaries(NAMES, ANY_ARRAY, max_size=5), st.dictionaries(NAMES, st.text(max_size=5), max_size=3))
def test_any_arrays_are_read_as_written(
    tmp_path_factory: pytest.TempPathFactory, arrays: dict[str, NDArray[Any]], words: dict[str, str]
) -> None:
    path = tmp_path_factory.mktemp("shard") / "a.safetensors"
    sha256, size = write_shard(path, arrays, words)
    found = read_shard(path)
    assert found.metadata == words
    assert found.arrays.keys() == arrays.keys()
    assert all(same(found.arrays[name], arrays[name]) for name in arrays)
    assert all(array.flags.aligned and not array.flags.writeable for array in found.arrays.values() if array.size)
    assert (sha256, size) == (sha256_file(path), path.stat().st_size)


@given(st.lists(arrays_of.arrays(np.float16, st.tuples(st.integers(0, 4), st.just(3))), max_size=5), ANY_ARRAY)
def test_a_streamed_array_is_its_rows_in_order(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[NDArray[np.float16]], other: NDArray[Any]
) -> None:
    path = tmp_path_factory.mktemp("shard") / "a.safetensors"
    with writing(path) as file:
        writer = ShardWriter(file)
        writer.stream("maps", np.dtype(np.float16), (3,))
        for chunk in chunks:
            writer.append(chunk)
        writer.finish({"other": other}, {})
        sha256, _ = hash_of(file)
    whole = np.concatenate([np.empty((0, 3), np.float16), *chunks])
    found = read_shard(path).arrays
    assert same(found["maps"], whole)
    assert same(found["other"], other)
    assert sha256 == sha256_file(path)


def test_the_safetensors_library_reads_our_files(tmp_path: Path) -> None:
    arrays: dict[str, NDArray[Any]] = {"a": np.arange(7, dtype=np.float16), "b": np.eye(3), "c": np.array([True, False])}
    arrays["d"] = np.zeros((0, 4), np.int64)
    write_shard(tmp_path / "a.safetensors", arrays, {"k": "v"})
    theirs = safetensors.numpy.load_file(tmp_path / "a.safetensors")
    assert all(same(theirs[name], arrays[name]) for name in arrays)


def test_we_read_files_of_the_safetensors_library(tmp_path: Path) -> None:
    arrays: dict[str, NDArray[Any]] = {"a": np.arange(7, dtype=np.float32), "b": np.arange(3, dtype=np.uint8), "c": np.eye(2)}
    safetensors.numpy.save_file(arrays, tmp_path / "a.safetensors")
    ours = read_shard(tmp_path / "a.safetensors").arrays
    assert all(same(ours[name], arrays[name]) for name in arrays)


def test_wrong_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CacheError, match="do not belong"), writing(tmp_path / "a") as file:
        writer = ShardWriter(file)
        writer.stream("maps", np.dtype(np.float16), (3,))
        writer.append(np.zeros((1, 3), np.float32))
    assert list(tmp_path.iterdir()) == []


def test_too_many_arrays_for_the_header_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CacheError, match="needs a header"):
        write_shard(tmp_path / "a", {f"array{k}": np.zeros(1) for k in range(400)}, {})


def test_a_type_that_cannot_be_stored_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CacheError, match="no such type"):
        write_shard(tmp_path / "a", {"a": np.zeros(1, np.complex128)}, {})


@pytest.mark.parametrize("keep", [0, 1, 7, 8, 9, 100, ROOM - 1, ROOM, ROOM + 1, -1])
def test_a_truncated_file_is_refused_by_name(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "a.safetensors"
    write_shard(path, {"a": np.arange(100)}, {})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CacheError, match=r"a\.safetensors is damaged"):
        read_shard(path)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(CacheError, match=r"gone\.safetensors"):
        read_shard(tmp_path / "gone.safetensors")


ENTRY = {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}


@pytest.mark.parametrize(
    "header",
    [
        b"[]", b"{", b"nonsense", b'"text"', b"[" * 5000,
        {"a": {**ENTRY, "dtype": "BF16"}}, {"a": {**ENTRY, "dtype": ["U8"]}},
        {"a": {**ENTRY, "shape": [5]}}, {"a": {**ENTRY, "shape": [-4]}},
        {"a": {**ENTRY, "shape": [2.0, 2]}}, {"a": {**ENTRY, "shape": [True, 4]}}, {"a": {**ENTRY, "shape": [-2, -2]}},
        {"a": {**ENTRY, "data_offsets": [1, 5]}}, {"a": {**ENTRY, "data_offsets": [4, 0]}}, {"a": {**ENTRY, "data_offsets": [0]}},
        {"a": ENTRY, "b": ENTRY}, {"a": {**ENTRY, "shape": [2], "data_offsets": [0, 2]}}, {"a": "text"}, {"a": None},
        {"a": {**ENTRY, "shape": [1 << 62, 4]}}, {"__metadata__": "text", "a": ENTRY},
    ],
)  # fmt: skip
def test_a_header_that_lies_is_refused(tmp_path: Path, header: bytes | dict[str, Any]) -> None:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"\0" * 4)
    with pytest.raises(CacheError, match="damaged"):
        read_shard(path)


@given(st.binary(max_size=80), st.integers(0, 200))
def test_no_bytes_make_the_reader_fail_otherwise(tmp_path_factory: pytest.TempPathFactory, text: bytes, length: int) -> None:
    path = tmp_path_factory.mktemp("shard") / "a.safetensors"
    path.write_bytes(length.to_bytes(8, "little") + text)
    try:
        read_shard(path)
    except CacheError as error:
        assert "a.safetensors" in str(error)
