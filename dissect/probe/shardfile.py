"""Shard files: the safetensors format, written as a stream and read through a memory map.

The format is 8 bytes of header length (little-endian), a JSON header, then the arrays without gaps. The maps of a shard are larger
than what should be held in memory, and how many there will be is known only at the end: room for the header is left, the maps go
through the file as they come, the small arrays follow, and the header is filled in last. Any safetensors reader can open the result.

Source: the safetensors format description, https://github.com/huggingface/safetensors.
"""

from __future__ import annotations

import hashlib
import json
import math
import mmap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from dissect.atomic import writing
from dissect.errors import CacheError

ROOM = 16_384
"""Bytes before the first array: length field and header. The first array starts on a page."""
_LONGEST_HEADER = 1 << 20
_ALIGNMENT = 64
_NAMES = {
    "BOOL": np.bool_, "U8": np.uint8, "U16": np.uint16, "U32": np.uint32, "U64": np.uint64, "I8": np.int8, "I16": np.int16,
    "I32": np.int32, "I64": np.int64, "F16": np.float16, "F32": np.float32, "F64": np.float64,
}  # fmt: skip
_CODES = {np.dtype(kind): code for code, kind in _NAMES.items()}

Array = NDArray[Any]


class ShardWriter:
    """Fills one open file. `stream` and `append` first, if there is a streamed array, then `finish`, once."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._entries: dict[str, dict[str, object]] = {}
        self._position = 0
        self._stream: tuple[str, np.dtype[Any], tuple[int, ...]] | None = None
        self._rows = 0
        file.seek(ROOM)

    def stream(self, name: str, dtype: np.dtype[Any], row_shape: tuple[int, ...]) -> None:
        """Announce the one array that grows row by row."""
        self._stream = (name, np.dtype(dtype), row_shape)

    def append(self, rows: Array) -> None:
        """Add rows (r, *row_shape) to the streamed array."""
        if self._stream is None or rows.dtype != self._stream[1] or rows.shape[1:] != self._stream[2]:
            raise CacheError(f"rows of {rows.dtype} {rows.shape} do not belong to the streamed array {self._stream}.")
        self._rows += len(rows)
        self._write(rows)

    def finish(self, arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> None:
        """Write the other arrays, widest items first so that all of them lie aligned, then the header."""
        if self._stream is not None:
            name, dtype, row_shape = self._stream
            self._enter(name, dtype, (self._rows, *row_shape), 0)
        self._pad()
        for name, array in sorted(arrays.items(), key=lambda item: (-item[1].dtype.itemsize, item[0])):
            start = self._position
            self._write(array)
            self._enter(name, array.dtype, array.shape, start)
        header = json.dumps({"__metadata__": dict(metadata), **self._entries}, separators=(",", ":"), sort_keys=True).encode()
        if len(header) > ROOM - 8:
            raise CacheError(f"a shard of {len(arrays)} arrays needs a header of {len(header)} bytes; {ROOM - 8} were set aside.")
        self._file.seek(0)
        self._file.write((ROOM - 8).to_bytes(8, "little") + header.ljust(ROOM - 8))

    def _write(self, array: Array) -> None:
        contiguous = np.ascontiguousarray(array)
        if contiguous.size:
            self._file.write(contiguous.reshape(-1).view(np.uint8).data)
        self._position += contiguous.nbytes

    def _enter(self, name: str, dtype: np.dtype[Any], shape: tuple[int, ...], start: int) -> None:
        if name in self._entries or dtype not in _CODES:
            raise CacheError(f"array {name} of {dtype} cannot be stored: its name is taken, or shard files have no such type.")
        self._entries[name] = {"dtype": _CODES[dtype], "shape": list(shape), "data_offsets": [start, self._position]}

    def _pad(self) -> None:
        missing = -self._position % _ALIGNMENT
        if missing:
            start = self._position
            self._write(np.zeros(missing, np.uint8))
            self._enter("padding", np.dtype(np.uint8), (missing,), start)


def hash_of(file: IO[bytes]) -> tuple[str, int]:
    """SHA-256 in hex and size of an open file, from its beginning."""
    file.flush()
    file.seek(0)
    digest = hashlib.sha256()
    size = 0
    while block := file.read(1 << 20):
        digest.update(block)
        size += len(block)
    return digest.hexdigest(), size


def write_shard(path: Path, arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> tuple[str, int]:
    """A shard without a streamed array, whole or not at all. Returns its SHA-256 and size.

    Raises:
        StorageError: the operating system refused.
    """
    with writing(path) as file:
        ShardWriter(file).finish(arrays, metadata)
        return hash_of(file)


@dataclass(frozen=True)
class ShardFile:
    """A shard opened for reading. The arrays are views of the memory-mapped file: read-only, and paged in as they are touched."""

    path: Path
    arrays: Mapping[str, Array]
    metadata: Mapping[str, str]


def read_shard(path: Path) -> ShardFile:
    """Open a shard; its header is checked against the size of the file before any array is made.

    Raises:
        CacheError: the file is missing or is no shard file; the message names it.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or not 2 <= length <= min(size - 8, _LONGEST_HEADER):
                raise _damaged(path, f"its header would be {length} bytes long")
            entries, metadata = _header(path, file.read(length), size - 8 - length)
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise _damaged(path, error.strerror or str(error)) from error
    arrays = {name: _view(mapped, dtype, shape, 8 + length + start) for name, dtype, shape, start in entries}
    arrays.pop("padding", None)
    return ShardFile(path, arrays, metadata)


Entry = tuple[str, np.dtype[Any], tuple[int, ...], int]


def _header(path: Path, text: bytes, room: int) -> tuple[list[Entry], dict[str, str]]:
    try:
        header = json.loads(text)
        metadata = {str(key): str(value) for key, value in header.pop("__metadata__", {}).items()}
        entries = [_entry(name, fields) for name, fields in header.items()]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _damaged(path, "its header cannot be read") from error
    position = 0
    for name, dtype, shape, start in sorted(entries, key=lambda entry: (entry[3], math.prod(entry[2]))):
        if start != position:
            raise _damaged(path, f"array {name} does not start where the one before it ends")
        position += math.prod(shape) * dtype.itemsize
    if position != room:
        raise _damaged(path, f"its arrays take {position} bytes, and {room} are there")
    return entries, metadata


def _entry(name: str, fields: Mapping[str, Any]) -> Entry:
    dtype = np.dtype(_NAMES[fields["dtype"]])
    shape = tuple(fields["shape"])
    start, stop = fields["data_offsets"]
    numbers = (*shape, start, stop)
    if any(type(number) is not int or number < 0 for number in numbers):
        raise ValueError("a shape or an offset is no natural number")
    if stop - start != math.prod(shape) * dtype.itemsize:
        raise ValueError("an array has another size than its shape says")
    return name, dtype, shape, start


def _view(mapped: mmap.mmap, dtype: np.dtype[Any], shape: tuple[int, ...], offset: int) -> Array:
    count = math.prod(shape)
    flat = np.frombuffer(mapped, dtype, count, offset) if count else np.empty(0, dtype)
    aligned = flat if flat.flags.aligned else flat.copy()
    return aligned.reshape(shape)


def _damaged(path: Path, why: str) -> CacheError:
    return CacheError(f"the cache file {path} is damaged: {why}. Run the same command again: it is redone.")
