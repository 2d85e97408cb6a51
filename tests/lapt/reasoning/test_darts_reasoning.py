"""Reasoning about DARTS cells: claims, prompts and refined spaces speak of operators and of sources."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scripted_model import caller
from small_archives import archive_of, scored
from torch import Tensor, nn

from lapt.archive import Archive
from lapt.evaluation import Evaluation, Metric
from lapt.families.darts.family import DARTS
from lapt.principles import EXPERTS_SAY, Principles
from lapt.reasoning import Chance, Chat, Frequency, Patterns, Reasoner
from lapt.reasoning.endpoint.answers import InvalidReply
from lapt.reasoning.expectation import expectation_of
from lapt.reasoning.experts.grounding import applying, grounded, known_to_hold
from lapt.reasoning.language.briefing import Briefing
from lapt.reasoning.language.chat import combined
from lapt.reasoning.language.parts import EVERY_PART
from lapt.reasoning.language.replies import read_proposals, read_space
from lapt.reasoning.language.vocabulary import Vocabulary
from lapt.reasoning.patterns import contradicted
from lapt.spaces import BUILTIN, Architecture
from lapt.spaces.refining import refined

SPACE = BUILTIN["darts"]
CELL = SPACE.decode(
    "Genotype(normal=[('sep_conv_3x3', 0), ('skip_connect', 1), ('sep_conv_5x5', 0), ('sep_conv_3x3', 1), "
    "('sep_conv_3x3', 1), ('skip_connect', 2), ('sep_conv_3x3', 0), ('dil_conv_3x3', 4)], normal_concat=range(2, 6), "
    "reduce=[('max_pool_3x3', 0), ('none', 1), ('max_pool_3x3', 0), ('skip_connect', 2), ('max_pool_3x3', 1), "
    "('skip_connect', 2), ('max_pool_3x3', 0), ('skip_connect', 2)], reduce_concat=range(2, 6))"
)


def drawn(n: int, seed: int = 0) -> list[Architecture]:
    rng = np.random.default_rng(seed)
    return [SPACE.sample(rng) for _ in range(n)]


def archive(*architectures: Architecture) -> Archive:
    return archive_of(scored(*architectures), SPACE)


# --- frequency, random, patterns -------------------------------------------------------------------------------------
def test_counting_speaks_of_sources() -> None:
    principles = Frequency().learn(SPACE, archive(CELL))
    said = {(c.layer, c.kind): c.candidate for p in principles.principles for c in p.claims}
    assert (said["normal.5b", "operator"], said["normal.5b", "source"]) == ("dil_conv_3x3", "node4")
    assert ("normal.2a", "source") not in said  # it has no choice
    assert Frequency().translate(SPACE, principles, task="b").size == 1
    sentences = [p.statement for p in principles.principles]
    assert "On layer normal.5b, good architectures of source read from node4 (1 of 1)." in sentences


REASONERS: list[Reasoner] = [
    Frequency(),
    Frequency(max_operators=1, max_sources=1),
    Chance(seed=1, max_operators=3, max_sources=1),
    Patterns(breadth=1e-6, growth=3),
]


@pytest.mark.parametrize("reasoner", REASONERS, ids=lambda reasoner: reasoner.name)
@pytest.mark.parametrize("name", ["darts", "darts7"])
def test_reasoners_refine_operators_and_sources(reasoner: Reasoner, name: str) -> None:
    """All four calls, on 20 random cells of the one space and 10 of the other."""
    space = BUILTIN[name]
    rng = np.random.default_rng(0)
    read = archive_of(scored(*(space.sample(rng) for _ in range(20))), space)
    learned = reasoner.learn(space, read)
    updated = reasoner.update(space, learned, scored(*(space.sample(rng) for _ in range(10))), task="target")
    explored = reasoner.explore(space, updated, task="target")
    for principles in (learned, updated, explored):
        smaller = reasoner.translate(space, principles, task="target")
        assert 0 < smaller.size < space.size / 1_000
        assert any(a.sources != b.sources for a, b in zip(smaller.layers, space.layers, strict=True))
        assert space.contains(smaller.sample(rng))
        assert Principles.model_validate_json(principles.model_dump_json()) == principles


def test_principles_go_from_one_darts_space_to_the_other() -> None:
    principles = Frequency(max_operators=3).learn(SPACE, archive(CELL, *drawn(20)))
    moved = Frequency(max_operators=3).translate(BUILTIN["darts7"], principles, task="b")
    assert BUILTIN["darts7"].contains(moved.sample(np.random.default_rng(0)))
    assert all("none" not in layer.operators for layer in moved.layers)


@given(st.data())
def test_every_node_keeps_two_sources(data: st.DataObject) -> None:
    """Whatever single sources are kept, the ones ranked next are added, and no more than is needed."""
    layers = [layer for layer in SPACE.layers if len(layer.sources) > 1]
    kept = {layer.name: [data.draw(st.sampled_from(layer.sources))] for layer in layers}
    found = refined(SPACE, {}, kept, lambda name: SPACE.layer(name).sources)
    for at in range(0, 16, 2):
        one, two = found.layers[at : at + 2]
        before = kept.get(one.name, list(one.sources)), kept.get(two.name, list(two.sources))
        assert one.sources == tuple(before[0])
        if before[0] != before[1]:
            assert two.sources == tuple(before[1])
        else:
            best = next(source for source in SPACE.layer(two.name).sources if source not in before[1])
            assert set(two.sources) == {*before[1], best}


def test_patterns_find_what_a_formula_rewards() -> None:
    """Of 300 cells the 30 with most separable convolutions in the normal cell: they are what is kept there."""
    cells = sorted(drawn(300), key=lambda c: -sum(o.startswith("sep") for o in c.operators[:8]))
    wide, narrow = (Patterns(breadth=breadth, knowledge=0) for breadth in (0.03, 1e-8))
    learned = narrow.learn(SPACE, archive(*cells[:30]))
    found = narrow.translate(SPACE, learned, task="b")
    kept = [operator for layer in found.layers[:8] for operator in layer.operators]
    assert sum(operator.startswith("sep") for operator in kept) > len(kept) / 2
    assert (
        found.size < 1e-8 * SPACE.size < wide.translate(SPACE, wide.learn(SPACE, archive(*cells[:30])), task="b").size
    )
    values = expectation_of(SPACE, learned)([found.sample(np.random.default_rng(seed)) for seed in range(50)])
    assert values.mean() > 2


# --- experts ---------------------------------------------------------------------------------------------------------
def test_experts_of_darts_cells() -> None:
    experts = applying(SPACE)
    assert [len(applying(BUILTIN[name])) for name in ("darts", "darts7")] == [7, 6]  # none cannot be avoided there
    separable, no_pooling, few, residual, wide, early, connected = known_to_hold(SPACE, [CELL])[0].tolist()
    # Normal: 5 separable, 2 skips (one on an input beside a convolution), 6 edges from inputs, a skip in node 2.
    assert [separable, no_pooling, few, residual, wide, early, connected] == [1, 1, 1, 1, 1, 0, 1]
    learned = Frequency(max_operators=1).learn(SPACE, archive(CELL))
    found = {beside.expert: beside for beside in grounded(SPACE, [CELL], learned)}
    assert found[experts[4]].support == 1
    assert found[experts[4]].matched  # that normal.5a reads input0 was counted, too
    assert 0.1 < found[experts[4]].base_rate < 0.9


# --- what a language model is shown, and says ------------------------------------------------------------------------
class Stub(nn.Module):
    """Multiplies, and takes every second pixel where it has a stride."""

    def __init__(self, factor: float, stride: int) -> None:
        super().__init__()
        self.factor, self.stride = factor, stride

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x[:, :, :: self.stride, :: self.stride]


def test_the_code_builds_the_cell_from_operators_and_sources() -> None:
    names: dict[str, Any] = {"nn": nn, "torch": torch}
    code = SPACE.family.program(SPACE.layers)
    exec(code, names)
    factors = {operator: float(at) for at, operator in enumerate(DARTS.operators)}
    names["OPERATORS"] = {o: lambda C, stride, f=f: Stub(f, stride) for o, f in factors.items()}
    pairs = list(zip(*CELL, strict=True))
    inputs = torch.ones(1, 1, 4, 4), 10 * torch.ones(1, 1, 4, 4)
    for reduction, nodes in enumerate(DARTS.cells(CELL)):
        values = [1.0, 10.0]
        for edges in nodes:
            values.append(sum(factors[operator] * values[source] for operator, source in edges))
        found = names["Cell"](pairs, 1, reduction=bool(reduction))(*inputs)
        assert found[0, :, 0, 0].tolist() == values[2:]
        assert found.shape == (1, 4, 4 // (1 + reduction), 4 // (1 + reduction))
    assert f"in the order {', '.join(SPACE.layer_names)}" in code
    assert len(code) < 3_000


def test_a_prompt_shows_operators_and_sources() -> None:
    brief = Briefing(SPACE, Vocabulary.plain(SPACE), EVERY_PART)
    (line,) = brief.cells(scored(CELL), scores=False)
    assert line.startswith("[(sep_conv_3x3, input0), (skip_connect, input1), (sep_conv_5x5, input0)")
    layer = next(row for row in brief.variables()["layers"] if row["name"] == "normal.4b")
    assert layer["sources"] == ["input1", "node2", "node3"]
    assert set(brief.variables()["meanings"]) == set(DARTS.operators)


def sets(**sources: list[str]) -> str:
    """A reply that keeps a convolution everywhere; ``n3a=[...]``: the sources of normal.3a."""
    layers = []
    for layer in SPACE.layers:
        key = f"{layer.name[0]}{layer.name[-2:]}"
        layers.append(
            {"layer": layer.name, "operators": ["sep_conv_3x3"], "sources": sources.get(key, list(layer.sources))}
        )
    return json.dumps({"layers": layers})


def test_a_reply_without_two_sources_is_sent_back_in_the_prompts_words() -> None:
    plain = Vocabulary.plain(SPACE)
    with pytest.raises(InvalidReply, match=r"distinct sources for the layers \['normal.3a', 'normal.3b'\]"):
        read_space(sets(n3a=["input1"], n3b=["input1"]), SPACE, plain, max_operators=3, max_sources=None)
    found = read_space(sets(n3a=["input1"]), SPACE, plain, max_operators=3, max_sources=None)
    assert found.layer("normal.3a").sources == ("input1",)
    hidden = Vocabulary.neutral(SPACE, 0)
    text = sets(n3a=["input1"], n3b=["input1"])
    for kind in ("layers", "operators", "sources"):
        for name, shown in getattr(hidden, kind).items():
            text = text.replace(f'"{name}"', f'"{shown}"')
    with pytest.raises(InvalidReply) as fault:
        read_space(text, SPACE, hidden, max_operators=3, max_sources=None)
    assert hidden.layers["normal.3a"] in str(fault.value)
    assert "normal" not in str(fault.value)


def test_draws_that_leave_one_source_keep_the_next() -> None:
    one = SPACE.restrict(sources={"normal.3b": ["input1"]})
    two = SPACE.restrict(sources={"normal.3a": ["input1"]})
    found = combined([one, two, two], "intersection")  # all keep input1 for both layers
    assert found.layer("normal.3a").sources == ("input1",)
    assert found.layer("normal.3b").sources == ("input1", "node2")


def test_a_proposal_may_name_the_layers_of_a_node_in_either_order() -> None:
    chosen = {
        name: {"operator": operator, "source": source}
        for name, operator, source in zip(SPACE.layer_names, *CELL, strict=True)
    }
    turned = chosen | {"normal.4a": chosen["normal.4b"], "normal.4b": chosen["normal.4a"]}
    text = json.dumps({"architectures": [chosen, turned]})
    assert read_proposals(text, SPACE, Vocabulary.plain(SPACE)) == [CELL]
    twice = chosen | {"normal.4a": {"operator": "none", "source": "node2"}, "normal.4b": chosen["normal.4b"]}
    with pytest.raises(InvalidReply, match="one source twice in a node"):
        read_proposals(json.dumps({"architectures": [twice]}), SPACE, Vocabulary.plain(SPACE))


def test_a_chat_model_refines_both() -> None:
    said = {
        "statement": "Separable convolutions read the inputs.",
        "layers": ["normal.5a", "normal.5b"],
        "operators": ["sep_conv_3x3"],
        "sources": ["input0", "input1"],
        "effect": "keep",
        "rationale": "They are wide.",
    }
    model = caller(json.dumps({"principles": [said]}), sets(n5a=["input0"], n5b=["input1"]))
    chat = Chat(model, max_sources=None)
    learned = chat.learn(SPACE, archive(CELL, *drawn(5)))
    claims = {(c.layer, c.kind, c.candidate) for c in learned.claims}
    assert ("normal.5b", "source", "input1") in claims
    assert ("normal.5b", "source", "input0") not in claims  # b reads the later source: never the first
    refined_space = chat.translate(SPACE, learned, task="target")
    assert refined_space.layer("normal.5a").sources == ("input0",)
    assert refined_space.size == (1 * 3 * 6) * (1 * 3 * 6 * 10)


def test_expectations_of_claims_speak_of_sources() -> None:
    principles = Frequency().learn(SPACE, archive(CELL))
    good, *others = expectation_of(SPACE, principles)([CELL, *drawn(20)])
    assert good > max(others) + 1


def test_evaluations_of_either_order_are_the_same() -> None:
    turned = Architecture(*(tuple(chosen[p] for p in np.arange(16).reshape(8, 2)[:, ::-1].ravel()) for chosen in CELL))
    assert SPACE.as_member(turned) == CELL
    one, two = (Evaluation(c, SPACE.encode(c), 1.0, Metric("accuracy")) for c in (turned, CELL))
    assert one.identity == two.identity


# --- experts, and a source that knows better --------------------------------------------------------------------------
def test_what_far_fewer_good_architectures_do_than_the_space_is_contradicted() -> None:
    space = np.repeat([0.0, 1.0], [100, 900])  # deviation 0.3: of 100 that are read, 0.03; chance 0.9
    good = np.repeat([0.0, 1.0], [21, 79])
    assert not contradicted(good, space)
    assert contradicted(np.repeat([0.0, 1.0], [23, 77]), space)
    assert contradicted(3 * np.repeat([0.0, 1.0], [23, 77]) + 1, 3 * space + 1)
    assert not contradicted(np.repeat([0.0, 1.0], [4, 16]), space)  # of 20, deviation 0.067


def test_an_expert_whom_the_source_contradicts_is_not_heard() -> None:
    """The source's good cells all have identities where an expert says two at most, as few of the space's have."""
    cells = [Architecture((*("skip_connect",) * 4, *found.operators[4:]), found.sources) for found in drawn(60, seed=1)]

    def heard(reasoner: Patterns) -> set[str]:
        said = reasoner.learn(SPACE, archive(*cells)).principles
        return {p.statement for p in said if p.patterns and p.patterns[0].task == EXPERTS_SAY}

    few = next(expert.statement for expert in applying(SPACE) if expert.statement.startswith("Few identities"))
    assert few in heard(Patterns(evidence=False))
    assert few not in heard(Patterns())
    assert len(heard(Patterns())) >= 3
