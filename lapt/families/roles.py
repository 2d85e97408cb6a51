"""The operators of the cells that come with LAPT, as roles."""

from __future__ import annotations

from lapt.base.shipped import table_beside
from lapt.spaces.roles import Role, role_of

ROLES: dict[str, Role] = {operator: role_of(text) for operator, text in table_beside(__name__).items()}
"""Operator -> its role."""
