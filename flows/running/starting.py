"""The owner of a run, by whom its costs are counted."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from storage.runs.record import StartedBy

if TYPE_CHECKING:
    from prefect.client.schemas.objects import CreatedBy  # type: ignore[attr-defined]

MACHINES = ("SCHEDULE", "AUTOMATION")
"""Types of creators that are not persons. A tag of the deployment names the person who set it up."""


def started_by() -> StartedBy:
    """The owner of the current flow run."""
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
    """The user and team of a run.

    The user is the first of: the run's creator on the server, a tag ``user:NAME``, LAPT_USER, the schedule or
    automation, the account of this process. The team is a tag ``team:NAME``, or LAPT_TEAM.
    """
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
