"""The space of mobile networks: its size, its text, what is the same network, and what is known of its choices."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapt.conditions.cells import Cells
from lapt.conditions.judging import holding, members_of
from lapt.conditions.language import condition_of
from lapt.errors import SpaceError
from lapt.families.mobile.cell import EXAMPLE
from lapt.families.mobile.family import MEANINGS, MOBILE
from lapt.families.mobile.plan import strides
from lapt.latency.additive import parts_of
from lapt.reasoning.experts.grounding import applying
from lapt.roles.operators import Behind
from lapt.roles.translation import translated
from lapt.search import SEARCHERS
from lapt.spaces import BUILTIN, Architecture, SearchSpace
from lapt.spaces.roles import role_of
from lapt.testing.searchers import CHECKS, Check, Ground

SPACE, NAS201, DARTS = (BUILTIN[name] for name in ("mobile", "nas201", "darts"))
seeds = st.integers(0, 2**32 - 1)


def network(text: str) -> Architecture:
    return SPACE.decode(text)


def holds(said: dict[str, object], text: str) -> bool:
    return bool(holding(condition_of(said), Cells.of(SPACE, [network(text)]))[0])


# --- layers, text, form ----------------------------------------------------------------------------------------------
def test_the_size_by_hand() -> None:
    """A stage: 4 first blocks, 5 x 5 others, 3 widths, squeeze-excitation or not; then two resolutions."""
    assert SPACE.size == (4 * 5 * 5 * 3 * 2) ** 4 * 2


def test_a_text_by_hand() -> None:
    chosen = MOBILE.chosen(network("half/narrow:3e3,-,5e6/medium+se:5e3,-,-/wide:3e6,3e6,3e6/narrow+se:5e6,3e3,-"))
    assert [chosen[f"stage1.block{at}"] for at in (1, 2, 3)] == ["mb3_e3", "skip", "mb5_e6"]
    assert [chosen[f"stage{stage}.width"] for stage in (1, 2, 3, 4)] == ["narrow", "medium", "wide", "narrow"]
    assert [chosen[f"stage{stage}.se"] for stage in (1, 2, 3, 4)] == ["no_se", "se", "no_se", "se"]
    assert chosen["resolution"] == "half"


@given(seeds)
def test_decode_undoes_encode(seed: int) -> None:
    architecture = SPACE.sample(np.random.default_rng(seed))
    assert network(SPACE.encode(architecture)) == architecture


@pytest.mark.parametrize(
    "text",
    [
        "",
        EXAMPLE + "/wide:3e3,3e3,3e3",
        EXAMPLE.replace("full", "quarter"),
        EXAMPLE.replace("narrow:3e3", "narrow:-"),  # the first block of a stage
        EXAMPLE.replace("5e6", "7e6"),
        EXAMPLE.replace("5e6", "mb5_e6"),
        EXAMPLE.removesuffix(",-"),
    ],
)
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(SpaceError, match="expected a mobile network such as full/narrow:3e3,-,-/"):
        network(text)


@given(seeds)
def test_a_canonical_form_is_the_same_network_and_its_own_form(seed: int) -> None:
    architecture = SPACE.sample(np.random.default_rng(seed))
    form = SPACE.canonical(architecture)
    assert SPACE.contains(form)
    assert SPACE.canonical(form) == form
    before, after = ([operator for operator in one.operators if operator != "skip"] for one in (architecture, form))
    assert before == after, "the same blocks in the same order, and the same settings"


def test_networks_of_a_stage_by_hand() -> None:
    """One block, or two, or three of four: 4 + 4^2 + 4^3 of the 100 ways to write them."""
    rest = {name: SPACE.layer(name).operators[:1] for name in SPACE.layer_names if "stage2.block" not in name}
    written = list(SPACE.restrict(operators=rest).members())
    assert len(written) == 100
    forms = Counter(map(SPACE.canonical, written))
    assert len(forms) == 4 + 4**2 + 4**3
    assert Counter(forms.values()) == {1: 4 + 4**3, 2: 4**2}  # of two blocks the skip stands between or behind


# --- what is known of it ---------------------------------------------------------------------------------------------
def test_every_choice_is_explained_and_blocks_have_roles() -> None:
    chosen = {operator for layer in SPACE.layers for operator in layer.operators}
    assert chosen == MEANINGS.keys()
    assert MOBILE.operator_roles == {
        "mb3_e3": role_of("inverted convolution 3x3 expansion 3"),
        "mb5_e3": role_of("inverted convolution 5x5 expansion 3"),
        "mb3_e6": role_of("inverted convolution 3x3 expansion 6"),
        "mb5_e6": role_of("inverted convolution 5x5 expansion 6"),
        "skip": role_of("identity"),
    }


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"choice": {"layer": "stage3.se", "operators": ["se"]}}, True),
        ({"choice": {"layer": "stage1.width", "operators": ["wide", "medium"]}}, False),
        ({"depth": {"at_least": 8, "at_most": 8}}, True),  # 1 + 2 + 3 + 2 blocks
        ({"count": {"operators": ["mb5_e6"], "at_least": 3, "at_most": 3}}, True),
        ({"count": {"operators": ["wide"], "at_least": 2, "at_most": 2}}, True),
        ({"count": {"operators": ["skip"], "layers": ["stage1.block2", "stage1.block3"], "at_least": 2}}, True),
        ({"width": {"cell": "blocks", "at_least": 1, "at_most": 1}}, True),  # layers in a row: one reads the images
        ({"path": {"operators": ["mb3_e3", "mb3_e6"], "at_least": 3, "at_most": 3}}, True),
        ({"path": {"operators": ["wide"], "at_least": 3, "cell": "settings"}}, False),  # settings stand side by side
        ({"size": {"of": "multiply_adds", "at_most": 0.2}}, False),
        ({"size": {"of": "multiply_adds", "at_most": 0.95}}, True),
    ],
)
def test_conditions_by_hand(said: dict[str, object], expected: bool) -> None:
    assert holds(said, EXAMPLE) is expected


def test_sizes_order_networks_of_which_one_has_more_of_everything() -> None:
    more, less = "full/wide+se:5e6,5e6,5e6/" + EXAMPLE.split("/", 2)[2], EXAMPLE
    for of, found in MOBILE.sizes([network(less), network(more)]).items():
        assert found[0] < found[1], of
    full, half = MOBILE.sizes([network(EXAMPLE), network(EXAMPLE.replace("full", "half"))])["multiply_adds"]
    assert 3.5 < full / half < 4.1  # a quarter of the pixels; what squeeze-excitation adds stays as it is


def test_features_tell_networks_apart_and_equal_ones_not() -> None:
    rng = np.random.default_rng(0)
    some = [SPACE.sample(rng) for _ in range(300)]
    forms = [SPACE.canonical(one) for one in some]
    of_some, of_forms = MOBILE.features(some), MOBILE.features(forms)
    assert of_some.shape == (300, len(MOBILE.feature_names))
    assert np.array_equal(of_some, of_forms)
    assert len(np.unique(of_some, axis=0)) == len(set(forms))
    assert np.array_equal(np.hstack([of_some[:, block] for block in MOBILE.blocks]), of_some)


def test_features_by_hand() -> None:
    found = dict(zip(MOBILE.feature_names, MOBILE.features([network(EXAMPLE)])[0], strict=True))
    assert [found[f"blocks in stage {stage}"] for stage in (1, 2, 3, 4)] == [1, 2, 3, 2]
    assert [found[f"5x5 kernels in stage {stage}"] for stage in (1, 2, 3, 4)] == [0, 0, 3, 2]
    assert [found[f"expansions by 6 in stage {stage}"] for stage in (1, 2, 3, 4)] == [0, 1, 1, 2]
    assert [found[f"width in stage {stage}"] for stage in (1, 2, 3, 4)] == [0, 1, 2, 2]
    assert [found[f"squeeze-excitation in stage {stage}"] for stage in (1, 2, 3, 4)] == [0, 0, 1, 1]
    assert (found["blocks"], found["resolution"]) == (8, 1)


def test_a_latency_is_put_together_by_layer() -> None:
    """The same block takes another time in a stage of another width and side."""
    parts = parts_of(SPACE, network(EXAMPLE))
    assert parts["blocks", "stage4.block1", "mb5_e6"] == parts["blocks", "stage3.block1", "mb5_e6"] == 1
    assert parts["settings", "stage4.se", "se"] == 1


def test_the_program_is_python_and_names_every_layer() -> None:
    said = MOBILE.program(SPACE.layers)
    compile(said, "program", "exec")
    assert all(name in said for name in SPACE.layer_names)


def test_nothing_of_it_but_networks_takes_torch() -> None:
    code = (
        "import sys; from lapt.spaces import BUILTIN; space = BUILTIN['mobile']; cell = space.decode(sys.argv[1]); "
        "space.family.features([cell]); space.family.sizes([cell]); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, EXAMPLE], capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr


@pytest.mark.parametrize(
    ("side", "expected"),  # of the stem and the four stages
    [
        (8, (1, 1, 1, 1, 2)),
        (16, (1, 1, 1, 2, 2)),
        (32, (1, 1, 2, 2, 2)),
        (63, (1, 1, 2, 2, 2)),
        (64, (2, 1, 2, 2, 2)),
        (128, (2, 2, 2, 2, 2)),
        (1024, (2, 2, 2, 2, 2)),
    ],
)
def test_strides_fit_the_side_of_the_images(side: int, expected: tuple[int, ...]) -> None:
    assert strides(side) == expected


@given(st.integers(4, 5000))
def test_features_keep_four_pixels_a_side(side: int) -> None:
    assert -(-side // int(np.prod(strides(side)))) >= 4


# --- principles ------------------------------------------------------------------------------------------------------
def following(text: str) -> list[str]:
    """The first words of the experts' principles that a network follows."""
    cells = Cells.of(SPACE, [network(text)])
    return [" ".join(expert.statement.split()[:3]) for expert in applying(SPACE) if expert.holds(cells)[0]]


def test_experts_by_hand() -> None:
    assert following("half/narrow:5e3,5e3,5e3/narrow:3e3,-,-/narrow:3e3,-,-/narrow:3e3,-,-") == []
    assert following(EXAMPLE) == [
        "The first block",
        "Kernels are small",
        "Kernels are large",
        "The last stage",
        "Stages get deeper:",
        "Depth, width and",
    ]
    six = "full/wide:3e6,3e6,3e6/wide:3e6,3e3,3e6/wide:3e6,3e6,3e3/wide:3e3,3e3,3e3"
    assert following(six) == ["Blocks widen six", "The first block", "Kernels are small", "Depth, width and"]


def test_experts_tell_something_in_the_space() -> None:
    shares = [float(expert.holds(members_of(SPACE)).mean()) for expert in applying(SPACE)]
    assert len(shares) == 7
    assert all(0.1 < share < 0.6 for share in shares)


def test_principles_of_other_spaces_are_carried_here_and_back() -> None:
    two = condition_of({"count": {"operators": ["nor_conv_3x3"], "at_least": 2}})
    here, notes = translated(two, NAS201, SPACE)
    assert here.count.operators == ("mb3_e3", "mb3_e6")
    assert here.count.cell == "blocks"
    assert notes == ["nor_conv_3x3 (convolution 3x3) as mb3_e3, mb3_e6, the nearest"]
    few = condition_of({"count": {"operators": ["skip_connect"], "cell": "normal", "live": False, "at_most": 2}})
    here, _ = translated(few, DARTS, SPACE)
    assert here.count.operators == ("skip",)
    back, _ = translated(here, SPACE, DARTS)
    assert back.count.operators == ("skip_connect",)
    large = condition_of({"count": {"operators": ["mb5_e3", "mb5_e6"], "at_least": 5}})
    there, _ = translated(large, SPACE, DARTS)
    assert there.count.operators == ("sep_conv_5x5", "dil_conv_5x5")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"choice": {"layer": "stage4.se", "operators": ["se"]}}, "se of mobile has no role"),
        ({"count": {"operators": ["mb5_e3"], "at_least": 1}}, "nearer to mb3_e3 than to mb5_e3"),
    ],
)
def test_what_another_space_has_not_stays_behind(said: dict[str, object], reason: str) -> None:
    with pytest.raises(Behind, match=reason):
        translated(condition_of(said), SPACE, NAS201)


# --- search ----------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def ground() -> Ground:
    """The whole space, and four layers of two candidates."""
    free = SPACE.layer_names[:4]
    operators = {name: SPACE.layer(name).operators[: 2 if name in free else 1] for name in SPACE.layer_names}
    return Ground(SPACE, SPACE.restrict(operators=operators))


@pytest.mark.parametrize("method", ["rea", "gp"])
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_search_methods_keep_their_promises_on_it(ground: Ground, check: Check, method: str) -> None:
    check(partial(SEARCHERS[method]), ground)


def test_a_space_survives_json() -> None:
    assert SearchSpace.model_validate_json(SPACE.model_dump_json()) == SPACE
