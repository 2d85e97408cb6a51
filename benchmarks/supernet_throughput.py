"""Images/s of a supernet's training step against the same supernet computing every operator of every edge.

Usage: python benchmarks/supernet_throughput.py [--threads N]. DARTS space, C = 16, 8 cells, batches of 64, 32 x 32.
Then the supernet over a refined space {sep_conv_3x3, dil_conv_3x3, skip_connect, max_pool_3x3}: share of the operators'
parameters, and images/s. Median of interleaved rounds, for the machine's speed drifts. Two minutes.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lapt.networks import Supernet
from lapt.spaces import BUILTIN, SearchSpace

SPACE = BUILTIN["darts"]
FEW = ("sep_conv_3x3", "dil_conv_3x3", "skip_connect", "max_pool_3x3")
BATCH, SIDE, CHANNELS, CELLS = 64, 32, 16, 2


def supernet(space: SearchSpace) -> Supernet:
    return Supernet(space, channels=CHANNELS, cells=CELLS)


class EveryOperator(nn.Module):
    """The mean over a node's edges and their operators: what DARTS computes at a step of its weights."""

    def __init__(self) -> None:
        super().__init__()
        self.body: Any = supernet(SPACE).body

    def forward(self, images: Tensor) -> Tensor:
        before = last = self.body.stem[0](images)
        for cell in self.body.cells:
            before, last = last, self.cell(cell, before, last)
        return last

    @staticmethod
    def cell(cell: Any, before: Tensor, last: Tensor) -> Tensor:
        values = [module(functional.relu(x)) for module, x in zip(cell.inputs, (before, last), strict=True)]
        for node in range(2, 6):
            summands = []
            for source in range(node):
                rectified = functional.relu(values[source])
                stride = 2 if cell.place.kind == "reduce" and source < 2 else 1
                candidates = cell.edges[f"{source}->{node}"]
                for operator in SPACE.family.operators[1:]:  # type: ignore[attr-defined]
                    if operator not in candidates:
                        summands.append(values[source])  # the identity
                        assert stride == 1
                        continue
                    summands.append(candidates[operator](values[source] if "pool" in operator else rectified))
            values.append(sum(summands[1:], summands[0]) / len(summands))
        return torch.cat(values[2:], dim=1)


def seconds(body: nn.Module, steps: int) -> float:
    head = nn.Linear(16 * CHANNELS, 10)
    parameters = [*body.parameters(), *head.parameters()]
    optimiser = torch.optim.SGD(parameters, lr=0.01, momentum=0.9)
    images, labels = torch.rand(BATCH, 3, SIDE, SIDE), torch.randint(10, (BATCH,))
    began = time.perf_counter()
    for _ in range(steps):
        optimiser.zero_grad(set_to_none=True)
        functional.cross_entropy(head(body(images).mean((2, 3))), labels).backward()
        optimiser.step()
    return (time.perf_counter() - began) / steps


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=2)
    torch.set_num_threads(parser.parse_args().threads)
    torch.manual_seed(0)
    whole, every = supernet(SPACE), EveryOperator()
    refined = supernet(SPACE.restrict(operators={layer.name: FEW for layer in SPACE.layers}))
    for body in (whole, refined):
        seconds(body, 2)
    rounds = [(seconds(whole, 5), seconds(refined, 5), seconds(every, 1)) for _ in range(4)]
    paths, few, all_of_them = np.median(rounds, axis=0)
    print(f"one path a step      {BATCH / paths:7.1f} images/s")
    print(
        f"every operator       {BATCH / all_of_them:7.1f} images/s; one path is {all_of_them / paths:.1f} times as fast"
    )
    share = refined.operator_parameters / whole.operator_parameters
    print(f"one path, refined    {BATCH / few:7.1f} images/s, {paths / few:.2f} times the whole space's")
    print(f"operators' parameters {refined.operator_parameters:,} of {whole.operator_parameters:,}: {share:.0%}")


if __name__ == "__main__":
    main()
