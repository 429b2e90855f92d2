"""Networks as a user would write them: plain factories whose tensors have the names of the published files."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn
from torch.nn import functional


def tiny_darknet() -> nn.Module:
    """Tiny Darknet: 16 convolutions, leaky ReLU, logits of 1,000 classes averaged over the map. Layer k ends in act<k>."""
    widths = (16, 32, 16, 128, 16, 128, 32, 256, 32, 256, 64, 512, 64, 512, 128)
    kernels = (3, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1)
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    channels = 3
    for number, (width, kernel) in enumerate(zip(widths, kernels, strict=True), start=1):
        parts[f"conv{number}"] = nn.Conv2d(channels, width, kernel, padding=kernel // 2, bias=False)
        parts[f"bn{number}"] = nn.BatchNorm2d(width, eps=1e-3)
        parts[f"act{number}"] = nn.LeakyReLU(0.1, inplace=True)
        if number in (1, 2, 6, 10):
            parts[f"pool{number}"] = nn.MaxPool2d(2)
        channels = width
    parts["conv16"] = nn.Conv2d(channels, 1000, 1)
    parts["gap"] = nn.AdaptiveAvgPool2d(1)
    parts["flat"] = nn.Flatten()
    return nn.Sequential(parts)


class BasicBlock(nn.Module):
    """Two convolutions with the parameter-free shortcut of the CIFAR networks. One ReLU module fires twice."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.stride = stride
        self.added = width - channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shortcut = x
        if self.stride != 1 or self.added:
            shortcut = functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.added // 2, self.added // 2))
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(y)) + shortcut)  # type: ignore[no-any-return]


class CifarResNet(nn.Module):
    """The CIFAR-10 residual network of depth 6n + 2."""

    def __init__(self, n: int = 3) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = self._stage(16, 16, n, 1)
        self.layer2 = self._stage(16, 32, n, 2)
        self.layer3 = self._stage(32, 64, n, 2)
        self.linear = nn.Linear(64, 10)

    @staticmethod
    def _stage(channels: int, width: int, blocks: int, stride: int) -> nn.Sequential:
        return nn.Sequential(BasicBlock(channels, width, stride), *(BasicBlock(width, width, 1) for _ in range(blocks - 1)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean((2, 3)))  # type: ignore[no-any-return]


def cifar_resnet20() -> nn.Module:
    """CIFAR-10 ResNet-20."""
    return CifarResNet(3)


class SeparableConv(nn.Module):
    """Depthwise 3x3, then pointwise 1x1."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.pointwise = nn.Conv2d(channels, width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.pointwise(self.depthwise(x))  # type: ignore[no-any-return]


class ReductionBlock(nn.Module):
    """Two separable convolutions and a pooling beside a strided 1x1 convolution."""

    def __init__(self, channels: int, width: int, activate_input: bool = True) -> None:
        super().__init__()
        self.separable_conv0 = SeparableConv(channels, width)
        self.separable_conv1 = SeparableConv(width, width)
        self.expansion_conv = nn.Conv2d(channels, width, 1, stride=2)
        self.activate_input = activate_input

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.separable_conv0(functional.relu(x) if self.activate_input else x)
        y = self.separable_conv1(functional.relu(y))
        y = functional.max_pool2d(functional.pad(y, (0, 1, 0, 1), value=float("-inf")), 3, 2)
        return y + self.expansion_conv(x)  # type: ignore[no-any-return]


class MainBlock(nn.Module):
    """Three separable convolutions with a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.separable_conv0 = SeparableConv(channels, channels)
        self.separable_conv1 = SeparableConv(channels, channels)
        self.separable_conv2 = SeparableConv(channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x
        for part in (self.separable_conv0, self.separable_conv1, self.separable_conv2):
            y = part(functional.relu(y))
        return x + y


class AgeGender(nn.Module):
    """Age (one number, years) and gender (two logits: male, female, as the network's authors label them) of a face crop: (B, 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.entry_flow = nn.ModuleDict(
            {
                "conv_in": nn.Conv2d(3, 32, 3, 2),
                "reduction_block_0": ReductionBlock(32, 64, activate_input=False),
                "reduction_block_1": ReductionBlock(64, 128),
            }
        )
        self.middle_flow = nn.ModuleDict({"main_block_0": MainBlock(128), "main_block_1": MainBlock(128)})
        self.exit_flow = nn.ModuleDict({"reduction_block": ReductionBlock(128, 256), "separable_conv": SeparableConv(256, 512)})
        self.fc = nn.ModuleDict({"age": nn.Linear(512, 1), "gender": nn.Linear(512, 2)})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.entry_flow["conv_in"](functional.pad(x, (0, 1, 0, 1))))
        x = self.entry_flow["reduction_block_1"](self.entry_flow["reduction_block_0"](x))
        x = self.middle_flow["main_block_1"](self.middle_flow["main_block_0"](x))
        x = functional.relu(self.exit_flow["separable_conv"](self.exit_flow["reduction_block"](x)))
        pooled = x.mean((2, 3))
        return torch.cat([self.fc["age"](pooled), self.fc["gender"](pooled)], dim=1)


def age_gender() -> nn.Module:
    """The age and gender network."""
    return AgeGender()
