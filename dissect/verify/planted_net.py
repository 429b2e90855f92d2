"""A network whose units are concepts by construction: the eleven colour terms, computed from the picture by its weights.

    pixels (B, 3, H, W) in 0..1 -> lab -> anchors (1 x 1 convolution) -> margins (maximum a term, against the other terms) -> units

The naming rule is that of `concepts.colour`: the term of the nearest anchor in CIELAB. The distance to an anchor a is least where
a . x - |a|^2 / 2 is largest, which is a convolution with weights a and bias -|a|^2 / 2. Letters: B batch, A anchors, K terms.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from dissect.concepts.colour import ANCHORS, to_lab


class Lab(nn.Module):
    """sRGB in 0..1 to CIELAB under D65 (IEC 61966-2-1, CIE 15), channels rounded down to 64 steps as the naming rule does."""

    def __init__(self) -> None:
        super().__init__()
        to_xyz = torch.tensor([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]], dtype=torch.float64)
        self.register_buffer("to_xyz", to_xyz / to_xyz.sum(dim=1, keepdim=True))
        self.register_buffer("to_lab", torch.tensor([[0.0, 116, 0], [500, -500, 0], [0, 200, -200]], dtype=torch.float64))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) to (B, 3, H, W)."""
        values = (torch.floor(torch.round(pixels * 255) / 4) * 4 + 1.5) / 255
        linear = torch.where(values <= 0.04045, values / 12.92, ((values.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4)
        ratio = torch.einsum("kc,bchw->bkhw", self.to_xyz.to(linear.dtype), linear)
        root = torch.where(ratio > (6 / 29) ** 3, ratio.clamp_min(1e-6) ** (1 / 3), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
        lab = torch.einsum("kc,bchw->bkhw", self.to_lab.to(root.dtype), root)
        return lab - torch.tensor([16.0, 0, 0], dtype=root.dtype, device=root.device)[:, None, None]


class Margins(nn.Module):
    """(B, A, H, W) scores of anchors to (B, K, H, W): the best anchor of each term against the best of all other terms."""

    def __init__(self, sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.sizes = sizes

    def forward(self, scores: torch.Tensor) -> torch.Tensor:
        best = torch.stack([part.amax(dim=1) for part in torch.split(scores, list(self.sizes), dim=1)], dim=1)
        two = best.topk(2, dim=1).values
        return best - torch.where(best == two[:, :1], two[:, 1:], two[:, :1])


class Cover(nn.Module):
    """(B, K, H, W) margins to (B, K, H / cell, W / cell): the share of each cell's pixels whose margin is positive."""

    def __init__(self, cell: int) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, margins: torch.Tensor) -> torch.Tensor:
        return nn.functional.avg_pool2d((margins > 0).to(margins.dtype), self.cell)


class PlantedColours(nn.Module):
    """Layer `units`: one unit a colour term, in the order of the concepts, 1 where the whole cell has the colour. Layer `margins`: the
    same at every pixel, in squared CIELAB distance. Give it pictures scaled to 0..1, mean 0, deviation 1, without resizing."""

    def __init__(self, cell: int = 2) -> None:
        super().__init__()
        anchors = np.array([[int(code[k : k + 2], 16) for k in (0, 2, 4)] for text in ANCHORS.values() for code in text.split()], float)
        lab = to_lab(anchors)
        self.lab = Lab()
        self.anchors = nn.Conv2d(3, len(lab), 1)
        with torch.no_grad():
            self.anchors.weight.copy_(torch.from_numpy(lab)[:, :, None, None])
            assert self.anchors.bias is not None
            self.anchors.bias.copy_(torch.from_numpy(-(lab**2).sum(axis=1) / 2))
        self.margins = Margins(tuple(len(text.split()) for text in ANCHORS.values()))
        self.units = Cover(cell)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) to (B, 11, H / cell, W / cell)."""
        covered: torch.Tensor = self.units(self.margins(self.anchors(self.lab(pixels))))
        return covered
