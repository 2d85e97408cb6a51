"""Tasks, in words that a prompt can use."""

from __future__ import annotations

from lapt.base.shipped import table_beside

TASKS: dict[str, str] = table_beside(__name__)
"""Task -> description of its goal. A user's own task has only its name."""
