"""By whom the costs of a run are counted."""

from __future__ import annotations

import getpass

import pytest
from prefect.client.schemas.objects import CreatedBy

from flows.running.starting import owner, started_by

ADA = CreatedBy(type="USER", display_value="ada")
NIGHTLY = CreatedBy(type="SCHEDULE", display_value="nightly")
SAID = {"LAPT_USER": "bob", "LAPT_TEAM": "vision"}


@pytest.mark.parametrize(
    ("created_by", "tags", "environment", "user", "team"),
    [
        (ADA, ["user:eve", "team:audio"], SAID, "ada", "audio"),
        (None, ["space:nas201", "user:eve"], SAID, "eve", "vision"),
        (NIGHTLY, ["user:eve"], {}, "eve", None),
        (NIGHTLY, [], SAID, "bob", "vision"),
        (NIGHTLY, [], {}, "nightly", None),
        (None, [], SAID, "bob", "vision"),
        (None, ["user:", "team: "], {"LAPT_USER": " ", "LAPT_TEAM": ""}, "the account", None),
    ],
)
def test_the_first_who_is_known(
    monkeypatch: pytest.MonkeyPatch,
    created_by: CreatedBy | None,
    tags: list[str],
    environment: dict[str, str],
    user: str,
    team: str | None,
) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "the account")
    found = owner(created_by, tags, environment)
    assert (found.user, found.team, found.prefect_run_id) == (user, team, None)


@pytest.mark.parametrize("error", [KeyError, OSError])
def test_an_account_without_a_name_is_nobody(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    def getuser() -> str:
        raise error("uid not found: 12345")

    monkeypatch.setattr(getpass, "getuser", getuser)
    assert owner(environment={}).user is None


def test_outside_a_flow_run_the_process_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAPT_USER", "ada")
    monkeypatch.delenv("LAPT_TEAM", raising=False)
    assert (started_by().user, started_by().team) == ("ada", None)
