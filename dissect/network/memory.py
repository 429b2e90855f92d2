"""How the C library hands freed memory back, on a CPU.

glibc gives every block above 32 MB, and the top of its heap, back to the system as soon as it is free. A network frees and takes such
blocks with every layer of every batch, and each time the system fills them with zeros again, page by page: up to a tenth of a forward
pass, and now more and now less of it. Kept blocks cost nothing more at the peak: it is the same memory, taken again by the next batch.
"""

from __future__ import annotations

import ctypes
import functools
import os
import platform

LARGEST_BLOCK = 256 << 20
"""Bytes: blocks up to this come from the heap; a larger one still goes back when it is freed."""
KEPT = 512 << 20
"""Bytes of free memory at the top of the heap above which the rest goes back."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of mallopt(3)
_OWN_SETTINGS = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_", "GLIBC_TUNABLES", "LD_PRELOAD")


@functools.cache
def keep_freed_blocks() -> bool:
    """Let this process keep what a forward pass frees, once and for all. Returns whether it does.

    Nothing is done without glibc, or where the environment says how memory is to be handled.
    """
    if platform.libc_ver()[0] != "glibc" or any(os.environ.get(name) for name in _OWN_SETTINGS):
        return False
    try:
        library = ctypes.CDLL(None)
        return bool(library.mallopt(_MMAP_THRESHOLD, LARGEST_BLOCK)) and bool(library.mallopt(_TRIM_THRESHOLD, KEPT))
    except (OSError, AttributeError):
        return False
