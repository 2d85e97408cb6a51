"""Is everything there that a run, or a run with workers, needs? What is not, and what to do."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version

from lapt.errors import LaptError

SKEW_SECONDS = 5.0
"""Between two clocks: the store tells what came first by them."""


@dataclass(frozen=True)
class Finding:
    """``trouble``: None where all is well; else what to do."""

    what: str
    found: str
    trouble: str | None = None


def findings(store: str) -> Iterator[Finding]:
    """One after the other, as they are known."""
    yield Finding(
        "versions", f"lapt {version('lapt')}, prefect {version('prefect')}, Python {platform.python_version()}"
    )
    yield _devices()
    yield _store(store)
    yield from _server(store)


def _devices() -> Finding:
    try:
        import torch
    except ImportError:
        return Finding("devices", "torch is not installed", "pip install 'lapt[train]', to train networks")
    names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return Finding("devices", f"torch {torch.__version__}; {', '.join(names) or 'no GPU, CPU alone'}")


def _store(address: str) -> Finding:
    from storage.store import Store

    try:
        store = Store(address)
        store.check_writable()
    except LaptError as error:
        return Finding("store", error.got, error.remedy)
    return Finding("store", f"{store.address}: can be written from here")


def _server(store: str) -> Iterator[Finding]:
    from flows.prefect_settings import apply_environment

    apply_environment()
    from flows.prefect_server import configured_address

    address = configured_address()
    if address is None:
        yield Finding("server", "none configured: runs start one of their own; workers need PREFECT_API_URL")
        return
    reached = _reached(address)
    yield reached
    if reached.trouble is None:
        yield _clock(address)
        yield from _pools("://" not in store)


def _reached(address: str) -> Finding:
    from prefect.client.orchestration import get_client

    from flows.prefect_server import refusal

    try:
        with get_client(sync_client=True) as client:
            theirs = client.api_version()
    except Exception as error:  # whatever a connection does  # noqa: BLE001
        refused = refusal(error)
        if refused is not None:
            return Finding("server", f"{address}: {refused.got}", refused.remedy)
        said = " ".join(str(error).split())[:120] or type(error).__name__
        return Finding("server", f"{address}: {said}", "start it, or correct PREFECT_API_URL")
    mine = version("prefect")
    if theirs.split(".")[:2] != mine.split(".")[:2]:
        return Finding("server", f"{address}: Prefect {theirs}, here {mine}", "install the same version on both")
    return Finding("server", f"{address}: Prefect {theirs}")


def _clock(address: str) -> Finding:
    import httpx

    try:
        told = httpx.get(f"{address}/health", timeout=10).headers.get("date")
    except httpx.HTTPError as error:
        return Finding("clock", f"{type(error).__name__}: {error}", "look at the server's log")
    if told is None:
        return Finding("clock", "the server does not say what time it is")
    skew = abs((datetime.now(UTC) - parsedate_to_datetime(told)).total_seconds())
    trouble = "set the clocks by NTP" if skew > SKEW_SECONDS else None
    return Finding("clock", f"within {max(skew, 1):.0f} s of the server's", trouble)


def _pools(local_store: bool) -> Iterator[Finding]:
    from prefect.client.orchestration import get_client

    from flows.deploying import DEPLOYMENTS, POOLS, ZOMBIES
    from flows.pools import Pool

    with get_client(sync_client=True) as client:
        there = {pool.name for pool in client.read_work_pools()}
        known = {deployment.name for deployment in client.read_deployments()}
        watched = bool(client.read_automations_by_name(ZOMBIES))
    missing = [
        *(pool for pool in POOLS if pool not in there),
        *(d.full_name for d in DEPLOYMENTS if d.name not in known),
    ]
    missing += [] if watched else [f"automation {ZOMBIES!r}"]
    yield Finding(
        "deployments", f"missing: {', '.join(missing)}" if missing else "all", "lapt deploy" if missing else None
    )
    for pool in sorted(there & set(POOLS)):
        yield _live(pool, Pool(pool).live_workers, local_store)


def _live(pool: str, live_workers: Callable[[], int], local_store: bool) -> Finding:
    live = live_workers()
    shared = "; the store is a folder: they must see it under the same path" if local_store and live else ""
    start = f"lapt worker --pool {pool}, where it is to run" if not live else None
    return Finding(f"pool {pool}", f"{live} live worker{'s' * (live != 1)}{shared}", start)
