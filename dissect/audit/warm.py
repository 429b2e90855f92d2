"""Compile the kernels of this room once, so that the first audit of a user does not wait: `python -m dissect.audit.warm`."""

from __future__ import annotations

import time

import numpy as np

from dissect.audit.intervals import bootstrap_auroc
from dissect.audit.selectivity import centred_ranks, permuted


def warm() -> float:
    """Compile the kernels and keep them on disk. Returns the seconds it took; a second call takes next to none."""
    began = time.perf_counter()
    values, side = np.arange(8, dtype=np.float32).reshape(4, 2), np.array([True, False, True, False])
    bootstrap_auroc(values, side, np.ones((4, 3), np.float32))
    permuted(centred_ranks(values), side, np.arange(4), most=4, seed=0)
    return time.perf_counter() - began


if __name__ == "__main__":
    print(f"the kernels of the audit are compiled ({warm():.1f} s)")
