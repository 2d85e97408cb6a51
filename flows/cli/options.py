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
    bool, typer.Option("--json", help="One JSON document on standard output and nothing else there.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key, e.g. --set search.generations=2."),
]
ReplayOption = Annotated[
    bool, typer.Option("--replay", help="A language model's recorded replies alone; one that is missing is an error.")
]
