"""Events that deployments may wait for (the triggers in prefect.yaml)."""

from __future__ import annotations

from flows.server.settings import apply_environment


def benchmark_imported(name: str) -> None:
    """Tell the configured Prefect server that there is a new benchmark table; silent if it cannot be reached."""
    _told("lapt.benchmark.imported", f"lapt.benchmark.{name}", {})


def data_announced(task: str, data: str | None, pipeline: str) -> None:
    """Tell it that there is a new target task for a pipeline; prefect.yaml says which deployment starts."""
    _told("lapt.data.announced", f"lapt.data.{task}", {"task": task, "data": data, "pipeline": pipeline})


def _told(event: str, resource: str, payload: dict[str, str | None]) -> None:
    apply_environment()
    from prefect.events import emit_event
    from prefect.events.worker import EventsWorker

    emit_event(event=event, resource={"prefect.resource.id": resource}, payload=payload)
    # Sent by a thread of its own, which would end with this command.
    EventsWorker.drain_all(timeout=10, at_exit=False)
