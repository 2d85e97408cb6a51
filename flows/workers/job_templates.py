"""Base job templates of work pools, in which a flow run can choose nothing about the machine that it runs on.

In Prefect's own templates, whoever starts a run names the command, the environment, the folder and the image as "job
variables". So whoever may start a run may run any code on a worker.
"""

from __future__ import annotations

import asyncio
import json
import shlex
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import WorkPool
from prefect.exceptions import ObjectNotFound
from prefect.utilities.templating import PlaceholderType, apply_values, find_placeholders
from prefect.workers.utilities import (
    get_available_work_pool_types,
    get_default_base_job_template_for_infrastructure_type,
)
from pydantic import BaseModel, ValidationError

from lapt.base.faults import fault
from lapt.errors import ConfigError, or_meant

PROCESS = "process"
"""The type of a pool whose runs are processes, and whose workers ``lapt worker`` starts."""
NOTHING = {
    "type": "object",
    "properties": {},
    "additionalProperties": False,
    "description": "None: what runs of this pool are started with is fixed in its job configuration.",
}
"""Schema of job variables that allows none: the server refuses every one."""
RESOLVED_LATER = ["prefect.blocks.", "prefect.variables.", "$"]
"""Placeholders that a worker fills in from its server or its own environment, whatever a run says."""


def template_of(kind: str) -> dict[str, Any]:
    """Prefect's template for a kind of work pool, from its installed worker or the server's list. Raises
    ConfigError."""
    found = asyncio.run(get_default_base_job_template_for_infrastructure_type(kind))
    if found is None:
        known = asyncio.run(get_available_work_pool_types())
        raise ConfigError(
            f"a type of work pool among {known}",
            kind,
            "check the name, or install the package of its worker here, such as prefect-kubernetes",
        )
    return found


class _Variables(BaseModel):
    properties: dict[str, dict[str, Any]] = {}


class _Template(BaseModel):
    job_configuration: dict[str, Any]
    variables: _Variables


def read_template(file: Path) -> dict[str, Any]:
    """Read a template of the operator's own. Raises ConfigError."""
    try:
        template = json.loads(file.read_text(encoding="utf-8"))
        found = _Template.model_validate(template)
    except ValidationError as error:
        raise fault(error, str(file), _Template) from None
    except (OSError, ValueError) as error:
        raise ConfigError(
            "a base job template in JSON",
            f"{file}: {type(error).__name__}: {error}",
            "start from prefect work-pool get-default-base-job-template --type kubernetes --file job.json",
        ) from error
    named = {one.name for one in find_placeholders(found.job_configuration) if one.type is PlaceholderType.STANDARD}
    unknown = sorted({name.partition(".")[0] for name in named} - set(found.variables.properties))
    if unknown:
        raise ConfigError(
            f"placeholders among {sorted(found.variables.properties)} in {file}",
            ", ".join(f"{{{{ {name} }}}}" for name in unknown),
            "declare them in variables.properties, or write what they stand for",
        )
    return dict(template)


def locked(template: Mapping[str, Any], image: str | None = None) -> dict[str, Any]:
    """``template`` with its variables fixed at their defaults, and with the image. Raises ConfigError.

    Prefect's workers merge an ``env`` of a run into one that stands in the job configuration, and the route that
    creates a run by hand checks no job variables. So the template has no ``env``, and none gets through.
    """
    variables: Mapping[str, Any] = template.get("variables", {}).get("properties", {})
    values = {name: said["default"] for name, said in variables.items() if said.get("default") is not None}
    if image is not None:
        if "image" not in variables:
            raise ConfigError("no image for a pool whose runs are no containers", image, "leave --image out")
        values["image"] = image
    if "image" in variables and "image" not in values:
        raise ConfigError("an image with LAPT in it for the pool's containers", "none", "name one with --image")
    environment = values.pop("env", None)
    filled = apply_values(dict(template["job_configuration"]), values, skip_prefixes=RESOLVED_LATER)
    configuration = cast(dict[str, Any], filled)
    if environment or configuration.get("env"):
        raise ConfigError(
            "no env in the template's variables and job configuration, where a run could add to it",
            json.dumps(environment or configuration["env"])[:100],
            "set it in the image, or as a list in the container of job_manifest",
        )
    return {
        "job_configuration": {name: value for name, value in configuration.items() if name != "env"},
        "variables": NOTHING,
    }


def is_open(pool: WorkPool) -> bool:
    """Whether the person who starts a run in this pool chooses the commands that its workers execute."""
    return pool.base_job_template.get("variables") != NOTHING


def starts_workers(pool: str, kind: str) -> str:
    """The command that starts a worker of a pool, for one run at a time: a driver hands out one batch per worker."""
    if kind == PROCESS:
        return f"lapt worker --pool {shlex.quote(pool)}"
    return f"prefect worker start --pool {shlex.quote(pool)} --type {kind} --limit 1"


def check_processes(pool: str) -> None:
    """Raises ConfigError unless there is a pool of that name whose runs are processes. Warns of one that is open."""
    with get_client(sync_client=True) as client:
        try:
            there = client.read_work_pool(pool)
        except ObjectNotFound:
            known = sorted(one.name for one in client.read_work_pools())
            raise ConfigError(
                f"a work pool among {known}" if known else f"a work pool {pool}",
                f"{pool!r}" if known else "none on the server",
                or_meant(pool, known, f"lapt deploy, or lapt deploy --pool {shlex.quote(pool)} for one of your own"),
            ) from None
    if there.type != PROCESS:
        raise ConfigError(
            f"a work pool of type {PROCESS}, whose runs are processes of this machine",
            f"{pool}, of type {there.type}",
            starts_workers(pool, there.type),
        )
    if is_open(there):
        warnings.warn(
            f"whoever starts runs in pool {pool} chooses their command and environment; lapt deploy closes that",
            stacklevel=2,
        )
