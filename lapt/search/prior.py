"""What a search may know of a task before its first ask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lapt.evaluation import Evaluation
from lapt.spaces import Architecture


@dataclass(frozen=True)
class Prior:
    """What comes from elsewhere; nothing here was measured on the task that is searched.

    ``source``: evaluations of the source task, in the order they were asked; of the top of a whole table, best first.
    ``expects``: N architectures -> N values, higher is better: how far each does what the principles say, in any unit.
    It can be pickled.
    """

    source: tuple[Evaluation, ...] = ()
    expects: Callable[[Sequence[Architecture]], npt.NDArray[np.float64]] | None = None


NOTHING = Prior()
