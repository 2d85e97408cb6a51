"""Deployments of the installed package, as prefect.yaml declares them; work pools; the automation for lost runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import import_module, resources
from typing import Any

import yaml
from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.objects import StateType, WorkPool
from prefect.client.schemas.schedules import CronSchedule
from prefect.events import DeploymentTriggerTypes
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectNotFound
from prefect.utilities.callables import parameter_schema
from pydantic import TypeAdapter

from flows.batches import evaluate_batch_here
from flows.server.settings import HEARTBEAT_SECONDS
from flows.workers.job_templates import PROCESS, locked, template_of
from flows.workers.processes import DRIVERS
from lapt.errors import ConfigError

POOLS = {
    DRIVERS: "Searches, which mostly wait: many at a time on a machine",
    "cpu": "Evaluations on CPUs, one at a time a worker",
    "gpu": "Evaluations on GPUs, one at a time a device",
}
AT_ONCE = {DRIVERS: 8}
"""Runs of a new pool at a time, on all its workers. Change it with `prefect work-pool set-concurrency-limit`."""
ZOMBIE_SECONDS = 3 * HEARTBEAT_SECONDS
"""Silence after which a run counts as lost: its worker and its process died together and cannot report it."""
ZOMBIES = "lapt: lost runs"
TRIGGERS: TypeAdapter[list[DeploymentTriggerTypes]] = TypeAdapter(list[DeploymentTriggerTypes])


@dataclass(frozen=True)
class Deployed:
    """A deployment. ``schedules`` and ``triggers`` are in the form of prefect.yaml."""

    flow: Flow[..., Any]
    name: str
    pool: str
    description: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    schedules: Sequence[Mapping[str, Any]] = ()
    triggers: Sequence[Mapping[str, Any]] = ()

    @property
    def full_name(self) -> str:
        return f"{self.flow.name}/{self.name}"

    @property
    def entrypoint(self) -> str:
        """The flow by its module in the installed package, and not in a folder that a run could choose."""
        return f"{self.flow.fn.__module__}.{self.flow.fn.__name__}"


def _declared() -> tuple[Deployed, ...]:
    declared = yaml.safe_load(resources.files("flows").joinpath("prefect.yaml").read_text(encoding="utf-8"))
    found = []
    for one in declared["deployments"]:
        file, _, function = one["entrypoint"].partition(":")
        flow = getattr(import_module(file.removesuffix(".py").replace("/", ".")), function)
        said = {name: one[name] for name in ("parameters", "schedules", "triggers") if name in one}
        found.append(Deployed(flow, one["name"], one["work_pool"]["name"], one["description"], **said))
    return tuple(found)


DEPLOYMENTS = _declared()


def deploy(store: str) -> Iterator[str]:
    """Make or renew the deployments on the configured server; yields a line for each thing done.

    ``store``: default of the drivers' deployments.
    """
    with get_client(sync_client=True) as client:
        template = locked(template_of(PROCESS))
        for name, description in POOLS.items():
            yield _pool(client, name, PROCESS, template, description)
        for deployed in DEPLOYMENTS:
            yield _deployment(client, deployed, store)
        yield _zombies(client)


def deploy_pool(name: str, kind: str, template: Mapping[str, Any]) -> Iterator[str]:
    """Make or renew a pool of any kind, whose workers evaluate batches.

    ``template``: its base job template, locked. Raises ConfigError if a pool of another kind has that name.
    """
    deployed = Deployed(evaluate_batch_here, name, name, f"A batch of evaluations, in pool {name}.")
    with get_client(sync_client=True) as client:
        there = _there(client, name)
        if there is not None and there.type != kind:
            raise ConfigError(
                f"a pool {name} of type {kind}, or none yet",
                f"one of type {there.type}",
                f"choose another name, or delete that one: prefect work-pool delete {name}",
            )
        yield _pool(client, name, kind, template, POOLS.get(name, deployed.description))
        if name != DRIVERS:
            yield _deployment(client, deployed)


def _there(client: SyncPrefectClient, name: str) -> WorkPool | None:
    try:
        return client.read_work_pool(name)
    except ObjectNotFound:
        return None


def _pool(client: SyncPrefectClient, name: str, kind: str, template: Mapping[str, Any], description: str) -> str:
    there, fixed = _there(client, name), dict(template)
    if there is None:
        made = WorkPoolCreate(
            name=name, type=kind, description=description, base_job_template=fixed, concurrency_limit=AT_ONCE.get(name)
        )
        client.create_work_pool(made)
        return f"work pool {name}, of type {kind}"
    if there.type != kind:
        return f"work pool {name}: there already, of type {there.type}; lapt deploy --pool {name} renews it"
    if there.base_job_template == fixed:
        return f"work pool {name}: there already"
    client.update_work_pool(name, WorkPoolUpdate(base_job_template=fixed))
    return f"work pool {name}: its base job template is replaced; runs choose no command, environment or folder"


def _deployment(client: SyncPrefectClient, deployed: Deployed, store: str | None = None) -> str:
    parameters = dict(deployed.parameters)
    if "execution" in parameters:
        parameters["execution"] = {**parameters["execution"], "store": store}
    try:
        known = client.read_deployment_by_name(deployed.full_name).schedules
    except ObjectNotFound:
        known = []
    on = any(schedule.active for schedule in known)  # somebody switched it on: it stays on
    deployment = client.create_deployment(
        flow_id=client.create_flow(deployed.flow),
        name=deployed.name,
        work_pool_name=deployed.pool,
        entrypoint=deployed.entrypoint,
        parameters=parameters,
        schedules=[
            DeploymentScheduleCreate(
                schedule=CronSchedule(cron=said["cron"], timezone=said["timezone"]), active=on or said["active"]
            )
            for said in deployed.schedules
        ],
        parameter_openapi_schema=parameter_schema(deployed.flow).model_dump(),
        enforce_parameter_schema=True,
        description=deployed.description,
        tags=["lapt"],
    )
    client.delete_resource_owned_automations(f"prefect.deployment.{deployment}")
    for trigger in TRIGGERS.validate_python(deployed.triggers):
        trigger.set_deployment_id(deployment)
        _renewed(client, trigger.as_automation())
    starts = [f"started by {event}" for said in deployed.triggers for event in said["expect"]]
    return f"deployment {deployed.full_name} (" + ", ".join([f"pool {deployed.pool}", *starts]) + ")"


def _zombies(client: SyncPrefectClient) -> str:
    """Automation that marks a run as crashed if its heartbeats stop for so long without its end."""
    heartbeat = "prefect.flow-run.heartbeat"
    automation = AutomationCore(
        name=ZOMBIES,
        description="A worker and a run that are killed together leave a run that never ends.",
        trigger=EventTrigger(
            after={heartbeat},
            expect={
                heartbeat,
                *(f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Crashed")),
            },
            match={"prefect.resource.id": ["prefect.flow-run.*"]},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=ZOMBIE_SECONDS),
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message="No heartbeat: its machine or process is gone.")],
    )
    _renewed(client, automation)
    return f"automation {ZOMBIES!r}: after {ZOMBIE_SECONDS} s without a heartbeat"


def _renewed(client: SyncPrefectClient, automation: AutomationCore) -> None:
    for known in client.read_automations_by_name(automation.name):
        client.delete_automation(known.id)
    client.create_automation(automation)
