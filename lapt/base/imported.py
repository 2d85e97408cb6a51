"""Objects by the text module:object, imported when they are needed."""

from __future__ import annotations

import importlib
from typing import Any


def imported(where: str) -> Any:
    """The object of that name; its module's code runs. Raises whatever that raises, ImportError or AttributeError."""
    module, _, name = where.partition(":")
    return getattr(importlib.import_module(module), name)
