"""The reasoner whose principles state conditions: replies, prompts and whole runs, by a model that a test scripts."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scripted_model import Scripted, caller
from small_archives import LAYERS, SPACE, archive, archive_of, cell, evaluations, scored

from lapt.conditions.language import condition_of
from lapt.principles import Principle, Principles
from lapt.reasoning import Chat, Frequency
from lapt.reasoning.endpoint.answers import InvalidReply
from lapt.reasoning.endpoint.calls import Completion, ReasonerError
from lapt.reasoning.expectation import deviation, expectation_of
from lapt.reasoning.language.conditional.grammar import Grammar
from lapt.reasoning.language.conditional.reasoner import Conditional
from lapt.reasoning.language.conditional.stating import read_architectures, read_principles, read_space
from lapt.reasoning.language.conditional.survey import Survey
from lapt.reasoning.language.conditional.wording import Wording
from lapt.reasoning.language.meanings import TASKS
from lapt.reasoning.language.parts import PromptParts
from lapt.reasoning.language.vocabulary import Vocabulary
from lapt.spaces import BUILTIN, SearchSpace

DARTS = BUILTIN["darts7"]
PLAIN = Vocabulary.plain(SPACE)
WORDING = Wording(Grammar(SPACE, PLAIN))
PARTS = PromptParts(form="conditions")
SKIP = {"choice": {"layer": "0->3", "operators": ["skip_connect"]}}
TWO = {"path": {"operators": ["nor_conv_3x3"], "at_least": 2}}
READ = ("333s33", "333s33", "333333", "nnnnns")


def said(condition: Any, effect: str = "prefer", strength: int = 2, **more: str) -> dict[str, Any]:
    return {"statement": "", "condition": condition, "effect": effect, "strength": strength, "rationale": "", **more}


def reply(*stated: dict[str, Any]) -> str:
    return json.dumps({"principles": stated})


def layer_lists(*operators: str, **changed: list[str]) -> str:
    lists = {layer: list(operators) for layer in LAYERS}
    lists |= {f"{name[1]}->{name[2]}": kept for name, kept in changed.items()}
    return json.dumps({"layers": {layer: {"operators": kept} for layer, kept in lists.items()}})


def read(*stated: dict[str, Any]) -> tuple[Principle, ...]:
    return read_principles(reply(*stated), WORDING, [cell(letters) for letters in READ], "source", draw=0)


def chat(*replies: str | Completion | Exception, parts: PromptParts = PARTS, **changed: Any) -> Conditional:
    asked = {name: changed.pop(name) for name in ("recordings", "mode", "sample") if name in changed}
    return Conditional(caller(*replies, repairs=0, **asked), parts=parts, **changed)


def prompts(reasoner: Chat) -> list[str]:
    assert isinstance(reasoner.caller.model, Scripted)
    return reasoner.caller.model.prompts


def learned(*stated: dict[str, Any]) -> Principles:
    return chat(reply(*stated)).learn(SPACE, archive(*READ))


# --- principles ------------------------------------------------------------------------------------------------------
def test_a_strength_is_the_worth_of_meeting_the_condition() -> None:
    (principle,) = read(said(SKIP, strength=3))
    (pattern,) = principle.patterns
    assert principle.statement == pattern.feature == "0->3 is skip_connect."
    assert pattern.condition == condition_of(SKIP)
    # A fifth of all cells: a deviation of sqrt(0.2 x 0.8) = 0.4. Two of the four that were read.
    assert pattern.weight == pytest.approx(3 * 0.4)
    assert (pattern.support, pattern.chance, pattern.task) == (0.5, pytest.approx(0.2), "source")
    assert (principle.claims, principle.draws) == ((), (0,))


def test_what_is_avoided_weighs_against_and_is_supported_by_those_without_it() -> None:
    (principle,) = read(said(SKIP, "avoid", 1, statement="  No skip.\n", rationale="Because."))
    assert (principle.statement, principle.rationale) == ("No skip.", "Because.")
    (pattern,) = principle.patterns
    assert pattern.weight == pytest.approx(-0.4)
    assert (pattern.support, pattern.chance) == (0.5, pytest.approx(0.8))


def test_two_principles_add_up_and_contradictions_cancel_out() -> None:
    both, one, other = cell("333s33"), cell("nnnsnn"), cell("333333")
    found = expectation_of(SPACE, learned(said(SKIP, strength=2), said(TWO, strength=2)))([both, one, other])
    assert found[0] - found[1] == pytest.approx(found[0] - found[2])
    assert found[0] > found[1]
    against = learned(said(SKIP), said({"all": [SKIP, TWO]}, "avoid"))
    values = expectation_of(SPACE, against)([both, one, other])
    assert values[0] == pytest.approx(values[2])  # meets both: +2 - 2
    assert values[1] > values[0]


def test_what_stands_twice_is_read_once() -> None:
    twice = {"choice": {"layer": "0->3", "operators": ["skip_connect", "skip_connect"]}}
    first, second = read(said(SKIP, strength=3), said({"any": [SKIP, twice]}, strength=1), said(twice, "avoid"))
    assert first.patterns[0].weight == pytest.approx(1.2)
    assert second.patterns[0].weight < 0
    (of,) = read(said({"at_least": 3, "of": [SKIP, TWO, TWO]}))
    assert of.patterns[0].condition == condition_of({"at_least": 2, "of": [SKIP, TWO]})


def test_what_all_or_none_meet_weighs_nothing_and_is_kept() -> None:
    all_of, none_of = {"any": [SKIP, {"not": SKIP}]}, {"all": [SKIP, {"not": SKIP}]}
    found = read(said(all_of), said(none_of))
    assert [p.patterns[0].weight for p in found] == [0.0, 0.0]
    assert [p.patterns[0].chance for p in found] == [1.0, 0.0]
    assert deviation(SPACE, condition_of(all_of)) == 0


@pytest.mark.parametrize(
    ("condition", "fault"),
    [
        ({"choice": {"layer": "3->4", "operators": ["none"]}}, "principle 1 names the layer '3->4'; known: ['0->1'"),
        ({"choice": {"layer": "0->1", "operators": ["conv"]}}, "names the operator 'conv'"),
        ({"path": {"from": "9", "only": ["none"]}}, "names the node '9'; known: ['input', 'output', '0'"),
        ({"count": {"operators": ["none"], "at_least": 1, "cell": "normal"}}, "names the cell 'normal'"),
        ({"path": {"operators": ["none"]}}, "need at_least, at_most or both"),
        ({"count": {"at_least": 3, "at_most": 2}}, "at_least (3) is larger than at_most (2)"),
        ({"chance": 1}, "expected a mapping with one key among choice"),
        ("skip", "expected a mapping with one key among choice"),
        ([SKIP], "expected a mapping"),
        ({"not": {"not": {"not": {"not": {"not": {"not": {"not": SKIP}}}}}}}, "nests 6 deep"),
    ],
)
def test_a_fault_names_the_place_and_what_is_known(condition: Any, fault: str) -> None:
    with pytest.raises(InvalidReply) as caught:
        read(said(condition))
    assert fault in str(caught.value)
    assert str(caught.value).isprintable()


def test_more_of_the_language_is_read_than_the_schema_has() -> None:
    both = {"count": {"operators": ["nor_conv_3x3"], "live": False, "at_least": 2, "at_most": 4}}
    assert read(said({"not": {"not": {"not": both}}}))[0].patterns[0].chance > 0


def test_equal_conditions_of_several_draws_become_one_principle() -> None:
    three = chat(reply(said(SKIP), said(TWO)), reply(said(TWO)), reply(said(TWO, "avoid")), draws=3)
    found = three.learn(SPACE, archive(*READ)).principles
    assert [(p.patterns[0].weight > 0, p.draws) for p in found] == [(True, (0, 1)), (True, (0,)), (False, (2,))]


# --- refined spaces --------------------------------------------------------------------------------------------------
def refined_by(text: str, **caps: int) -> SearchSpace:
    whole = {"max_operators": None, "max_sources": None, **caps}
    return read_space(text, SPACE, PLAIN, **whole)


def test_a_list_that_is_too_long_keeps_its_first_candidates() -> None:
    found = refined_by(
        layer_lists("none", e01=["nor_conv_3x3", "nor_conv_3x3", "none", "skip_connect"]), max_operators=2
    )
    assert set(found.layer("0->1").operators) == {"nor_conv_3x3", "none"}
    assert found.layer("2->3").operators == ("none",)


def test_a_layer_that_is_missing_or_empty_is_a_fault() -> None:
    with pytest.raises(InvalidReply, match="layer 0->1 names no operator that it has"):
        refined_by(layer_lists("none", e01=[]))
    without = json.loads(layer_lists("none"))
    del without["layers"]["2->3"]
    with pytest.raises(InvalidReply, match=r"the layers \['2->3'\] are missing"):
        refined_by(json.dumps(without))


def darts_lists(**sources: list[str]) -> str:
    layers = {}
    for layer in DARTS.layers:
        kept: dict[str, list[str]] = {"operators": ["sep_conv_3x3"]}
        if len(layer.sources) > 1:
            kept["sources"] = sources.get(layer.name.replace("normal.", "n"), list(layer.sources))
        layers[layer.name] = kept
    return json.dumps({"layers": layers})


def test_layers_of_a_node_that_name_one_source_get_the_next() -> None:
    words = Vocabulary.plain(DARTS)
    text = darts_lists(n3a=["input1"], n3b=["input1", "node2"])
    found = read_space(text, DARTS, words, max_operators=3, max_sources=1)
    assert found.layer("normal.3a").sources == ("input1",)
    assert found.layer("normal.3b").sources == ("input1", "node2")
    assert found.layer("normal.2a").sources == ("input0",)  # it is not asked for


def test_one_source_twice_in_a_node_is_mended_in_an_architecture() -> None:
    words = Vocabulary.plain(DARTS)
    first = next(iter(DARTS.members()))
    chosen: dict[str, dict[str, str]] = {}
    for name, operator, source in zip(DARTS.layer_names, *first, strict=True):
        chosen[name] = {"operator": operator, **({"source": source} if len(DARTS.layer(name).sources) > 1 else {})}
    chosen["normal.3a"]["source"] = chosen["normal.3b"]["source"] = "input1"
    (found,) = read_architectures(json.dumps({"architectures": [chosen]}), DARTS, words)
    assert DARTS.contains(found)
    at = DARTS.layer_names.index("normal.3a")
    assert "input1" in found.sources[at : at + 2]


# --- prompts ---------------------------------------------------------------------------------------------------------
def learn_prompt(parts: PromptParts = PARTS, **changed: Any) -> str:
    asked = scored(*(cell(letters) for letters in ("333s33", "s33s33", "n3nsnn", "nnnsnn", "ppppps", "pnnnnn")))
    source = replace(archive_of(asked[:4], SPACE, "imagenet16_120"), asked=asked, **changed)
    reasoner = chat("no", parts=parts, mode="off", on_invalid="frequency")
    reasoner.learn(SPACE, source)
    return prompts(reasoner)[0]


LEARN_MARKS = {
    "code": "class Cell(nn.Module)",
    "meanings": "- avg_pool_3x3: 3x3 average pooling: smooths, no parameters\n",
    "paths": "Paths from the input to the output: 0->3; ",
    "dead": " dead: 0->2\n",
    "functions": "They compute 3 different functions.",
    "tasks": TASKS["imagenet16_120"],
    "usage": "`prefer` adds its strength to what is expected",
    "live": "of these 3 different functions choose what",
    "poor": "For contrast, the worst of the 6 that were evaluated there, worst first:\n\n[avg_pool_3x3, none",
    "scores": "[nor_conv_3x3, nor_conv_3x3, nor_conv_3x3, skip_connect, nor_conv_3x3, nor_conv_3x3] accuracy 90%\n",
}


@pytest.mark.parametrize("left_out", LEARN_MARKS)
def test_a_part_that_is_left_out_is_gone_and_the_others_stay(left_out: str) -> None:
    assert not [part for part, mark in LEARN_MARKS.items() if mark not in learn_prompt()]
    prompt = learn_prompt(PARTS.model_copy(update={left_out: False}))
    gone = [part for part, mark in LEARN_MARKS.items() if mark not in prompt]
    assert left_out in gone
    assert set(gone) <= {left_out, "poor" if left_out == "scores" else ""} | (
        {"dead"} if left_out == "scores" else set()
    )
    assert set(LEARN_MARKS) | {"counts", "rates", "tried"} == set(PARTS.switches)


def test_counts_are_of_what_has_an_effect_beside_the_space() -> None:
    prompt = learn_prompt()
    # Of three functions (n3nsnn is nnnsnn written otherwise), one has a convolution on 0->1 and one a skip.
    (row,) = re.findall(r"^- 0->1: skip_connect.*$", prompt, re.MULTILINE)
    assert re.fullmatch(
        r"- 0->1: skip_connect 1 \(\d+%\), nor_conv_1x1 0 \(\d+%\), nor_conv_3x3 1 \(\d+%\), avg_pool_3x3 0 \(\d+%\), "
        r"no effect 1 \(\d+%\)",
        row,
    )
    raw = learn_prompt(PARTS.model_copy(update={"live": False}))
    assert "- 0->1: none 2 (20%), skip_connect 1 (20%), nor_conv_1x1 0 (20%), nor_conv_3x3 1 (20%)" in raw
    bare = learn_prompt(PARTS.model_copy(update={"live": False, "rates": False}))
    assert "- 0->1: none 2, skip_connect 1, nor_conv_1x1 0, nor_conv_3x3 1, avg_pool_3x3 0\n" in bare
    assert "choose what" not in learn_prompt(PARTS.model_copy(update={"counts": False}))


def test_the_noise_is_that_of_one_function_measured_twice() -> None:
    # n3nsnn and nnnsnn compute the same, at 88 and 87 percent: a deviation of 1 / sqrt(2).
    assert "differ in their scores by a standard deviation of 0.71%" in learn_prompt()


def test_random_members_stand_for_contrast_where_only_the_best_are_kept() -> None:
    reasoner = chat("no", mode="off", on_invalid="frequency")
    reasoner.learn(SPACE, archive(*READ))
    (prompt,) = prompts(reasoner)
    shown = prompt.split("For contrast, random architectures of the space. Their scores are not known:\n\n")[1]
    cells = re.findall(r"^\[.*\]", shown.split("\n\n")[0], re.MULTILINE)
    assert len(cells) == 10
    assert "accuracy" not in shown.split("\n\n")[0]


@pytest.mark.parametrize("orders", [False, True])
def test_the_prompt_says_what_becomes_of_the_answer(orders: bool) -> None:
    reasoner = chat("no", mode="off", on_invalid="frequency", orders=orders)
    reasoner.learn(SPACE, archive(*READ))
    (prompt,) = prompts(reasoner)
    assert ("nothing is cut" in prompt) is orders
    assert ("a smaller space" in prompt) is not orders
    assert "3 to 8 are wanted" in prompt


TRIED = evaluations("333s33", "3s3s33", "13ns33", "nnnnnp")


def test_an_update_says_how_many_were_tried_the_weaker_ones_and_the_gaps() -> None:
    reasoner = chat(reply(said(TWO))).seeing(TRIED)
    found = reasoner.update(SPACE, learned(said(SKIP, statement="Skip.")), TRIED[:2], task="cifar10")
    assert found.principles[0].patterns[0].task == "cifar10"
    assert found.principles[0].support == 1.0
    (prompt,) = prompts(reasoner)
    assert "The best 2 of 4 architectures evaluated so far on the target task (cifar10: " in prompt
    assert (
        "The weakest of the others, worst first:\n\n[none, none, none, none, none, avg_pool_3x3] accuracy 87%" in prompt
    )
    assert "- 0->1: skip_connect, avg_pool_3x3\n" in prompt.split("No evaluated architecture chose these")[1]
    assert (
        "1. Skip. [prefer, strength 2: 0->3 is skip_connect.] Met by 50% of those read on source, 20% of the space, "
        "100% of the best 2 now, 50% of the other evaluated ones.\n"
    ) in prompt
    silent = chat(reply(said(TWO)), parts=PARTS.model_copy(update={"tried": False, "rates": False})).seeing(TRIED)
    silent.update(SPACE, learned(said(SKIP)), TRIED[:2], task="cifar10")
    (prompt,) = prompts(silent)
    for told in ("of 4 architectures", "The weakest", "No evaluated architecture", "Met by"):
        assert told not in prompt


def test_an_exploration_adds_to_the_principles() -> None:
    before = learned(said(SKIP))
    reasoner = chat(reply(said(TWO), said(SKIP))).seeing(TRIED)
    after = reasoner.explore(SPACE, before, task="target")
    assert [p.statement for p in after.principles] == [
        "0->3 is skip_connect.",
        "A path leads from the input to the output through two or more nor_conv_3x3.",
    ]
    assert (after.version, after.parent, after.origin.step) == (2, before.id, "explore")
    (prompt,) = prompts(reasoner)
    rows = prompt.split("# What the principles do not speak of")[1]
    assert "- 0->3: none, nor_conv_1x1, nor_conv_3x3, avg_pool_3x3\n" in rows


def test_frequency_stands_in_and_the_principles_say_so() -> None:
    reasoner = chat("no", "no", "no", "no", on_invalid="frequency", max_operators=2)
    counting = Frequency(max_operators=2, max_sources=2)
    found = reasoner.learn(SPACE, archive(*READ))
    assert found.principles == counting.learn(SPACE, archive(*READ)).principles
    assert found.origin.instead_of == "chat:scripted"
    stated = learned(said(SKIP, strength=3))
    explored = reasoner.explore(SPACE, stated, task="target")
    assert explored.principles == stated.principles
    assert explored.origin.instead_of == "chat:scripted"
    cut = reasoner.translate(SPACE, stated, task="target")
    assert "skip_connect" in cut.layer("0->3").operators
    assert all(len(layer.operators) == 2 for layer in cut.layers)
    with pytest.raises(ReasonerError, match="that can be used"):
        chat("no").learn(SPACE, archive(*READ))


# --- DARTS -----------------------------------------------------------------------------------------------------------
def test_the_darts_prompt_says_nothing_false() -> None:
    rng = np.random.default_rng(0)
    read = scored(*(DARTS.sample(rng) for _ in range(3)))
    reasoner = chat("no", "no", mode="off", on_invalid="frequency")
    claimed = reasoner.learn(DARTS, archive_of(read, DARTS))
    reasoner.translate(DARTS, claimed, task="target")
    learn, translate = prompts(reasoner)
    assert "- avg_pool_3x3: 3x3 average pooling: smooths, no parameters\n" in learn
    assert "- skip_connect: identity, no parameters; where a layer halves the sides, a learned" in learn
    assert "- reduce.2a: max_pool_3x3, avg_pool_3x3" in learn
    assert re.search(r"^- reduce\.2a: .*; reads input0$", learn, re.MULTILINE)
    assert "stride 1:" not in learn
    assert "with stride 2" not in learn
    # Counting claims sources too; where a layer has one, nothing is said of it.
    assert not re.search(r"input0 on [^\];]*reduce\.2a", translate)
    assert isinstance(reasoner.caller.model, Scripted)
    asked = reasoner.caller.model.schemas[1]["properties"]["layers"]["properties"]
    assert "sources" not in asked["reduce.2a"]["properties"]
    assert asked["reduce.3a"]["properties"]["sources"]["items"]["enum"] == ["input0", "input1"]


def test_a_space_without_strides_has_no_word_of_them() -> None:
    assert "- skip_connect: identity, no parameters\n" in learn_prompt()


# --- disguise --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("space", [SPACE, DARTS], ids=lambda space: space.name)
def test_a_disguised_prompt_reveals_no_name(space: SearchSpace) -> None:
    parts = PARTS.model_copy(update={"disguise": True})
    words = Survey.of(space, parts, 3).words
    layer = space.layers[0]
    condition = {
        "all": [
            {"choice": {"layer": words.layers[layer.name], "operators": [words.operators[layer.operators[0]]]}},
            {"count": {"operators": [words.operators[layer.operators[1]]], "live": False, "at_least": 1}},
        ]
    }
    stated = reply(said(condition))
    hidden_path = reply(said({"path": {"only": [words.operators[layer.operators[0]]]}}))
    asker = caller(hidden_path, stated, stated, stated, "no", "no", mode="off", sample=3, repairs=1)
    reasoner = Conditional(asker, parts=parts, on_invalid="frequency")
    found = scored(*(space.sample(np.random.default_rng(at)) for at in range(12)))
    first = reasoner.learn(space, replace(archive_of(found[:5], space, "cifar100"), asked=found))
    assert first.principles[0].statement == first.principles[0].patterns[0].feature
    assert layer.operators[0] in first.principles[0].statement  # the store has the real names
    seeing = reasoner.seeing(found)
    updated = seeing.update(space, first, found[:4], task="class_scene")
    seeing.explore(space, updated, task="class_scene")
    seeing.translate(space, updated, task="class_scene")
    names = {*space.layer_names, *(operator for one in space.layers for operator in one.operators), *TASKS}
    secret = {*names, *TASKS.values(), "conv", "pool", "skip", "0->", "accuracy", "node2", "reduce"} - {"normal"}
    assert isinstance(asker.model, Scripted)
    for messages, schema in zip(asker.model.asked, asker.model.schemas, strict=True):
        for text in (*(message.text for message in messages if message.role != "assistant"), repr(schema)):
            assert not [name for name in secret if name in text]
    assert "principle 1 says path; known: ['choice', 'count'" in asker.model.asked[1][-1].text
