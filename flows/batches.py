"""Evaluation of one batch on a worker: some architectures of one task. The scores go to the store and nowhere else."""

from __future__ import annotations

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Failed

from flows.evaluators import stored_evaluator
from flows.workers.batch import Batch
from flows.workers.pools import REFUSED
from lapt.errors import LaptError, StoreError
from lapt.pipeline.config import Execution
from storage.runs.evaluator import StoredEvaluator
from storage.store import Store


def evaluator_of(batch: Batch, store: Store) -> StoredEvaluator:
    """The evaluator of a batch, in this process. Raises LaptError for data, a table or a device that is not there."""
    execution = Execution(store=store.address, retry_failed=batch.retry_failed)
    root = stored_evaluator(batch.pipeline, execution, batch.task)
    evaluator: StoredEvaluator = root
    for number, space in enumerate(batch.spaces):
        evaluator = root.within(space, evaluator if number else None)
    return evaluator if batch.epochs is None else evaluator.at(batch.epochs)


def _refused(error: LaptError) -> State[None]:
    return Failed(name=REFUSED, message=str(error))


@flow(name="evaluate-batch", flow_run_name="{label}", persist_result=False)
def evaluate_batch_here(store: str, batch: str, label: str) -> State[None] | None:
    """Evaluate the batch with that digest. Scores that the store has by then are not computed again.

    Returns nothing, or the state Refused where this worker can never do it and another try would not help.
    """
    logger = get_run_logger()
    try:
        there = Store(store)
    except StoreError as error:  # an address that this worker may not use
        return _refused(error)
    try:
        asked = Batch.read(there, batch)
        evaluator = evaluator_of(asked, there)
    except StoreError:  # which may be mended
        raise
    except LaptError as error:
        return _refused(error)

    def heard(epoch: int, epochs: int, loss: float) -> None:
        logger.info("epoch %d of %d, loss %.4g", epoch, epochs, loss)

    if evaluator.of_space and not asked.final:  # which needs no supernet
        evaluator.prepare(heard)
    if asked.fingerprint is not None and evaluator.fingerprint != asked.fingerprint:
        other = LaptError(
            f"the data that this run was started with ({asked.fingerprint[:40]})",
            f"others on this worker ({evaluator.fingerprint[:40]})",
            "give the worker the same data (LAPT_DATA, evaluator.root)",
        )
        return _refused(other)
    architectures = [evaluator.space.decode(text) for text in asked.architectures]
    if asked.final:
        for architecture in architectures:
            evaluator.final(architecture, heard)
        return None
    # A few at a time, for what another worker has stored meanwhile: one, or enough that no process of several waits.
    few = 2 * getattr(evaluator.evaluator, "side_by_side", 1) - 1
    for first in range(0, len(architectures), few):
        for number, evaluation in enumerate(evaluator.evaluate(architectures[first : first + few]), start=first + 1):
            score = evaluation.error if evaluation.failed else f"{evaluation.value:.4g}{evaluation.metric.unit}"
            logger.info("%d of %d: %s", number, len(architectures), score)
    return None
