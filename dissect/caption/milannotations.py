"""Exemplars and descriptions in the layout of MILANNOTATIONS, so that the real ones drop in and ours can be used elsewhere.

    FOLDER/<layer>/images.npy       uint8 (U, k, 3, H, W), RGB
    FOLDER/<layer>/masks.npy        uint8 (U, k, 1, H, W), 1 where the unit is active
    FOLDER/<layer>/ids.csv          U lines of k image numbers, no header; -1 where a unit has fewer exemplars
    FOLDER/<layer>/activations.csv  U lines of k spatial maxima (optional)
    FOLDER/<layer>/units.npy        int64 (U,), the units' numbers (optional: 0, 1, 2 ...)
    FOLDER/annotations.csv          layer,unit,summary with a header, three rows a unit, in any order

The arrays are mapped, not read: a layer of 2,048 units has 4.6 GB of pictures. Letters: U units, k exemplars.
Source: Hernandez et al. 2022 and https://github.com/evandez/neuron-descriptions (src/exemplars/compute.py, src/milannotations/datasets.py).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dissect import atomic
from dissect.caption.features import FeatureRecipe, Keys, keys, pooled
from dissect.errors import DataError, NotFoundError, ShapeError, UsageError
from dissect.network.model import Network

IMAGES, MASKS, IDS, ACTIVATIONS, UNITS, ANNOTATIONS = (
    "images.npy",
    "masks.npy",
    "ids.csv",
    "activations.csv",
    "units.npy",
    "annotations.csv",
)
COLUMNS = ("layer", "unit", "summary")
Int64 = NDArray[np.int64]


@dataclass(frozen=True)
class LayerExemplars:
    """The exemplars of one layer, mapped from disk.

    images uint8 (U, k, 3, H, W); masks uint8 (U, k, 1, H, W); ids (U, k) image numbers, -1 for none; units (U,) their numbers;
    activations (U, k) float64 spatial maxima, None where they are not stored.
    """

    layer: str
    images: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    ids: Int64
    units: Int64
    activations: NDArray[np.float64] | None = None

    def picture(self, place: int) -> Image.Image:
        """The picture of an exemplar; place = unit's place * k + rank."""
        unit, rank = divmod(place, self.ids.shape[1])
        return Image.fromarray(np.ascontiguousarray(self.images[unit, rank].transpose(1, 2, 0)))


class _FlatMasks:
    """The masks of U units and k exemplars as a sequence of U k masks (H, W)."""

    def __init__(self, masks: NDArray[np.uint8]) -> None:
        self._masks = masks

    def __len__(self) -> int:
        units, exemplars = self._masks.shape[:2]
        return int(units * exemplars)

    def __getitem__(self, index: int) -> NDArray[np.bool_]:
        unit, rank = divmod(index, self._masks.shape[1])
        return np.asarray(self._masks[unit, rank, 0] > 0)


def layer_keys(
    network: Network, recipe: FeatureRecipe, exemplars: LayerExemplars, *, advance: Callable[[int], None] = lambda pictures: None
) -> Keys:
    """Keys (U, k, F) of a layer's exemplars. An image that several units share goes through the network once, by its number in `ids`.

    Raises:
        LayerError, NetworkError: the network does not fit the recipe.
    """
    flat = exemplars.ids.ravel()
    places = np.flatnonzero(flat >= 0)
    numbers, first = np.unique(flat[places], return_index=True)
    source = places[first][np.searchsorted(numbers, flat[places])]
    masks = _FlatMasks(exemplars.masks)
    chosen = _Chosen(masks, places)
    features = pooled(network, recipe, exemplars.picture, chosen, source.tolist(), advance=advance)
    place = np.full(len(flat), -1)
    place[places] = np.arange(len(places))
    return keys(features, place.reshape(exemplars.ids.shape))


@dataclass(frozen=True)
class _Chosen:
    """Some masks of a sequence."""

    masks: _FlatMasks
    places: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> NDArray[np.bool_]:
        return self.masks[int(self.places[index])]


def layer_names(folder: Path) -> tuple[str, ...]:
    """Names of the layers whose exemplars are in a folder, in alphabetical order.

    Raises:
        NotFoundError: there is no such folder. DataError: no layer is in it.
    """
    if not folder.is_dir():
        raise NotFoundError(f"there is no folder {folder}. Name the folder that holds one folder a layer.")
    names = tuple(sorted(path.parent.name for path in folder.glob(f"*/{IMAGES}")))
    if not names:
        raise DataError(f"{folder} holds no <layer>/{IMAGES}. Name the folder that holds one folder a layer.")
    return names


def read_layer(folder: Path, layer: str) -> LayerExemplars:
    """The exemplars of a layer.

    Raises:
        NotFoundError: pictures or masks are not there. DataError: a file is damaged, or the files do not agree.
    """
    inside = folder / layer
    images, masks = _array(inside / IMAGES, 5), _array(inside / MASKS, 5)
    wanted = (*images.shape[:2], 1, *images.shape[3:])
    if images.shape[2] != 3 or masks.shape != wanted or images.dtype != np.uint8 or masks.dtype not in (np.uint8, np.bool_):
        raise DataError(
            f"{inside}: {IMAGES} is {images.dtype} {images.shape} and {MASKS} {masks.dtype} {masks.shape}; "
            "uint8 (U, k, 3, H, W) and uint8 (U, k, 1, H, W) are needed. Export them again."
        )
    shape = (images.shape[0], images.shape[1])
    ids = _table(inside / IDS, shape)
    activations = _table(inside / ACTIVATIONS, shape) if (inside / ACTIVATIONS).is_file() else None
    units = _array(inside / UNITS, 1) if (inside / UNITS).is_file() else np.arange(shape[0])
    if len(units) != shape[0] or units.dtype.kind not in "iu" or len(set(units.tolist())) != len(units):
        raise DataError(f"{inside / UNITS} does not number {shape[0]} units. Export them again.")
    if not np.array_equal(ids, np.round(ids)):
        raise DataError(f"{inside / IDS} holds other things than whole numbers. Export it again.")
    return LayerExemplars(layer, images, masks.view(np.uint8), ids.astype(np.int64), units.astype(np.int64), activations)


def write_layer(
    folder: Path,
    layer: str,
    unit: Callable[[int], tuple[NDArray[np.uint8], NDArray[np.bool_]]],
    ids: Int64,
    size: tuple[int, int] = (224, 224),
    *,
    activations: NDArray[np.floating[Any]] | None = None,
    units: Int64 | None = None,
) -> None:
    """Write the exemplars of a layer, unit by unit.

    unit: gives pictures (k, H, W, 3) and masks (k, H, W) of the unit at a place 0..U-1; what belongs to an id of -1 is not looked at and
    written as zeros. ids, activations (U, k); units (U,) their numbers, if they are not 0, 1, 2 ...

    Raises:
        UsageError: the layer's name cannot be a folder's. ShapeError: what `unit` gives, activations or units have another shape.
        StorageError: the operating system refused.
    """
    if not layer or layer != Path(layer).name or layer in (".", ".."):
        raise UsageError(f"layer {layer!r} cannot be the name of a folder.")
    if (activations is not None and activations.shape != ids.shape) or (units is not None and units.shape != ids.shape[:1]):
        raise ShapeError(f"ids of shape {ids.shape} with activations or units of another number of units or exemplars.")
    inside = folder / layer
    _fill(inside / IMAGES, (*ids.shape, 3, *size), lambda u: _checked(unit(u)[0], (ids.shape[1], *size, 3)).transpose(0, 3, 1, 2), ids)
    _fill(inside / MASKS, (*ids.shape, 1, *size), lambda u: _checked(unit(u)[1], (ids.shape[1], *size))[:, None], ids)
    if activations is not None:
        atomic.write_text(inside / ACTIVATIONS, _lines(activations, "{:.5e}"))
    if units is not None:
        data = io.BytesIO()
        np.save(data, units.astype(np.int64))
        atomic.write_bytes(inside / UNITS, data.getvalue())
    atomic.write_text(inside / IDS, _lines(ids, "{:d}"))


def _fill(path: Path, shape: tuple[int, ...], of: Callable[[int], NDArray[Any]], ids: Int64) -> None:
    def fill(temporary: Path) -> None:
        array = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
        for place in range(shape[0]):
            there = ids[place] >= 0
            if there.any():
                array[place] = np.where(there.reshape(-1, 1, 1, 1), of(place), 0)
        array.flush()

    atomic.write_with(path, fill)


def _checked(given: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    if given.shape != shape:
        raise ShapeError(f"exemplars of shape {given.shape}; {shape} is needed.")
    return given


def _lines(table: NDArray[Any], form: str) -> str:
    return "".join(",".join(form.format(value) for value in row) + "\n" for row in table.tolist())


def _array(path: Path, dimensions: int) -> NDArray[Any]:
    if not path.is_file():
        raise NotFoundError(f"there is no {path}. The folder of a layer holds {IMAGES}, {MASKS} and {IDS}.")
    try:
        array = np.load(path, mmap_mode="r")
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"{path} is no array, or damaged ({' '.join(str(error).split())[:120]}). Export or fetch it again.") from error
    if not isinstance(array, np.ndarray) or array.ndim != dimensions:
        raise DataError(f"{path} is no array of {dimensions} dimensions. Export or fetch it again.")
    return array


def _table(path: Path, shape: tuple[int, int]) -> NDArray[np.float64]:
    if not path.is_file():
        raise NotFoundError(f"there is no {path}. The folder of a layer holds {IMAGES}, {MASKS} and {IDS}.")
    try:
        rows = [[float(cell) for cell in row] for row in csv.reader(io.StringIO(path.read_text(encoding="utf-8"))) if row]
    except (ValueError, csv.Error) as error:
        raise DataError(f"{path} is no table of numbers ({error}). Export or fetch it again.") from error
    if len(rows) != shape[0] or any(len(row) != shape[1] for row in rows):
        raise DataError(f"{path} has not {shape[0]} lines of {shape[1]} numbers, as its pictures have. Export or fetch it again.")
    return np.array(rows, np.float64).reshape(shape)


@dataclass(frozen=True)
class Annotations:
    """Descriptions of units by people. units: (layer, unit) of each of U units, by layer and number; texts: those of each, in the
    order of the file."""

    units: tuple[tuple[str, int], ...]
    texts: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.units)

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers, in order."""
        return tuple(dict.fromkeys(layer for layer, _ in self.units))


def read_annotations(path: Path, each: int | None = None) -> Annotations:
    """The descriptions of `annotations.csv` (or of a folder that holds it). each: how many a unit must have; None: any number.

    Raises:
        NotFoundError: there is no such file. DataError: a row cannot be read; file, line and reason are named.
    """
    file = path / ANNOTATIONS if path.is_dir() else path
    if not file.is_file():
        raise NotFoundError(f"there is no annotations file {file}. It is a CSV file with the columns {', '.join(COLUMNS)}.")
    found: dict[tuple[str, int], list[str]] = {}
    for layer, unit, summary in _rows(file):
        found.setdefault((layer, unit), []).append(summary)
    if not found:
        raise DataError(f"{file} holds no description. Its rows are {', '.join(COLUMNS)}.")
    odd = next((key for key, texts in found.items() if each is not None and len(texts) != each), None)
    if odd is not None:
        raise DataError(f"{file}: unit {odd[1]} of {odd[0]} has {len(found[odd])} descriptions, not {each}. Complete the file.")
    order = sorted(found)
    return Annotations(tuple(order), tuple(tuple(found[key]) for key in order))


def _rows(file: Path) -> list[tuple[str, int, str]]:
    try:
        reader = csv.DictReader(io.StringIO(file.read_text(encoding="utf-8-sig"), newline=""), strict=True)
        names = reader.fieldnames or ()
        if missing := [name for name in COLUMNS if name not in names]:
            raise DataError(f"{file} has no column {missing[0]}. Its header names {', '.join(COLUMNS)}.")
        return [_row(file, reader.line_num, row) for row in reader]
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not UTF-8 text (byte {error.start}). Save it as UTF-8.") from error
    except csv.Error as error:
        raise DataError(f"{file} cannot be read as CSV ({error}). Check its quotes.") from error


def _row(file: Path, line: int, row: dict[str, Any]) -> tuple[str, int, str]:
    layer, unit, summary = (row.get(name) for name in COLUMNS)
    if None in row or not all(isinstance(cell, str) for cell in (layer, unit, summary)):
        raise DataError(f"{file}, line {line}: the row has not as many cells as the header. Check its commas and quotes.")
    assert isinstance(layer, str) and isinstance(unit, str) and isinstance(summary, str)
    if not layer.strip() or not unit.strip().isdecimal() or not summary.strip():
        raise DataError(f"{file}, line {line}: a layer, a unit's number from 0 and a description are needed, not {[layer, unit, summary]}.")
    return layer.strip(), int(unit), summary.strip()


def write_annotations(path: Path, units: Sequence[tuple[str, int]], texts: Sequence[Sequence[str]]) -> None:
    """Write descriptions as `annotations.csv`: units (layer, number) and the texts of each.

    Raises:
        ShapeError: not as many lists of texts as units. StorageError: the operating system refused.
    """
    if len(units) != len(texts):
        raise ShapeError(f"{len(units)} units, but texts of {len(texts)}.")
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((layer, unit, text) for (layer, unit), several in zip(units, texts, strict=True) for text in several)
    atomic.write_text(path, out.getvalue())
