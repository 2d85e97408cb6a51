"""The operators of the cells that come with LAPT, in words that a prompt can use."""

from __future__ import annotations

from lapt.base.shipped import table_beside

OPERATORS: dict[str, str] = table_beside(__name__)
"""Operator -> what it computes. A space may have others: nothing is said of those."""


def computed(*, strided: bool) -> dict[str, str]:
    """``OPERATORS`` with what their strides change. ``strided``: whether some layers of the cells halve the sides."""
    identity = "identity, no parameters"
    halving = f"{identity}; where a layer halves the sides, a learned factorised reduction"
    pooling = "3x3 average pooling: smooths, no parameters"
    return {**OPERATORS, "skip_connect": halving if strided else identity, "avg_pool_3x3": pooling}
