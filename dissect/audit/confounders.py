"""Things that may differ between groups without being the groups: how bright a picture is, how large a face, and where it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from dissect.audit.responses import region_masks
from dissect.concepts.images import open_image
from dissect.concepts.model import ImageRecord, Vocabulary
from dissect.errors import DataError, NotFoundError
from dissect.probe.settings import ProbeResult

Float64 = NDArray[np.float64]
SIDE = 64
"""Pictures are shrunk to this before their brightness is taken: it is a mean."""


def brightness(records: Sequence[ImageRecord], index: NDArray[np.int32], workers: int = 1) -> Mapping[str, Float64]:
    """`brightness` and `contrast` (n,) of the pictures `index`: mean and standard deviation of luminance, 0 black to 1 white.

    Luminance is Pillow's (ITU-R BT.601). Raises ImageError if a picture cannot be opened.
    """

    def one(number: int) -> tuple[float, float]:
        with open_image(records[number].path) as image:
            grey = np.asarray(image.convert("L").resize((SIDE, SIDE)), np.float64) / 255
        return float(grey.mean()), float(grey.std())

    with ThreadPoolExecutor(max(1, workers), thread_name_prefix="dissect-brightness") as pool:
        found = np.array(list(pool.map(one, (int(i) for i in index))), np.float64).reshape(-1, 2)
    return {"brightness": found[:, 0], "contrast": found[:, 1]}


def geometry(result: ProbeResult, vocabulary: Vocabulary, region: str) -> Mapping[str, Float64]:
    """`REGION size` (share of what the network sees), `REGION x` and `REGION y` (its centre, 0 left and top to 1), each (n,); NaN where
    the image has none.

    Raises:
        NotFoundError: the data set has no label maps.
    """
    if result.labels is None:
        raise NotFoundError(f"the data set has no label maps, so that the size and place of {region} are not known.")
    used = result.image_index
    found = np.full((len(used), 3), np.nan)
    for first, stop in result.labels.ranges:
        rows = np.flatnonzero((used >= first) & (used < stop))
        if len(rows):
            masks = region_masks(result.labels.part(first, stop), vocabulary, region)
            found[rows] = [_geometry(mask) for mask in masks[used[rows] - first]]
    return {f"{region} {name}": found[:, place] for place, name in enumerate(("size", "x", "y"))}


def column(records: Sequence[ImageRecord], index: NDArray[np.int32], name: str) -> Float64:
    """(n,) an attribute of the card that holds numbers; NaN where it is empty.

    Raises:
        NotFoundError: no image has it. DataError: a value is no number; the image and the value are named.
    """
    values = [records[int(i)].attributes.get(name) for i in index]
    if not any(value is not None for value in values):
        raise NotFoundError(f"no image has an attribute {name!r}.")
    found = np.full(len(values), np.nan)
    for place, value in enumerate(values):
        if value not in (None, "", "none", "unknown"):
            found[place] = _number(value, name, records[int(index[place])].key)
    return found


def _number(value: str | None, name: str, key: str) -> float:
    try:
        return float(str(value))
    except ValueError as error:
        raise DataError(f"attribute {name} of image {key} is {value!r}, not a number. Match on it as a category instead.") from error


def _geometry(mask: NDArray[np.bool_]) -> tuple[float, float, float]:
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return float("nan"), float("nan"), float("nan")
    return float(mask.mean()), float((columns.mean() + 0.5) / mask.shape[1]), float((rows.mean() + 0.5) / mask.shape[0])
