"""Commands for runs that are spread over machines."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import JsonOption, StoreOption
from flows.screen.console import command, say
from lapt.errors import ConfigError
from storage.addresses import DEFAULT_STORE


def deploy(
    store: StoreOption = DEFAULT_STORE,
    pool: Annotated[
        str | None, typer.Option(help="Make or renew this work pool for evaluations, and nothing else.")
    ] = None,
    type: Annotated[
        str, typer.Option(help="Type of --pool: process, kubernetes, docker, or any other of Prefect.")
    ] = "process",
    image: Annotated[str | None, typer.Option(help="Image of the containers of --pool, with LAPT in it.")] = None,
    job_template: Annotated[
        Path | None, typer.Option(help="Your own base job template for --pool, in place of Prefect's.")
    ] = None,
) -> None:
    """Put work pools, deployments and the watch over lost runs on the configured Prefect server."""
    if pool is None and (type != "process" or image or job_template):
        raise ConfigError("--pool NAME, whose type, image and template these are", "none", "name the pool")
    _needs_server()
    from flows.deployments.deploying import deploy as made
    from flows.deployments.deploying import deploy_pool
    from flows.workers.job_templates import locked, read_template, starts_workers, template_of
    from flows.workers.pools import reachable
    from storage.store import Store

    with reachable():
        if pool is None:
            lines = made(Store(store).address)
            start = "lapt worker --pool gpu, on every machine with GPUs; lapt worker --pool drivers, for deployed runs"
        else:
            template = template_of(type) if job_template is None else read_template(job_template)
            lines = deploy_pool(pool, type, locked(template, image))
            start = starts_workers(pool, type)
        for line in lines:
            say(line)
    say(f"What now?  {start}; {command('run', 'PIPELINE', '--pool', pool or 'gpu')}")


def worker(
    pool: Annotated[str, typer.Option(help="Pool of the runs: gpu, cpu, drivers or one of your own.")] = "gpu",
    count: Annotated[
        int | None,
        typer.Option(min=1, help="Number of workers; if unset, one per device in CUDA_VISIBLE_DEVICES."),
    ] = None,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Take batches of a work pool, one at a time per device, or deployed drivers, until Ctrl-C."""
    _needs_server()
    from flows.workers.job_templates import check_processes
    from flows.workers.pools import reachable
    from flows.workers.processes import DRIVERS, run_workers, visible_devices
    from storage.store import Store

    if pool == DRIVERS and count is not None:
        raise ConfigError(
            "no --count for drivers: one worker takes as many as the pool lets through",
            f"--count {count}",
            f"prefect work-pool set-concurrency-limit {DRIVERS} {count}",
        )
    with reachable():
        check_processes(pool)
    devices = [None] if pool in (DRIVERS, "cpu") else visible_devices()
    if count is not None:
        devices = [devices[number % len(devices)] for number in range(count)]
    raise typer.Exit(run_workers(pool, devices, Store(store).address))


def announce(
    task: Annotated[str, typer.Argument(help="Name of the new target task.")],
    pipeline: Annotated[str, typer.Option(help="The pipeline that gets it: a preset, or a YAML file on the worker.")],
    data: Annotated[str | None, typer.Option(help="Its images, as in evaluator.data; none for a table's task.")] = None,
) -> None:
    """Announce new data: the deployment adapt-to-data adapts a pipeline's principles to them."""
    _needs_server()
    from flows.server.events import data_announced

    data_announced(task, data, pipeline)
    say(f"announced {task}; a worker of pool drivers adapts {pipeline} to it")


def doctor(store: StoreOption = DEFAULT_STORE, as_json: JsonOption = False) -> None:
    """Check the needs of a run with workers. Exit status 1 if something is missing."""
    from flows.deployments.doctor import findings
    from flows.screen.tables import show_finding

    found = []
    for finding in findings(store):
        found.append(finding)
        if not as_json:
            show_finding(finding.what, finding.found, finding.trouble)
    if as_json:
        print(json.dumps([asdict(finding) for finding in found], indent=2))
    if any(finding.trouble for finding in found):
        raise typer.Exit(1)


def _needs_server() -> None:
    """Raises unless a server is configured, answers and accepts our credentials."""
    from flows.server.settings import apply_environment

    apply_environment()
    from flows.server.address import check_configured, configured_address

    address = configured_address()
    if address is None:
        raise ConfigError(
            "a Prefect server that workers and drivers share", "none configured", "set PREFECT_API_URL to its address"
        )
    check_configured(address)
