"""Prior knowledge of a search about its task, before the first ask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lapt.evaluation import Evaluation
from lapt.spaces import Architecture
from lapt.training.relaxation import Strengthen

Expects = Callable[[Sequence[Architecture]], npt.NDArray[np.float64]]
"""N architectures -> N values, higher is better, mean 0 and standard deviation 1 over the whole space."""


@dataclass(frozen=True)
class Prior:
    """Knowledge from elsewhere. No architecture was scored for it on the task that is searched.

    ``source``: evaluations of the source task, in the order they were asked; of the top of a whole table, best first.
    ``expects``: how far an architecture follows the principles. It can be pickled and hashed. ``strengths``: trains a
    mixed supernet on the training images of the task that is searched; None without images.
    """

    source: tuple[Evaluation, ...] = ()
    expects: Expects | None = None
    strengths: Strengthen | None = None


NOTHING = Prior()
