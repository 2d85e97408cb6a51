"""The choices of a mobile network: layers, text and canonical form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from lapt.errors import SpaceError
from lapt.spaces import Architecture, CellFamily, Layer
from lapt.spaces.graphs import CellGraph, OperatorEdge
from lapt.spaces.layer import SOURCE

STAGES, BLOCKS = 4, 3
"""Stages of a network, and blocks of a stage at most."""
KERNELS, EXPANSIONS = (3, 5), (3, 6)
INVERTED: tuple[str, ...] = tuple(f"mb{kernel}_e{expansion}" for expansion in EXPANSIONS for kernel in KERNELS)
"""Inverted residual blocks: mb5_e6 has a depthwise kernel of 5x5 and widens six times."""
SKIP = "skip"
WIDTHS = ("narrow", "medium", "wide")
SQUEEZES = ("no_se", "se")
RESOLUTIONS = ("full", "half")
RESOLUTION = "resolution"
EXAMPLE = "full/narrow:3e3,-,-/medium:3e6,3e3,-/wide+se:5e6,5e3,5e3/wide+se:5e6,5e6,-"
"""The text of a network."""


def blocks_of(stage: int) -> tuple[str, ...]:
    """The names of the layers that choose a stage's blocks. ``stage``: from 1."""
    return tuple(f"stage{stage}.block{at}" for at in range(1, BLOCKS + 1))


@dataclass(frozen=True)
class MobileCell(CellFamily):
    """Networks of four stages with one to three blocks each; a stage chooses width and squeeze-excitation too.

    The first layers are the blocks in their order. A block is an inverted residual, or is skipped; the first of a stage
    cannot be. Then come the widths of the stages, their squeeze-excitation, and the resolution: of the images, or half
    of it. An architecture is written as ``full/narrow:3e6,5e3,-/medium+se:...``: the resolution, then for each stage
    its width, ``+se``, and its blocks by kernel and expansion, with - for one that is skipped.
    """

    name: str

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        candidates: dict[str, tuple[str, ...]] = {}
        for stage in self._stages:
            first, *others = blocks_of(stage)
            candidates |= {first: INVERTED, **dict.fromkeys(others, (*INVERTED, SKIP))}
        candidates |= {f"stage{stage}.width": WIDTHS for stage in self._stages}
        candidates |= {f"stage{stage}.se": SQUEEZES for stage in self._stages}
        candidates[RESOLUTION] = RESOLUTIONS
        return tuple(Layer(name=name, operators=chosen, sources=(SOURCE,)) for name, chosen in candidates.items())

    @property
    def _stages(self) -> range:
        return range(1, STAGES + 1)

    @cached_property
    def layer_names(self) -> tuple[str, ...]:
        return tuple(layer.name for layer in self.layers)

    def chosen(self, architecture: Architecture) -> dict[str, str]:
        """Layer -> its choice."""
        return dict(zip(self.layer_names, architecture.operators, strict=True))

    def of(self, chosen: Mapping[str, str]) -> Architecture:
        """The architecture of ``chosen``, a choice for each layer."""
        return Architecture(tuple(chosen[name] for name in self.layer_names), (SOURCE,) * len(self.layers))

    # --- text --------------------------------------------------------------------------------------------------------
    def encode(self, architecture: Architecture) -> str:
        chosen, parts = self.chosen(architecture), []
        for stage in self._stages:
            blocks = ",".join(_code(chosen[name]) for name in blocks_of(stage))
            squeezes = "+se" if chosen[f"stage{stage}.se"] == "se" else ""
            parts.append(f"{chosen[f'stage{stage}.width']}{squeezes}:{blocks}")
        return "/".join([chosen[RESOLUTION], *parts])

    def decode(self, text: str) -> Architecture:
        """The architecture of a text. Raises SpaceError if the text is none."""
        resolution, *stages = text.split("/")
        operators = {_code(operator): operator for operator in (*INVERTED, SKIP)}
        chosen = {RESOLUTION: resolution}
        for stage, part in enumerate(stages, start=1):
            found = re.fullmatch(r"([a-z]+)(\+se)?:([^,]*),([^,]*),([^,]*)", part)
            if found is not None:
                chosen |= {f"stage{stage}.width": found[1], f"stage{stage}.se": "se" if found[2] else "no_se"}
                blocks = zip(blocks_of(stage), found.groups()[2:], strict=True)
                chosen |= {name: operators.get(code, "") for name, code in blocks}
        known = {layer.name: layer.operators for layer in self.layers}
        if chosen.keys() == known.keys() and all(chosen[name] in operators for name, operators in known.items()):
            return self.of(chosen)
        raise SpaceError(
            f"a {self.name} network such as {EXAMPLE}",
            f"{text[:120]!r}",
            f"write the resolution ({' or '.join(RESOLUTIONS)}) and four stages, each with its width "
            f"({', '.join(WIDTHS)}), +se or not, and three blocks among {', '.join(operators)}; the first is never -",
        )

    # --- function ----------------------------------------------------------------------------------------------------
    def canonical(self, architecture: Architecture) -> Architecture:
        """The form in which the blocks that a stage skips are its last: a skipped block leaves no trace."""
        chosen = self.chosen(architecture)
        for stage in self._stages:
            names = blocks_of(stage)
            blocks = sorted((chosen[name] for name in names), key=lambda operator: operator == SKIP)
            chosen |= dict(zip(names, blocks, strict=True))
        return self.of(chosen)

    def graphs(self, architecture: Architecture) -> tuple[CellGraph, ...]:
        """The blocks, one behind the other, and the settings beside them, which are of stages and not on the way."""
        count, names = STAGES * BLOCKS, self.layer_names
        blocks = [OperatorEdge(at, at + 1, operator) for at, operator in enumerate(architecture.operators[:count])]
        settings = [OperatorEdge(0, at, operator) for at, operator in enumerate(architecture.operators[count:], 1)]
        return (
            CellGraph("blocks", (SOURCE, *names[:count]), tuple(blocks)),
            CellGraph("settings", (SOURCE, *names[count:], "all"), tuple(settings), tuple(range(1, len(settings) + 1))),
        )


def _code(operator: str) -> str:
    """The operator as a text has it: 5e6 for mb5_e6, - for skip."""
    return "-" if operator == SKIP else operator.removeprefix("mb").replace("_", "")
