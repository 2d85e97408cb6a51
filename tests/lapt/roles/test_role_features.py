"""The description by roles: the same columns for any space, checked on cells that are written by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lapt.conditions.cells import Cells
from lapt.conditions.judging import members_of
from lapt.roles import features as by_role
from lapt.spaces import BUILTIN, Architecture, DeclaredSpace, SearchSpace, whole_of

NAS201, TRANS101, DARTS = (BUILTIN[name] for name in ("nas201", "trans101", "darts"))
BLOCKS = whole_of(
    DeclaredSpace.model_validate(
        {
            "name": "blocks",
            "encoding": "{s1}-{s2}-{s3}",
            "layers": [
                {"name": name, "operators": ["mb3_e6", "conv1", "attention", "none"]} for name in ("s1", "s2", "s3")
            ],
        }
    )
)


def of(space: SearchSpace, text: str) -> dict[str, float]:
    (row,) = by_role.described(Cells.of(space, [space.decode(text)]))
    return {name.removeprefix(by_role.PREFIX): float(value) for name, value in zip(by_role.names(), row, strict=True)}


def cell(letters: str) -> str:
    """NAS-Bench-201's text of a cell: the operators of 0->1, 0->2, 1->2, 0->3, 1->3, 2->3."""
    names = {"n": "none", "s": "skip_connect", "1": "nor_conv_1x1", "3": "nor_conv_3x3", "p": "avg_pool_3x3"}
    return NAS201.encode(Architecture(tuple(names[letter] for letter in letters), ("0", "0", "1", "0", "1", "2")))


@pytest.mark.parametrize(
    ("letters", "expected"),
    [
        (
            "3nnn3n",  # 0->1->3
            {"live layers": 2, "convolutions": 2, "depth": 2, "width": 1, "paths": np.log(2), "field of view": 4},
        ),
        ("3nnn3n", {"identity from input to output": 0, "fewest operators on a path": 2, "share of convolutions": 1}),
        ("3nns3n", {"identity from input to output": 1, "identity around a convolution": 1, "width": 2, "depth": 2}),
        ("ssssss", {"identity from input to output": 1, "identity around a convolution": 0, "depth": 0}),
        ("ssssss", {"paths": np.log(5), "share of identities": 1, "convolutions": 0, "cost": 0}),
        ("333333", {"most convolutions on a path": 3, "fewest convolutions on a path": 1, "layers into the output": 3}),
        ("1n3n3n", {"convolutions": 2, "convolutions of 2x2 or more": 1, "live layers": 2}),  # 1->2 leads nowhere
        ("nnnnnn", {"live layers": 0, "depth": 0, "share of convolutions": 0, "paths": 0}),
        ("pnnn1n", {"poolings": 1, "most poolings on a path": 1, "poolings into the output": 0, "field of view": 2}),
    ],
)
def test_cells_by_hand(letters: str, expected: dict[str, float]) -> None:
    found = of(NAS201, cell(letters))
    assert {name: found[name] for name in expected} == pytest.approx(expected)


def test_layers_that_follow_each_other_are_one_path() -> None:
    found = of(BLOCKS, "mb3_e6-none-conv1")
    wanted = {"live layers": 3, "identities": 1, "convolutions": 2, "depth": 2, "paths": np.log(2), "width": 1}
    assert {name: found[name] for name in wanted} == pytest.approx(wanted)
    assert of(BLOCKS, "attention-attention-attention")["convolutions"] == 0


def test_the_normal_cell_describes_a_space_of_two_cells() -> None:
    rng = np.random.default_rng(0)
    one, other = DARTS.sample(rng), DARTS.sample(rng)
    mixed = Architecture((*one.operators[:8], *other.operators[8:]), (*one.sources[:8], *other.sources[8:]))
    rows = by_role.described(Cells.of(DARTS, [one, mixed, other]))
    assert (rows[0] == rows[1]).all()
    assert (rows[0] != rows[2]).any()


@pytest.mark.parametrize("space", [NAS201, TRANS101, DARTS, BLOCKS], ids=lambda space: space.name)
def test_every_column_has_mean_zero_and_deviation_one_or_tells_nothing(space: SearchSpace) -> None:
    x = by_role.standardised(members_of(space))
    assert x.shape == (len(members_of(space)), len(by_role.names()))
    assert np.abs(x.mean(axis=0)).max() < 1e-9
    spread = x.std(axis=0)
    assert ((np.abs(spread - 1) < 1e-9) | (spread == 0)).all()


def test_a_space_without_pooling_has_nothing_to_tell_of_it() -> None:
    told: dict[str, Any] = dict(zip(by_role.names(), by_role.moments(TRANS101)[1] > 0, strict=True))
    assert {name.removeprefix(by_role.PREFIX) for name, tells in told.items() if not tells} == {
        "poolings",
        "share of poolings",
        "most poolings on a path",
        "poolings into the output",
    }


def test_no_architectures_have_no_rows() -> None:
    assert by_role.described(Cells.of(DARTS, [])).shape == (0, len(by_role.names()))
