"""The frequency reasoner, on hand-counted archives and on the real table."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from lapt.archive import Archive
from lapt.errors import SpaceError
from lapt.evaluation import Evaluation, Metric
from lapt.principles import Claim, Principle, Principles
from lapt.reasoning import Frequency
from lapt.spaces import BUILTIN, SearchSpace

SPACE = BUILTIN["nas201"]
ORDER = SPACE.layers[0].operators  # none, skip_connect, nor_conv_1x1, nor_conv_3x3, avg_pool_3x3


def archive(space: SearchSpace, *first_edges: str) -> Archive:
    """Cells whose first edge is given and whose other edges are all nor_conv_3x3."""
    cells = [
        space.decode(space.encode(next(space.members())))._replace(operators=(first, *["nor_conv_3x3"] * 5))
        for first in first_edges
    ]
    entries = tuple(Evaluation(cell, space.encode(cell), 1.0, Metric("accuracy")) for cell in cells)
    return Archive(space, "source", entries, entries, len(entries))


def learned(*first_edges: str, cap: int = 2) -> Principles:
    return Frequency(max_operators=cap).learn(SPACE, archive(SPACE, *first_edges))


FIVE = ("skip_connect",) * 3 + ("avg_pool_3x3",) * 2 + ("none",)


def test_the_most_frequent_operators_are_kept_and_said_with_their_counts() -> None:
    principles = learned(*FIVE)
    assert principles.principles[0].statement == (
        "On layer 0->1, good architectures of source choose skip_connect (3 of 6) and avg_pool_3x3 (2 of 6)."
    )
    refined = Frequency().translate(SPACE, principles, task="b")
    assert refined.layer("0->1").operators == ("skip_connect", "avg_pool_3x3")
    assert all(layer.operators == ("nor_conv_3x3",) for layer in refined.layers[1:])
    assert refined.size == 2


def test_ties_go_by_operator_order() -> None:
    refined = Frequency().translate(SPACE, learned("avg_pool_3x3", "nor_conv_1x1", "none"), task="b")
    assert refined.layer("0->1").operators == ("none", "nor_conv_1x1")


def test_learning_is_deterministic_and_names_its_archive() -> None:
    one, two = learned(*FIVE), learned(*FIVE)
    assert one == two
    assert one.id == two.id
    assert (one.origin.step, one.origin.task, one.version, one.parent) == ("learn", "source", 1, None)
    assert learned(*reversed(FIVE)).origin.archive != one.origin.archive


def test_an_update_counts_the_targets_architectures_and_lets_the_source_fill_a_gap() -> None:
    frequency, before = Frequency(), learned(*FIVE)
    top = archive(SPACE, "none", "none", "nor_conv_1x1").entries
    after = frequency.update(SPACE, before, top, task="target")
    assert frequency.translate(SPACE, after, task="b").layer("0->1").operators == ("none", "nor_conv_1x1")
    agreed = frequency.update(SPACE, after, archive(SPACE, "none", "none").entries, task="target")
    assert frequency.translate(SPACE, agreed, task="b").layer("0->1").operators == ("none", "skip_connect")
    assert agreed.principles[0].statement == (
        "On layer 0->1, good architectures choose none (2 of 2 on target) and skip_connect (3 of 6 on source)."
    )
    assert (after.parent, after.version, after.origin.step, after.origin.task) == (before.id, 2, "update", "target")


def test_exploration_replaces_the_least_supported_by_the_best_that_is_not_spoken_of() -> None:
    frequency = Frequency()
    first = frequency.explore(SPACE, learned(*FIVE), task="target")
    # skip_connect 3 and avg_pool_3x3 2 were kept; none, 1 of 6, is the best supported that no principle spoke of.
    assert frequency.translate(SPACE, first, task="b").layer("0->1").operators == ("none", "skip_connect")
    assert "none (1 of 6) is tried" in first.principles[0].statement
    assert "avg_pool_3x3 (2 of 6) is set aside" in first.principles[0].statement
    # What was set aside does not come back: the next in operator order follows, both without support.
    second = frequency.explore(SPACE, first, task="target")
    assert frequency.translate(SPACE, second, task="b").layer("0->1").operators == ("skip_connect", "nor_conv_1x1")
    third = frequency.explore(SPACE, second, task="target")
    assert frequency.translate(SPACE, third, task="b").layer("0->1").operators == ("skip_connect", "nor_conv_3x3")
    fourth = frequency.explore(SPACE, third, task="target")
    assert frequency.translate(SPACE, fourth, task="b").layer("0->1").operators == ("skip_connect", "nor_conv_3x3")


def test_principles_of_imagenet_refine_nas201_to_64_cells(nasbench201_archive: Archive) -> None:
    frequency = Frequency(max_operators=2)
    refined = frequency.translate(SPACE, frequency.learn(SPACE, nasbench201_archive), task="b")
    assert refined.size == 64


def test_principles_carry_over_by_edge_and_operator_and_list_what_they_drop() -> None:
    trans101 = BUILTIN["trans101"]
    principles = learned(*FIVE)
    mapped = principles.onto(trans101)
    assert mapped.dropped == ("0->1: avg_pool_3x3 (keep, 2 of 6)",)
    assert (mapped.space, mapped.parent, mapped.origin.step) == ("trans101", principles.id, "transfer")
    assert Frequency().translate(trans101, principles, task="b").layer("0->1").operators == ("skip_connect",)


def test_a_layer_that_empties_on_the_way_is_an_error() -> None:
    with pytest.raises(SpaceError, match="avg_pool_3x3"):
        Frequency().translate(BUILTIN["trans101"], learned("avg_pool_3x3", "avg_pool_3x3"), task="b")


def test_principles_survive_json() -> None:
    principles = learned(*FIVE)
    again = Principles.model_validate_json(principles.model_dump_json())
    assert again == principles
    assert again.id == principles.id


# --- principles that somebody else stated --------------------------------------------------------------------------
def stated(*claims: tuple[str, str], counts: Sequence[str] = FIVE) -> Principles:
    """One principle a claim (effect, operator), all on layer 0->1."""
    counted = learned(*counts)
    of = counted.evidence("operator", "0->1")
    said = [Claim(**of[operator][0].model_dump(), effect=effect) for effect, operator in claims]
    principles = tuple(Principle(statement=f"{c.effect} {c.candidate}", claims=(c,)) for c in said)
    return counted.model_copy(update={"principles": principles})


def kept(principles: Principles, space: SearchSpace = SPACE, **caps: int) -> tuple[str, ...]:
    return Frequency(**caps).translate(space, principles, task="b").layer("0->1").operators


def test_a_layer_with_something_to_avoid_and_nothing_to_keep_keeps_the_others_best_first() -> None:
    principles = stated(("avoid", "none"), ("avoid", "avg_pool_3x3"))
    assert kept(principles, max_operators=5) == ("skip_connect", "nor_conv_1x1", "nor_conv_3x3")
    support = {name: counts[0].count for name, counts in principles.evidence("operator", "0->1").items()}
    best = sorted(("skip_connect", "nor_conv_1x1", "nor_conv_3x3"), key=lambda name: -support[name])[0]
    assert kept(principles, max_operators=1) == (best,)


def test_what_is_kept_and_avoided_is_kept_and_a_layer_without_claims_stays_open() -> None:
    assert kept(stated(("keep", "none"), ("avoid", "none"))) == ("none",)
    assert kept(stated()) == SPACE.layer("0->1").operators
    everything = stated(*(("avoid", operator) for operator in SPACE.layer("0->1").operators))
    assert kept(everything) == SPACE.layer("0->1").operators


def test_the_caps_hold_for_any_principles_and_what_is_to_be_tried_comes_first() -> None:
    every = [("keep", operator) for operator in SPACE.layer("0->1").operators]
    assert len(kept(stated(*every), max_operators=3)) == 3
    tried = stated(*every[1:], ("try", "none"))
    assert "none" in kept(tried, max_operators=1)


def test_a_principle_that_another_space_has_no_operator_for_is_left_behind() -> None:
    principles = stated(("keep", "avg_pool_3x3"), ("keep", "nor_conv_3x3"))
    trans101 = BUILTIN["trans101"]
    mapped = principles.onto(trans101)
    assert [principle.statement for principle in mapped.principles] == ["keep nor_conv_3x3"]
    assert len(mapped.dropped) == 1
    assert kept(principles, trans101) == ("nor_conv_3x3",)
