"""A server for language models, on this machine, and nothing of the environment's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from openai_server import OpenAIServer, serving


@pytest.fixture(autouse=True)
def _no_key_and_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with serving() as running:
        yield running
