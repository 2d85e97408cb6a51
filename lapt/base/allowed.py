"""Lists of what an operator allows: comma-separated patterns in environment variables of the machine that runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from fnmatch import fnmatchcase


def allowed(variable: str, value: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether ``variable`` lists a pattern (``*``, ``?``, ``[...]``) that matches ``value``; unset allows nothing."""
    patterns = (pattern.strip() for pattern in environment.get(variable, "").split(","))
    return any(fnmatchcase(value, pattern) for pattern in patterns if pattern)


def on_worker(environment: Mapping[str, str] = os.environ) -> bool:
    """True in a run that a worker took from a server: others chose its parameters, and this machine's rights run it.

    Workers of every kind start a run's process with its id in this variable, and so do Prefect's other runners.
    """
    return bool(environment.get("PREFECT__FLOW_RUN_ID"))
