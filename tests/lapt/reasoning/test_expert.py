"""Experts' principles as checks, on cells that are written by hand."""

from __future__ import annotations

import pytest
from small_archives import SOURCED, SPACE, archive, cell, counts_of

from lapt.conditions.cells import Cells
from lapt.errors import ConfigError
from lapt.principles import Claim, Count, Principle
from lapt.reasoning import Frequency
from lapt.reasoning.experts.grounding import grounded
from lapt.reasoning.experts.principle import experts_in
from lapt.spaces import BUILTIN

EXPERTS = experts_in("lapt.families.dag.experts")
WORK, STACKED, RESIDUAL, WIDE, NO_POOLING, EARLY, CONNECTED = EXPERTS


@pytest.mark.parametrize(
    ("letters", "expected"),  # edges 0->1, 0->2, 1->2, 0->3, 1->3, 2->3
    [
        ("3nnn3n", [WORK, STACKED, NO_POOLING, EARLY]),
        ("33nsnn", [NO_POOLING]),  # the convolutions lead nowhere
        ("33ns11", [WORK, RESIDUAL, WIDE, NO_POOLING, EARLY, CONNECTED]),
        ("ssssss", [WIDE, NO_POOLING, CONNECTED]),  # nothing to skip around
        ("pnnspn", [WIDE]),
        ("pnn3n3", [NO_POOLING]),  # neither the pooling nor the second convolution is on a path
        ("nnnnnn", [NO_POOLING]),
        ("3n3s33", [WORK, STACKED, RESIDUAL, WIDE, NO_POOLING, EARLY, CONNECTED]),
        ("nsn333", [WORK, WIDE, NO_POOLING]),  # on the input-to-output edge a convolution is not early
    ],
)
def test_checks_by_hand(letters: str, expected: list[object]) -> None:
    assert [expert for expert in EXPERTS if expert.holds(Cells.of(SPACE, [cell(letters)])).all()] == expected


def said(*claims: tuple[str, str, str]) -> Principle:
    counts = {(c.layer, c.candidate): c for c in counts_of("333333") if c.kind == "operator"}
    made = [Claim(**counts[layer, operator].model_dump(), effect=effect) for layer, operator, effect in claims]
    return Principle(statement="Said.", claims=tuple(made))


def test_a_principle_matches_what_it_says_unless_it_says_the_contrary_too() -> None:
    assert RESIDUAL.matched_by(said(("0->3", "skip_connect", "keep")))
    assert RESIDUAL.matched_by(said(("0->3", "skip_connect", "try"), ("0->1", "none", "avoid")))
    assert not RESIDUAL.matched_by(said(("0->3", "skip_connect", "avoid")))
    assert not RESIDUAL.matched_by(said(("0->1", "skip_connect", "keep")))
    assert NO_POOLING.matched_by(said(("0->1", "avg_pool_3x3", "avoid")))
    assert not NO_POOLING.matched_by(said(("0->1", "avg_pool_3x3", "avoid"), ("0->2", "avg_pool_3x3", "keep")))


def test_support_and_base_rate_are_shares_of_cells() -> None:
    read = archive("33nsnn", "3n3s33", "ssssss", "3nnn3n")
    learned = Frequency(max_operators=1).learn(SPACE, read)
    found = {beside.expert: beside for beside in grounded(SPACE, [e.architecture for e in read.entries], learned)}
    assert found[WORK].support == 0.5
    assert found[RESIDUAL].support == 0.25
    assert found[RESIDUAL].matched == (4,)  # on 0->3, of what counting says layer by layer
    members = list(SPACE.members())
    assert found[WORK].base_rate == WORK.holds(Cells.of(SPACE, members)).mean()


def test_only_what_a_space_has_the_operators_for_applies() -> None:
    trans101 = BUILTIN["trans101"]
    learned = Frequency().learn(trans101, archive("333333", space=trans101))
    found = grounded(trans101, [cell("333333", trans101)], learned)
    assert [beside.expert for beside in found] == [WORK, STACKED, RESIDUAL, WIDE, EARLY, CONNECTED]
    with pytest.raises(ConfigError, match="NAS-Bench-201"):
        grounded(SOURCED, [], learned)


def test_in_the_real_archive_experts_are_borne_out(nasbench201_archive: object) -> None:
    from lapt.archive import Archive

    assert isinstance(nasbench201_archive, Archive)
    read = [entry.architecture for entry in nasbench201_archive.entries]
    for beside in grounded(SPACE, read, Frequency().learn(SPACE, nasbench201_archive)):
        assert beside.support > beside.base_rate


# --- the ground of a principle against chance ----------------------------------------------------------------------
def test_chance_is_the_share_of_the_candidates_that_are_named() -> None:
    assert said(("0->1", "none", "keep"), ("0->1", "skip_connect", "keep")).chance(SPACE) == pytest.approx(2 / 5)
    assert said(("0->1", "none", "avoid")).chance(SPACE) == pytest.approx(4 / 5)
    both = said(("0->1", "none", "avoid"), ("0->2", "none", "keep"))
    assert both.chance(SPACE) == pytest.approx((4 / 5 + 1 / 5) / 2)


def test_random_architectures_support_a_principle_as_chance_says() -> None:
    members = list(SPACE.members())
    principle = said(("0->1", "none", "keep"), ("1->3", "avg_pool_3x3", "avoid"))

    def count(claim: Claim) -> Count:
        position = SPACE.layer_names.index(claim.layer)
        return claim.model_copy(
            update={
                "count": sum(m.operators[position] == claim.candidate for m in members),
                "of": len(members),
            }
        )

    counted = principle.model_copy(update={"claims": tuple(count(claim) for claim in principle.claims)})
    assert counted.support == pytest.approx(principle.chance(SPACE))
