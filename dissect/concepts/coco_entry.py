"""What one COCO annotation says: its outline, whether it is a crowd, its keypoints. Faults name the file and the annotation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from dissect.concepts import regions, rle
from dissect.concepts.regions import Region
from dissect.errors import LabelMapError


def region_of(entry: Mapping[str, object], size: tuple[int, int], where: str) -> Region:
    """The pixels of one instance: the union of its polygons, or its run-length code.

    Raises:
        LabelMapError: there is no outline, or it is damaged, or it belongs to a picture of another size.
    """
    outline = entry.get("segmentation")
    if isinstance(outline, Mapping):
        mask = rle.decode(outline.get("counts"), outline.get("size"), where)
        if mask.shape != size:
            raise LabelMapError(
                f"{where}: its run-length code is {mask.shape[1]} x {mask.shape[0]}, its picture {size[1]} x {size[0]}. "
                "Export the annotation again for this picture."
            )
        return regions.from_mask(mask)
    if not isinstance(outline, list) or not outline:
        raise LabelMapError(f"{where}: it has no outline (`segmentation`: polygons or run lengths). Add one, or take the annotation out.")
    return regions.union([regions.from_polygon(_polygon(part, size, where), size) for part in outline])


def _polygon(part: object, size: tuple[int, int], where: str) -> regions.Points:
    if not isinstance(part, np.ndarray):
        fault = "holds something that is not a number" if isinstance(part, list) else f"is a {type(part).__name__}, not a list of numbers"
    elif part.ndim != 1 or len(part) < 6 or len(part) % 2:
        fault = f"has {part.size} numbers; it needs x and y of at least three points"
    elif not np.isfinite(part).all():
        fault = "holds a number that is not finite"
    elif (np.abs(part.reshape(-1, 2)) > 2.0 * np.array([size[1], size[0]])).any():
        fault = f"reaches far outside its picture of {size[1]} x {size[0]}"
    else:
        return part.reshape(-1, 2)
    raise LabelMapError(f"{where}: a polygon {fault}. Draw or export the annotation again, or take it out of the file.")


def is_crowd(entry: Mapping[str, object], where: str) -> bool:
    """Whether an annotation is a crowd region.

    Raises:
        LabelMapError: `iscrowd` is neither 0 nor 1.
    """
    value = entry.get("iscrowd", 0)
    if value not in (0, 1):
        raise LabelMapError(f"{where}: `iscrowd` is {str(value)[:40]}. Write 0 or 1.")
    return value == 1


def keypoints_of(entry: Mapping[str, object], names: Sequence[str], where: str) -> NDArray[np.float64]:
    """x, y, visibility (P, 3) of a person; visibility 0 is not marked, 1 marked but hidden, 2 visible.

    Raises:
        LabelMapError: there are not as many as names, or one is no number.
    """
    values = entry.get("keypoints")
    if not names or not isinstance(values, list) or len(values) != 3 * len(names) or not all(_finite(value) for value in values):
        raise LabelMapError(f"{where}: its keypoints are not {len(names)} times x, y, visibility. Export it again, or take it out.")
    triples = np.array(values, dtype=np.float64).reshape(-1, 3)
    if not np.isin(triples[:, 2], (0, 1, 2)).all():
        raise LabelMapError(f"{where}: a keypoint's visibility is not 0, 1 or 2. Export the annotation again, or take it out.")
    return triples


def box_side(entry: Mapping[str, object], where: str) -> float:
    """Square root of the area of a person's box, in pixels.

    Raises:
        LabelMapError: the box is none.
    """
    box = entry.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(_finite(side) for side in box) or min(box[2:]) < 0:
        raise LabelMapError(f"{where}: its `bbox` is {str(box)[:60]}, not [x, y, width, height]. Export it again, or take it out.")
    return float(np.sqrt(float(box[2]) * float(box[3])))


def _finite(value: object) -> bool:
    return type(value) in (int, float) and abs(value) < 1e6  # type: ignore[arg-type]
