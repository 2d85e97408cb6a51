"""prefect.yaml says what the preset says."""

from __future__ import annotations

from pathlib import Path

import yaml

from lapt.config import load_pipeline, validated

DECLARED = yaml.safe_load((Path(__file__).parents[2] / "prefect.yaml").read_text())


def test_the_deployed_pipeline_is_the_preset() -> None:
    deployment, *_ = DECLARED["deployments"]
    assert validated(deployment["parameters"]["pipeline"], "prefect.yaml") == load_pipeline("nas201")


def test_lapt_deploy_makes_the_same() -> None:
    from flows.deploying import DEPLOYMENTS

    declared = {
        (
            one["entrypoint"].replace("/", ".").replace(".py:", "."),
            one["name"],
            one["work_pool"]["name"],
            one["description"],
        )
        for one in DECLARED["deployments"]
    }
    assert declared == {
        (f"{one.flow.fn.__module__}.{one.flow.fn.__name__}", one.name, one.pool, one.description) for one in DEPLOYMENTS
    }


def test_the_schedule_waits_to_be_switched_on() -> None:
    deployment, *_ = DECLARED["deployments"]
    assert [schedule["active"] for schedule in deployment["schedules"]] == [False]
    assert [trigger["type"] for trigger in deployment["triggers"]] == ["event"]
