"""Final training, from scratch, of the network that a search found: a separate flow that can go on from the last
epoch."""

from __future__ import annotations

from collections.abc import Sequence

from prefect import flow

from flows.build import Built, built_for
from flows.exports.found import to_train
from flows.running.cancelling import cancellable
from flows.running.progress import epochs, listener
from lapt.evaluators.hand_made import HAND_MADE
from lapt.pipeline.config import Execution
from lapt.pipeline.results import FinalResult, TargetResult
from storage.runs.evaluator import StoredEvaluator
from storage.runs.finals import keep
from storage.runs.record import finished_run
from storage.store import Store
from tasks.step import context, subflow
from tasks.steps import train_final


class FinalTraining:
    """Training from scratch with the objects of one run."""

    def __init__(self, built: Built, found_by: str | None = None) -> None:
        """``found_by``: id of the run that found the networks, if it is another than the one that was built for."""
        self.built, self.run_id = built, found_by or built.run_id

    @subflow(name="final-training", flow_run_name="final training on {target}")
    def train(self, target: str, architecture: str, label: str = "") -> FinalResult | None:
        """``architecture``, as the space writes it, on all training images of a target, by the pipeline's final recipe.

        None where the pipeline trains nothing in the end, or the task has no test images. ``label``: who found it.
        """
        built, evaluator = self.built, self.built.evaluator(target)
        if not isinstance(evaluator, StoredEvaluator) or not evaluator.retrains:
            return None
        what = HAND_MADE.get(label) or f"what {label or 'the search'} found"
        listener.get().stage(f"training {what} for {target}")
        heard = epochs(f"{target}, final training{f' of {label}' if label else ''}")
        decoded = built.space.decode(architecture)
        final = train_final(context(built.space), context(evaluator), context(heard), context(decoded))
        keep(built.store, self.run_id, built.pipeline, target, architecture, evaluator.key(decoded, "test"))
        return final


@flow(name="train-found", flow_run_name="train what {run} found", persist_result=False)
@cancellable
def train_found(
    run: str, execution: Execution, target: str | None = None, overrides: Sequence[str] = ()
) -> list[TargetResult]:
    """Train the networks that a finished run found, for one of its targets or all, from scratch.

    ``run``: its id in the store, or the start of one. ``overrides``: of its declaration, ``key.sub=value``.
    """
    store = Store(execution.store)
    pipeline, found = to_train(store, run, target, overrides)
    _, result = finished_run(store, run)
    training, trained = FinalTraining(built_for(pipeline, execution), result.run_id), []
    for one in found:
        final = training.train(one.task, str(one.architecture))
        trained.append(one.model_copy(update={"final": final, "test": final and final.test}))
    return trained
