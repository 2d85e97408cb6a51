"""Imports: of LAPT's own packages before others of the same names, and of objects by the text module:object.

A user's own modules on ``PYTHONPATH``, or in the folder in which Python starts, may also be called ``flows``,
``storage`` or ``tasks``.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

OURS = ("flows", "storage", "tasks")
INSTALLED = str(Path(__file__).parents[2])


class OursFirst:
    """A finder for ``sys.meta_path``, asked before the path is searched. Submodules are found as usual."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        return PathFinder.find_spec(name, [INSTALLED]) if name in OURS else None


def ours_first(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Environment variables with which a Python that another program starts (Prefect, for a flow run) finds them
    first."""
    others = environment.get("PYTHONPATH")
    path = {"PYTHONPATH": os.pathsep.join([INSTALLED, others])} if others else {}
    return {"PYTHONSAFEPATH": "1", **path}


def imported(where: str) -> Any:
    """The object of that name; its module's code runs. Raises whatever that raises, ImportError or AttributeError."""
    module, _, name = where.partition(":")
    return getattr(importlib.import_module(module), name)
