"""DARTS networks: the published sizes, shapes, and outputs held against sums that are written out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from lapt.errors import ConfigError, SpaceError
from lapt.families.darts.family import DARTS
from lapt.families.darts.genotype import Edge, Genotype
from lapt.families.darts.networks.family import (
    AuxiliaryHead,
    DartsBackbone,
    DartsCellNetwork,
    dropped,
    operator_module,
    reads_rectified,
)
from lapt.families.darts.networks.skeleton import Place, checked, darts_counts, darts_skeleton
from lapt.families.darts.published_cells import PUBLISHED_CELLS
from lapt.networks import Classifier, NetworkSize, backbone, counts, live_parameters
from lapt.spaces import BUILTIN

torch.set_num_threads(1)
SPACE = BUILTIN["darts"]
PUBLISHED = NetworkSize(channels=36, cells=6)
"""20 layers: the setting of the literature for CIFAR-10."""


def drawn(count: int, seed: int = 0) -> list[Genotype]:
    rng = np.random.default_rng(seed)
    return [DARTS.genotype(SPACE.sample(rng)) for _ in range(count)]


# --- sizes -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "published", "with_auxiliary"),
    [
        ("DARTS_V2", 3_349_342, None),
        ("PC_DARTS_cifar", 3_634_678, None),
        ("FairDARTS_a", 2_360_782, 2_837_208),
    ],
)
def test_parameters_are_the_published_ones(name: str, published: int, with_auxiliary: int | None) -> None:
    found = PUBLISHED_CELLS[name]
    with torch.device("meta"):
        body = DartsBackbone(found, PUBLISHED)
        auxiliary = AuxiliaryHead(body.auxiliary_channels, 10)
        assert live_parameters(Classifier(body, 10)) == published
    assert darts_counts(found, PUBLISHED, 10).parameters == published
    assert with_auxiliary is None or published + live_parameters(auxiliary) == with_auxiliary
    if name != "FairDARTS_a":
        assert counts(SPACE, DARTS.architecture(found), channels=36, cells=6, classes=10).parameters == published


def test_sizes_that_the_literature_rounds() -> None:
    """Millions: multiply-adds of DARTS on CIFAR-10, parameters on ImageNet (48 channels, 14 layers)."""
    assert round(darts_counts(PUBLISHED_CELLS["DARTS_V2"], PUBLISHED, 10).flops / 1e6) == 528
    rounded = {"DARTS_V2": 4.7, "PC_DARTS_cifar": 5.3, "PC_DARTS_image": 5.3, "Shapley_NAS_image": 5.4}
    for name, millions in rounded.items():
        found = darts_counts(PUBLISHED_CELLS[name], NetworkSize(48, 4, stem="imagenet"), 1000)
        assert round(found.parameters / 1e6, 1) == millions


def measured_flops(network: nn.Module, image: Tensor) -> int:
    """Products of the convolutions and the linear layer."""
    total = 0

    def count(module: nn.Module, inputs: Any, output: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d):
            total += module.weight.numel() * output[0, 0].numel()
        elif isinstance(module, nn.Linear):
            total += module.weight.numel()

    for module in network.modules():
        module.register_forward_hook(count)
    network.eval()(image)
    return total


@pytest.mark.parametrize(("stem", "side"), [("cifar", (9, 12)), ("imagenet", (70, 64))])
def test_closed_forms_are_those_of_the_network_that_is_built(stem: Any, side: tuple[int, int]) -> None:
    size = NetworkSize(6, 1, 1, side, stem)
    for found in [*drawn(6), PUBLISHED_CELLS["FairDARTS_a"]]:
        network = Classifier(DartsBackbone(found, size), 7)
        counted = darts_counts(found, size, 7)
        assert counted.parameters == live_parameters(network)
        assert counted.flops == measured_flops(network, torch.zeros(1, 1, *side))
    for architecture in [DARTS.architecture(found) for found in drawn(3)]:
        assert counts(SPACE, architecture, **size._asdict()) == darts_counts(DARTS.genotype(architecture), size)


def test_a_network_has_reductions_at_a_third_and_two_thirds() -> None:
    for layers, cells in ((5, 1), (8, 2), (14, 4), (20, 6)):
        places = darts_skeleton(drawn(1)[0], NetworkSize(4, cells)).places
        reductions = [at for at, place in enumerate(places) if place.kind == "reduce"]
        assert (len(places), reductions) == (layers, [layers // 3, 2 * layers // 3])


# --- outputs ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("stem", "image_channels", "side", "shape"),
    [
        ("cifar", 3, 32, (64, 8, 8)),
        ("cifar", 1, 8, (64, 2, 2)),
        ("cifar", 3, 7, (64, 2, 2)),
        ("imagenet", 3, 70, (64, 3, 3)),
    ],
)
def test_features_have_the_shape_that_the_backbone_says(
    stem: Any, image_channels: int, side: int, shape: tuple[int, ...]
) -> None:
    for found in drawn(4):
        body = DartsBackbone(found, NetworkSize(4, 1, image_channels, stem=stem))
        features, early = body.both(torch.randn(2, image_channels, side, side))
        assert features.shape == (2, *shape) == (2, body.out_channels, *(-(-side // body.reduction),) * 2)
        assert early.shape == (2, body.auxiliary_channels, *shape[1:])
        assert AuxiliaryHead(body.auxiliary_channels, 5, stem)(early).shape == (2, 5)


def test_a_cell_adds_up_what_its_genotype_says() -> None:
    """Every operator once, against sums over the cell's own modules, in training and in evaluation."""
    nodes = (
        (Edge("sep_conv_3x3", 0), Edge("sep_conv_5x5", 1)),
        (Edge("max_pool_3x3", 0), Edge("skip_connect", 2)),
        (Edge("skip_connect", 0), Edge("dil_conv_5x5", 3)),
        (Edge("avg_pool_3x3", 1), Edge("dil_conv_3x3", 2)),
    )
    found = Genotype(nodes, (2, 3, 4, 5), nodes, (2, 3, 4, 5))
    before, last = torch.randn(3, 6, 8, 8), torch.randn(3, 5, 4, 4)
    for kind in ("normal", "reduce"):
        cell = DartsCellNetwork(found, Place(kind, 6, 5, True, 4))
        stride = 2 if kind == "reduce" else 1
        for mode in (True, False):
            cell.train(mode)
            values = [m(functional.relu(x)) for m, x in zip(cell.inputs, (before, last), strict=True)]
            for node, edges in enumerate(nodes, start=2):
                terms = []
                for operator, source in edges:
                    value, name = values[source], f"{source}->{node}"
                    if operator == "max_pool_3x3":
                        terms.append(nn.MaxPool2d(3, stride if source < 2 else 1, padding=1)(value))
                    elif operator == "avg_pool_3x3":
                        pool = nn.AvgPool2d(3, stride if source < 2 else 1, padding=1, count_include_pad=False)
                        terms.append(pool(value))
                    elif name in cell.edges:
                        terms.append(cell.edges[name](functional.relu(value)))
                    else:
                        assert operator == "skip_connect"
                        terms.append(value)
                values.append(terms[0] + terms[1])
            expected = torch.cat(values[2:], dim=1)
            assert torch.allclose(cell(before, last), expected, atol=1e-6)


def test_operators_are_made_of_the_published_convolutions() -> None:
    """Kernel, stride, dilation and groups of each, in order; what leaves an input of a reduction cell has a stride."""

    def made(operator: str, stride: int) -> list[tuple[int, int, int, int]]:
        module = operator_module(operator, 8, stride)
        convolutions = [m for m in module.modules() if isinstance(m, nn.Conv2d)] if module else []
        return [(c.kernel_size[0], c.stride[0], c.dilation[0], c.groups) for c in convolutions]

    point = (1, 1, 1, 1)
    assert made("sep_conv_3x3", 2) == [(3, 2, 1, 8), point, (3, 1, 1, 8), point]
    assert made("sep_conv_5x5", 1) == [(5, 1, 1, 8), point, (5, 1, 1, 8), point]
    assert made("dil_conv_3x3", 2) == [(3, 2, 2, 8), point]
    assert made("dil_conv_5x5", 1) == [(5, 1, 2, 8), point]
    assert made("skip_connect", 2) == [point, point]
    assert operator_module("skip_connect", 8, 1) is None
    rectified = {o: reads_rectified(m) for o in DARTS.operators[1:] if (m := operator_module(o, 8, 2)) is not None}
    assert [operator for operator, reads in rectified.items() if not reads] == ["max_pool_3x3", "avg_pool_3x3"]


def test_none_is_zero_and_every_weight_is_trained() -> None:
    rng = np.random.default_rng(1)
    for architecture in [SPACE.sample(rng) for _ in range(6)]:
        network = Classifier(backbone(SPACE, architecture, channels=4, cells=1, image_channels=1), 5)
        network(torch.randn(8, 1, 16, 16)).square().sum().backward()
        # What feeds the outputs of nothing but the last cell's unread input has no part in them.
        unread = [name for name, p in network.named_parameters() if p.grad is None]
        assert all(".inputs." in name or name.startswith("backbone.cells.3") for name in unread)
    empty = SPACE.decode(
        "Genotype(normal=[" + ", ".join(["('none', 0), ('none', 1)"] * 4) + "], normal_concat=range(2, 6), "
        "reduce=[" + ", ".join(["('none', 0), ('none', 1)"] * 4) + "], reduce_concat=range(2, 6))"
    )
    assert backbone(SPACE, empty, channels=4, cells=1)(torch.randn(2, 3, 9, 9)).eq(0).all()


def test_the_canonical_form_computes_the_same_network() -> None:
    """With the same weights, channels permuted: here by evaluating both with every weight at one value."""
    rng = np.random.default_rng(2)
    images = torch.randn(4, 3, 12, 12, dtype=torch.float64)
    for _ in range(8):
        architecture = SPACE.sample(rng)
        outputs = []
        for form in (architecture, SPACE.canonical(architecture)):
            network = backbone(SPACE, form, channels=4, cells=1).double().eval()
            with torch.no_grad():
                for name, parameter in network.named_parameters():
                    # Alike for every channel, so that a permutation of the channels changes nothing.
                    parameter.fill_(0.3 if "norm" in name or parameter.dim() == 1 else 1 / parameter[0].numel())
                outputs.append(network(images).mean(dim=(2, 3)).sort(dim=1).values)
        assert torch.allclose(*outputs, atol=1e-9)


# --- for training alone ----------------------------------------------------------------------------------------------
def test_dropped_paths_are_zero_for_some_images_and_the_mean_stays() -> None:
    torch.manual_seed(0)
    values = dropped(torch.ones(4000, 2, 3, 3), 0.25)
    assert values.unique().tolist() == [0.0, pytest.approx(1 / 0.75)]
    assert values.mean() == pytest.approx(1, abs=0.03)
    assert (values.flatten(1) == values[:, :1, 0, 0]).all()  # an image as a whole


def test_identities_are_never_dropped() -> None:
    nodes = ((Edge("skip_connect", 0), Edge("skip_connect", 1)),) * 4
    cell = DartsCellNetwork(Genotype(nodes, (2, 3, 4, 5), nodes, (2, 3, 4, 5)), Place("normal", 4, 4, False, 4))
    given = torch.randn(2, 4, 5, 5), torch.randn(2, 4, 5, 5)
    assert torch.equal(cell(*given, 0.9), cell(*given, 0.0))
    pooling = ((Edge("max_pool_3x3", 0), Edge("max_pool_3x3", 1)),) * 4
    cell = DartsCellNetwork(Genotype(pooling, (2, 3, 4, 5), pooling, (2, 3, 4, 5)), Place("normal", 4, 4, False, 4))
    assert not torch.equal(cell(*given, 0.9), cell(*given, 0.0))
    cell.eval()
    assert torch.equal(cell(*given, 0.9), cell(*given, 0.0))


def test_the_published_auxiliary_head_pools_to_two_by_two() -> None:
    torch.manual_seed(0)
    for stem, side, stride in (("cifar", 8, 3), ("imagenet", 7, 2)):
        head = AuxiliaryHead(6, 5, stem).eval()
        features = torch.randn(2, 6, side, side)
        pooled = nn.AvgPool2d(5, stride=stride, padding=0)(functional.relu(features))
        assert pooled.shape[2:] == (2, 2)
        seen = functional.relu(head.wide(functional.relu(head.narrow(pooled)))).flatten(1)
        assert torch.allclose(head(features), head.classifier(seen), atol=1e-6)


# --- what cannot be built --------------------------------------------------------------------------------------------
def test_what_no_network_can_be_built_for_is_said() -> None:
    (found,) = drawn(1)
    with pytest.raises(ConfigError, match="at least one channel and one cell"):
        DartsBackbone(found, NetworkSize(0, 1))
    with pytest.raises(ConfigError, match="even number of channels; got 3"):
        DartsBackbone(found, NetworkSize(3, 1, stem="imagenet"))
    wrong = {
        "normal node 2 reads 3": found._replace(normal=((Edge("none", 3),),), normal_concat=(2,)),
        "'conv'": found._replace(normal=((Edge("conv", 0),),), normal_concat=(2,)),
        "reduce_concat of 9": found._replace(reduce_concat=(9,)),
        "normal_concat of nothing": found._replace(normal_concat=()),
        "reduce node 3 reads 2": found._replace(reduce=((), (Edge("none", 2),)), reduce_concat=(3,)),
    }
    for words, given in wrong.items():
        with pytest.raises(SpaceError, match=words):
            checked(given)
