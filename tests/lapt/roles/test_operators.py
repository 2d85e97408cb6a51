"""Roles of operators: what names and declarations say, and which operators of two spaces are the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapt.errors import LaptError
from lapt.roles.operators import Behind, mapped, roles_in, without_role
from lapt.spaces import BUILTIN, DeclaredSpace, SearchSpace, space_named, whole_of
from lapt.spaces.roles import Role, inferred, role_of

NAS201, TRANS101, DARTS = (BUILTIN[name] for name in ("nas201", "trans101", "darts"))
BLOCKS: dict[str, Any] = {
    "name": "blocks",
    "encoding": "{s1}-{s2}-{s3}",
    "layers": [
        {"name": f"s{at}", "operators": ["mb3_e3", "mb3_e6", "mb5_e6", "attention", "none"]} for at in (1, 2, 3)
    ],
}


def blocks(**more: Any) -> SearchSpace:
    return whole_of(DeclaredSpace.model_validate(BLOCKS | more))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none", "zero"),
        ("skip_connect", "identity"),
        ("nor_conv_3x3", "convolution 3x3"),
        ("Conv5", "convolution 5x5"),
        ("conv", "convolution"),
        ("sep_conv_5x5", "separable convolution 5x5"),
        ("dil_conv_3x3", "dilated convolution 3x3"),
        ("mbconv3_e6", "inverted convolution 3x3 expansion 6"),
        ("mb_k5_e4", "inverted convolution 5x5 expansion 4"),
        ("dwconv_7x7", "depthwise convolution 7x7"),
        ("maxpool", "max pooling"),
        ("avg_pool_3x3", "average pooling 3x3"),
        ("ReLU, 1x1 convolution, batch normalisation", "convolution 1x1"),
        ("attention", "None"),
        ("patch", "None"),
        ("zeroth", "None"),
    ],
)
def test_names_tell_roles(name: str, said: str) -> None:
    assert str(inferred(name)) == said


@pytest.mark.parametrize("space", [NAS201, TRANS101, DARTS], ids=lambda space: space.name)
def test_what_families_say_is_what_their_names_tell(space: SearchSpace) -> None:
    assert roles_in(space) == {name: inferred(name) for layer in space.layers for name in layer.operators}
    assert without_role(space) == []


@given(
    st.sampled_from(["plain", "separable", "dilated", "depthwise", "grouped", "inverted"]),
    st.none() | st.integers(1, 11),
    st.none() | st.integers(1, 9),
)
def test_a_role_is_read_as_it_is_written(form: Any, kernel: int | None, expansion: int | None) -> None:
    role = Role(kind="convolution", form=form, kernel=kernel, expansion=expansion)
    assert role_of(str(role)) == role


@pytest.mark.parametrize("text", ["", "fast", "identity 3x3", "max convolution", "convolution 3x5", "pooling pooling"])
def test_other_words_are_no_role(text: str) -> None:
    with pytest.raises(ValueError, match="is no role: write zero, identity, pooling, convolution"):
        role_of(text)


# --- declared spaces -------------------------------------------------------------------------------------------------
def test_a_declaration_says_roles_and_names_tell_the_others() -> None:
    space = blocks(roles={"attention": "inverted 7x7 expansion 2"})
    known = roles_in(space)
    assert str(known["attention"]) == "inverted convolution 7x7 expansion 2"
    assert str(known["mb5_e6"]) == "inverted convolution 5x5 expansion 6"
    assert str(known["none"]) == "identity", "a layer that is not there, where layers follow each other"
    assert space.family.zero is space.family.identity is None, "only what is declared changes how cells are judged"


def test_an_operator_without_a_role_is_listed_with_the_reason() -> None:
    ((operator, reason),) = without_role(blocks())
    assert operator == "attention"
    assert reason == "neither blocks nor the operator's name says what it computes"


def test_a_declared_zero_and_identity_count_as_such() -> None:
    family = blocks(roles={"none": "zero", "attention": "identity"}).family
    assert (family.zero, family.identity) == ("none", "attention")


def test_roles_leave_the_declaration_of_a_space_without_them_as_it_was() -> None:
    assert "roles" not in DeclaredSpace.model_validate(BLOCKS).model_dump(mode="json")
    said = DeclaredSpace.model_validate(BLOCKS | {"roles": {"none": "identity"}})
    assert said.model_dump(mode="json")["roles"] == {"none": "identity"}
    assert DeclaredSpace.model_validate_json(said.model_dump_json()) == said


@pytest.mark.parametrize(
    ("roles", "said"),
    [
        ({"conv": "identity"}, r"roles of operators that blocks has; got \['conv'\]"),
        ({"none": "nothing"}, "'nothing' is no role"),
        ({"none": "zero", "attention": "zero"}, "zero is one operator's role"),
        ({"none": 3}, "is no text, quote it"),
    ],
)
def test_a_wrong_role_is_refused(roles: dict[str, Any], said: str) -> None:
    with pytest.raises(LaptError, match=said):
        space_named(BLOCKS | {"roles": roles})  # type: ignore[arg-type]


# --- from space to space ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("source", "operators", "target", "expected"),
    [
        (NAS201, ["nor_conv_3x3"], TRANS101, ("nor_conv_3x3",)),
        (NAS201, ["nor_conv_3x3"], DARTS, ("sep_conv_3x3", "dil_conv_3x3")),
        (NAS201, ["avg_pool_3x3"], DARTS, ("avg_pool_3x3",)),
        (NAS201, ["none", "skip_connect"], DARTS, ("none", "skip_connect")),
        (DARTS, ["sep_conv_3x3"], NAS201, ("nor_conv_3x3",)),
        (DARTS, ["max_pool_3x3", "avg_pool_3x3"], NAS201, ("avg_pool_3x3",)),
        (DARTS, ["sep_conv_5x5"], blocks(), ("mb5_e6",)),
        (NAS201, ["nor_conv_3x3"], blocks(), ("mb3_e3", "mb3_e6")),
        (blocks(), ["none"], DARTS, ("skip_connect",)),
    ],
)
def test_the_same_role_or_the_nearest(
    source: SearchSpace, operators: list[str], target: SearchSpace, expected: tuple[str, ...]
) -> None:
    assert mapped(operators, source, target)[0] == expected


def test_every_convolution_of_one_space_is_every_one_of_another() -> None:
    found, notes = mapped(["nor_conv_1x1", "nor_conv_3x3"], NAS201, DARTS)
    assert found == ("sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5")
    assert notes == [f"every convolution: nor_conv_1x1, nor_conv_3x3 as {', '.join(found)}"]


def test_what_another_operator_is_nearer_to_stands_for_that_one_alone() -> None:
    with pytest.raises(Behind, match="sep_conv_3x3, dil_conv_3x3 of darts is nearer to nor_conv_3x3") as raised:
        mapped(["nor_conv_1x1"], NAS201, DARTS)
    assert raised.value.held is None


def test_a_kind_that_the_target_lacks_is_never_chosen_there() -> None:
    with pytest.raises(Behind, match="trans101 has no pooling") as raised:
        mapped(["avg_pool_3x3"], NAS201, TRANS101)
    assert raised.value.held is False
    found, notes = mapped(["avg_pool_3x3", "nor_conv_1x1"], NAS201, TRANS101)
    assert found == ("nor_conv_1x1",)
    assert notes == ["left out: trans101 has no pooling (avg_pool_3x3)"]
