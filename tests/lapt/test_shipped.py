"""Tables that ship as YAML beside their modules."""

from __future__ import annotations

from pathlib import Path

import pytest

import lapt
from lapt.base.declarations import value_of
from lapt.base.shipped import table_beside

ROOT = Path(lapt.__file__).parents[1]
TABLES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for package in ("lapt", "storage", "tasks", "flows")
    for path in sorted((ROOT / package).rglob("*.yaml"))
    if path.with_suffix(".py").exists() or path.name == "experts.yaml"
]


@pytest.mark.parametrize("module", TABLES)
def test_shipped_tables_hold_against_the_strict_reader(module: str) -> None:
    text = (ROOT / module.replace(".", "/")).with_suffix(".yaml").read_text(encoding="utf-8")
    assert table_beside(module) == value_of(text), "no key twice, and no value that YAML readers take differently"


def test_there_are_shipped_tables() -> None:
    assert "flows.studies.published" in TABLES
