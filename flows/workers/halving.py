"""The next work to hand out: fresh work in batches of a minute, and the work of lost runs in halves."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

WORTH_SECONDS = 60.0
"""Seconds of work that a batch should hold: starting one costs a worker about five."""
UNKNOWN_SIZE = 32
"""Largest batch, in architectures, while the cost of one is unknown."""
ATTEMPTS = 3
"""Runs that an architecture may lose, the last of them alone, before the search raises an error."""
IN_VAIN = 6
"""Runs in a row, plus one per worker, that may be lost without a single score: then no architecture is at fault.

Two architectures that lose every run, and stand first in both halves of a batch, cost one worker four in a row. Each
other worker may be in a long training meanwhile, without a score yet.
"""


def batch_size(todo: int, workers: int, cost: float | None) -> int:
    """Architectures of the next batch: a minute's work, but at most each worker's equal share of the rest.

    ``cost``: seconds of one architecture.
    """
    worth = UNKNOWN_SIZE if cost is None else math.ceil(WORTH_SECONDS / max(cost, 0.01))
    return max(1, min(math.ceil(todo / workers), worth))


@dataclass
class Halving:
    """The work of lost runs. It is handed out again in halves, each a batch, after all fresh work.

    If one of n architectures loses every run, it is alone after log2(n) + 1 lost runs. By then the others have been
    handed out, to as many workers as there are. A lost machine costs one more run.
    """

    parts: list[list[str]] = field(default_factory=list)
    strikes: dict[str, int] = field(default_factory=dict)
    in_vain: int = 0

    def scored(self) -> None:
        self.in_vain = 0

    def lost(self, owed: Sequence[str], workers: int) -> int:
        """Record a lost run. ``owed``: its architectures without a score.

        Returns the number of runs lost in vain, 0 while there is hope.
        """
        self.in_vain += 1
        # The first half last: scores come in order, so what lost the run is likely to be its first.
        half = math.ceil(len(owed) / 2)
        self.parts += [list(part) for part in (owed[half:], owed[:half]) if part]
        for identity in owed:
            self.strikes[identity] = self.strikes.get(identity, 0) + 1
        if len(owed) == 1 and self.strikes[owed[0]] >= ATTEMPTS:
            return self.strikes[owed[0]]
        return self.in_vain if self.in_vain >= IN_VAIN + workers else 0

    def batches(self, todo: Collection[str], workers: int, cost: float | None) -> Iterator[list[str]]:
        """Batches of ``todo``, which are in no batch now, for so many free ``workers`` at most."""
        suspected = {identity for part in self.parts for identity in part}
        fresh, left = [identity for identity in todo if identity not in suspected], set(todo)
        for free in range(workers, 0, -1):
            part = fresh or next((part for part in self.parts if not left.isdisjoint(part)), [])
            batch = [identity for identity in part if identity in left][: batch_size(len(left), free, cost)]
            if batch:
                part[:] = [identity for identity in part if identity not in batch]
                left.difference_update(batch)
                yield batch
