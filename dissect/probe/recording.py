"""One shard of one layer's activations, from batches of maps to a file, without ever holding more than a chunk of maps.

Kept of every image: the spatial maximum of each unit, and its share of the exact histogram. Kept of the maps: all (`dense`), or those
whose maximum is above the unit's floor (`sparse`).

Rounding to float16 is checked on the float32 values. A value beyond 65,504 would become infinite (overflow); a unit whose largest
absolute value over the data set is not zero, but rounds to zero, would look dead (underflow). In both cases the layer is kept in float32.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dissect.atomic import writing
from dissect.errors import CacheError
from dissect.fingerprint import Plain
from dissect.network.model import LayerInfo
from dissect.probe.blocks import merged, narrowed
from dissect.probe.histogram import Histogram, Measured, measure
from dissect.probe.ledger import Claim
from dissect.probe.maps import MapArray, MapShard
from dissect.probe.profile import ActivationDtype
from dissect.probe.shardfile import Array, ShardFile, ShardWriter, hash_of
from dissect.probe.work import Written

LARGEST_HALF = 65_504.0
_PENDING = 4
"""Histograms of chunks that wait to be added: adding costs by the bins of the sum, so not after every chunk."""


@dataclass(frozen=True)
class Recorded:
    """A recorded shard as it is read again.

    maps: the maps kept, with maxima of all. unit_hash (U,) uint64. minimum, maximum (U,) float32 of the values as kept; largest (U,)
    float32: largest absolute value before rounding. counted: the arrays of the histogram.
    """

    maps: MapShard
    unit_hash: NDArray[np.uint64]
    minimum: NDArray[np.float32]
    maximum: NDArray[np.float32]
    largest: NDArray[np.float32]
    dtype: ActivationDtype
    counted: Mapping[str, Array]

    def histogram(self, units: slice) -> Histogram:
        """Of some consecutive units; only their bins are read."""
        arrays = dict(self.counted)
        offsets = arrays["histogram_offsets"]
        bins = slice(int(offsets[units.start]), int(offsets[units.stop]))
        for name in ("keys", "counts", "low_sums"):
            array = arrays[f"histogram_{name}"]
            arrays[f"histogram_{name}"] = array[bins] if len(array) else array
        arrays["histogram_counts"] = arrays["histogram_counts"].astype(np.int64)
        arrays["histogram_offsets"] = offsets[units.start : units.stop + 1] - bins.start
        arrays["histogram_minimum"], arrays["histogram_maximum"] = self.minimum[units], self.maximum[units]
        return Histogram.from_arrays(arrays, self.dtype)


class ShardRecorder:
    """Takes chunks of maps of images first, first+1, ... and writes the shard. End with `finish` or `abandon`."""

    def __init__(self, layer: LayerInfo, dtype: ActivationDtype, floor: NDArray[np.float32] | None, claim: Claim, path: Path) -> None:
        self.claim = claim
        self.path = path
        self._layer = layer
        self._dtype: ActivationDtype = dtype
        self._floor = floor
        self._largest = np.zeros(layer.units, np.float32)
        self._hash: NDArray[np.uint64] | None = None
        self._histograms: list[Histogram] = []
        self._maxima: list[NDArray[np.float32]] = []
        self._included: list[NDArray[np.bool_]] = []
        self._skipped: dict[str, Plain] = {}
        self._open = contextlib.ExitStack()
        self._file = self._open.enter_context(writing(path))
        self._writer = ShardWriter(self._file)
        self._writer.stream("values", np.dtype(dtype), (layer.map_size[0] * layer.map_size[1],))

    def skip(self, index: int, reason: str) -> None:
        """Note that an image of this shard could not be used."""
        self._skipped[str(index)] = reason

    def add(self, maps: MapArray, included: NDArray[np.bool_], largest: NDArray[np.float32]) -> NDArray[np.float32]:
        """The next images: maps (n, U, p), included (n,), largest (U,) before rounding. Returns their maxima (n, U)."""
        with self._guarded():
            found = measure(maps, included, self._hash)
            self._take(found, included)
            np.maximum(self._largest, largest, out=self._largest)
            flat = maps.reshape(-1, maps.shape[-1])
            self._writer.append(flat if self._floor is None else flat[(found.maxima > self._floor).reshape(-1)])
        return found.maxima

    def finish(self) -> Written:
        """Write the rest; the file is in place afterwards."""
        with self._guarded():
            self._writer.finish(self._arrays(), {"dtype": self._dtype, "layer_form": self._layer.form})
            sha256, size = hash_of(self._file)
            self._open.close()
        images = int(np.concatenate(self._included).sum())
        return Written(sha256, size, {"images": images, "skipped": self._skipped})

    def abandon(self) -> None:
        """Leave nothing behind."""
        with contextlib.suppress(_AbandonedError), self._guarded():
            raise _AbandonedError

    def _take(self, found: Measured, included: NDArray[np.bool_]) -> None:
        self._hash = found.unit_hash
        self._histograms.append(narrowed(found.histogram))
        if len(self._histograms) > _PENDING:
            self._histograms = [merged(self._histograms)]
        self._maxima.append(found.maxima)
        self._included.append(included.copy())

    def _arrays(self) -> dict[str, Array]:
        if self._hash is None:
            raise CacheError("a shard without images cannot be recorded.")
        maxima = np.concatenate(self._maxima)
        floor = {} if self._floor is None else {"floor": self._floor}
        return {
            **merged(self._histograms).to_arrays(),
            **floor,
            "maxima": maxima.astype(self._dtype),
            "included": np.concatenate(self._included),
            "unit_hash": self._hash,
            "largest": self._largest,
        }

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._open.__exit__(*sys.exc_info())
            raise


class _AbandonedError(Exception):
    """Thrown to make the temporary file disappear."""


def read_recorded(file: ShardFile, map_size: tuple[int, int]) -> Recorded:
    """A recorded shard. The maps stay on disk until they are touched.

    Raises:
        CacheError: an array is missing, or has another shape than the rest.
    """
    arrays = file.arrays
    try:
        dtype: ActivationDtype = "float16" if file.metadata["dtype"] == "float16" else "float32"
        maxima = arrays["maxima"].astype(np.float32)
        row = _rows(maxima, arrays["floor"]) if "floor" in arrays else None
        maps = MapShard(arrays["values"], maxima, arrays["included"], map_size, row)
        counted = {name: array for name, array in arrays.items() if name.startswith("histogram_")}
        ends = counted["histogram_minimum"], counted["histogram_maximum"]
        return Recorded(maps, arrays["unit_hash"], *ends, arrays["largest"], dtype, counted)
    except KeyError as error:
        raise CacheError(f"the cache file {file.path} lacks {error}. Remove it and run the same command again: it is redone.") from error


def _rows(maxima: NDArray[np.float32], floor: NDArray[np.float32]) -> NDArray[np.int32]:
    kept = maxima > floor
    return np.where(kept, np.cumsum(kept, dtype=np.int32).reshape(kept.shape) - 1, np.int32(-1)).astype(np.int32)
