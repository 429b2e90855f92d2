"""What a captioner sees of an exemplar: maps of several layers of a frozen network, averaged under the mask.

The picture goes through the network *unmasked*. Each layer's map is averaged under the mask, resized to the map and normalised to sum
1, and the averages of all layers stand one after another: one vector per exemplar. A picture that is an exemplar of several units goes
through once.
Letters: N pictures, M masks (exemplars), F features, U units, k exemplars of a unit, (h, w) map of a layer, (H, W) mask.
Source: Hernandez et al. 2022, section 3.2 and its program (ResNet-101: conv1 and layer1 to layer4, 64 + 256 + 512 + 1024 + 2048 = 3,904).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn.functional import interpolate

from dissect.errors import NetworkError, ShapeError, UsageError
from dissect.network.model import LayerInfo, Network, View

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float32]
Resize = Literal["area", "bilinear"]
TOGETHER = 16
"""Pictures a forward pass, unless told otherwise."""
MASKS = 256
"""Masks widened to float32 at a time."""


@dataclass(frozen=True)
class FeatureRecipe:
    """Which network's which layers make the features, and how.

    name: of the recipe. network: the network as it is named to `dissect` (a card or `torchvision:NAME`). layers: names in the order of
    the features. units: of each layer; empty if any will do. resize: `area` gives each cell the share of it that is masked, so that a
    mask is never lost; `bilinear` looks at the four mask pixels around the cell's centre, as the published program does.
    """

    name: str
    network: str
    layers: tuple[str, ...]
    units: tuple[int, ...] = ()
    resize: Resize = "area"

    def __post_init__(self) -> None:
        if not self.layers or len(set(self.layers)) != len(self.layers):
            raise UsageError(f"feature recipe {self.name}: name one layer or more, each once.")
        if self.units and len(self.units) != len(self.layers):
            raise UsageError(f"feature recipe {self.name}: {len(self.units)} unit counts for {len(self.layers)} layers.")
        if self.resize not in ("area", "bilinear"):
            raise UsageError(f"feature recipe {self.name}: resize is {self.resize!r}. Choose area or bilinear.")

    def plain(self) -> dict[str, object]:
        """The recipe for JSON."""
        return {"name": self.name, "network": self.network, "layers": list(self.layers), "units": list(self.units), "resize": self.resize}

    @classmethod
    def from_plain(cls, plain: object) -> FeatureRecipe:
        """The recipe of `plain()`.

        Raises:
            UsageError: it is none.
        """
        if not isinstance(plain, Mapping) or set(plain) != {"name", "network", "layers", "units", "resize"}:
            raise UsageError("a feature recipe has exactly name, network, layers, units and resize.")
        names, units = plain["layers"], plain["units"]
        text = all(isinstance(plain[key], str) for key in ("name", "network", "resize"))
        if not (text and _all(names, str) and _all(units, int)):
            raise UsageError(
                "a feature recipe's name, network and resize are text, its layers a list of names, its units a list of counts."
            )
        return cls(plain["name"], plain["network"], tuple(names), tuple(units), plain["resize"])

    def find(self, network: Network) -> tuple[LayerInfo, ...]:
        """The layers of a network, in the order of the recipe.

        Raises:
            LayerError: it has no such layer. NetworkError: one has another number of units than the recipe says.
        """
        found = tuple(_exact(network, name) for name in self.layers)
        for layer, units in zip(found, self.units, strict=False):
            if layer.units != units:
                raise NetworkError(
                    f"layer {layer.name} of {network.name} has {layer.units} units, but feature recipe {self.name} was made for {units}. "
                    f"Use {self.network}."
                )
        return found


def _all(values: object, kind: type) -> bool:
    return isinstance(values, list) and all(isinstance(value, kind) and not isinstance(value, bool) for value in values)


def _exact(network: Network, name: str) -> LayerInfo:
    matching = network.layers((name,))
    return next((layer for layer in matching if layer.name == name), matching[0])


_RESNET = ("conv1", "layer1", "layer2", "layer3", "layer4")
RECIPES: Mapping[str, FeatureRecipe] = {
    recipe.name: recipe
    for recipe in (
        FeatureRecipe("resnet101", "torchvision:resnet101@IMAGENET1K_V1", _RESNET, (64, 256, 512, 1024, 2048), "bilinear"),
        FeatureRecipe("resnet50", "torchvision:resnet50@IMAGENET1K_V1", _RESNET, (64, 256, 512, 1024, 2048), "bilinear"),
        FeatureRecipe("resnet18", "torchvision:resnet18@IMAGENET1K_V1", _RESNET, (64, 64, 128, 256, 512), "bilinear"),
        FeatureRecipe(
            "alexnet",
            "torchvision:alexnet@IMAGENET1K_V1",
            ("features.0", "features.3", "features.6", "features.8", "features.10"),
            (64, 192, 384, 256, 256),
            "bilinear",
        ),
        FeatureRecipe("demo", "demo", ("layer1", "layer2", "layer3", "layer4", "layer5", "layer6"), (24, 40, 80, 112, 160, 224)),
    )
}
"""The published recipes (the first four, with the weights of their time) and that of the embedded network, by name."""


class Mask(Protocol):
    """What `pooled` needs of masks: any (M, H, W) array, or a sequence that unpacks (H, W) masks one by one."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> BoolArray: ...


@dataclass(frozen=True)
class Features:
    """values (M, F) float32; present (M,): False where the mask is empty, whose features are all 0."""

    values: FloatArray
    present: BoolArray


@dataclass(frozen=True)
class Keys:
    """What a captioner attends to. values (U, k, F) float32; present (U, k): False where a unit has no such exemplar, or its mask is
    empty; such keys are 0 and never attended to."""

    values: FloatArray
    present: BoolArray

    def __post_init__(self) -> None:
        if self.values.ndim != 3 or self.present.shape != self.values.shape[:2]:
            raise ShapeError(
                f"keys of shape {self.values.shape} with presence of shape {self.present.shape}; (U, k, F) and (U, k) are needed."
            )

    def __len__(self) -> int:
        return len(self.values)


def pooled(
    network: Network,
    recipe: FeatureRecipe,
    pictures: Sequence[Image.Image] | Callable[[int], Image.Image],
    masks: Mask,
    picture: Sequence[int],
    *,
    together: int = TOGETHER,
    advance: Callable[[int], None] = lambda pictures: None,
) -> Features:
    """Features of M exemplars.

    pictures: upright RGB pictures, or a function that opens one by its number. masks: M masks (H, W) over the *whole* picture (as
    `squash` shows it), of any size. picture (M,): the number of each mask's picture. advance: told how many pictures are done.

    Raises:
        ShapeError: not as many picture numbers as masks, or a mask is not flat.
        LayerError, NetworkError: the network does not fit the recipe.
    """
    if len(masks) != len(picture):
        raise ShapeError(f"{len(masks)} masks, but {len(picture)} picture numbers.")
    layers = recipe.find(network)
    of: dict[int, list[int]] = {}
    for place, number in enumerate(picture):
        of.setdefault(int(number), []).append(place)
    values = np.zeros((len(picture), sum(layer.units for layer in layers)), np.float32)
    present = np.zeros(len(picture), np.bool_)
    numbers = sorted(of)
    for first in range(0, len(numbers), together):
        some = numbers[first : first + together]
        opened = [pictures(number) if callable(pictures) else pictures[number] for number in some]
        maps = network.activations(np.stack([network.prepare(image) for image in opened]), layers)
        views = [network.view(image.size) for image in opened]
        cut = [[_in_view(masks[place], view, network.input_size) for place in of[n]] for n, view in zip(some, views, strict=True)]
        for rows, seen in _alike(cut):
            places = [place for row in rows for place in of[some[row]]]
            parts = [len(of[some[row]]) for row in rows]
            values[places] = _pooled([maps[layer.name][rows].cpu() for layer in layers], parts, seen, recipe.resize)
            present[places] = seen.any(axis=(1, 2))
        advance(len(some))
    return Features(values, present)


def _in_view(mask: BoolArray, view: View, size: tuple[int, int]) -> BoolArray:
    """A mask over a picture, as the network sees the picture: as it is under `squash`, else cut (and padded with nothing)."""
    if mask.ndim != 2:
        raise ShapeError(f"a mask of shape {mask.shape}; (H, W) is needed.")
    if (view.left, view.top, view.right, view.bottom) == (0, 0, view.width, view.height):
        return np.asarray(mask, np.bool_)
    return view.sample(mask.astype(np.uint16), size, 0).astype(np.bool_)


def _alike(masks: Sequence[Sequence[BoolArray]]) -> Iterator[tuple[list[int], BoolArray]]:
    """Pictures whose masks have one size, with all these masks (M, H, W), picture by picture; not many more masks than `MASKS` a time."""
    by_size: dict[tuple[int, ...], list[list[int]]] = {}
    for row, several in enumerate(masks):
        parts = by_size.setdefault(several[0].shape, [[]])
        if sum(len(masks[each]) for each in parts[-1]) >= MASKS:
            parts.append([])
        parts[-1].append(row)
    for rows in (part for parts in by_size.values() for part in parts):
        yield rows, np.stack([mask for row in rows for mask in masks[row]])


def pool(maps: Sequence[torch.Tensor], masks: BoolArray, resize: Resize) -> FloatArray:
    """(m, F) averages of one picture's maps under m masks.

    maps: (U_l, h_l, w_l) of each layer. masks (m, H, W). A mask that is empty at a layer's size gives zeros there.
    """
    return _pooled([layer[None] for layer in maps], [len(masks)], masks, resize)


def _pooled(maps: Sequence[torch.Tensor], parts: Sequence[int], masks: BoolArray, resize: Resize) -> FloatArray:
    """(M, F) averages of n pictures' maps (n, U_l, h_l, w_l) under masks (M, H, W), of which each picture has `parts[n]`, in order."""
    found = []
    given = torch.from_numpy(masks).float()[:, None]
    for layer in maps:
        weight = _resized(given, (int(layer.shape[2]), int(layer.shape[3])), resize).flatten(1)
        total = weight.sum(dim=1, keepdim=True)
        weight = torch.where(total > 0, weight / total.clamp_min(torch.finfo(torch.float32).tiny), 0.0)
        flat = layer.float().flatten(2)
        found.append(torch.cat([own @ flat[row].T for row, own in enumerate(torch.split(weight, list(parts)))]))
    return torch.cat(found, dim=1).numpy()


def _resized(masks: torch.Tensor, size: tuple[int, int], resize: Resize) -> torch.Tensor:
    """(m, 1, H, W) masks to (m, 1, h, w) weights; `area` of a map finer than the mask repeats its pixels by share."""
    if resize == "bilinear":
        return interpolate(masks, size=size, mode="bilinear", align_corners=False)
    return _overlap(masks.shape[2], size[0]) @ masks @ _overlap(masks.shape[3], size[1]).T


@functools.lru_cache(maxsize=64)
def _overlap(pixels: int, cells: int) -> torch.Tensor:
    """(cells, pixels): the length of each cell that each pixel covers, cells and pixels being equal cuts of one line of length `cells`."""
    start, end = torch.arange(cells)[:, None], torch.arange(1, cells + 1)[:, None]
    left, right = torch.arange(pixels) * cells / pixels, torch.arange(1, pixels + 1) * cells / pixels
    return (torch.minimum(end, right) - torch.maximum(start, left)).clamp_min(0).float()


def keys(features: Features, exemplar: NDArray[np.integer]) -> Keys:
    """Keys of U units. exemplar (U, k): the place in `features` of each unit's exemplars, -1 for none."""
    if len(features.values) == 0:
        return Keys(np.zeros((*exemplar.shape, features.values.shape[1]), np.float32), np.zeros(exemplar.shape, np.bool_))
    there = exemplar >= 0
    present = there & features.present[exemplar]
    return Keys(np.where(present[:, :, None], features.values[exemplar], np.float32(0)), present)
