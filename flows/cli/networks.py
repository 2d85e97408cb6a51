"""``lapt export`` and ``lapt final``: the networks that a run found, as files, and trained from scratch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flows.cli.options import (
    DeviceOption,
    FinalProcessesOption,
    JsonOption,
    NetworkOption,
    PickOption,
    PoolOption,
    RetryOption,
    SetOption,
    StoreOption,
    where,
)
from flows.screen.console import command, err, say
from storage.addresses import DEFAULT_STORE

if TYPE_CHECKING:
    from lapt.pipeline.results import TargetResult

Format = Literal["state-dict", "onnx", "python"]
RunArgument = Annotated[str, typer.Argument(help="Id of a finished run, or its first letters.")]


def export(
    run: RunArgument,
    target: Annotated[str | None, typer.Option(help="Target task; not needed if there is only one.")] = None,
    format: Annotated[
        Format, typer.Option(help="python (with the weights beside it), onnx, or state-dict (weights, configuration).")
    ] = "python",
    out: Annotated[Path | None, typer.Option(help="The file; <pipeline>-<target> here if unset.")] = None,
    pick: PickOption = None,
    control: Annotated[
        str | None, typer.Option(metavar="METHOD", help="The network that this control of the run found.")
    ] = None,
    architecture: Annotated[
        str | None, typer.Option(help="An architecture of the run's space, in place of the one that was found.")
    ] = None,
    train: Annotated[
        bool, typer.Option("--train", help="Train it now if the store has no weights of it, as lapt final does.")
    ] = False,
    overrides: SetOption = None,
    network: NetworkOption = None,
    device: DeviceOption = "auto",
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Write a network of a run: one readable Python file with its weights, ONNX, or weights alone. The images need not
    be there."""
    from flows.exports.found import Asked
    from flows.exports.found import export as write
    from flows.screen.counting import counting
    from storage.store import Store

    def stage(text: str) -> None:
        err.print(text, soft_wrap=True)

    asked = Asked(
        target=target,
        format=format,
        out=out,
        pick=pick,
        control=control,
        architecture=architecture,
        network=network,
        overrides=overrides or (),
        train=train,
        device=device,
    )
    written = write(Store(store), run, asked, stage, counting)
    for path in written.paths:
        say(f"wrote {path}")
    if written.predicts:
        say(f"What now?  {command('predict', str(written.paths[0]), 'IMAGE')}")


def final(
    run: RunArgument,
    target: Annotated[str | None, typer.Option(help="Target task; all if left out.")] = None,
    overrides: SetOption = None,
    device: DeviceOption = "auto",
    final_processes: FinalProcessesOption = 1,
    pool: PoolOption = None,
    retry_failed: RetryOption = False,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Train the network that a run found from scratch. An interrupted training goes on from its last epoch."""
    from flows.build import build
    from flows.embedded import under_own_server
    from flows.exports.found import to_train
    from flows.screen.progress import run_progress
    from flows.screen.tables import show_final
    from lapt.pipeline.config import Execution
    from storage.store import Store

    pipeline, _ = to_train(Store(store), run, target, overrides or ())
    how: dict[str, Any] = {"device": device, "final_processes": final_processes, "retry_failed": retry_failed}
    execution = Execution(store=Store(store).address, **how, **where(pool))
    build(pipeline, execution)

    def train() -> list[TargetResult]:
        from flows.final import train_found

        return train_found(run, execution, target, overrides or [])

    with run_progress() as listener:
        results = under_own_server(train, execution.store, listener)
    if as_json:
        print(json.dumps([one.model_dump(mode="json") for one in results], indent=2))
    else:
        show_final(results)
