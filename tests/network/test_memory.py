"""Freed memory is kept for the next batch, unless the environment says otherwise."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import torch
from dissect.network.memory import keep_freed_blocks
kept = keep_freed_blocks() if sys.argv[1] == "keep" else False
for _ in range(20):
    torch.ones(12_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    torch.ones(12_000_000)
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc hands large blocks back at once")


def faults(way: str, **environment: str) -> tuple[str, int]:
    """(whether blocks are kept, page faults of taking 48 MB twenty times) of a process of its own."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_", "LD_"))}
    done = subprocess.run(
        [sys.executable, "-c", FAULTS, way], env=plain | environment, capture_output=True, text=True, check=True, timeout=120
    )
    kept, count = done.stdout.split()
    return kept, int(count)


@glibc
def test_a_block_that_was_freed_is_taken_again_without_new_pages() -> None:
    kept, few = faults("keep")
    _, many = faults("plain")
    assert kept == "True" and few * 10 < many


@glibc
def test_the_environment_has_the_last_word() -> None:
    kept, _ = faults("keep", MALLOC_TRIM_THRESHOLD_="131072")
    assert kept == "False"
