"""Runs that a language model reasons in, by the real command line against a real server on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer, Reply, serving, valid

pytestmark = pytest.mark.integration

KEY = "sk-nobody-may-see-this-0123456789"
SMALL = ["targets=[invented_a]", "search.population_size=4", "adaptation.iterations=2", "reasoner.max_operators=5"]
Lapt = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with serving() as running:
        yield running


@pytest.fixture
def lapt(tmp_path: Path, server: OpenAIServer) -> Lapt:
    """Runs the command line on a store of its own, the model's address and key in the environment."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    environment |= {"LAPT_STORE": str(tmp_path / "store"), "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": server.url}

    def run(*words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("lapt")), *words]
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=240, check=False, input=stdin
        )
        assert KEY not in done.stdout + done.stderr
        return done

    return run


def invented(lapt: Lapt, model: str, *more: str, settings: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    overrides = [word for setting in (*SMALL, *settings) for word in ("--set", setting)]
    return lapt("run", "invented", "--reasoner", model, *overrides, "--json", *more)


def found(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    targets = json.loads(done.stdout)["targets"]
    return {t["task"]: (t["architecture"], t["validation"], t["test"], t["evaluations"]) for t in targets}


def page_of(done: subprocess.CompletedProcess[str]) -> str:
    result = json.loads(done.stdout)
    return (Path(result["store"]) / "reports" / f"{result['run_id']}.md").read_text()


def test_a_run_is_replayed_without_its_model_and_carried_to_another_store(
    lapt: Lapt, server: OpenAIServer, tmp_path: Path
) -> None:
    first = found(invented(lapt, "chat:openai:wise"))
    asked = len(server.requests)
    assert asked >= 4
    assert all(request.headers["authorization"] == f"Bearer {KEY}" for request in server.requests)
    server.answer_to = lambda request: pytest.fail("a replay asked the model")  # type: ignore[method-assign]
    exported, other = str(tmp_path / "replies.jsonl"), str(tmp_path / "other")
    assert lapt("reasoner", "export", exported).returncode == 0
    assert invented(lapt, "chat:openai:wise", "--replay", "--store", other).returncode == 1
    assert lapt("reasoner", "import", exported, "--store", other).returncode == 0
    assert found(invented(lapt, "chat:openai:wise", "--replay", "--store", other)) == first
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), path


def test_a_spent_budget_ends_a_run_with_its_best_so_far(lapt: Lapt) -> None:
    done = invented(lapt, "chat:openai:wise", settings=("reasoner.budget.calls=3",))
    ((architecture, _, _, evaluations),) = found(done).values()
    assert architecture
    assert evaluations == 8  # the first iteration's; the second would have needed a fourth call
    page = page_of(done)
    assert "It ended early: expected at most 3 calls of the language model" in page


def test_a_run_by_hand_waits_and_goes_on(lapt: Lapt, tmp_path: Path) -> None:
    answered = 0
    while (done := invented(lapt, "chat:manual", settings=("adaptation.iterations=1",))).returncode:
        assert "lapt reasoner reply" in done.stderr
        prompt = lapt("reasoner", "waiting").stdout.split()[0]
        page = (tmp_path / "store" / "manual" / f"{prompt}.prompt.md").read_text()
        schema = json.loads(page.rsplit("```json", 1)[1].split("```")[0])
        reply = "Here you are:\n```json\n" + json.dumps(valid(schema)) + "\n```\n"
        assert lapt("reasoner", "reply", prompt[:6], "-", stdin=reply).returncode == 0
        answered += 1
        assert answered < 4
    assert answered == 3  # to learn, to translate, to adapt
    assert found(done)


def test_counting_stands_in_where_it_may_and_says_so(lapt: Lapt, server: OpenAIServer) -> None:
    server.answer_to = lambda request: Reply("I'd rather not.")  # type: ignore[method-assign]
    refused = invented(lapt, "chat:openai:shy", settings=("reasoner.repairs=1",))
    assert refused.returncode == 1
    assert "there is no JSON object in it" in refused.stderr
    assert "on_invalid: frequency" in refused.stderr
    done = invented(lapt, "chat:openai:shy", settings=("reasoner.repairs=1", "reasoner.on_invalid=frequency"))
    assert found(done)
    page = page_of(done)
    assert "Stated by counting: chat:openai:shy gave nothing that could be used." in page
    stood_in = lapt("sql", "SELECT DISTINCT instead_of FROM lineage", "--json").stdout
    assert {row["instead_of"] for row in json.loads(stood_in)["rows"]} == {None, "chat:openai:shy"}  # None: the archive


def test_a_wrong_key_is_an_error_in_words(lapt: Lapt, server: OpenAIServer) -> None:
    server.answer_to = lambda request: Reply.error(401, f"Incorrect API key provided: {KEY}")  # type: ignore[method-assign]
    done = invented(lapt, "chat:openai:wise")
    assert done.returncode == 1
    assert "401" in done.stderr
    assert "Traceback" not in done.stderr
