"""A language model is told that it reads a front, and by which cost."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scripted_model import Scripted, caller
from small_archives import SPACE, archive_of, cell, scored

from lapt.reasoning import Chat
from lapt.reasoning.language.conditional.reasoner import Conditional
from lapt.reasoning.language.parts import PromptParts


@pytest.mark.parametrize("form", ["layers", "conditions"])
def test_the_prompt_ends_with_what_a_front_is(form: str) -> None:
    read = archive_of(scored(*(cell(letters) for letters in ("333s33", "s33s33", "n3nsnn"))), SPACE, "imagenet16_120")
    asked = {}
    for cost in ("", "parameters"):
        says = caller("no", repairs=0)
        if form == "conditions":
            reasoner: Chat = Conditional(says, parts=PromptParts(form="conditions"), on_invalid="frequency")
        else:
            reasoner = Chat(says, on_invalid="frequency")
        reasoner.learn(SPACE, replace(read, cost=cost))
        assert isinstance(says.model, Scripted)
        (asked[cost],) = says.model.prompts
    said = "Each is on one of the first fronts of the score and parameters"
    assert said in asked["parameters"]
    assert said not in asked[""]
    assert asked["parameters"].split("# What these architectures are")[0].rstrip() == asked[""].rstrip()
