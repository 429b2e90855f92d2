"""Compile the kernel of this room once, so that the first audit of a user does not wait: `python -m dissect.audit.warm`."""

from __future__ import annotations

import time

import numpy as np

from dissect.audit.intervals import bootstrap_auroc


def warm() -> float:
    """Compile the kernel and keep it on disk. Returns the seconds it took; a second call takes next to none."""
    began = time.perf_counter()
    bootstrap_auroc(np.arange(8, dtype=np.float32).reshape(4, 2), np.array([True, False, True, False]), np.ones((4, 3), np.float32))
    return time.perf_counter() - began


if __name__ == "__main__":
    print(f"the kernel of the audit is compiled ({warm():.1f} s)")
