"""The code that a prompt says a cell is: built, run, and held against what can be counted by hand."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from small_archives import LAYERS, NODE, SPACE, cell, members, scored
from torch import Tensor, nn

from lapt.families.dag.family import NAS201
from lapt.networks.operators import average_pool
from lapt.reasoning.language.briefing import Briefing
from lapt.reasoning.language.parts import EVERY_PART
from lapt.reasoning.language.vocabulary import Vocabulary
from lapt.spaces import BUILTIN, FAMILIES, Architecture, CellFamily, SearchSpace

X = torch.arange(1.0, 19.0).reshape(1, 2, 3, 3)


class Zero(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * 0


def re_lu_conv_bn(inputs: int, outputs: int, kernel_size: int, padding: int = 0) -> nn.Module:
    layers = [nn.ReLU(), nn.Conv2d(inputs, outputs, kernel_size, padding=padding, bias=False)]
    return nn.Sequential(*layers, nn.BatchNorm2d(outputs)).eval()


def program(space: SearchSpace) -> str:
    return space.family.program(space.layers)


def built(space: SearchSpace, layer_list: object, channels: int = 2) -> nn.Module:
    """The cell that the code in the prompt builds."""
    names: dict[str, Any] = {"nn": nn, "Zero": Zero, "ReLUConvBN": re_lu_conv_bn}
    exec(program(space), names)
    module: nn.Module = names["Cell"](layer_list, channels)
    return module


@pytest.mark.parametrize("space", [SPACE, BUILTIN["trans101"]], ids=lambda space: space.name)
def test_a_cell_of_skips_gives_its_input_as_often_as_it_has_paths(space: SearchSpace) -> None:
    assert torch.equal(built(space, ["skip_connect"] * 6)(X), 4 * X)
    assert torch.equal(built(space, ["none"] * 6)(X), 0 * X)
    for letters in product("ns", repeat=6):
        chosen = cell("".join(letters)).operators
        present = {name for name, operator in zip(LAYERS, chosen, strict=True) if operator == "skip_connect"}
        paths = [path for path in NAS201.paths if present.issuperset(path)]
        assert torch.equal(built(space, chosen)(X), len(paths) * X)


def test_the_code_computes_what_operators_are_said_to_compute() -> None:
    pooled = built(SPACE, cell("nnnpnn").operators)(X)
    assert pooled[0, 0, 1, 1] == pytest.approx(5.0)  # the mean of 1..9
    assert pooled[0, 0, 0, 0] == pytest.approx((1 + 2 + 4 + 5) / 4)  # what lies beyond the edge does not count
    assert torch.equal(pooled, average_pool(X))
    for letter, side in (("1", 1), ("3", 3)):
        module = built(SPACE, cell(f"nnn{letter}nn").operators)
        (weights,) = [p for p in module.parameters() if p.dim() == 4]
        assert weights.shape == (2, 2, side, side)
        nn.init.ones_(weights)
        middle = module(X)[0, 0, 1, 1].item()
        assert middle == pytest.approx((5 + 14) if side == 1 else sum(range(1, 19)), rel=1e-4)


def test_the_code_is_short_and_lists_the_edges_in_the_order_of_the_layers() -> None:
    code = program(SPACE)
    assert len(code) < 1_200
    assert f"in the order {', '.join(LAYERS)}" in code
    assert "EDGES = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]" in code
    assert "stride 2" not in code
    assert "stride 2" in program(BUILTIN["trans101"])


class Free(CellFamily):
    """A cell family of which no more is known than its layers."""

    name, layers = "free", NODE.layers

    def encode(self, architecture: Architecture) -> str:
        return " ".join(architecture.operators)

    def decode(self, text: str) -> Architecture:
        return Architecture(tuple(text.split()), ("0", "1"))


def test_a_cell_of_which_nothing_else_is_known_is_shown_by_its_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILIES, "free", Free())
    space = NODE.model_copy(update={"cell": "free"})
    names: dict[str, Any] = {}
    exec(program(space), names)
    assert names["LAYERS"] == {layer.name: list(layer.choices) for layer in space.layers}
    brief = Briefing(space, Vocabulary.plain(space), EVERY_PART)
    assert brief.variables()["paths"] is None
    assert "dead" not in brief.cells(scored(*members(space, 1)), scores=False)[0]
