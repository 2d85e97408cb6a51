"""A mobile network as a list of its blocks, and its size in closed form. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from lapt.families.mobile.cell import RESOLUTION, SKIP, STAGES, WIDTHS, blocks_of

HALVES = ((2, 3, 4), (4, 5, 6), (8, 10, 12), (16, 20, 24))
"""Of each stage, the widths narrow, medium and wide in halves of the stem's."""
LAST = 20
"""Width of the features, in widths of the stem."""
HARD = 3
"""The stage from which on activations are hard swish and not ReLU, as in MobileNetV3 (Howard et al. 2019)."""
SMALLEST, HALVINGS = 4, 5
"""The side in pixels that halvings leave to the features at least, and the number of halvings at most."""

Size = tuple[int, int]
"""Height and width, in pixels."""


class Block(NamedTuple):
    """An inverted residual block: 1x1 convolution that widens, depthwise convolution, 1x1 convolution that narrows.

    ``stride``: of the depthwise one. ``squeezes``: whether squeeze-excitation stands behind it. ``hard``: whether its
    activations are hard swish.
    """

    channels_in: int
    channels_out: int
    kernel: int
    expansion: int
    stride: int
    squeezes: bool
    hard: bool

    @property
    def operator(self) -> str:
        """The name of its choice, such as mb5_e6."""
        return f"mb{self.kernel}_e{self.expansion}"

    def of(self, operator: str) -> Block:
        """The same block with the kernel and the expansion of an operator."""
        kernel, expansion = operator.removeprefix("mb").split("_e")
        return self._replace(kernel=int(kernel), expansion=int(expansion))

    @property
    def expanded(self) -> int:
        return self.channels_in * self.expansion

    @property
    def squeezed(self) -> int:
        """Width of the squeeze, a quarter of the widened block."""
        return divisible(self.expanded // 4)


class Plan(NamedTuple):
    """A network. ``halved``: whether it begins with images of half the sides. ``stem``: width and stride."""

    halved: bool
    stem: tuple[int, int]
    blocks: tuple[Block, ...]
    out_channels: int

    @property
    def reduction(self) -> int:
        """Image side / feature side."""
        found = self.stem[1] * (2 if self.halved else 1)
        for block in self.blocks:
            found *= block.stride
        return found


def divisible(channels: float) -> int:
    """The multiple of 8 nearest to a number of channels, but at least 8 and 90 % of it, as torchvision rounds them."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest


def strides(side: int) -> tuple[int, ...]:
    """The strides of the stem and of the four stages, for images of a smaller side in pixels.

    Features keep four pixels a side or more. What does not halve first is the first stage, then the stem, then the
    later stages: 128 pixels and more are halved five times, 64 four times, 32 three times, 16 twice.
    """
    count = 0
    while count < HALVINGS and side >= SMALLEST * 2 ** (count + 1):
        count += 1
    first_stage, stem, *later_stages = (2 if count >= needed else 1 for needed in (5, 4, 3, 2, 1))
    return (stem, first_stage, *later_stages)


def plan_of(chosen: Mapping[str, str], *, channels: int, cells: int, image_size: Size) -> Plan:
    """The network of ``chosen``, layer -> operator. ``channels``: of the stem. ``cells``: times that a block stands.

    Widths are multiples of 8, as in torchvision. Strides are those that fit the images, also where it halves them.
    """
    stem_stride, *of_stages = strides(min(image_size))
    stem = before = divisible(channels)
    blocks: list[Block] = []
    for stage in range(1, STAGES + 1):
        width = divisible(channels * HALVES[stage - 1][WIDTHS.index(chosen[f"stage{stage}.width"])] / 2)
        stride = of_stages[stage - 1]
        for name in blocks_of(stage):
            if chosen[name] == SKIP:
                continue
            for _ in range(cells):
                squeezes = chosen[f"stage{stage}.se"] == "se"
                blocks.append(Block(before, width, 0, 0, stride, squeezes, stage >= HARD).of(chosen[name]))
                before, stride = width, 1
    return Plan(chosen[RESOLUTION] == "half", (stem, stem_stride), tuple(blocks), divisible(channels * LAST))


def counted(plan: Plan, image_channels: int, image_size: Size) -> tuple[int, int]:
    """Weights of a network without head, and multiply-adds of one image in its convolutions, as of DARTS networks."""
    found = list(_convolutions(plan, image_channels, image_size))
    return sum(weights for weights, _ in found), sum(multiply_adds for _, multiply_adds in found)


def _convolutions(plan: Plan, image_channels: int, image_size: Size) -> Iterator[tuple[int, int]]:
    """Weights and multiply-adds of each convolution, with its batch normalisation's weights or its biases."""
    size = _halved(image_size, 2) if plan.halved else image_size
    width, stride = plan.stem
    size = _halved(size, stride)
    yield _normalised(9 * image_channels * width, width, size)
    for block in plan.blocks:
        yield _normalised(block.channels_in * block.expanded, block.expanded, size)
        size, width = _halved(size, block.stride), block.channels_out
        yield _normalised(block.kernel**2 * block.expanded, block.expanded, size)
        if block.squeezes:
            each = block.expanded * block.squeezed  # on one position, with biases
            yield 2 * each + block.squeezed + block.expanded, 2 * each
        yield _normalised(block.expanded * width, width, size)
    yield _normalised(width * plan.out_channels, plan.out_channels, size)


def _normalised(weights: int, channels: int, size: Size) -> tuple[int, int]:
    return weights + 2 * channels, weights * size[0] * size[1]


def _halved(size: Size, stride: int) -> Size:
    return -(-size[0] // stride), -(-size[1] // stride)
