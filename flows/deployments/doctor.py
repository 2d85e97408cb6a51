"""Checks of the needs of a run, with or without workers. Each finding has a remedy."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

from lapt import __version__
from lapt.errors import LaptError
from lapt.pipeline.wording import lasting
from storage.addresses import address_of

if TYPE_CHECKING:
    from prefect.client.schemas.objects import WorkPool

SKEW_SECONDS = 5.0
"""Largest difference between two clocks: the store orders rows by them."""


@dataclass(frozen=True)
class Finding:
    """The result of one check. ``trouble``: None if all is well, else the remedy. ``figures``: of a pool, for
    programs."""

    what: str
    found: str
    trouble: str | None = None
    figures: dict[str, float] = field(default_factory=dict)


def findings(store: str) -> Iterator[Finding]:
    """The findings, one after the other as the checks end."""
    yield Finding("versions", f"lapt {__version__}, prefect {version('prefect')}, Python {platform.python_version()}")
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
    from flows.server.settings import apply_environment

    apply_environment()
    import httpx

    from flows.server.address import configured_address, refusal

    address = configured_address()
    if address is None:
        yield Finding("server", "none configured: runs start one of their own; workers need PREFECT_API_URL")
        return
    reached = _reached(address)
    yield reached
    if reached.trouble is None:
        yield _clock(address)
        try:
            yield from _pools(address_of(store).folder is not None)
        except httpx.HTTPStatusError as error:  # a proxy lets through some requests
            refused = refusal(error)
            if refused is None:
                raise
            yield Finding("rights", refused.got, refused.remedy)


def _reached(address: str) -> Finding:
    from prefect.client.orchestration import get_client

    from flows.server.address import refusal

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

    from flows.deployments.deploying import DEPLOYMENTS, POOLS, ZOMBIES

    with get_client(sync_client=True) as client:
        there = {pool.name: pool for pool in client.read_work_pools()}
        lies_in = {one.name: one.work_pool_name for one in client.read_deployments() if "lapt" in one.tags}
        watched = bool(client.read_automations_by_name(ZOMBIES))
    missing = [
        *(pool for pool in POOLS if pool not in there),
        *(d.full_name for d in DEPLOYMENTS if d.name not in lies_in),
    ]
    missing += [] if watched else [f"automation {ZOMBIES!r}"]
    # As an earlier version had it: a driver then keeps the worker busy that its own evaluations wait for.
    found = [(d, lies_in.get(d.name, d.pool)) for d in DEPLOYMENTS]
    misplaced = [f"{deployed.full_name} (pool {pool})" for deployed, pool in found if pool != deployed.pool]
    wrong = [f"{said}: {', '.join(names)}" for said, names in (("missing", missing), ("misplaced", misplaced)) if names]
    yield Finding("deployments", "; ".join(wrong) or "all", "lapt deploy" if wrong else None)
    yield _access([there[name] for name in POOLS if name in there])
    own = {pool for name, pool in lies_in.items() if pool and pool == name}
    for pool in sorted(there.keys() & ({*POOLS} | own)):
        yield _pool(pool, local_store)


def _access(pools: Sequence[WorkPool]) -> Finding:
    from flows.workers.job_templates import is_open

    unsafe = [pool.name for pool in pools if is_open(pool)]
    if unsafe:
        chosen = "command and environment are chosen by whoever starts a run"
        return Finding("access", f"pool {', '.join(unsafe)}: {chosen}", "lapt deploy")
    return Finding("access", "runs choose nothing of the machine they run on")


def _pool(name: str, local_store: bool) -> Finding:
    from flows.workers.pools import Pool
    from flows.workers.processes import DRIVERS, version_of

    pool = Pool(name)
    workers, queue = pool.online(), pool.queue()
    live = len(workers)
    figures: dict[str, float] = {"live_workers": live, "running": queue.running, "waiting": queue.waiting}
    if queue.waiting:
        figures["waiting_seconds"] = round(queue.waiting_seconds)
    first = f", the first for {lasting(queue.waiting_seconds)}" if queue.waiting else ""
    said = f"{live} live worker{'s' * (live != 1)}, {queue.running} running, {queue.waiting} waiting{first}"
    if local_store and live:
        said += "; the store is a folder: they must see it under the same path"
    here, trouble = __version__, None
    others = sorted({theirs for worker in workers if (theirs := version_of(worker)) not in (here, None)})
    if others:
        said += f"; some with lapt {', '.join(map(str, others))}, here {here}"
        trouble = "install the same version on both"
    elif not live and (queue.waiting or name != DRIVERS):  # without deployed runs nobody needs a worker for drivers
        trouble = f"{pool.start_command}, where it is to run"
    return Finding(f"pool {name}", said, trouble, figures)
