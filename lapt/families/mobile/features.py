"""Features of mobile networks for predictors: blocks by place, what stages have in all, and the whole network's size.

All are of canonical forms, and equal for networks that compute the same function.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from lapt.families.mobile.cell import INVERTED, RESOLUTION, SKIP, STAGES, WIDTHS, MobileCell, blocks_of
from lapt.families.mobile.plan import counted, plan_of
from lapt.spaces import Architecture
from lapt.spaces.features import Floats, choices, one_hot

CHANNELS, IMAGE_CHANNELS, IMAGE_SIZE = 16, 3, (64, 64)
"""The size of network and images for which sizes are told."""
_OF_STAGE = ("blocks", "5x5 kernels", "expansions by 6", "width", "squeeze-excitation")


def sizes(cell: MobileCell, architectures: Sequence[Architecture]) -> Mapping[str, Floats]:
    """Quantity -> N numbers of weights, and of multiply-adds of an image of 64 x 64 pixels, with a stem 16 wide."""
    found = np.array([_counted(cell.chosen(one)) for one in architectures], dtype=np.float64).reshape(-1, 2)
    return {"parameters": found[:, 0], "multiply_adds": found[:, 1]}


def features(cell: MobileCell, architectures: Sequence[Architecture]) -> Floats:
    """N x F in the order of ``feature_names``. Widths are 0 to 2, sizes the logarithms of ``sizes``."""
    forms = [cell.canonical(architecture) for architecture in architectures]
    chosen = [cell.chosen(form) for form in forms]
    stages = [[value for stage in range(1, STAGES + 1) for value in _of_stage(one, stage)] for one in chosen]
    whole = [[_depth(one), float(one[RESOLUTION] == "full"), *np.log(_counted(one))] for one in chosen]
    by_stage = np.array(stages, dtype=np.float64).reshape(len(forms), STAGES * len(_OF_STAGE))
    return np.hstack([one_hot(cell.layers, forms), by_stage, np.array(whole).reshape(len(forms), 4)])


def feature_names(cell: MobileCell) -> tuple[str, ...]:
    """The columns of ``features``, in words."""
    return (
        *choices(cell.layers),
        *(f"{what} in stage {stage}" for stage in range(1, STAGES + 1) for what in _OF_STAGE),
        "blocks",
        "resolution",
        "parameters",
        "multiply-adds",
    )


def blocks(cell: MobileCell) -> tuple[slice, slice, slice]:
    """Columns of ``features``: the choices, the stages, and the network as a whole."""
    single = len(choices(cell.layers))
    stages = single + STAGES * len(_OF_STAGE)
    return slice(single), slice(single, stages), slice(stages, None)


def _of_stage(chosen: Mapping[str, str], stage: int) -> list[float]:
    operators = [chosen[name] for name in blocks_of(stage) if chosen[name] != SKIP]
    return [
        len(operators),
        sum(operator.startswith("mb5") for operator in operators),
        sum(operator.endswith("e6") for operator in operators),
        WIDTHS.index(chosen[f"stage{stage}.width"]),
        chosen[f"stage{stage}.se"] == "se",
    ]


def _depth(chosen: Mapping[str, str]) -> float:
    return float(sum(operator in INVERTED for operator in chosen.values()))


def _counted(chosen: Mapping[str, str]) -> tuple[int, int]:
    return counted(plan_of(chosen, channels=CHANNELS, cells=1, image_size=IMAGE_SIZE), IMAGE_CHANNELS, IMAGE_SIZE)
