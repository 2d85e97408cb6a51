"""The published networks, written down plainly: every edge is built and computed, each convolution has its own ReLU.

What ``lapt.networks`` is held against, and what ``benchmarks/training_step.py`` races. NAS-Bench-201: Dong and Yang
2020, ``TinyNetwork``; TransNAS-Bench-101: Duan et al. 2021, ``MacroNet`` with ``MicroCell``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lapt.families.dag.cell import DagCell


class Zero(nn.Module):
    def __init__(self, channels_out: int, stride: int) -> None:
        super().__init__()
        self.channels_out, self.stride = channels_out, stride

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == 1 and x.shape[1] == self.channels_out:
            return x.mul(0.0)
        return x.new_zeros(len(x), self.channels_out, *(-(-side // self.stride) for side in x.shape[2:]))


class FactorizedReduce(nn.Module):
    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.relu = nn.ReLU(inplace=False)
        self.convs = nn.ModuleList(nn.Conv2d(channels_in, channels_out // 2, 1, 2, bias=False) for _ in range(2))
        self.pad = nn.ConstantPad2d((0, 1, 0, 1), 0)
        self.bn = nn.BatchNorm2d(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(x)
        return self.bn(torch.cat([self.convs[0](x), self.convs[1](self.pad(x)[:, :, 1:, 1:])], dim=1))


def relu_conv_bn(channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.ReLU(inplace=False), *conv_bn(channels_in, channels_out, kernel, stride))


def conv_bn(channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(channels_out))


def operator_module(operator: str, channels_in: int, channels_out: int, stride: int) -> nn.Module:
    if operator == "none":
        return Zero(channels_out, stride)
    if operator == "skip_connect":
        same = stride == 1 and channels_in == channels_out
        return nn.Identity() if same else FactorizedReduce(channels_in, channels_out)
    if operator == "avg_pool_3x3":
        return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    return relu_conv_bn(channels_in, channels_out, {"nor_conv_1x1": 1, "nor_conv_3x3": 3}[operator], stride)


class PublishedCell(nn.Module):
    def __init__(
        self, family: DagCell, operators: tuple[str, ...], channels_in: int, channels_out: int, stride: int = 1
    ) -> None:
        super().__init__()
        self.family = family
        self.edges = nn.ModuleDict()
        for name, (source, _), operator in zip(family.layer_names, family.edges, operators, strict=True):
            shape = (channels_in, channels_out, stride) if source == 0 else (channels_out, channels_out, 1)
            self.edges[name] = operator_module(operator, *shape)

    def forward(self, x: Tensor) -> Tensor:
        nodes = [x]
        for node in range(1, self.family.nodes):
            nodes.append(sum(self.edges[f"{source}->{node}"](nodes[source]) for source in range(node)))
        return nodes[-1]


class PublishedReduction(nn.Module):
    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv_a = relu_conv_bn(channels_in, channels_out, 3, 2)
        self.conv_b = relu_conv_bn(channels_out, channels_out, 3)
        self.downsample = nn.Sequential(nn.AvgPool2d(2, stride=2), nn.Conv2d(channels_in, channels_out, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return self.downsample(x) + self.conv_b(self.conv_a(x))


class PublishedNetwork(nn.Module):
    def __init__(
        self,
        family: DagCell,
        operators: tuple[str, ...],
        channels: int,
        cells: int,
        classes: int,
        image_channels: int = 3,
    ) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        width = channels
        if family.name == "nas201":
            self.stem = conv_bn(image_channels, channels, 3)
            for stage in range(3):
                if stage:
                    blocks.append(PublishedReduction(width, 2 * width))
                    width *= 2
                blocks.extend(PublishedCell(family, operators, width, width) for _ in range(cells))
            self.lastact: nn.Module = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(inplace=True))
        else:
            self.stem = nn.Sequential(
                *conv_bn(image_channels, channels // 2, 3, 2), *relu_conv_bn(channels // 2, channels, 3, 2)
            )
            for digit in "41414":
                target, stride = (2 * width, 2) if digit == "4" else (width, 1)
                blocks.append(PublishedCell(family, operators, width, target, stride))
                width = target
                blocks.extend(PublishedCell(family, operators, width, width) for _ in range(cells - 1))
            self.lastact = nn.Identity()
        self.blocks = nn.ModuleList(blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(width, classes)

    def features(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.lastact(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.pool(self.features(x)).flatten(1))
