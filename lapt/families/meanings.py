"""The operators of the cells that come with LAPT, in words that a prompt can use."""

from __future__ import annotations

from lapt.base.shipped import table_beside

OPERATORS: dict[str, str] = table_beside(__name__)
"""Operator -> what it computes. A space may have others: nothing is said of those."""
