"""Architecture parameters: the strength of every operator of every connection in a mixed supernet."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from lapt.networks.mixed import Mixture
from lapt.networks.shared import Connection
from lapt.training.relaxation import Relaxation


class Choices:
    """Parameters alpha, one for each operator of each connection, [operators in all].

    If the relaxation weighs connections, also beta, [connections]. All start at zero, with equal strengths. ``zero``:
    the operator that gives zeros.
    """

    def __init__(
        self,
        connections: Mapping[Connection, tuple[str, ...]],
        zero: str | None,
        relaxation: Relaxation,
        device: torch.device | str = "cpu",
    ) -> None:
        self.connections, self.relaxation = connections, relaxation
        self._sizes = [len(operators) for operators in connections.values()]
        named = [operator for operators in connections.values() for operator in operators]
        self._gives = torch.tensor([operator != zero for operator in named], device=device)
        self.alpha = torch.zeros(len(named), device=device, requires_grad=True)
        self.beta = torch.zeros(len(connections), device=device, requires_grad=relaxation.edges)

    @property
    def parameters(self) -> list[Tensor]:
        return [self.alpha, self.beta] if self.relaxation.edges else [self.alpha]

    def mixture(self, progress: float, generator: torch.Generator) -> Mixture:
        """Strengths in a forward pass. ``progress``: share of the training that is done, from 0 to 1.

        ``concrete``: one sample for all cells of a kind, exp((alpha_o + G_o) / lambda) over the sum of all, with G_o =
        -log(-log(U_o)) and lambda the temperature (Xie et al. 2019, section 2.2, alpha being the logarithm of theirs).
        """
        alpha = self.alpha
        if self.relaxation.weights == "concrete":
            first, last = self.relaxation.temperature
            uniform = torch.rand(alpha.shape, generator=generator, dtype=torch.float64).clamp_(min=1e-20)
            gumbel = -torch.log(-torch.log(uniform))
            alpha = (alpha + gumbel.to(alpha)) / (first + (last - first) * progress)
        return Mixture(self._by_connection(alpha), self._edges())

    def _by_connection(self, alpha: Tensor) -> dict[Connection, Tensor]:
        each = torch.split(alpha, self._sizes)
        sigmoid = self.relaxation.weights == "sigmoid"
        counts = (torch.sigmoid(part) if sigmoid else part.softmax(0) for part in each)
        return dict(zip(self.connections, counts, strict=True))

    def _edges(self) -> dict[Connection, Tensor]:
        """Softmax of beta over the connections into each node (Xu et al. 2020, section 3.3)."""
        if not self.relaxation.edges:
            return {}
        into: dict[tuple[str, int], list[int]] = {}
        for at, place in enumerate(self.connections):
            into.setdefault((place.kind, place.node), []).append(at)
        places = list(self.connections)
        return {
            places[at]: count
            for positions in into.values()
            for at, count in zip(positions, self.beta[positions].softmax(0), strict=True)
        }

    def zero_one(self) -> Tensor:
        """-1/N sum_o (sigmoid(alpha_o) - 0.5)^2 over the N operators that give non-zeros (Chu et al. 2020, L_0-1).

        It is smallest when every choice is decided.
        """
        squares = (torch.sigmoid(self.alpha[self._gives]) - 0.5) ** 2
        return -squares.sum() / max(1, len(squares))

    @torch.no_grad()
    def shares(self) -> dict[Connection, dict[str, float]]:
        """The strength of each operator without noise; times the connection's, if connections are weighted."""
        edges = self._edges()
        return {
            place: dict(zip(self.connections[place], (counts * edges.get(place, 1)).tolist(), strict=True))
            for place, counts in self._by_connection(self.alpha).items()
        }
