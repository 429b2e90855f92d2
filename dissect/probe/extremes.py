"""Largest absolute values of maps before they are rounded: what tells overflow, underflow and NaN apart.

The bits of a float32 without its sign order like its absolute value, infinity after all numbers and NaN after infinity. So one integer
maximum over a map answers all three questions, several times faster than float comparisons that must mind NaN.
"""

from __future__ import annotations

import numpy as np
import torch
from numba import prange
from numpy.typing import NDArray

from dissect.probe.kernels import compiled


def largest_values(maps: torch.Tensor) -> NDArray[np.float32]:
    """Largest absolute value of each map: (B, U, h, w) float32 to (B, U) float32; NaN where there is one."""
    if maps.device.type != "cpu":
        found: NDArray[np.float32] = torch.linalg.vector_norm(maps, ord=float("inf"), dim=(2, 3)).cpu().numpy()
        return found
    bits = maps.detach().contiguous().numpy().view(np.uint32)
    largest: NDArray[np.float32] = largest_bits(bits.reshape(-1, bits.shape[2] * bits.shape[3])).view(np.float32)
    return largest.reshape(maps.shape[:2])


@compiled(parallel=True)
def largest_bits(bits: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """(R, p) bit patterns of float32 to (R,): the largest, signs left out."""
    rows, positions = bits.shape
    found = np.zeros(rows, np.uint32)
    for row in prange(rows):
        top = np.uint32(0)
        for position in range(positions):
            top = max(top, bits[row, position] & np.uint32(0x7FFFFFFF))
        found[row] = top
    return found
