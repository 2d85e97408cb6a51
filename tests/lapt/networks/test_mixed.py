"""A mixed supernet is the weighted sum of the architectures' own operators, whatever part of the channels they see."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from lapt.errors import ConfigError
from lapt.networks import Supernet
from lapt.networks.family import connections, networks_of
from lapt.networks.shared import Connection
from lapt.networks.supernet import MixedSupernet, Mixture
from lapt.spaces import BUILTIN, Architecture, SearchSpace

SIDES = {"nas201": 9, "trans101": 32, "darts": 12}
CONVOLUTIONS = ("none", "skip_connect", "sep_conv_3x3", "dil_conv_5x5")
"""DARTS operators that single paths and mixtures both have as they are: poolings are normalised in mixtures alone."""


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Of hundreds of small operators, two threads make a crawl as soon as something else wants a core."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def space_of(name: str) -> SearchSpace:
    space = BUILTIN[name]
    return space.restrict(operators={layer.name: CONVOLUTIONS for layer in space.layers}) if name == "darts" else space


def one_hot(space: SearchSpace, architecture: Architecture) -> Mixture:
    counts = {place: torch.zeros(len(operators)) for place, operators in connections(space).items()}
    for layer, operator, source in zip(space.layer_names, *architecture, strict=True):
        place = networks_of(space).connection(layer, source)
        counts[place][connections(space)[place].index(operator)] = 1.0
    return Mixture(counts, {})


def uniform(space: SearchSpace) -> Mixture:
    return Mixture(
        {place: torch.full((len(found),), 1 / len(found)) for place, found in connections(space).items()}, {}
    )


@pytest.mark.parametrize("name", SIDES)
def test_a_mixture_that_counts_one_architecture_alone_computes_its_single_path(name: str) -> None:
    space, images, rng = space_of(name), torch.rand(3, 3, SIDES[name], SIDES[name]), np.random.default_rng(0)
    torch.manual_seed(0)
    mixed, single = MixedSupernet(space, channels=4, cells=1), Supernet(space, channels=4, cells=1)
    single.load_state_dict(mixed.state_dict(), strict=False)
    for _ in range(6):
        architecture = space.sample(rng)
        mixed.mixture = one_hot(space, architecture)
        with single.only(architecture), torch.no_grad():
            torch.testing.assert_close(mixed(images), single(images), rtol=1e-4, atol=1e-5)


def test_nas_bench_201_has_six_connections_and_darts_fourteen_of_each_kind() -> None:
    assert [place.edge for place in connections(BUILTIN["nas201"])] == list(BUILTIN["nas201"].layer_names)
    found = connections(BUILTIN["darts"])
    assert sum(place.kind == "normal" for place in found) == sum(place.kind == "reduce" for place in found) == 14
    assert networks_of(BUILTIN["darts"]).connection("reduce.5b", "node3") == Connection("reduce", 3, 5)


def test_a_restricted_space_mixes_what_it_has() -> None:
    space = BUILTIN["darts"].restrict(
        operators={"normal.2a": ["sep_conv_3x3"], "normal.3a": ["skip_connect"], "normal.3b": ["none", "max_pool_3x3"]},
        sources={"normal.5a": ["input0"], "normal.5b": ["node4"]},
    )
    found = connections(space)
    assert found[Connection("normal", 0, 2)] == ("sep_conv_3x3",)
    assert found[Connection("normal", 1, 3)] == ("skip_connect", "none", "max_pool_3x3")  # either layer may read it
    assert {place.source for place in found if (place.kind, place.node) == ("normal", 5)} == {0, 4}
    mixed = MixedSupernet(space, channels=4, cells=1)
    mixed.mixture = uniform(space)
    assert mixed(torch.rand(2, 3, 8, 8)).shape == (2, 64, 2, 2)


def test_poolings_of_darts_cells_are_normalised() -> None:
    """As published; else a convolution, which is, and a pooling could not be weighed against each other."""
    whole = BUILTIN["darts"]
    space = whole.restrict(operators={layer.name: ["avg_pool_3x3"] for layer in whole.layers})
    mixed = MixedSupernet(space, channels=4, cells=1)
    mixed.mixture = uniform(space)
    features = mixed(3 + torch.rand(8, 3, 12, 12))
    assert features.mean(dim=(0, 2, 3)).abs().max() < 1e-4


def test_no_norm_in_a_cell_scales_what_an_operator_gives() -> None:
    mixed = MixedSupernet(BUILTIN["nas201"], channels=4, cells=1)
    learned = {name for name, parameter in mixed.named_parameters() if parameter.requires_grad}
    assert not any(".edges." in name and ".norm." in name for name in learned)
    assert any(".edges." in name and name.endswith("conv.weight") for name in learned)
    assert {"body.norm.weight", "body.stem.0.norm.weight", "body.blocks.1.first.norm.weight"} <= learned


@pytest.mark.parametrize("name", SIDES)
@pytest.mark.parametrize("partial", [2, 4])
def test_partial_channels_keep_all_shapes_and_need_fewer_weights(name: str, partial: int) -> None:
    space, side = BUILTIN[name], SIDES[name]
    whole, part = (MixedSupernet(space, channels=8, cells=1, partial=k) for k in (1, partial))
    whole.mixture = part.mixture = uniform(space)
    images = torch.rand(2, 3, side, side)
    assert part(images).shape == whole(images).shape

    def weights(mixed: MixedSupernet) -> int:
        kernels = (p for name, p in mixed.named_parameters() if ".edges." in name and p.dim() == 4)
        return sum(p.numel() for p in kernels if p.shape[1] > 1)  # without depthwise ones, which grow linearly

    assert weights(part) * partial**2 == weights(whole)


def test_what_operators_do_not_see_passes_by_shuffled() -> None:
    """By hand, K = 2, four channels, nothing but ``none``: an edge makes (0, c, 0, d) of (a, b, c, d)."""
    whole = BUILTIN["nas201"]
    space = whole.restrict(operators={layer.name: ["none"] for layer in whole.layers})
    mixed = MixedSupernet(space, channels=4, cells=1, partial=2)
    mixed.mixture = Mixture({place: torch.ones(1) for place in connections(space)}, {})
    inputs = torch.tensor([1.0, 10.0, 100.0, 1000.0]).reshape(1, 4, 1, 1)
    made = mixed.compute(mixed.body.blocks[0], inputs)  # type: ignore[union-attr,arg-type,index]
    # nodes: (0, c, 0, d); (0, c, 0, 2 d); (0, c, 0, d) + (0, 0, 0, d) + (0, 0, 0, 2 d)
    assert made.flatten().tolist() == [0.0, 100.0, 0.0, 4000.0]


def test_a_connection_that_counts_less_passes_on_less() -> None:
    whole = BUILTIN["nas201"]
    space = whole.restrict(operators={layer.name: ["skip_connect"] for layer in whole.layers})
    mixed = MixedSupernet(space, channels=4, cells=1)
    counts = {place: torch.ones(1) for place in connections(space)}
    mixed.mixture = Mixture(counts, {place: torch.tensor(1 / place.node) for place in counts})
    inputs = torch.rand(2, 4, 3, 3)
    made = mixed.compute(mixed.body.blocks[0], inputs)  # type: ignore[union-attr,arg-type,index]
    torch.testing.assert_close(made, inputs)  # each node is the mean of those before


def test_channels_that_cannot_be_divided_are_refused() -> None:
    with pytest.raises(ConfigError, match="channels that 4 divides"):
        MixedSupernet(BUILTIN["nas201"], channels=6, cells=1, partial=4)
