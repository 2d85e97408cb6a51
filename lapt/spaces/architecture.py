"""An architecture: the choice of each layer."""

from __future__ import annotations

from typing import NamedTuple


class Architecture(NamedTuple):
    """A = union of {l_i, s_i} (eq. 2): the operator and the source each layer chose, in layer order."""

    operators: tuple[str, ...]
    sources: tuple[str, ...]
