"""The form of prompts with conditions in a pipeline: its keys, and whole runs with a model that says anything."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from schema_replies import instances
from small_archives import SPACE

from lapt.evaluators import TableEvaluator
from lapt.pipeline.config import load_pipeline
from lapt.pipeline.steps import Steps
from lapt.pipeline.target import TargetSearch
from lapt.reasoning.config import ChatReasoner
from lapt.reasoning.endpoint.calls import Caller, Completion, InMemory, Message
from lapt.reasoning.language.conditional.reasoner import Conditional
from lapt.reasoning.language.parts import CONDITIONS_ALONE, EVERY_PART, PromptParts
from lapt.spaces import Architecture
from lapt.testing.invented import invented_table

PARTS = PromptParts(form="conditions")


# --- configuration ---------------------------------------------------------------------------------------------------
def test_the_form_is_left_out_at_its_default() -> None:
    declared = ChatReasoner(kind="chat", model="manual")
    assert declared.prompt.form == "layers"
    old = {"code", "meanings", "paths", "dead", "functions", "tasks", "counts", "disguise"}
    assert set(declared.model_dump(mode="json")["prompt"]) == old
    assert PromptParts.model_validate(PARTS.model_dump(mode="json")) == PARTS
    assert PARTS.model_dump(mode="json") == {**EVERY_PART.model_dump(mode="json"), "form": "conditions"}
    assert set(PARTS.switches) - set(EVERY_PART.switches) == set(CONDITIONS_ALONE)
    with pytest.raises(ValueError, match="usage is a part of the form conditions"):
        PromptParts(usage=False)


# --- whole runs ------------------------------------------------------------------------------------------------------
class Answering:
    """A model that answers by a reply drawn from the schema, always the same one to the same question."""

    name = "answering"
    parameters: dict[str, Any] = {}  # noqa: RUF012 - never changed

    def __init__(self) -> None:
        self.asked: list[str] = []

    def complete(self, messages: Any, schema: dict[str, Any], key: str) -> Completion:
        assert isinstance(messages[-1], Message)
        self.asked.append(schema["title"])
        drawn: list[Any] = []

        @seed(int(key[:8], 16))
        @settings(max_examples=8, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
        @given(instances(schema))
        def draw(value: Any) -> None:
            drawn.append(value)

        draw()
        return Completion(json.dumps(drawn[-1]))


@pytest.mark.integration
@pytest.mark.parametrize("refinement", ["product", "order"])
def test_a_whole_run_with_a_model_that_says_whatever_the_schema_allows(refinement: str) -> None:
    pipeline = load_pipeline(
        "invented",
        [f"refinement={refinement}", "search.method=gp", "controls=[]", "source.archive.size=20"],
    )
    model = Answering()
    reasoner = Conditional(Caller(model, InMemory(), repairs=0), draws=2, parts=PARTS, orders=refinement == "order")
    steps = Steps(pipeline, SPACE, reasoner)
    evaluators = {task: TableEvaluator(invented_table(), SPACE, task) for task in ("invented_source", "invented_a")}
    archived = steps.build_archive(evaluators["invented_source"])
    learned_first = steps.learn(archived)
    assert learned_first.ordering
    search = TargetSearch(steps, evaluators["invented_a"], archived)
    found, evaluated = search.run(learned_first)
    assert found is not None
    rounds = pipeline.adaptation.iterations
    if refinement == "order":
        assert set(model.asked) == {"Principles"}
        assert len(evaluated) == pipeline.budget
        assert {one.adviser for one in search.advice} <= {"draw 1", "draw 2"}
        assert search.space_size == SPACE.size
    else:
        assert model.asked.count("RefinedSpace") == 2 * rounds
        assert 0 < len(evaluated) <= pipeline.budget
    assert model.asked.count("Principles") == 2 * rounds  # learned once, adapted after all iterations but the last
    assert all(isinstance(one.architecture, Architecture) for one in evaluated)
