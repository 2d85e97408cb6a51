"""Prompts: every part can be switched off, and disguised names tell nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product

import pytest
from scripted_model import Scripted, caller
from small_archives import (
    LAYERS,
    SOURCED,
    SPACE,
    archive,
    archive_of,
    cell,
    evaluations,
    members,
    principle,
    principles,
    scored,
)

from lapt.archive import Archive
from lapt.reasoning import Chat
from lapt.reasoning.language.briefing import Briefing
from lapt.reasoning.language.meanings import TASKS
from lapt.reasoning.language.parts import EVERY_PART, PromptParts
from lapt.reasoning.language.vocabulary import Vocabulary
from lapt.reasoning.prompts.templates import rendered, section
from lapt.spaces import BUILTIN, SearchSpace

# n3nsnn: nothing feeds node 1 or leaves node 2, so the convolution on 0->2 is dead.
ARCHIVE = archive("n3nsnn", "nnnsnn", "s33333", "s33333", task="imagenet16_120")
MARKS = {
    "code": "class Cell(nn.Module)",
    "meanings": "What the operators compute:",
    "paths": "Paths from the input to the output: 0->3; 0->1 then 1->3; 0->2 then 2->3; 0->1 then 1->2 then 2->3.",
    "dead": "skip_connect, none, none] dead: 0->2\n",
    "functions": "They compute 2 different functions.",
    "tasks": "the source task (imagenet16_120: classification of 16x16 images into 120 classes (ImageNet16-120))",
    "counts": "- 0->1: none 2, skip_connect 2, nor_conv_1x1 0, nor_conv_3x3 0, avg_pool_3x3 0",
}


def learn_prompt(parts: PromptParts = EVERY_PART, read: Archive = ARCHIVE, seed: int = 0) -> str:
    reasoner = Chat(caller(principles(principle("none")), mode="off", repairs=0, sample=seed), parts=parts)
    if parts.disguise:
        reasoner = Chat(caller("no", mode="off", repairs=0, sample=seed), parts=parts, on_invalid="frequency")
    reasoner.learn(read.space, read)
    assert isinstance(reasoner.caller.model, Scripted)
    return reasoner.caller.model.prompts[0]


# --- parts ---------------------------------------------------------------------------------------------------------
def test_a_prompt_has_every_part() -> None:
    prompt = learn_prompt()
    for part, mark in MARKS.items():
        assert mark in prompt, part
    assert set(MARKS) == set(EVERY_PART.switches)


@pytest.mark.parametrize("left_out", MARKS)
def test_a_part_that_is_left_out_is_gone_and_the_others_stay(left_out: str) -> None:
    prompt = learn_prompt(EVERY_PART.model_copy(update={left_out: False}))
    assert [part for part, mark in MARKS.items() if mark not in prompt] == [left_out]


def test_without_parts_the_space_the_cells_and_the_question_remain() -> None:
    prompt = learn_prompt(PromptParts(**dict.fromkeys(MARKS, False)))
    assert "- 2->3: none, skip_connect, nor_conv_1x1, nor_conv_3x3, avg_pool_3x3" in prompt
    assert "[none, nor_conv_3x3, none, skip_connect, none, none]\n" in prompt
    assert "The best 4 architectures of a source task, out of 100, best first" in prompt
    assert "imagenet" not in prompt.lower()
    assert "`effect`: `keep` (good architectures choose it) or `avoid`" in prompt


def test_a_prompt_is_whole_lines_without_gaps_or_template_marks() -> None:
    for parts in (EVERY_PART, PromptParts(**dict.fromkeys(MARKS, False))):
        prompt = learn_prompt(parts)
        assert prompt.endswith("\n")
        assert "\n\n\n" not in prompt
        assert not re.search(r"\{%|%\}|\{\{|\}\}|\{#|None|Undefined", prompt)


def test_the_prompt_of_fifty_cells_is_stable_and_small() -> None:
    letters = ["".join(cells) for cells in product("sn13p", repeat=3)][:50]
    fifty = archive(*[f"{three}{three[::-1]}" for three in letters], task="imagenet16_120")
    assert learn_prompt(read=fifty) == learn_prompt(read=fifty)
    assert learn_prompt(read=fifty) == learn_prompt(read=fifty, seed=7)
    assert len(learn_prompt(read=fifty)) < 9_000
    assert len([line for line in learn_prompt(read=fifty).splitlines() if line.startswith("[")]) == 50


def test_scores_are_shown_with_their_unit_where_they_are_of_the_target_task() -> None:
    brief = Briefing(SPACE, Vocabulary.plain(SPACE), EVERY_PART)
    shown = brief.cells(evaluations("s33333", "nn3nns"), scores=True)
    convolutions = ", ".join(["nor_conv_3x3"] * 5)
    assert shown[0] == f"[skip_connect, {convolutions}] accuracy 90%"
    # Nothing feeds node 1 or node 2: both chosen operators are dead.
    assert shown[1] == "[none, none, nor_conv_3x3, none, none, skip_connect] accuracy 89% dead: 1->2 2->3"


def test_what_most_cells_choose_and_no_principle_keeps_is_said() -> None:
    asker = caller(principles(principle("none")), principles(principle("none")), mode="off")
    reasoner = Chat(asker)
    reasoner.update(SPACE, reasoner.learn(SPACE, ARCHIVE), evaluations("n33333", "s33333"), task="cifar10")
    assert isinstance(asker.model, Scripted)
    prompt = asker.model.prompts[1]
    # none on 0->1 is chosen by one of two, but kept.
    said = "; ".join(["0->1 skip_connect (1 of 2)", *(f"{layer} nor_conv_3x3 (2 of 2)" for layer in LAYERS[1:])])
    assert f"Chosen by at least half of them, though no principle keeps it: {said}.\n" in prompt
    assert "1. Good. [keep none on 0->1]" in prompt
    assert TASKS["cifar10"] in prompt
    assert "of 2:" in prompt.split("How often each layer chooses each candidate")[1]


def test_claims_that_are_alike_stand_together() -> None:
    brief = Briefing(SPACE, Vocabulary.plain(SPACE), EVERY_PART)
    stated = Chat(caller(principles(principle("none", "skip_connect", layers=["0->1", "2->3"], effect="avoid"))))
    (shown,) = brief.principles(stated.learn(SPACE, ARCHIVE).principles)
    assert shown == {"statement": "Good.", "claims": ["avoid none, skip_connect on 0->1, 2->3"]}


def test_sources_are_asked_for_where_layers_choose_them() -> None:
    asker = caller("no", mode="off", repairs=0)
    Chat(asker, on_invalid="frequency").learn(SOURCED, archive_of(scored(*members(SOURCED, 1)), SOURCED))
    assert isinstance(asker.model, Scripted)
    (prompt,) = asker.model.prompts
    assert "- 0->2: skip_connect, avg_pool_3x3; sources 0, 1, 2" in prompt
    assert re.search(r"^- 1->3: [^;]*$", prompt, re.MULTILINE)  # it has one source
    assert "[(none, 0), (skip_connect, 0), (none, 0), (nor_conv_3x3, 0), (none, 1), (nor_conv_1x1, 1)]" in prompt
    assert "`sources`: the sources it speaks of" in prompt


def test_a_fault_is_quoted_as_it_is() -> None:
    assert "cannot be used: <b>{{ 7 * 7 }}</b>." in section("repair", fault="<b>{{ 7 * 7 }}</b>")


def test_a_prompt_names_its_template_and_all_that_it_includes() -> None:
    parts = dict.fromkeys(("code", "meanings", "paths"))
    variables = {"layers": [], "sourced": False, "disguised": False, "effects": {}, **parts}
    more = {"principles": [], "unspoken": [], "task": None}
    explore = rendered("explore", **variables, **more)
    assert (explore.name, explore.version) == ("explore", 1)
    assert rendered("explore", **variables, **{**more, "task": "a"}).template_hash == explore.template_hash
    assert rendered("update", **variables, **more, cells=[], counts=None, changes=None).template_hash != (
        explore.template_hash
    )


# --- disguise ------------------------------------------------------------------------------------------------------
def test_tokens_stand_for_names_one_to_one_and_differ_by_seed() -> None:
    for space in (SPACE, SOURCED):
        words = Vocabulary.neutral(space, 3)
        assert sorted(words.layers.values()) == [f"slot{n}" for n in range(1, 7)]
        assert sorted(words.operators.values()) == [f"token{n}" for n in range(1, 6)]
        for kind in ("layer", "operator", "source"):
            assert all(words.real(kind, shown) == name for name, shown in words.of(kind).items())
            assert set(words.of(kind)) == set(Vocabulary.plain(space).of(kind))
        assert words == Vocabulary.neutral(space, 3)
    assert len({tuple(Vocabulary.neutral(SPACE, seed).operators.items()) for seed in range(20)}) > 10
    assert len({tuple(Vocabulary.neutral(SPACE, seed).layers) for seed in range(20)}) > 10


def disguised(space: SearchSpace, seed: int) -> Iterator[str]:
    """All that a model is shown in the four calls, with the tasks named as in the benchmarks."""
    words = Vocabulary.neutral(space, seed)
    known = {"statement": "It helps.", "operators": [next(iter(words.operators.values()))], "layers": []}
    stated = principles({**known, "effect": "keep"})
    tried = principles({**known, "effect": "try"})
    asker = caller(stated, stated, tried, "no", "no", mode="off", sample=seed, repairs=1)
    reasoner = Chat(asker, parts=PromptParts(disguise=True), on_invalid="frequency")
    entries = scored(*members(space, 40)[::7])
    first = reasoner.learn(space, archive_of(entries, space, "cifar100"))
    updated = reasoner.update(space, first, entries, task="class_scene")
    reasoner.explore(space, updated, task="class_scene")
    reasoner.translate(space, updated, task="class_scene")
    assert isinstance(asker.model, Scripted)
    assert len(asker.model.asked) == 5
    for messages, schema in zip(asker.model.asked, asker.model.schemas, strict=True):
        yield from (message.text for message in messages if message.role != "assistant")
        yield repr(schema)


@pytest.mark.parametrize("space", [SPACE, BUILTIN["trans101"], SOURCED], ids=lambda space: space.name)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_disguised_prompt_names_no_layer_no_operator_and_no_task(space: SearchSpace, seed: int) -> None:
    names = {*space.layer_names, *(operator for layer in space.layers for operator in layer.operators)}
    hidden = {*names, *TASKS, *TASKS.values(), space.name, space.cell, "conv", "pool", "skip", "Cell", "0->"}
    for shown in disguised(space, seed):
        words = set(re.findall(r"[\w>-]+", shown))
        assert not words & hidden
        assert not [name for name in hidden - {"none", "normal", "Cell"} if name in shown]


def test_a_disguised_prompt_permutes_the_layers_and_counts_the_same() -> None:
    words = Vocabulary.neutral(SPACE, 4)
    prompt = learn_prompt(PromptParts(disguise=True), seed=4)
    order = re.findall(r"^- (slot\d): token", prompt, re.MULTILINE)[:6]
    assert order == list(words.layers.values())
    assert [words.real("layer", slot) for slot in order] != LAYERS
    chosen = dict(zip(LAYERS, cell("s33333").operators, strict=True))
    line = ", ".join(words.operators[chosen[layer]] for layer in words.layers)
    assert prompt.count(f"[{line}]\n") == 2
    # Operators stand in the order of their tokens: the space's own order would tell.
    row = next(line for line in prompt.splitlines() if line.startswith(f"- {words.layers['0->1']}: ") and "2" in line)
    assert re.findall(r"token\d", row) == list(words.operators.values())
