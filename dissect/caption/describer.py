"""What describes units: exemplars in, descriptions out. Our captioner and any other model are asked in the same way.

Letters: U units, k exemplars of a unit, best first, (H, W) mask.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dissect.caption.decoding import Decoding, Description
from dissect.errors import ShapeError
from dissect.fingerprint import Plain
from dissect.probe.progress import Progress

BoolArray = NDArray[np.bool_]
Int32 = NDArray[np.int32]

NO_EXEMPLAR = "it has no exemplar"
EMPTY_MASKS = "the masks of all its exemplars are empty"


@dataclass(frozen=True)
class ExemplarSet:
    """The exemplars of U units.

    picture: opens a picture by its number, upright RGB, as the network saw it (cut to its view). image (U, k) int32: numbers of the
    pictures, best first, -1 where a unit has fewer. mask_at: the mask (H, W) of a unit's place 0..U-1 and a rank 0..k-1, over the whole
    picture that `picture` gives, of any size; it is asked only where `image` is not -1. seen (U, k): where a mask has a pixel; False
    where there is no exemplar.
    """

    picture: Callable[[int], Image.Image]
    image: Int32
    mask_at: Callable[[int, int], BoolArray]
    seen: BoolArray

    def __post_init__(self) -> None:
        if self.image.ndim != 2 or self.seen.shape != self.image.shape:
            raise ShapeError(f"exemplars of shape {self.image.shape} with masks of shape {self.seen.shape}; (U, k) and (U, k) are needed.")

    def __len__(self) -> int:
        return len(self.image)

    def mask(self, unit: int, rank: int) -> BoolArray:
        """Where the unit is active on an exemplar, (H, W). unit: its place 0..U-1; rank: 0..k-1.

        Raises:
            ShapeError: the unit has no such exemplar.
        """
        if self.image[unit, rank] < 0:
            raise ShapeError(f"the unit at place {unit} has no exemplar {rank}.")
        return self.mask_at(unit, rank)

    def reason(self, unit: int) -> str | None:
        """Why a unit cannot be described, in words; None if it can. unit: its place 0..U-1."""
        if not (self.image[unit] >= 0).any():
            return NO_EXEMPLAR
        return None if self.seen[unit].any() else EMPTY_MASKS


class Describer(Protocol):
    """Gives descriptions of units from their exemplars."""

    @property
    def name(self) -> str:
        """Such as `demo-captioner` or `transformers:FOLDER`."""
        ...

    def facts(self) -> Mapping[str, Plain]:
        """All of it that changes a description: content hashes of weights, how pictures are seen, what gives log p(d). It becomes part
        of the fingerprint, beside the decoding; no name, no path."""
        ...

    def describe(self, exemplars: ExemplarSet, decoding: Decoding, progress: Progress) -> list[tuple[Description, ...]]:
        """Descriptions of every unit, the best first, at most `decoding.kept` different ones; none where `exemplars.reason` gives one.

        Raises:
            UsageError: it cannot decode like that.
        """
        ...
