"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

StoreOption = Annotated[
    str,
    typer.Option(
        "--store", envvar="LAPT_STORE", help="Folder, or s3://, gs:// or abfs:// address, of the result store."
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document, and nothing else, on standard output.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key, e.g. --set search.generations=2."),
]
ReplayOption = Annotated[
    bool, typer.Option("--replay", help="Use only a language model's recorded replies; a missing one is an error.")
]
DeviceOption = Annotated[str, typer.Option(help="Device of trainings: auto, cpu, cuda, cuda:1, mps.")]
FinalProcessesOption = Annotated[
    int,
    typer.Option(
        "--final-processes", min=1, help="Processes that train a final network together; of GPUs, one process a GPU."
    ),
]
PoolOption = Annotated[
    str | None, typer.Option(help="Evaluate on the workers of this Prefect work pool (gpu, cpu), and not here.")
]
RetryOption = Annotated[bool, typer.Option("--retry-failed", help="Train again what has only failed so far.")]
PickOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME<NUMBER",
        help="Of two objectives: the best score on the front within limits, e.g. 'latency_ms<5'.",
    ),
]
NetworkOption = Annotated[
    str | None,
    typer.Option(
        metavar="KEY=NUMBER,...",
        help="Where scores come from a table, size of the untrained network: channels, cells, classes, images.",
    ),
]


def where(pool: str | None) -> dict[str, str]:
    """The settings of an execution on the workers of ``pool``; none where it is unset."""
    return {} if pool is None else {"dispatch": "deployment", "pool": pool}
