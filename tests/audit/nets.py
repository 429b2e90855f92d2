"""A network whose units read known colours, for the audit of drawn people."""

from __future__ import annotations

import torch
from torch import nn

SIDE = 64
UNITS = {"light": 0, "blond": 1, "red": 2}
"""What the first units read; the others are random colour filters over single pixels of noise-like differences."""


def colours() -> nn.Module:
    """Pooled colour filters after a ReLU (24 units, 16 x 16), then two outputs that read the first two units only."""
    random = torch.Generator().manual_seed(0)
    filters = torch.randn((24, 3, 3, 3), generator=random)
    filters = filters - filters.mean(dim=(1, 2, 3), keepdim=True)
    bias = torch.zeros(24)
    for unit, (weights, offset) in enumerate((((0.4, 0.4, 0.2), -0.4), ((1.0, 1.0, -2.0), -0.3), ((2.0, -1.0, -1.0), -0.3))):
        filters[unit] = torch.tensor(weights)[:, None, None] / 9
        bias[unit] = offset
    conv, head = nn.Conv2d(3, 24, 3, padding=1), nn.Linear(24, 2)
    with torch.no_grad():
        conv.weight.copy_(filters)
        assert conv.bias is not None
        conv.bias.copy_(bias)
        head.weight.zero_()
        head.weight[0, 0], head.weight[1, 1] = 5.0, -3.0
        head.bias.zero_()
    layers = nn.Sequential()
    parts = (
        ("pool", nn.AvgPool2d(4)),
        ("conv", conv),
        ("act", nn.ReLU()),
        ("gap", nn.AdaptiveAvgPool2d(1)),
        ("flat", nn.Flatten()),
        ("head", head),
    )
    for name, module in parts:
        layers.add_module(name, module)
    return layers
