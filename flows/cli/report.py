"""``lapt report``: a run or a study as one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import StoreOption
from flows.screen.console import say
from lapt.errors import ConfigError
from storage.addresses import DEFAULT_STORE

LIST = (
    'list them: lapt sql "SELECT run_id, pipeline, event FROM runs", '
    'lapt sql "SELECT DISTINCT study_id, study FROM studies"'
)


def report(
    run: Annotated[str, typer.Argument(help="Id of a run or a study, or its first letters.")],
    out: Annotated[Path | None, typer.Option(help="The file; <name>-<id>.html here if unset.")] = None,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Write a run or a study as one self-contained HTML page: the search and its reasons, the results, the costs."""
    from flows.studies.ledger import kept, studies
    from flows.studies.show.page import study_page
    from lapt.report.run import run_page
    from storage.ids import the_one
    from storage.runs.history import run_history, runs
    from storage.store import Store

    opened = Store(store)
    opened.require()
    known = studies(opened)
    identifier = the_one([*runs(opened), *known], run, f"run or study in {opened.address}", LIST)
    if identifier in known:
        result, versions = kept(opened, identifier)
        name, text = result.study, study_page(identifier, result, versions)
    else:
        history = run_history(opened, identifier)
        name, text = history.pipeline.name, run_page(history)
    target = out or Path(f"{name}-{identifier}.html")
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"a file that can be written at {target}", str(error), "name another with --out") from error
    say(f"wrote {target}")
