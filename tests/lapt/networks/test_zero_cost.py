"""Scores of untrained networks: by hand where that can be done, and what they must have in common."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from lapt.errors import ConfigError
from lapt.evaluators.zero_cost import SCORES, alike, log_determinant, naswot, synflow, zero_cost_scores
from lapt.networks import backbone
from lapt.networks.family import Features
from lapt.pipeline.controls import ZERO_COST, by_zero_cost
from lapt.spaces import BUILTIN, Architecture, SearchSpace

NAS201, TRANS101 = BUILTIN["nas201"], BUILTIN["trans101"]
SMALL = NAS201.restrict(
    operators={name: ["none", "nor_conv_1x1"] for name in NAS201.layer_names[:2]}
    | {name: ["none", "skip_connect"] for name in NAS201.layer_names[2:4]}
    | {name: ["none", "nor_conv_3x3"] for name in NAS201.layer_names[4:]}
)
"""64 cells, dead ones among them."""


def cell_of(space: SearchSpace, operators: list[str]) -> Architecture:
    return space.family.architecture(operators)


def test_the_controls_know_every_score() -> None:
    assert set(ZERO_COST) == set(SCORES)


def test_synflow_of_two_linear_layers_by_hand() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Linear(2, 1, bias=False))
    for at, weights in ((0, [[1.0, -2.0], [3.0, 4.0]]), (2, [[1.0, -2.0]])):
        network[at].weight.data = torch.tensor(weights)
    # |W1| 1 = (3, 7), |W2| of that = 17: every layer's sum of theta dR/dtheta is R without the bias.
    network[0].bias.data = torch.zeros(2)
    assert synflow(network, torch.ones(1, 2)) == pytest.approx(math.log(17 + 17))


def test_images_agree_where_relus_are_on_or_off_alike() -> None:
    codes = torch.tensor([[True, False, True], [True, True, True]])
    assert alike([codes]).tolist() == [[3, 2], [2, 3]]
    assert alike([codes, codes]).tolist() == [[6, 4], [4, 6]]
    assert log_determinant(alike([codes])) == pytest.approx(math.log(5))


@pytest.mark.parametrize("space", [NAS201, TRANS101], ids=lambda space: space.name)
def test_naswot_cannot_tell_identical_images_apart(space: SearchSpace) -> None:
    network = backbone(space, cell_of(space, ["nor_conv_3x3"] * 6), channels=4, cells=1)
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert naswot(network, images) > 0
    assert naswot(network, images[:1].repeat(2, 1, 1, 1)) == -math.inf


@pytest.mark.parametrize("score", ZERO_COST)
def test_equal_functions_share_a_score_and_dead_cells_come_last(score: str) -> None:
    before = torch.random.get_rng_state()
    scores = zero_cost_scores(SMALL, score)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert set(scores) == set(SMALL.members())
    assert all(value == scores.get(SMALL.canonical(member), value) for member, value in scores.items())
    dead = {member for member in scores if not SMALL.family.computes(member)}
    assert {member for member, value in scores.items() if value == -math.inf} == dead
    order = by_zero_cost(SMALL, score)
    assert set(order[-len(dead) :]) == dead
    assert [scores[member] for member in order] == sorted(scores.values(), reverse=True)


def test_more_convolutions_let_more_flow() -> None:
    scores = zero_cost_scores(SMALL, "synflow")
    chosen = ["nor_conv_1x1", "nor_conv_1x1", "none", "none", "nor_conv_3x3", "nor_conv_3x3"]
    full, less = cell_of(SMALL, chosen), cell_of(SMALL, [*chosen[:5], "none"])
    assert scores[full] > scores[less]


def test_naswot_of_networks_that_name_no_readers_says_so_and_synflow_needs_none() -> None:
    class Unnamed(Features):
        out_channels, reduction = 3, 1

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images

    with pytest.raises(ConfigError, match="Unnamed without; define its method readers"):
        naswot(Unnamed(), torch.ones(2, 3, 4, 4))
    assert math.isfinite(SCORES["synflow"](Unnamed(), 4))
