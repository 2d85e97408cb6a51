"""prefect.yaml says what the preset says."""

from __future__ import annotations

from pathlib import Path

import yaml

from lapt.config import load_pipeline, validated

DECLARED = yaml.safe_load((Path(__file__).parents[2] / "prefect.yaml").read_text())


def test_the_deployed_pipeline_is_the_preset() -> None:
    deployment, _ = DECLARED["deployments"]
    assert validated(deployment["parameters"]["pipeline"], "prefect.yaml") == load_pipeline("nas201")


def test_the_schedule_waits_to_be_switched_on() -> None:
    deployment, _ = DECLARED["deployments"]
    assert [schedule["active"] for schedule in deployment["schedules"]] == [False]
    assert [trigger["type"] for trigger in deployment["triggers"]] == ["event"]
