"""Length of the prompt that principles are learned from: 50 architectures, every part switched on.

Usage: python benchmarks/prompt_tokens.py [ADDRESS MODEL]. Aim: under 6,000 tokens for 50 NAS-Bench-201 cells. With the
address of a server that speaks OpenAI's protocol, such as http://127.0.0.1:8080/v1, tokens are what it reports for that
model's tokeniser; without one, characters alone are counted (English has about four a token, names of operators fewer).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import contextlib

from lapt.archive import Archive, best_of_all
from lapt.evaluators import TableEvaluator
from lapt.reasoning import Chat
from lapt.reasoning.endpoint.calls import Call, Caller, InMemory, ReasonerError
from lapt.reasoning.endpoint.models import LangChainModel
from lapt.spaces import BUILTIN
from lapt.testing import invented_table
from storage.runs.replies import ManualModel
from storage.store import Store


def archive() -> Archive:
    space = BUILTIN["nas201"]
    return best_of_all(space, TableEvaluator(invented_table(), space, "invented_source"), 50)


def characters(read: Archive) -> int:
    """Of the prompt with its schema, as it is written for chat:manual."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        try:
            Chat(Caller(ManualModel(store), InMemory())).learn(read.space, read)
        except ReasonerError:
            (name,) = store.files.names("manual")
            return len(store.files.read(f"manual/{name}").decode())
    raise AssertionError("a prompt without a reply was answered")


def reported(read: Archive, address: str, model: str) -> Call:
    """The first call, whatever was replied."""
    calls = InMemory()
    asked = LangChainModel(f"openai:{model}", base_url=address, key="none", max_tokens=16, timeout=600)
    with contextlib.suppress(ReasonerError):
        Chat(Caller(asked, calls, repairs=0)).learn(read.space, read)
    return calls.calls[0]


if __name__ == "__main__":
    read = archive()
    print(f"50 {read.space.name} cells: {characters(read):,} characters, the JSON schema included")
    if len(sys.argv) == 3:
        call = reported(read, *sys.argv[1:])
        print(f"{call.model} counts {call.completion.tokens_in:,} tokens")
    else:
        print("no server: tokens not counted")
