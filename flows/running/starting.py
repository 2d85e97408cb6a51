"""Whose a run is: what its costs are counted by."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from storage.runs.record import StartedBy

if TYPE_CHECKING:
    from prefect.client.schemas.objects import CreatedBy  # type: ignore[attr-defined]

MACHINES = ("SCHEDULE", "AUTOMATION")
"""Types of creators that are no person: who set one up says so by a tag of the deployment."""


def started_by() -> StartedBy:
    """Of the flow run of now."""
    from prefect.context import FlowRunContext

    context = FlowRunContext.get()
    run = None if context is None else context.flow_run
    if run is None:
        return owner()
    return owner(run.created_by, run.tags, prefect_run_id=str(run.id))


def owner(
    created_by: CreatedBy | None = None,
    tags: Iterable[str] = (),
    environment: Mapping[str, str] = os.environ,
    *,
    prefect_run_id: str | None = None,
) -> StartedBy:
    """The user: whom the server knows to have made the run, a tag ``user:NAME``, LAPT_USER, the schedule or automation,
    or the account of this process. The team: a tag ``team:NAME``, or LAPT_TEAM."""
    creator = created_by and created_by.display_value
    machine = created_by is not None and created_by.type in MACHINES
    user = (
        (None if machine else creator)
        or _tagged("user", tags)
        or environment.get("LAPT_USER", "").strip()
        or creator
        or _account()
    )
    return StartedBy(
        prefect_run_id, user or None, _tagged("team", tags) or environment.get("LAPT_TEAM", "").strip() or None
    )


def _tagged(name: str, tags: Iterable[str]) -> str:
    return next((tag.partition(":")[2].strip() for tag in sorted(tags) if tag.startswith(f"{name}:")), "")


def _account() -> str | None:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user may have a number and no name
        return None
