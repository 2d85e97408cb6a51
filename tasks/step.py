"""Settings that every task has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

from prefect import Task, flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.utilities.annotations import opaque as data
from prefect.utilities.annotations import quote as context

from lapt.errors import LaptError
from lapt.evaluation import OnEpoch

__all__ = ["Step", "context", "data", "logged", "step", "subflow"]

R = TypeVar("R", covariant=True)


# Prefect draws an edge wherever an argument, or any object inside it, is also inside an earlier result, shared strings
# included. ``context(x)`` marks what is no result (no edge, and nothing walks through it: that cost 2 s a task);
# ``data(x)`` marks a result as a whole (its own edge alone). Tasks receive the bare objects.


def outside_reason(task: Task[Any, Any], task_run: TaskRun, state: State[Any]) -> bool:
    """Whether to try again: only for errors with an outside cause. A refusal by LAPT itself would come again."""
    failure = state.result(raise_on_failure=False)
    return not isinstance(failure, LaptError | TypeError | ValueError | KeyError)


def logged(on_epoch: OnEpoch) -> OnEpoch:
    """``on_epoch``, with a line in the task run's log for each call."""
    logger = get_run_logger()

    def heard(epoch: int, epochs: int, loss: float) -> None:
        logger.info("epoch %d of %d, loss %.4g", epoch, epochs, loss)
        on_epoch(epoch, epochs, loss)

    return heard


class Step(Protocol[R]):
    """A task or a subflow. Arguments may be marked (``context``, ``data``), so their types are not checked."""

    def __call__(self, *args: Any, **kwargs: Any) -> R: ...

    def with_options(self, **options: Any) -> Step[R]: ...


def step(**options: Any) -> Callable[[Callable[..., R]], Step[R]]:
    """Make a task that is tried again for outside reasons and whose result lives in the store alone."""
    made: Any = task(
        cache_policy=NO_CACHE,  # the store is the cache
        persist_result=False,
        retries=2,
        retry_delay_seconds=[1, 10],
        retry_condition_fn=outside_reason,
        **options,
    )
    return cast(Callable[[Callable[..., R]], Step[R]], made)


def subflow(**options: Any) -> Callable[[Callable[..., R]], Step[R]]:
    """Make a flow that other flows call; as a method, it has their objects."""
    return cast(Callable[[Callable[..., R]], Step[R]], flow(persist_result=False, **options))
