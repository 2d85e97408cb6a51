"""Results of a finished run, for further work on them."""

from __future__ import annotations

from collections.abc import Sequence

from lapt.errors import ConfigError
from lapt.pipeline.config import Pipeline, overridden
from lapt.pipeline.results import TargetResult
from storage.runs.record import finished_run
from storage.store import Store


def to_train(
    store: Store, run: str, target: str | None, overrides: Sequence[str]
) -> tuple[Pipeline, tuple[TargetResult, ...]]:
    """A finished run's pipeline with overrides, and its targets that have an architecture. ``target``: that one alone.

    Raises LaptError: no such run or target, a run that trains nothing in the end.
    """
    declared, result = finished_run(store, run)
    pipeline = overridden(declared, overrides)
    if not pipeline.evaluator.trains or getattr(pipeline.evaluator, "final", pipeline) is None:
        raise ConfigError(
            "a run that trains what it found",
            f"{result.run_id}, with evaluator {pipeline.evaluator.kind} and no final recipe",
            "say it, as --set evaluator.final.recipe.epochs=100, or name another run",
        )
    found = tuple(one for one in result.targets if one.architecture and target in (None, one.task))
    if not found:
        raise ConfigError(
            f"--target among {[one.task for one in result.targets if one.architecture]}",
            f"{target}",
            "name one of them",
        )
    return pipeline, found
