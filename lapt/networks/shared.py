"""The base classes of a supernet's shared cells, and of the body around them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import NamedTuple

from torch import Tensor, nn

from lapt.spaces import Architecture

Taken = Callable[[str, str], nn.Module | None]
"""(name of an edge, operator) -> the module there."""
Compute = Callable[..., Tensor]
"""(shared cell, its inputs) -> its output."""


class Connection(NamedTuple):
    """An edge of a cell: it reads one input or node and adds to another. ``kind``: of DARTS cells normal or reduce."""

    kind: str
    source: int
    node: int

    @property
    def edge(self) -> str:
        """Its name in a network's cell."""
        return f"{self.source}->{self.node}"


Candidates = Mapping[Connection, tuple[str, ...]]
"""The operators that architectures of the space may have on each connection (``lapt.networks.connections``)."""


class SharedCell(nn.Module, ABC):
    """The candidate operators of one cell. ``edges`` holds their modules by the edge's name, then the operator's.

    Operators without a module (identities, some poolings) have no entry. ``kind``: the kind of its connections.
    """

    kind = ""

    def __init__(self) -> None:
        super().__init__()
        self.edges = nn.ModuleDict()

    def offer(self, edge: str, operator: str, module: nn.Module | None) -> None:
        if module is not None:
            if edge not in self.edges:
                self.edges[edge] = nn.ModuleDict()
            self.edges[edge][operator] = module  # type: ignore[operator]

    def taken(self, edge: str, operator: str) -> nn.Module | None:
        if edge not in self.edges or operator not in self.edges[edge]:  # type: ignore[operator]
            return None
        module: nn.Module = self.edges[edge][operator]  # type: ignore[index]
        return module

    # --- for weighted sums of all operators --------------------------------------------------------------------------
    def brought(self, inputs: tuple[Tensor, ...]) -> list[Tensor]:
        """The inputs as the cell's nodes read them."""
        return list(inputs)

    @abstractmethod
    def change(self, place: Connection) -> tuple[int, int]:
        """The factors by which the connection divides sides and multiplies channels."""

    def made(self, operator: str, module: nn.Module | None, value: Tensor, rectified: Tensor) -> Tensor:
        """The output of an operator. ``module``: as ``taken``; ``rectified``: the value behind a ReLU."""
        result: Tensor = value if module is None else module(rectified)
        return result

    def joined(self, values: Mapping[int, Tensor]) -> Tensor:
        """The cell's output. ``values``: inputs and nodes by number."""
        return values[max(values)]


class SharedBody(nn.Module, ABC):
    """The stem, the shared cells and the modules between them."""

    out_channels: int
    reduction: int

    @abstractmethod
    def forward(self, images: Tensor, architecture: Architecture) -> Tensor:
        """The features of one architecture."""

    @abstractmethod
    def through(self, images: Tensor, compute: Compute) -> Tensor:
        """The features, where ``compute`` gives the output of each cell."""

    def weights_of(self, architecture: Architecture) -> Mapping[str, Tensor] | None:
        """The state dict that the architecture's backbone inherits; None where ``by_edge`` tells its names."""
        return None

    @abstractmethod
    def by_edge(self, architecture: Architecture) -> list[dict[str, str]]:
        """The operators of each cell or block, by the names of their edges."""
