"""prefect.yaml: what it declares is what ``lapt deploy`` makes, and what a server checks before it takes a run."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools import ValidationError, validate

from flows.deployments.deploying import DEPLOYMENTS, POOLS, TRIGGERS
from lapt.pipeline.config import load_pipeline, presets, validated

DECLARED = yaml.safe_load((Path(__file__).parents[2] / "prefect.yaml").read_text())
MADE = {one.full_name: one for one in DEPLOYMENTS}


def test_the_deployed_pipeline_is_the_preset() -> None:
    pipeline = MADE["lapt/pipeline"].parameters["pipeline"]
    assert validated(pipeline, "prefect.yaml") == load_pipeline("nas201")


def test_what_is_declared_is_made_with_all_that_it_says() -> None:
    assert [one.name for one in DEPLOYMENTS] == [said["name"] for said in DECLARED["deployments"]]
    for one, said in zip(DEPLOYMENTS, DECLARED["deployments"], strict=True):
        file = Path(said["entrypoint"].partition(":")[0])
        assert one.entrypoint == ".".join([*file.with_suffix("").parts, said["entrypoint"].partition(":")[2]])
        assert {"name", "description", "entrypoint", "tags", "work_pool"} <= set(said)
        assert set(said) <= {
            "name", "description", "entrypoint", "tags", "work_pool", "parameters", "schedules", "triggers",
        }  # fmt: skip
        assert (one.parameters, one.schedules, one.triggers) == tuple(
            said.get(key, empty) for key, empty in (("parameters", {}), ("schedules", ()), ("triggers", ()))
        )
    assert {one.pool for one in DEPLOYMENTS} == set(POOLS)


def test_schedules_wait_to_be_switched_on_and_events_start_what_they_are_about() -> None:
    schedules = [schedule for one in DEPLOYMENTS for schedule in one.schedules]
    assert [schedule["active"] for schedule in schedules] == [False, False]
    events = {one.full_name: [t.expect for t in TRIGGERS.validate_python(one.triggers)] for one in DEPLOYMENTS}
    assert {name: expected for name, expected in events.items() if expected} == {
        "lapt/pipeline": [{"lapt.benchmark.imported"}],
        "adapt-to-data/announced": [{"lapt.data.announced"}],
    }


@cache
def schema_of(name: str) -> str:
    return json.dumps(parameter_schema(MADE[name].flow).model_dump())


def submitted(name: str, **parameters: Any) -> None:
    """As the server checks them when a run is asked for."""
    validate({**MADE[name].parameters, **parameters}, json.loads(schema_of(name)), raise_on_error=True)


def test_every_schedule_has_all_that_its_flow_needs() -> None:
    for one in DEPLOYMENTS:
        if one.schedules:
            submitted(one.full_name)


@pytest.mark.parametrize("preset", presets())
def test_a_right_pipeline_is_taken(preset: str) -> None:
    submitted("lapt/pipeline", pipeline=load_pipeline(preset).model_dump(mode="json"))


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("lapt/pipeline", {"pipeline": "nas201"}),
        ("lapt/pipeline", {"pipeline": {"targets": []}}),
        ("lapt/pipeline", {"pipeline": {"targts": ["cifar10"]}}),
        ("lapt/pipeline", {"pipeline": {"seed": -1}}),
        ("lapt/pipeline", {"pipeline": {"search": {"method": "none_such"}}}),
        ("lapt/pipeline", {"pipeline": {"evaluator": {"kind": "table", "tabel": "nasbench201"}}}),
        ("lapt/pipeline", {"execution": {}}),
        ("lapt/pipeline", {"execution": {"store": "s", "processes": 0}}),
        ("train-found/final-training", {}),
        ("study/nightly", {"seeds": "many"}),
        ("adapt-to-data/announced", {"task": "flowers"}),
        ("evaluate-batch/gpu", {"store": "s", "label": "without a batch"}),
    ],
)
def test_a_wrong_parameter_is_refused_before_a_worker_sees_it(name: str, parameters: dict[str, Any]) -> None:
    if isinstance(parameters.get("pipeline"), dict):
        parameters = {"pipeline": load_pipeline("nas201").model_dump(mode="json") | parameters["pipeline"]}
    with pytest.raises(ValidationError):
        submitted(name, **parameters)
