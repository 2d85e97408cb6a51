"""Environment variables that a shell may leave to a run, which needs none of them."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.server.settings import (
    CERTIFICATES,
    KEY_LOG,
    PROXIES,
    apply_environment,
    at_home,
    connections_said,
    is_loopback,
    mend,
    server_environment,
)
from lapt.errors import BenchmarkError, ConfigError, LaptError
from storage.benchmarks.tables import data_folder

PROXY = "http://127.0.0.1:9"  # where nobody answers


@pytest.mark.parametrize("name", ["PREFECT_API_URL", "PREFECT_API_KEY", "prefect_logging_level"])
@pytest.mark.parametrize("empty", ["", " "])
def test_an_empty_setting_of_prefect_is_unset(name: str, empty: str) -> None:
    environment = {name: empty, "PREFECT_HOME": "/here", "OTHER": ""}
    mend(environment)
    assert name not in environment
    assert environment["PREFECT_HOME"] == "/here"
    assert environment["OTHER"] == ""


@pytest.fixture(autouse=True)
def environment_of_others() -> Iterator[None]:
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
    apply_environment()


def networks(version: int) -> st.SearchStrategy[str]:
    bits = st.integers(0, 32 if version == 4 else 128)
    return st.builds(lambda one, n: str(ipaddress.ip_network((one, n), strict=False)), st.ip_addresses(v=version), bits)


addresses = st.one_of(
    st.ip_addresses(v=6).map(str),
    st.ip_addresses(v=6).map(lambda one: f"[{one}]"),
    st.ip_addresses(v=6).map(lambda one: f"[{one}]:8080"),
    networks(4),
    networks(6),
    st.ip_addresses(v=6).map(lambda one: f"{one}%eth0"),
    st.sampled_from(["*", "localhost", ".intern.example", "*.example.com:8080", "10.0.0.0/8", "", "fe80::/10", "[::1"]),
)  # fmt: skip


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(addresses).map(",".join))
def test_a_client_can_be_made_whatever_is_exempt_from_proxies(no_proxy: str) -> None:
    environment = {"NO_PROXY": no_proxy, "HTTP_PROXY": PROXY}
    mend(environment)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            patch.delenv(name, raising=False)
        for name, value in environment.items():
            patch.setenv(name, value)
        with httpx.Client() as client:
            for host in ("127.0.0.1", "[::1]", "localhost"):
                assert client._transport_for_url(httpx.URL(f"http://{host}:4200")) is client._transport


def test_a_proxy_that_was_for_others_stays() -> None:
    environment = {"no_proxy": "intern.example,10.0.0.0/8", "HTTPS_PROXY": PROXY}
    mend(environment)
    assert environment["NO_PROXY"] == environment["no_proxy"] == "intern.example,10.0.0.0/8,localhost,127.0.0.1,::1"
    assert environment["HTTPS_PROXY"] == PROXY
    mend(environment)
    assert environment["NO_PROXY"] == "intern.example,10.0.0.0/8,localhost,127.0.0.1,::1"


def test_a_log_of_keys_that_cannot_be_written_is_left_out(tmp_path: Path) -> None:
    environment = {KEY_LOG: str(tmp_path / "none" / "keys")}
    with pytest.warns(UserWarning, match=r"expected a file in SSLKEYLOGFILE; got .*No such file or directory"):
        mend(environment)
    assert KEY_LOG not in environment
    environment = {KEY_LOG: str(tmp_path / "keys")}
    mend(environment)
    assert KEY_LOG in environment


def test_whoever_has_no_home_has_a_temporary_one_and_names_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", unknown)
    for name in ("LAPT_DATA", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    environment: dict[str, str] = {}
    at_home(environment)
    assert Path(environment["HOME"]).is_dir()
    with pytest.raises(BenchmarkError, match="set LAPT_DATA"):
        data_folder()
    assert data_folder("/data") == Path("/data")


@pytest.mark.parametrize("name", [*PROXIES, *map(str.lower, PROXIES), *CERTIFICATES, KEY_LOG, "PREFECT_API_URL"])
def test_the_servers_process_sees_nothing_of_connections(name: str) -> None:
    seen = server_environment(Path("/home"), Path("/shared"), migrate=True, inherited={name: "x", "PATH": "/bin"})
    assert name not in seen
    assert seen["PATH"] == "/bin"


@pytest.mark.parametrize(
    ("address", "here"),
    [("http://127.0.0.1:4200/api", True), ("http://[::1]:4200", True), ("http://localhost/api", True),
     ("https://127.9.9.9", True), ("https://example.com/127.0.0.1", False), ("http://localhost.example", False),
     ("", False)],
)  # fmt: skip
def test_loopback(address: str, here: bool) -> None:
    assert is_loopback(address) == here


def test_what_is_said_of_a_failure_holds_no_password(tmp_path: Path) -> None:
    assert connections_said({"ALL_PROXY": "socks5://me:secret@proxy:1", "NO_PROXY": ""}) == "ALL_PROXY"
    gone = tmp_path / "ca.pem"
    assert connections_said({"ALL_PROXY": PROXY, "SSL_CERT_FILE": str(gone)}) == f"SSL_CERT_FILE={gone}"


# --- Prefect's clients ---------------------------------------------------------------------------------------
class _Health(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b'"3.8.8"'
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Health) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/api"
        server.shutdown()


@pytest.mark.parametrize(
    "variable",
    [
        *(f"{name}={PROXY}" for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "WS_PROXY")),
        *(f"{name}=socks5://127.0.0.1:9" for name in ("ALL_PROXY", "HTTP_PROXY", "https_proxy")),
        "ALL_PROXY=no address://",
        "NO_PROXY=[::1]",
        "NO_PROXY=fe80::/10",
    ],
)
def test_a_server_on_loopback_is_asked_directly(address: str, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv(*variable.split("=", 1))
    apply_environment()
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, temporary_settings
    from websockets.proxy import get_proxy
    from websockets.uri import parse_uri

    async def version() -> str:
        async with get_client() as client:
            return await client.api_version()

    with temporary_settings({PREFECT_API_URL: address}):
        with get_client(sync_client=True) as client:
            assert client.api_version() == "3.8.8"
        assert asyncio.run(version()) == "3.8.8"
    assert get_proxy(parse_uri(address.replace("http", "ws"))) is None


def test_another_server_is_asked_by_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.server.address import check_configured

    monkeypatch.setenv("ALL_PROXY", "socks5://me:secret@127.0.0.1:9")
    apply_environment()
    from prefect.settings import PREFECT_API_URL, temporary_settings

    elsewhere = "http://prefect.example/api"
    with temporary_settings({PREFECT_API_URL: elsewhere}), pytest.raises(LaptError, match="ALL_PROXY") as caught:
        check_configured(elsewhere)
    assert "secret" not in str(caught.value)


def test_the_message_names_the_file_that_says_where_the_server_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.server.settings import api_named_in

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    assert api_named_in() == "the active Prefect profile"
    files = {
        "pyproject.toml": '[tool.prefect.api]\nurl = "http://x/api"\n',
        "prefect.toml": '[api]\nurl = "http://x/api"\n',
        ".env": "OTHER=1\nPREFECT_API_URL=http://x/api\n",
    }
    for name, text in files.items():  # each before the one above
        Path(name).write_text(text)
        assert api_named_in() == f"the file {tmp_path / name}"
    monkeypatch.setenv("PREFECT_API_URL", "http://x/api")
    assert api_named_in() == "the variable PREFECT_API_URL"


@pytest.mark.parametrize("setting", ["PREFECT_API_REQUEST_TIMEOUT=soon", "PREFECT_LOGGING_LEVEL=LOUD"])
def test_settings_that_prefect_does_not_take_are_one_line(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(*setting.split("="))
    with pytest.raises(ConfigError, match="expected settings that Prefect takes") as caught:
        apply_environment()
    assert "\n" not in str(caught.value)


def test_the_environment_is_left_with_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent/ca.pem")
    monkeypatch.delenv("PREFECT_API_SSL_CERT_FILE", raising=False)
    apply_environment()
    assert os.environ["SSL_CERT_FILE"] == os.environ["PREFECT_API_SSL_CERT_FILE"] == "/nonexistent/ca.pem"
