"""Torch modules that search methods learn with: encoders of architectures, a relation, a deep kernel.

Importing this imports torch. A search method imports it when it is made; other methods need no torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from lapt.errors import ConfigError
from lapt.spaces import SearchSpace
from lapt.spaces.features import Floats

try:
    import torch
    from torch import Tensor, nn
    from torch.nn import functional
except ImportError:
    raise ConfigError(
        "torch, for a search method that learns with networks",
        "an environment without it",
        "pip install 'lapt[train]', or name another method",
    ) from None

Module = TypeVar("Module", bound=nn.Module)


def seeded(make: Callable[[], Module], seed: int) -> Module:
    """A new module with weights drawn by ``seed``; torch's global generator stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def fit(module: nn.Module, loss: Callable[[], Tensor], *, steps: int, rate: float, decay: float = 0.0) -> None:
    """Train ``module`` by Adam (Kingma and Ba 2015), in place. ``rate``: of learning; ``decay``: of weights."""
    optimiser = torch.optim.Adam(module.parameters(), lr=rate, weight_decay=decay)
    for _ in range(steps):
        optimiser.zero_grad()
        loss().backward()  # type: ignore[no-untyped-call]
        optimiser.step()


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


_TOGETHER = 64
"""Architectures whose pairs make a training batch: up to 2,016 pairs of 64 embeddings."""
_ROWS = 512
"""Embeddings that are compared with all opponents at a time."""


class Relation(nn.Module):
    """Two embeddings -> the logit that the first is better: f(a, b) - f(b, a), so it is antisymmetric.

    f is a linear layer on (a, b), ReLU and a linear layer.
    """

    def __init__(self, space: SearchSpace, width: int, columns: int) -> None:
        super().__init__()
        self.encoder = encoder(space, width, columns)
        self.one, self.other = nn.Linear(width, width), nn.Linear(width, width, bias=False)
        self.head = nn.Linear(width, 1, bias=False)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Two tensors ... x width, broadcast -> ... logits."""
        forth = torch.relu(self.one(first) + self.other(second))
        back = torch.relu(self.one(second) + self.other(first))
        logits: Tensor = self.head(forth - back).squeeze(-1)
        return logits


def fit_relation(module: Relation, x: Floats, y: Floats, *, steps: int, rate: float, rng: np.random.Generator) -> None:
    """Train a relation by cross-entropy on pairs of different scores, in place. ``x``: n x F; ``y``: n scores, two
    different.

    Each step draws up to 64 of the n rows again and takes all of their pairs.
    """
    rows, scores = tensor(x), torch.as_tensor(y, dtype=torch.float64)

    def loss() -> Tensor:
        together = min(_TOGETHER, len(y))
        chosen = torch.from_numpy(rng.choice(len(y), together, replace=False)) if together < len(y) else slice(None)
        embedding, score = module.encoder(rows[chosen]), scores[chosen]
        better, worse = torch.nonzero(score[:, None] > score[None, :], as_tuple=True)
        if not len(better):
            nothing: Tensor = embedding.sum() * 0  # a draw of equals
            return nothing
        logits = module(embedding[better], embedding[worse])
        return functional.softplus(-logits).mean()

    fit(module, loss, steps=steps, rate=rate, decay=_DECAY)


def wins(module: Relation, x: Floats, opponents: npt.NDArray[np.int64]) -> Floats:
    """N shares in 0..1: the mean probability that a row beats the opponents, given as positions of rows of N x F."""
    embedding = tensor(embedded(module.encoder, x))
    against = embedding[torch.from_numpy(opponents)]
    with torch.no_grad():
        shares = [
            torch.sigmoid(module(embedding[at : at + _ROWS, None], against[None])).double().mean(dim=1)
            for at in range(0, len(embedding), _ROWS)
        ]
    counted: Floats = torch.cat(shares).numpy()
    return counted


_LEAST_NOISE = 0.01
"""Smallest noise, in signal variances, as in ``gaussian_process``: below it a search trusts its scores too much."""


class DeepKernel(nn.Module):
    """Matern 5/2 on phi(x) (Wilson et al. 2016): phi is linear F -> 32, tanh, linear -> 16. Double precision.

    Covariances are in units of the signal variance, which is profiled out: y' R^-1 y / n at its best.
    """

    def __init__(self, columns: int, width: int = 32, out: int = 16) -> None:
        super().__init__()
        self.phi = nn.Sequential(nn.Linear(columns, width), nn.Tanh(), nn.Linear(width, out)).double()
        self.log_lengthscale = nn.Parameter(torch.zeros((), dtype=torch.float64))
        self.log_noise = nn.Parameter(torch.full((), math.log(0.1), dtype=torch.float64))

    def covariance(self, one: Tensor, two: Tensor) -> Tensor:
        """Covariance n x m, of n x 16 and m x 16 outputs of phi."""
        squares = (one**2).sum(1)[:, None] + (two**2).sum(1) - 2 * one @ two.T
        scaled: Tensor = torch.sqrt(5 * squares.clamp_min(1e-12)) / torch.exp(self.log_lengthscale)
        covariance: Tensor = (1 + scaled + scaled**2 / 3) * torch.exp(-scaled)
        return covariance

    def factor(self, seen: Tensor) -> Tensor:
        """The Cholesky factor of R = K + noise I."""
        noise = _LEAST_NOISE + torch.exp(self.log_noise)
        covariance = self.covariance(seen, seen) + noise * torch.eye(len(seen), dtype=seen.dtype)
        factor: Tensor = torch.linalg.cholesky(covariance)
        return factor

    def unlikelihood(self, x: Tensor, y: Tensor) -> Tensor:
        """The negative log marginal likelihood of n targets at n x F, over n, without its constant:
        1/2 log(y' R^-1 y / n) + 1/2n log |R|."""
        factor = self.factor(self.phi(x))
        whitened = torch.linalg.solve_triangular(factor, y[:, None], upper=False)
        signal = (whitened**2).sum() / len(y)
        return torch.log(signal.clamp_min(1e-12)) / 2 + torch.log(factor.diagonal()).sum() / len(y)

    def learn(self, x: Floats, y: Floats, *, steps: int, rate: float, part: int, rng: np.random.Generator) -> None:
        """Maximise the likelihood of random subsets of ``part`` of the n rows, each standardised; in place."""
        rows, targets = torch.from_numpy(np.asarray(x)), torch.from_numpy(np.asarray(y))

        def loss() -> Tensor:
            chosen = torch.from_numpy(rng.choice(len(y), min(part, len(y)), replace=False))
            scores = targets[chosen]
            return self.unlikelihood(rows[chosen], (scores - scores.mean()) / scores.std().clamp_min(1e-6))

        fit(self, loss, steps=steps, rate=rate)

    def predict(self, x: Floats, y: Floats, at: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation (without noise) of the function at N x F, from n targets ``y`` at n x F."""
        with torch.no_grad():
            seen, wanted = (self.phi(torch.from_numpy(np.asarray(given))) for given in (x, at))
            factor, reaching = self.factor(seen), self.covariance(seen, wanted)
            targets = torch.from_numpy(np.asarray(y))[:, None]
            whitened = torch.linalg.solve_triangular(factor, targets, upper=False)
            left = torch.linalg.solve_triangular(factor, reaching, upper=False)
            signal = ((whitened**2).sum() / len(y)).clamp_min(1e-12)
            variance = signal * (1 - (left**2).sum(0)).clamp_min(1e-12)
        return np.asarray((left.T @ whitened)[:, 0].numpy()), np.asarray(torch.sqrt(variance).numpy())
