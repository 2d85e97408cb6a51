"""The command ``lapt``. It finds its own packages first, whatever else has their names.

A user's own modules on ``PYTHONPATH``, or in the folder that a Python starts in, may be called ``flows``, ``storage``
or ``tasks`` as well.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

OURS = ("flows", "storage", "tasks")
INSTALLED = str(Path(__file__).parents[1])


class OursFirst:
    """A finder of our packages, asked before the path is searched. Their submodules are found as usual."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return PathFinder.find_spec(name, [INSTALLED]) if name in OURS else None


# At import, not in main: a spawned process imports this module as its parent's main module did, and calls nothing.
sys.meta_path.insert(0, OursFirst)


def main() -> None:
    importlib.import_module("flows.cli").main()


def ours_first(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables by which a Python that somebody else starts (Prefect, for a flow run) finds our packages first."""
    others = environment.get("PYTHONPATH")
    path = {"PYTHONPATH": os.pathsep.join([INSTALLED, others])} if others else {}
    return {"PYTHONSAFEPATH": "1", **path}
