"""SHA-256 of many files. One process reads a file once as long as its size and time stay the same."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dissect.atomic import sha256_file

MISSING = "missing"
"""Stands for a file that cannot be read: the image is skipped later, and the hash changes once the file is there."""

_TOGETHER = 64
"""Files that a thread takes at once: handing them over one by one costs more than reading a small one."""

_KNOWN: dict[tuple[str, int, int], str] = {}


def content_hashes(paths: Iterable[Path], threads: int = 4) -> Mapping[Path, str]:
    """SHA-256 in hex of each file's content; `MISSING` where it cannot be read."""
    different = list(dict.fromkeys(paths))
    blocks = [different[first : first + _TOGETHER] for first in range(0, len(different), _TOGETHER)]
    with ThreadPoolExecutor(threads) as pool:
        found = itertools.chain.from_iterable(pool.map(lambda block: [content_hash(path) for path in block], blocks))
        return dict(zip(different, found, strict=True))


def content_hash(path: Path) -> str:
    """SHA-256 in hex of one file, kept for this process by (path, size, time of change)."""
    try:
        state = path.stat()
        key = (str(path), state.st_size, state.st_mtime_ns)
        if key not in _KNOWN:
            _KNOWN[key] = sha256_file(path)
        return _KNOWN[key]
    except OSError:
        return MISSING
