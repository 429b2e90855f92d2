"""Top images against sorting all of them; masks packed and unpacked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dissect.errors import CacheError, ShapeError
from dissect.probe.exemplars import TopImages, exemplars, pack_mask, unpack_mask
from dissect.probe.profile import PROFILES
from dissect.probe.upsample import grid, upsample
from tests.probe.test_histogram import some_maps
from tests.probe.test_threshold import found


def maxima_of(seed: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    shape = int(rng.integers(0, 40)), int(rng.integers(1, 70))
    return rng.choice([-1.5, 0.0, 0.5, 2.0], shape).astype(np.float32) if seed % 2 else rng.normal(size=shape).astype(np.float32)


@given(st.integers(0, 10**6), st.integers(1, 16), st.integers(1, 4))
def test_top_images_are_those_of_sorting_whatever_the_order_of_batches(seed: int, count: int, parts: int) -> None:
    maxima = maxima_of(seed)
    rng = np.random.default_rng(seed)
    seen = rng.random(len(maxima)) < 0.9
    cuts = [0, *np.sort(rng.integers(0, len(maxima) + 1, parts - 1)).tolist(), len(maxima)]
    running, other = (TopImages.empty(maxima.shape[1], count) for _ in range(2))
    for part in rng.permutation(parts):
        piece = slice(cuts[part], cuts[part + 1])
        (running if part % 2 else other).update(maxima[piece], cuts[part], seen[piece])
    running.merge(other)
    for unit in range(maxima.shape[1]):
        best = sorted(np.flatnonzero(seen).tolist(), key=lambda image: (-maxima[image, unit], image))[:count]
        padding = count - len(best)
        assert running.image[unit].tolist() == best + [-1] * padding
        assert running.activation[unit].tolist() == [maxima[image, unit] for image in best] + [-np.inf] * padding


@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 40))
def test_masks_come_back_from_their_bytes(seed: int, height: int, width: int) -> None:
    mask = np.random.default_rng(seed).random((height, width)) < 0.3
    assert np.array_equal(unpack_mask(pack_mask(mask), (height, width)), mask)


def test_damaged_masks_are_refused() -> None:
    packed = pack_mask(np.ones((9, 9), np.bool_))
    for wrong, size in ((packed[:-3], (9, 9)), (b"nothing", (9, 9)), (packed, (9, 30)), (packed, (2, 2)), (b"", (9, 9))):
        with pytest.raises(CacheError, match="exemplar"):
            unpack_mask(wrong, size)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_masks_are_the_units_own_and_empty_where_nothing_is_active(dtype: type[Any]) -> None:
    maps = some_maps(77, dtype)
    levels = found(maps, 0.2, PROFILES["standard"])
    over = grid((1, maps.shape[2]), (4, 9), "half_pixel")
    top = TopImages.empty(maps.shape[1], 6)
    top.update(maps.max(axis=2).astype(np.float32), 0)
    asked = []

    def read(image: int, unit: int) -> NDArray[Any]:
        asked.append((image, unit))
        row: NDArray[Any] = maps[image, unit]
        return row

    result = exemplars(top, read, levels, over)
    assert result.mask_size == (4, 9)
    for unit in range(maps.shape[1]):
        for place, image in enumerate(result.image[unit].tolist()):
            if image < 0:
                assert result.masks[unit][place] == b""
                continue
            mask = upsample(maps[image, unit].reshape(1, -1), over) > levels.cut[unit]
            assert np.array_equal(unpack_mask(result.masks[unit][place], (4, 9)), mask)
            assert ((image, unit) in asked) == bool(maps[image, unit].astype(np.float32).max() > levels.cut[unit])


def test_the_number_of_units_must_agree() -> None:
    with pytest.raises(ShapeError, match="3 units"):
        TopImages.empty(3).update(np.zeros((1, 2), np.float32), 0)
