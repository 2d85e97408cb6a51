"""``lapt store``: sizes of the result store, and removal of runs and leftovers."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any

import typer

from flows.cli.options import JsonOption, StoreOption
from lapt.errors import ConfigError
from storage.addresses import DEFAULT_STORE

store_app = typer.Typer(help="The result store: its size, and removal of data.", no_args_is_help=True)
DeleteOption = Annotated[bool, typer.Option("--delete", help="Delete it; if unset, only show what would go.")]
SHOWN = 20
"""Number of runs, and of leftover files, that the terminal lists."""


@store_app.command("compact")
def compact(store: StoreOption = DEFAULT_STORE) -> None:
    """Merge the store's many small files into few. Stopping it loses nothing."""
    from storage.store import Store
    from storage.upkeep.compaction import compact as merge

    compactions = merge(Store(store))
    if not any(done.merged or done.deleted or done.waiting or done.broken for done in compactions):
        print("nothing to compact")
    for done in compactions:
        if done.merged or done.deleted or done.waiting or done.broken:
            later = f", {done.waiting} to delete later (readers may be using them)" if done.waiting else ""
            broken = f", {len(done.broken)} broken left in place" if done.broken else ""
            print(f"{done.dataset}: {done.merged} files merged, {done.deleted} deleted{later}{broken}")


@store_app.command("usage")
def usage(store: StoreOption = DEFAULT_STORE, as_json: JsonOption = False) -> None:
    """Show the size of the store by rows, networks, snapshots and history, and by run."""
    from flows.screen.store import show_usage
    from storage.store import Store
    from storage.upkeep.usage import usage as measured

    found = measured(Store(store))
    if as_json:
        _print_json(asdict(found))
    else:
        show_usage(found, SHOWN)


@store_app.command("rm")
def rm(
    run: Annotated[str, typer.Argument(help="Id of a run, or its first letters.")],
    delete: DeleteOption = False,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Take a run out of the store with all of its rows. Scores stay: they were paid for."""
    from flows.screen.store import show_removal
    from storage.store import Store
    from storage.upkeep.usage import removable, remove

    opened = Store(store)
    found = removable(opened, run)
    if delete:
        remove(opened, found)
    if as_json:
        _print_json({**asdict(found), "deleted": delete})
    else:
        show_removal(found, delete, opened.address)


@store_app.command("gc")
def gc(
    older_than: Annotated[
        str, typer.Option(metavar="AGE", help="Least age of files: 12w (weeks), 30d (days), 36h (hours); 24h or more.")
    ] = "30d",
    delete: DeleteOption = False,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """List leftovers or delete them: unfinished files, blobs that nothing refers to, files of runs that are gone.

    Never scores, never data of a run.
    """
    from flows.screen.store import show_leftovers
    from storage.store import Store
    from storage.upkeep.usage import delete as delete_all
    from storage.upkeep.usage import leftovers

    opened = Store(store)
    found = leftovers(opened, age(older_than))
    freed = delete_all(opened, found) if delete else 0
    if as_json:
        files = [{"name": one.file.name, "bytes": one.file.bytes, "why": one.why} for one in found]
        _print_json({"store": opened.address, "files": files, "freed": freed, "deleted": delete})
    else:
        show_leftovers(found, delete, freed, SHOWN)


def age(text: str) -> timedelta:
    """Read an age such as 30d, 12h, 2w. Raises ConfigError."""
    given = re.fullmatch(r"([0-9]{1,5})\s*([hdw])", text.strip())
    if given is None:
        raise ConfigError("an age such as 30d, 36h or 2w", repr(text), "write --older-than 30d")
    unit = {"h": "hours", "d": "days", "w": "weeks"}[given[2]]
    return timedelta(**{unit: int(given[1])})


def _print_json(document: dict[str, Any]) -> None:
    print(json.dumps(document, indent=2, default=str))
