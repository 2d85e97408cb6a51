"""Operators' lists of allowed values: comma-separated patterns in environment variables of this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from fnmatch import fnmatchcase


def allowed(variable: str, value: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether ``variable`` lists a pattern (``*``, ``?``, ``[...]``) that matches ``value``; unset allows nothing."""
    patterns = (pattern.strip() for pattern in environment.get(variable, "").split(","))
    return any(fnmatchcase(value, pattern) for pattern in patterns if pattern)


def on_worker(environment: Mapping[str, str] = os.environ) -> bool:
    """True in a run that a worker took from a server: other people chose its parameters, and it has this machine's
    rights.

    Workers of every kind, and Prefect's other runners, set this variable to the run's id in the run's process.
    """
    return bool(environment.get("PREFECT__FLOW_RUN_ID"))
