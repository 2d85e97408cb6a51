"""A run can choose nothing about the machine that it runs on, in a pool of any kind that Prefect knows."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import prefect
import pytest
from prefect.client.schemas.objects import WorkPool
from prefect.utilities.templating import find_placeholders
from prefect.workers.base import BaseJobConfiguration
from prefect.workers.process import ProcessJobConfiguration

from flows.deployments.doctor import _access
from flows.workers.job_templates import NOTHING, locked, read_template
from flows.workers.pools import Pool
from lapt.errors import ConfigError

LISTED = Path(prefect.__file__).parent / "server/api/collections_data/views/aggregate-worker-metadata.json"
TEMPLATES = {
    worker["type"]: worker["default_base_job_configuration"]
    for workers in json.loads(LISTED.read_text()).values()
    for worker in workers.values()
}
CHOSEN = {
    "command": "touch here",
    "env": {"PYTHONPATH": "/theirs"},
    "env.LAPT_ALLOW_BUILDERS": "*",
    "working_dir": "/theirs",
    "image": "theirs:1",
    "volumes": ["/:/host"],
    "service_account_name": "admin",
    "privileged": True,
    "job_configuration": {"command": "touch here"},
}


def configured(template: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """The result of Prefect's workers for a template and a run's job variables, even unchecked ones."""

    class Anything(BaseJobConfiguration, extra="allow"):
        labels: Any = None
        name: Any = None

    made = asyncio.run(Anything.from_template_and_values(template, values, client=object()))
    return made.model_dump()


@pytest.mark.parametrize("kind", sorted(TEMPLATES))
def test_job_variables_change_nothing(kind: str) -> None:
    fixed = locked(TEMPLATES[kind], None if kind == "process" else "ours:1")
    every = dict.fromkeys(TEMPLATES[kind]["variables"]["properties"], "theirs") | CHOSEN
    assert configured(fixed, every) == configured(fixed, {})
    assert not find_placeholders(fixed["job_configuration"])
    assert configured(TEMPLATES[kind], every) != configured(TEMPLATES[kind], {}), "or this could not fail"
    if kind != "process":
        assert "ours:1" in json.dumps(fixed)


@pytest.mark.parametrize("kind", sorted(TEMPLATES))
def test_defaults_stay_what_they_are(kind: str) -> None:
    image = {} if kind == "process" else {"image": "ours:1"}
    assert configured(locked(TEMPLATES[kind], *image.values()), {}) == configured(TEMPLATES[kind], image)


def test_a_process_runs_the_flow_and_nothing_else() -> None:
    fixed = locked(TEMPLATES["process"])
    made = asyncio.run(ProcessJobConfiguration.from_template_and_values(fixed, dict(CHOSEN), client=object()))
    assert (made.command, made.env, made.working_dir) == (None, {}, None)


def test_the_server_takes_no_job_variable() -> None:
    from prefect.utilities.schema_tools import validate

    assert validate({}, NOTHING) == []
    assert validate({"env": {}}, NOTHING)


@pytest.mark.parametrize(
    ("kind", "image", "words"),
    [
        ("process", "ours:1", "no image for a pool whose runs are no containers; got ours:1; leave --image out"),
        ("kubernetes", None, "an image with LAPT in it.*--image"),
        ("docker", None, "an image with LAPT in it.*--image"),
    ],
)
def test_an_image_is_for_containers(kind: str, image: str | None, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        locked(TEMPLATES[kind], image)


def test_an_operators_own_template_keeps_what_it_says(tmp_path: Path) -> None:
    theirs = json.loads(json.dumps(TEMPLATES["kubernetes"]))
    container = theirs["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]["containers"][0]
    container["env"] = [{"name": "LAPT_STORE", "value": "s3://bucket/lapt"}]
    container["resources"] = {"limits": {"nvidia.com/gpu": 1, "memory": "{{ memory_limit }}"}}
    theirs["variables"]["properties"]["memory_limit"]["default"] = "32Gi"
    theirs["job_configuration"]["cluster_config"] = "{{ prefect.blocks.kubernetes-cluster-config.ours }}"
    (tmp_path / "job.json").write_text(json.dumps(theirs))
    made = locked(read_template(tmp_path / "job.json"), "ours:1")["job_configuration"]
    assert made["job_manifest"]["spec"]["template"]["spec"]["containers"][0] == {
        "name": "prefect-job", "image": "ours:1", "imagePullPolicy": "IfNotPresent",
        "env": [{"name": "LAPT_STORE", "value": "s3://bucket/lapt"}],
        "resources": {"limits": {"nvidia.com/gpu": 1, "memory": "32Gi"}},
    }  # fmt: skip
    assert made["cluster_config"] == "{{ prefect.blocks.kubernetes-cluster-config.ours }}"


@pytest.mark.parametrize("where", ["variables", "job_configuration"])
def test_an_environment_that_runs_could_add_to_is_refused(where: str) -> None:
    theirs = json.loads(json.dumps(TEMPLATES["docker"]))
    if where == "variables":
        theirs["variables"]["properties"]["env"]["default"] = {"LAPT_STORE": "/s"}
    else:
        theirs["job_configuration"]["env"] = {"LAPT_STORE": "/s"}
    with pytest.raises(ConfigError, match=r"no env in the template's.*LAPT_STORE.*set it in the image"):
        locked(theirs, "ours:1")


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "{}", "3", None, '{"job_configuration": 3, "variables": {}}', '{"job_configuration": {}}',
        '{"job_configuration": {}, "variables": []}', '{"job_configuration": {}, "variables": {"properties": 3}}',
        '{"job_configuration": {}, "variables": {"properties": {"image": "ours:1"}}}',
        '{"job_configuration": {"image": "{{ undeclared }}"}, "variables": {"properties": {}}}',
    ],
)  # fmt: skip
def test_a_file_that_is_no_template_is_refused(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "job.json").write_text(text)
    with pytest.raises(ConfigError, match=r"job\.json") as raised:
        read_template(tmp_path / "job.json")
    assert "\n" not in str(raised.value)


def test_the_doctor_names_pools_that_let_runs_choose() -> None:
    shut, left_open = (
        WorkPool(name=name, type="process", base_job_template=template, default_queue_id=uuid4())
        for name, template in (("cpu", locked(TEMPLATES["process"])), ("gpu", TEMPLATES["process"]))
    )
    assert _access([shut]).trouble is None
    assert (_access([shut, left_open]).found[:9], _access([left_open]).trouble) == ("pool gpu:", "lapt deploy")


@pytest.mark.parametrize(
    ("kind", "command", "seconds", "start"),
    [
        ("process", None, 90, "lapt worker --pool 'of ours'"),
        ("process", "srun python -m prefect.engine", 3600, "lapt worker --pool 'of ours'"),
        ("kubernetes", None, 3600, "prefect worker start --pool 'of ours' --type kubernetes --limit 1"),
    ],
)
def test_what_a_cluster_starts_may_wait_for_it(kind: str, command: str | None, seconds: float, start: str) -> None:
    pool, configuration = Pool("of ours"), {} if command is None else {"command": command}
    pool._made = WorkPool(
        name="of ours", type=kind, base_job_template={"job_configuration": configuration}, default_queue_id=uuid4()
    )
    assert (pool.start_seconds, pool.start_command) == (seconds, start)
