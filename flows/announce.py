"""Events that deployments may wait for (the triggers in prefect.yaml)."""

from __future__ import annotations

from flows.prefect_settings import apply_environment


def benchmark_imported(name: str) -> None:
    """Tells the configured Prefect server that a benchmark table is there; silent when it cannot be reached."""
    apply_environment()
    from prefect.events import emit_event
    from prefect.events.worker import EventsWorker

    emit_event(event="lapt.benchmark.imported", resource={"prefect.resource.id": f"lapt.benchmark.{name}"})
    # Sent by a thread of its own, which would end with this command.
    EventsWorker.drain_all(timeout=10, at_exit=False)
