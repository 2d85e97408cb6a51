"""A pipeline that is run, or only estimated, and what is printed of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flows.screen.console import complain

if TYPE_CHECKING:
    from lapt.pipeline.config import Pipeline


def estimated(pipeline: Pipeline, store: str, as_json: bool, **execution_settings: Any) -> None:
    """Estimate a pipeline, and print what it would do."""
    from flows.estimate import estimate
    from flows.screen.estimate import show_estimate
    from lapt.pipeline.config import Execution
    from storage.store import Store

    found = estimate(pipeline, Execution(store=Store(store).address, **execution_settings), complain)
    if as_json:
        print(found.model_dump_json(indent=2, ensure_ascii=True))
    else:
        show_estimate(pipeline, found)


def tried(pipeline: Pipeline, architectures: int, store: str, as_json: bool, **execution_settings: Any) -> None:
    """Train a few random networks of each target twice, and print whether their scores tell them apart."""
    import json

    from flows.screen.counting import counting
    from flows.screen.tables import show_trials
    from flows.trial import trial
    from lapt.pipeline.config import Execution
    from storage.store import Store

    execution = Execution(store=Store(store).address, **execution_settings)
    with counting(f"{pipeline.name}, a trial of {architectures} networks a target", "trainings") as heard:
        found = trial(pipeline, execution, architectures, heard)
    if as_json:
        print(
            json.dumps({"pipeline": pipeline.name, "trials": [one.model_dump(mode="json") for one in found]}, indent=2)
        )
    else:
        show_trials(found)


def run(pipeline: Pipeline, store: str, as_json: bool, **execution_settings: Any) -> None:
    """Run a pipeline, and print its result. Raises NothingFound if no architecture could be scored."""
    from flows.embedded import run_embedded
    from flows.screen.progress import run_progress
    from flows.screen.tables import show_run, unscored
    from lapt.pipeline.config import Execution
    from storage.runs.record import RunRecord
    from storage.store import Store

    execution = Execution(store=Store(store).address, **execution_settings)
    with run_progress() as listener:
        result = run_embedded(pipeline, execution, listener)
    if as_json:
        print(result.model_dump_json(indent=2, ensure_ascii=True))
    else:
        stated = RunRecord(Store(result.store), result.run_id).principles_of(pipeline.source.named)
        show_run(pipeline, result, stated[-1][1] if stated else None)
    result.require_scores(unscored(pipeline))
