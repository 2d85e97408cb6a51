"""Comparison of two architectures: the relation predictor of Arch-Graph."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from lapt.search.models.neural.encoders import embedded, encoder, tensor
from lapt.search.models.neural.fitting import fit
from lapt.spaces import SearchSpace
from lapt.spaces.features import Floats

_TOGETHER = 64
"""Architectures whose pairs make a training batch: up to 2,016 pairs of 64 embeddings."""
_DECAY = 1e-3
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
