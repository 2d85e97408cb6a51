"""Deployments of the installed package: work pools, flows by their module, and what marks lost runs as crashed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.schedules import CronSchedule
from prefect.events.actions import ChangeFlowRunState, RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectAlreadyExists
from prefect.utilities.callables import parameter_schema

from flows.batches import evaluate_batch_here
from flows.final import train_found
from flows.pipeline import lapt_flow
from flows.prefect_settings import HEARTBEAT_SECONDS
from flows.standing import ANNOUNCED, adapt_to_data, run_study

POOLS = {"cpu": "Drivers of searches, and evaluations on CPUs", "gpu": "Evaluations on GPUs, one at a time a device"}
ZOMBIE_SECONDS = 3 * HEARTBEAT_SECONDS
"""Silence after which a run is lost: its worker and its process died together, and nobody says so."""
ZOMBIES = "lapt: lost runs"
ANNOUNCEMENTS = "lapt: announced data"


@dataclass(frozen=True)
class Deployed:
    flow: Flow[..., Any]
    name: str
    pool: str
    description: str
    nightly: str | None = None
    """Cron, in UTC, of a schedule that waits to be switched on."""

    @property
    def full_name(self) -> str:
        return f"{self.flow.name}/{self.name}"


DEPLOYMENTS = (
    Deployed(
        lapt_flow, "pipeline", "cpu", "Design principles from a source task, adapted to each target task.", "0 3 * * *"
    ),
    Deployed(train_found, "final-training", "cpu", "What a finished run found, trained from scratch."),
    Deployed(run_study, "nightly", "cpu", "A study over seeds; what the store has is not run again.", "0 2 * * *"),
    Deployed(adapt_to_data, "announced", "cpu", "A pipeline's principles, adapted to data that were announced."),
    *(Deployed(evaluate_batch_here, pool, pool, f"A batch of evaluations, in pool {pool}.") for pool in POOLS),
)


def deploy(store: str | None) -> Iterator[str]:
    """Makes what is missing on the configured server and renews the rest; says what it did, line by line.

    ``store``: default of the drivers' deployments.
    """
    with get_client(sync_client=True) as client:
        for name, description in POOLS.items():
            yield _pool(client, name, description)
        for deployed in DEPLOYMENTS:
            _deployment(client, deployed, store)
            yield f"deployment {deployed.full_name} (pool {deployed.pool})"
        yield _zombies(client)
        yield _announcements(client)


def _pool(client: SyncPrefectClient, name: str, description: str) -> str:
    try:
        client.create_work_pool(WorkPoolCreate(name=name, type="process", description=description))
    except ObjectAlreadyExists:
        return f"work pool {name}: there already"
    return f"work pool {name}"


def _deployment(client: SyncPrefectClient, deployed: Deployed, store: str | None) -> None:
    function = deployed.flow.fn
    parameters = {"execution": {"store": store}} if store and deployed.flow is not evaluate_batch_here else {}
    schedules = []
    if deployed.nightly is not None:
        cron = CronSchedule(cron=deployed.nightly, timezone="UTC")
        schedules = [DeploymentScheduleCreate(schedule=cron, active=False)]
    client.create_deployment(
        flow_id=client.create_flow(deployed.flow),
        name=deployed.name,
        work_pool_name=deployed.pool,
        entrypoint=f"{function.__module__}.{function.__name__}",  # a module of the installed package, no file
        parameters=parameters,
        schedules=schedules,
        parameter_openapi_schema=parameter_schema(deployed.flow).model_dump(),
        enforce_parameter_schema=False,
        description=deployed.description,
        tags=["lapt"],
    )


def _zombies(client: SyncPrefectClient) -> str:
    """A run that sent heartbeats and then for so long neither one nor its end is marked as crashed."""
    heartbeat = "prefect.flow-run.heartbeat"
    automation = AutomationCore(
        name=ZOMBIES,
        description="Worker and run killed together leave a run that is running for ever.",
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


def _announcements(client: SyncPrefectClient) -> str:
    """``lapt announce`` starts the adaptation to what it announces."""
    deployment = client.read_deployment_by_name(f"{adapt_to_data.name}/announced")
    said = {name: _template(f"{{{{ event.payload.{name} or '' }}}}") for name in ("task", "pipeline", "data")}
    automation = AutomationCore(
        name=ANNOUNCEMENTS,
        description="A target task was announced: principles are adapted to it.",
        trigger=EventTrigger(
            expect={ANNOUNCED},
            match={"prefect.resource.id": "lapt.data.*"},
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
        ),
        actions=[
            RunDeployment(
                source="selected",
                deployment_id=deployment.id,
                parameters=said,
            )
        ],
    )
    _renewed(client, automation)
    return f"automation {ANNOUNCEMENTS!r}: lapt announce"


def _template(text: str) -> dict[str, str]:
    return {"__prefect_kind": "jinja", "template": text}


def _renewed(client: SyncPrefectClient, automation: AutomationCore) -> None:
    for known in client.read_automations_by_name(automation.name):
        client.delete_automation(known.id)
    client.create_automation(automation)
