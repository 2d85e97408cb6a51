"""Operators' lists: what is not listed is not allowed."""

from __future__ import annotations

import pytest

from lapt.base.allowed import allowed, on_worker


@pytest.mark.parametrize(
    ("patterns", "value", "expected"),
    [
        (None, "team.nets:build", False),
        ("", "team.nets:build", False),
        (" , ,", "", False),
        ("*", "anything", True),
        ("team.nets:build", "team.nets:build", True),
        ("team.nets:build", "team.nets:builder", False),
        ("team.*:build", "team.nets:build", True),
        ("a:b, team.nets:*", "team.nets:other", True),
        ("TEAM.NETS:BUILD", "team.nets:build", False),
        ("s3://shared/*", "s3://shared/lapt", True),
        ("s3://shared/*", "s3://other/shared/lapt", False),
    ],
)
def test_patterns(patterns: str | None, value: str, expected: bool) -> None:
    environment = {} if patterns is None else {"LISTED": patterns}
    assert allowed("LISTED", value, environment) is expected


def test_a_run_that_a_worker_took_knows_it() -> None:
    assert not on_worker({})
    assert on_worker({"PREFECT__FLOW_RUN_ID": "0f0f"})
