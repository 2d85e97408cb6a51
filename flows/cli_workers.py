"""Commands for runs that are spread over machines."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from flows.options import DEFAULT_STORE, JsonOption, StoreOption
from lapt.errors import ConfigError


def deploy(
    store: Annotated[
        str | None, typer.Option("--store", envvar="LAPT_STORE", help="The store that drivers use if none is named.")
    ] = None,
) -> None:
    """Work pools, deployments and the watch over lost runs, on the configured Prefect server."""
    _needs_server()
    from flows.deploying import deploy as made
    from flows.pools import reachable
    from storage.store import Store

    with reachable():
        for line in made(None if store is None else Store(store).address):
            typer.echo(line)
    typer.echo("What now?  lapt worker --pool gpu, on every machine with GPUs; lapt run PIPELINE --pool gpu")


def worker(
    pool: Annotated[str, typer.Option(help="cpu or gpu: whose batches it takes.")] = "gpu",
    count: Annotated[
        int | None, typer.Option(min=1, help="Workers; one for each device that CUDA_VISIBLE_DEVICES names if unset.")
    ] = None,
) -> None:
    """Take batches of a work pool, one at a time a device, until Ctrl-C."""
    _needs_server()
    from flows.workers import run_workers, visible_devices

    devices = visible_devices() if pool == "gpu" else [None]
    if count is not None:
        devices = [devices[number % len(devices)] for number in range(count)]
    raise typer.Exit(run_workers(pool, devices))


def announce(
    task: Annotated[str, typer.Argument(help="The new target task, as pipelines shall call it.")],
    pipeline: Annotated[str, typer.Option(help="A preset, or a YAML file on the worker, whose target it becomes.")],
    data: Annotated[str | None, typer.Option(help="Its images, as of evaluator.data; none for a table's task.")] = None,
) -> None:
    """Say that data are there: the deployment adapt-to-data adapts a pipeline's principles to them."""
    _needs_server()
    from flows.announce import data_announced

    data_announced(task, data, pipeline)
    typer.echo(f"announced {task}; a worker of pool cpu adapts {pipeline} to it")


def doctor(store: StoreOption = DEFAULT_STORE, as_json: JsonOption = False) -> None:
    """What a run with workers needs, and whether it is there. Exit status 1 where something is not."""
    from flows.doctor import findings
    from flows.screen import show_finding

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
    from flows.prefect_settings import apply_environment

    apply_environment()
    from flows.prefect_server import configured_address

    if configured_address() is None:
        raise ConfigError(
            "a Prefect server that workers and drivers share", "none configured", "set PREFECT_API_URL to its address"
        )
