"""Encoders from flat graphs of cells, or one-hot choices, to embeddings."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from lapt.search.models.neural.fitting import fit
from lapt.spaces import SearchSpace
from lapt.spaces.features import Floats

_DECAY = 1e-3
_BATCH = 4096
"""Rows that are encoded at a time."""


class GraphEncoder(nn.Module):
    """A graph convolution network (Kipf and Welling 2017) on operators as nodes: N x (V^2 + V K) -> N x width.

    Input: ``features.flat_graphs``. h' = ReLU(W h + W_in A^T h + W_out A h): a node gets messages from the nodes that
    it reads and, separately, from those that read it, over three layers. The embedding is the sum over live nodes / V.
    """

    def __init__(self, nodes: int, kinds: int, width: int, layers: int = 3) -> None:
        super().__init__()
        self.nodes, self.kinds = nodes, kinds
        self.first = nn.Linear(kinds, width)
        self.own = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))
        self.reads = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(layers))
        self.read = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(layers))

    def forward(self, rows: Tensor) -> Tensor:
        squared = self.nodes**2
        adjacency = rows[:, :squared].reshape(-1, self.nodes, self.nodes)
        hidden = self.first(rows[:, squared:].reshape(-1, self.nodes, self.kinds))
        backward = adjacency.transpose(1, 2)
        live = ((adjacency.sum(1) + adjacency.sum(2)) > 0).to(rows.dtype).unsqueeze(2)
        for own, reads, read in zip(self.own, self.reads, self.read, strict=True):
            hidden = torch.relu(own(hidden) + backward @ reads(hidden) + adjacency @ read(hidden))
        embedding: Tensor = (hidden * live).sum(1) / self.nodes
        return embedding


def encoder(space: SearchSpace, width: int, columns: int) -> nn.Module:
    """Encoder N x ``columns`` -> N x ``width``: a graph network for graphs of cells, two layers for one-hot choices."""
    shape = space.family.graph_shape
    if shape is not None:
        return GraphEncoder(*shape, width)
    return nn.Sequential(nn.Linear(columns, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())


class Scorer(nn.Module):
    """Network N x columns -> N values in 0..1: an embedding, then a sigmoid of a linear head."""

    def __init__(self, space: SearchSpace, width: int, columns: int) -> None:
        super().__init__()
        self.encoder = encoder(space, width, columns)
        self.head = nn.Linear(width, 1)

    def forward(self, rows: Tensor) -> Tensor:
        return torch.sigmoid(self.head(self.encoder(rows))).squeeze(1)


def fit_scorer(module: Scorer, x: Floats, y: Floats, *, steps: int, rate: float) -> None:
    """Fit n scores at n x F, brought to 0..1, by squared error; in place. At least two scores differ.

    Each error is weighted by (e^y - 1) / (e - 1), so good scores weigh more (the exponential weighted loss of Shi et
    al. 2020).
    """
    rows, scores = tensor(x), tensor((y - y.min()) / (y.max() - y.min()))
    weights = torch.expm1(scores) / math.expm1(1)

    def loss() -> Tensor:
        lost: Tensor = (weights * (module(rows) - scores) ** 2).mean()
        return lost

    fit(module, loss, steps=steps, rate=rate, decay=_DECAY)


def tensor(x: Floats) -> Tensor:
    """A tensor in single precision: twice as fast as double, and enough for the networks."""
    return torch.as_tensor(x, dtype=torch.float32)


def embedded(module: nn.Module, x: Floats) -> Floats:
    """An encoder's embeddings of N rows, in double precision, without gradients."""
    with torch.no_grad():
        parts = [module(tensor(x[at : at + _BATCH])).double() for at in range(0, len(x), _BATCH)]
    joined: Floats = torch.cat(parts).numpy()
    return joined
