"""Keys of published scripts and other tools, with their counterparts in a pipeline."""

from __future__ import annotations

from typing import Any

from lapt.base.shipped import table_beside


def _remedies(rows: list[dict[str, Any]]) -> dict[str, str]:
    return {word: row["say"] for row in rows for word in row["of"]}


_TOLD = table_beside(__name__)
_KEYS, _METHODS = _remedies(_TOLD["keys"]), _remedies(_TOLD["methods"])
_KEYS_OF_KINDS = {kind: _remedies(rows) for kind, rows in _TOLD["keys_of_kinds"].items()}
_VALUES = {type_: _remedies(rows) for type_, rows in _TOLD["values"].items()}


def instead_of_key(key: str, kind: str) -> str | None:
    """The remedy for an unknown key. ``key``: dotted; ``kind``: of its section."""
    return _KEYS_OF_KINDS.get(kind, {}).get(key.rpartition(".")[2]) or _KEYS.get(key)


def instead_of_method(method: str) -> str | None:
    return _METHODS.get(method.lower().replace("-", "_"))


def instead_of_value(key: str, value: object) -> str | None:
    return _VALUES.get(type(value).__name__, {}).get(key)
