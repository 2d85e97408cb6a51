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
from prefect.blocks.system import Secret
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.embedded import history_home
from flows.server.address import prefect_server

pytestmark = pytest.mark.integration

KEY = "sk-nobody-may-see-this-0123456789"
SMALL = ["targets=[invented_a]", "search.population_size=4", "adaptation.iterations=2", "reasoner.max_operators=5"]
Lapt = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with serving() as running:
        yield running


@pytest.fixture(scope="module")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """(address, home) of the Prefect server of all runs here: one of its own for each would be a third of the time."""
    home = tmp_path_factory.mktemp("prefect")
    with prefect_server(home) as address:
        yield address, home


@pytest.fixture
def lapt(tmp_path: Path, server: OpenAIServer, prefect: tuple[str, Path]) -> Lapt:
    """Runs the command line on a store of its own, the model's address and key in the environment."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    environment |= {"LAPT_STORE": str(tmp_path / "store"), "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": server.url}
    environment["PREFECT_API_URL"] = prefect[0]

    def run(*words: str, stdin: str | None = None, **other: str | None) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("lapt")), *words]
        changed = {name: value for name, value in {**environment, **other}.items() if value is not None}
        done = subprocess.run(
            command, capture_output=True, text=True, env=changed, timeout=240, check=False, input=stdin
        )
        assert KEY not in done.stdout + done.stderr
        return done

    return run


def invented(
    lapt: Lapt, model: str, *more: str, settings: tuple[str, ...] = (), **environment: str | None
) -> subprocess.CompletedProcess[str]:
    overrides = [word for setting in (*SMALL, *settings) for word in ("--set", setting)]
    return lapt("run", "invented", "--reasoner", model, *overrides, "--json", *more, **environment)


def without_the_key(*folders: Path) -> bool:
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert files
    return not any(KEY.encode() in path.read_bytes() for path in files)


def found(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    targets = json.loads(done.stdout)["targets"]
    return {t["task"]: (t["architecture"], t["validation"], t["test"], t["evaluations"]) for t in targets}


def page_of(done: subprocess.CompletedProcess[str]) -> str:
    result = json.loads(done.stdout)
    return (Path(result["store"]) / "reports" / f"{result['run_id']}.md").read_text()


def test_a_run_is_replayed_without_its_model_and_carried_to_another_store(
    lapt: Lapt, server: OpenAIServer, prefect: tuple[str, Path], tmp_path: Path
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
    assert without_the_key(tmp_path, prefect[1])


def test_a_spent_budget_ends_a_run_with_its_best_so_far(lapt: Lapt) -> None:
    done = invented(lapt, "chat:openai:wise", settings=("reasoner.budget.calls=3",))
    ((architecture, _, _, evaluations),) = found(done).values()
    assert architecture
    assert evaluations == 8  # the first iteration's; the second would have needed a fourth call
    page = page_of(done)
    assert "invented_a ended early: expected at most 3 calls of the language model" in page


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


def test_a_pipeline_sends_no_key_that_it_has_no_right_to(lapt: Lapt, server: OpenAIServer) -> None:
    address = f"reasoner.base_url={server.url}"
    mine: dict[str, str | None] = {"OPENAI_BASE_URL": None, "AWS_SECRET_ACCESS_KEY": "aws-secret-0123456789"}
    refused = invented(lapt, "chat:openai:wise", settings=(address, "reasoner.key_env=AWS_SECRET_ACCESS_KEY"), **mine)
    assert refused.returncode == 2
    assert "export LAPT_ALLOW_KEYS=AWS_SECRET_ACCESS_KEY" in refused.stderr
    assert not server.requests
    assert found(invented(lapt, "chat:openai:wise", settings=(address, "adaptation.iterations=1"), **mine))
    assert {request.headers["authorization"] for request in server.requests} == {"Bearer none"}


def test_a_missing_key_is_said_before_anything_is_evaluated(lapt: Lapt, tmp_path: Path) -> None:
    done = invented(lapt, "chat:openai:test-model", OPENAI_API_KEY=None, OPENAI_BASE_URL=None)
    assert done.returncode == 2
    assert "expected the key of openai:test-model" in done.stderr
    assert "OPENAI_API_KEY" in done.stderr
    assert not list((tmp_path / "store").glob("trials/*"))
    assert not list((tmp_path / "store").glob("runs/*"))


@pytest.mark.parametrize("whose", ["a configured server", "a server of its own"])
def test_a_key_comes_from_a_secret_block(
    lapt: Lapt, server: OpenAIServer, prefect: tuple[str, Path], tmp_path: Path, whose: str
) -> None:
    address, home = prefect if whose == "a configured server" else (None, history_home(str(tmp_path / "store")))
    in_the_blocks_server = temporary_settings({PREFECT_API_URL: address})
    with in_the_blocks_server, prefect_server(home):
        Secret(value=KEY).save("llm-key", overwrite=True)
    settings = ("reasoner.key_block=llm-key", "adaptation.iterations=1")
    nowhere_else: dict[str, str | None] = {"PREFECT_API_URL": address, "OPENAI_API_KEY": None}
    refused = invented(lapt, "chat:openai:wise", settings=settings, **nowhere_else)
    assert refused.returncode == 2
    assert "export LAPT_ALLOW_KEY_BLOCKS=llm-key" in refused.stderr
    nowhere_else["LAPT_ALLOW_KEY_BLOCKS"] = "llm-*,no-key"
    assert found(invented(lapt, "chat:openai:wise", settings=settings, **nowhere_else))
    assert server.requests
    assert all(request.headers["authorization"] == f"Bearer {KEY}" for request in server.requests)
    assert without_the_key(tmp_path, home)
    missing = invented(lapt, "chat:openai:wise", settings=("reasoner.key_block=no-key",), **nowhere_else)
    assert missing.returncode == 2
    assert "expected a Prefect Secret block no-key; got " in missing.stderr
    assert "Traceback" not in missing.stderr


def test_a_secret_block_without_a_prefect_server_is_refused(lapt: Lapt, tmp_path: Path) -> None:
    """A study has no server, and the one that Prefect would start by itself reports to its makers."""
    options = ["--reasoner", "chat:openai:wise", "--set", "reasoner.key_block=llm-key", "--seeds", "1", "--draws", "1"]
    home = {"PREFECT_API_URL": None, "PREFECT_HOME": str(tmp_path / "prefect"), "LAPT_ALLOW_KEY_BLOCKS": "*"}
    done = lapt("study", "reasoners", "--pipeline", "invented", *options, **home)
    assert done.returncode == 2
    assert "lapt: expected a Prefect server that keeps the Secret block llm-key; got none; set" in done.stderr
    assert not (tmp_path / "prefect" / "prefect.db").exists()
