"""A supernet computes what the networks of its architectures compute, and is no larger than its space."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lapt.errors import SpaceError
from lapt.networks import Supernet, backbone
from lapt.networks.supernet import same_weights
from lapt.spaces import BUILTIN, SearchSpace

SIDES = {"nas201": 9, "trans101": 32, "darts": 12, "darts7": 12}
FEW = ("sep_conv_3x3", "dil_conv_3x3", "skip_connect", "max_pool_3x3")


def made(space: SearchSpace, *, seed: int = 0) -> Supernet:
    torch.manual_seed(seed)
    return Supernet(space, channels=4, cells=1, seed=seed)


def few(space: SearchSpace) -> SearchSpace:
    return space.restrict(operators={layer.name: FEW for layer in space.layers})


@pytest.mark.parametrize("name", SIDES)
@pytest.mark.parametrize("training", [True, False])
def test_an_architecture_computes_the_same_as_its_own_network_with_these_weights(name: str, training: bool) -> None:
    space, images = BUILTIN[name], torch.rand(3, 3, SIDES[name], SIDES[name])
    supernet, rng = made(space).train(training), np.random.default_rng(1)
    for _ in range(6):
        architecture = space.sample(rng)
        alone = backbone(space, architecture, channels=4, cells=1).train(training)
        same_weights(supernet, architecture, alone)
        with supernet.only(architecture), torch.no_grad():
            assert torch.equal(supernet(images), alone(images))


def test_a_step_trains_the_weights_of_the_drawn_architecture_alone() -> None:
    space = BUILTIN["darts"]
    supernet, architecture = made(space), space.sample(np.random.default_rng(3))
    with supernet.only(architecture):
        supernet(torch.rand(2, 3, 12, 12)).sum().backward()
    alone = backbone(space, architecture, channels=4, cells=1)
    touched = sum(p.numel() for p in supernet.parameters() if p.grad is not None)
    assert touched == sum(p.numel() for p in alone.parameters()) < sum(p.numel() for p in supernet.parameters())


def test_draws_are_uniform_over_the_space_and_the_same_for_the_same_seed() -> None:
    space = BUILTIN["nas201"].restrict(
        operators={"0->1": ["nor_conv_3x3"], "0->2": ["none"], "1->2": ["none"], "0->3": ["nor_conv_1x1", "none"]}
        | {"1->3": ["nor_conv_3x3"], "2->3": ["none"]}
    )
    one, other = made(space), made(space)
    edge = one.body.blocks[0].edges["0->3"]["nor_conv_1x1"].conv  # type: ignore[index,union-attr]
    seen = []
    edge.register_forward_hook(lambda *_: seen.append(True))
    images = torch.rand(2, 3, 4, 4)
    outputs = [one(images) for _ in range(100)]
    assert 35 < len(seen) < 65
    assert all(torch.equal(output, other(images)) for output in outputs)


def test_where_the_draws_stand_travels_with_the_weights() -> None:
    one, other, images = made(BUILTIN["nas201"]), made(BUILTIN["nas201"], seed=5), torch.rand(2, 3, 8, 8)
    for _ in range(7):
        one(images)
    other.load_state_dict(one.state_dict())
    assert all(torch.equal(one(images), other(images)) for _ in range(7))


def test_a_refined_space_makes_a_smaller_supernet() -> None:
    """Of the seven operators with a module at stride 1 or 2, a restriction leaves some: parameters by hand, one cell.

    sep_conv_3x3: 2 (9 C + C^2 + 2 C); 5x5: 2 (25 C + C^2 + 2 C); dil_conv: half of each. 14 edges; those of a reduction
    cell that leave the inputs (8 of 14) have an identity of C^2 + 2 C.
    """

    def size(wide: int, operators: tuple[str, ...], reduces: bool) -> int:
        half = {k: k * k * wide + wide * wide + 2 * wide for k in (3, 5)}
        each = {
            "sep_conv_3x3": 2 * half[3],
            "sep_conv_5x5": 2 * half[5],
            "dil_conv_3x3": half[3],
            "dil_conv_5x5": half[5],
        }
        skips = 8 * (wide * wide + 2 * wide) if reduces and "skip_connect" in operators else 0
        return 14 * sum(each.get(operator, 0) for operator in operators) + skips

    places = [(4, False), (8, True), (8, False), (16, True), (16, False)]
    space = BUILTIN["darts"]
    whole, small = made(space), made(few(space))
    assert whole.operator_parameters == sum(size(w, space.layers[0].operators, r) for w, r in places)
    assert small.operator_parameters == sum(size(w, FEW, r) for w, r in places)
    assert small.operator_parameters < 0.6 * whole.operator_parameters


def test_a_source_that_no_layer_reads_has_no_operators() -> None:
    space = BUILTIN["darts"]
    narrow = space.restrict(sources={"normal.5a": ["input0"], "normal.5b": ["node4"]})
    cell = made(narrow).body.cells[0]
    assert {name for name in cell.edges if name.endswith("->5")} == {"0->5", "4->5"}


def test_what_both_supernets_have_is_inherited() -> None:
    space = BUILTIN["darts"]
    large, small = made(space), made(few(space), seed=1)
    tensors = sum(1 for value in small.state_dict().values() if isinstance(value, torch.Tensor))
    assert small.inherit(large) == tensors
    architecture, images = few(space).sample(np.random.default_rng(0)), torch.rand(2, 3, 12, 12)
    with large.only(architecture), small.only(architecture), torch.no_grad():
        assert torch.equal(large(images), small(images))
    assert 0 < made(space, seed=2).inherit(small) == tensors


def test_an_architecture_outside_the_space_is_refused() -> None:
    space = few(BUILTIN["darts"])
    whole = BUILTIN["darts"].sample(np.random.default_rng(0))
    with pytest.raises(SpaceError), made(space).only(whole):
        pass
