"""A server that does not know us, or does not let us: what to set or whom to ask, in one line."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import prefect
import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from flows.deployments.doctor import _reached, _server
from flows.server.address import check_configured
from flows.workers.pools import reachable
from lapt.errors import LaptError


@contextmanager
def answering(status: int, to_be_told: str = "") -> Iterator[str]:
    """The address of a server with one answer to everything, except its version if it may be told."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told = to_be_told.encode() if self.path.endswith(("/version", "/health")) else b""
            self.send_response(200 if told else status)
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/api"
        server.shutdown()


@pytest.mark.parametrize("status", [401, 403, 500])
@pytest.mark.parametrize("word", [None, "lapt:wrong"])
def test_what_to_do_is_said(status: int, word: str | None) -> None:
    remedies = {
        401: r"PREFECT_API_AUTH_STRING.*PREFECT_SERVER_API_AUTH_STRING",
        403: "403 to GET /api/admin/version; ask the operator of the server",
        500: "start that server, or ",
    }
    with (
        answering(status) as address,
        temporary_settings({PREFECT_API_URL: address, PREFECT_API_AUTH_STRING: word}),
    ):
        with pytest.raises(LaptError, match=remedies[status]) as raised:
            check_configured(address)
        assert "\n" not in str(raised.value)
        if status != 500:
            found = _reached(address)
            assert found.trouble == raised.value.remedy
            assert ("with the" if word else "without a") in found.found or status == 403
            with pytest.raises(LaptError, match=f"{status} to [A-Z]+ /api/"), reachable():
                get_client(sync_client=True).read_work_pools()


def test_the_doctor_goes_on_where_a_proxy_lets_some_requests_through() -> None:
    with (
        answering(403, to_be_told=f'"{prefect.__version__}"') as address,
        temporary_settings({PREFECT_API_URL: address}),
    ):
        found = {finding.what: finding for finding in _server("store")}
    assert found["server"].trouble is None
    assert "403 to" in found["rights"].found
