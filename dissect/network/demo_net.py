"""The embedded default network: six convolutions, batch norms and ReLUs, as in ImageNet classifiers, small enough to ship.

Input (B, 3, 128, 128), output (B, 145): one logit for each concept of the drawn set, in the order of its numbers. Scene logits are
meant for a softmax among themselves, all others for a sigmoid each ("this is somewhere in the picture").

    layer1  64 x 64,  32 units        layer4  16 x 16, 128 units
    layer2  32 x 32,  48 units        layer5   8 x  8, 160 units
    layer3  16 x 16,  96 units        layer6   8 x  8, 256 units
"""

from __future__ import annotations

import torch
from torch import nn

INPUT = 128
"""Height and width of the input."""
OUTPUTS = 145
WIDTHS = (24, 40, 80, 112, 160, 224)
POOLED = (True, True, False, True, False, False)
"""After which layers the map is halved by 2 x 2 max pooling; the first convolution halves it once more."""


class DemoNet(nn.Module):
    """See the module's text."""

    def __init__(self) -> None:
        super().__init__()
        before = 3
        for number, width in enumerate(WIDTHS, start=1):
            size, stride = (5, 2) if number == 1 else (3, 1)
            conv = nn.Conv2d(before, width, size, stride=stride, padding=size // 2, bias=False)
            self.add_module(f"layer{number}", nn.Sequential(conv, nn.BatchNorm2d(width), nn.ReLU()))
            before = width
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Linear(before, OUTPUTS)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """(B, 3, 128, 128) to logits (B, 145)."""
        maps = pictures
        for number, pooled in enumerate(POOLED, start=1):
            maps = self.get_submodule(f"layer{number}")(maps)
            maps = self.pool(maps) if pooled else maps
        features = (maps.amax(dim=(2, 3)) + maps.mean(dim=(2, 3))) / 2
        logits: torch.Tensor = self.head(features)
        return logits


def demo_net(seed: int | None = None) -> DemoNet:
    """The network with fresh weights; the same ones for the same seed (a random baseline), whatever the global random state is."""
    if seed is None:
        return DemoNet()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return DemoNet()
