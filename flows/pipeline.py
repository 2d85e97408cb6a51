"""The root flow and its two subflows: Figure 1 of the paper."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cached_property
from typing import TypeVar, cast

from prefect import flow, get_run_logger, tags

from flows.build import Built, build
from flows.final import final_training
from flows.running.cancelling import cancellable
from flows.running.metering import meter, metered
from flows.running.progress import epochs, listener
from flows.running.starting import started_by
from lapt.algorithms import adapt_target, algorithm_1
from lapt.archive import Archive
from lapt.errors import BudgetSpent
from lapt.evaluation import Evaluation, Evaluator, best
from lapt.pipeline.config import Execution, Pipeline
from lapt.pipeline.results import ControlResult, Found, RunResult, TargetResult
from lapt.pipeline.steps import SOURCE_RANKING
from lapt.pipeline.wording import named
from lapt.principles import Principles
from lapt.spaces import Architecture, SearchSpace
from storage.runs.evaluator import StoredEvaluator
from storage.runs.record import subspace_id
from storage.sql.snapshot import snapshot
from tasks import artifacts
from tasks.adaptation import adapt_principles, evaluate_batch, refine_space, search_control, train_supernet
from tasks.learning import evaluate_source, learn_principles
from tasks.reporting import report_run, test_incumbent
from tasks.step import context, data

F = TypeVar("F", bound=Found)


@flow(name="lapt", flow_run_name="{pipeline.title}", persist_result=False)
@cancellable
def lapt_flow(pipeline: Pipeline, execution: Execution) -> RunResult:
    """Algorithm 1: learn principles from the source task once, then adapt them to each target task."""
    built = build(pipeline, execution)
    by = started_by()
    good: Archive | None = None
    with (
        built.record.attempt(pipeline, by, _waits),
        tags(f"space:{pipeline.space_name}"),
        metered(execution.limits) as costs,
    ):

        def learn(archive: Archive) -> str:
            nonlocal good
            good = archive
            listener.get().stage(f"learning principles from {len(archive.entries)} architectures of {archive.task}")
            return learn_principles(context(built.steps), data(archive), context(built.record))

        def adapt(target: str, principles: str) -> TargetResult:
            with tags(f"target:{target}"):
                return adapt_to_target(context(pipeline), context(execution), target, principles)

        def control(target: str, method: str) -> ControlResult | None:
            """None where a limit leaves it less than the same budget."""
            if costs.room(pipeline.budget) < pipeline.budget:
                return None
            hears = listener.get()
            hears.stage(f"{named(method)} on {target}, for comparison")
            evaluator = whole_space(built, target)
            hears.target(target, pipeline.budget, named(method))
            known = data(good) if method == SOURCE_RANKING else None
            result = search_control(
                context(built.steps), context(evaluator), context(built.record), known, method=method
            )
            costs.asked(result.evaluations)
            hears.target_done(target)
            return None if result.evaluations < pipeline.budget and not costs.room(1) else result

        def test(target: str, result: F, label: str) -> F:
            if not pipeline.evaluator.trains:
                return test_incumbent(context(built.space), context(built.evaluator(target)), data(result))
            if result.architecture is None or not costs.may_train():
                return result
            final = final_training(
                context(pipeline),
                context(execution),
                target,
                result.architecture,
                label,
                wait_for=[data(result)],
            )
            return result if final is None else result.model_copy(update={"test": final.test, "final": final})

        def report(target: str) -> TargetResult:
            tested = test(target, found[target], pipeline.label)
            beside = tuple(test(target, control, control.method) for control in controls[target])
            return tested.model_copy(update={"controls": beside})

        found = algorithm_1(
            pipeline.targets,
            build_archive=lambda: build_archive(context(pipeline), context(execution)),
            learn=learn,
            adapt_target=adapt,
        )
        if not any(one.evaluations for one in found.values()):
            costs.check()
        beside = {target: [control(target, m) for m in pipeline.controls] for target in pipeline.targets}
        controls = {target: [one for one in beside[target] if one is not None] for target in pipeline.targets}
        listener.get().stage("testing what was found")
        tested = tuple(report(target) for target in pipeline.targets)
        result = RunResult(
            run_id=built.run_id,
            pipeline=pipeline.name,
            store=built.store.address,
            targets=tested,
            stopped=str(costs.denied) if costs.denied else None,
        )
        report_run(context(pipeline), context(result), context(built.record), wait_for=[data(one) for one in tested])
        built.record.finished(pipeline, by, result)
        if execution.snapshot and result.stopped is None:  # it is written once
            snapshot(built.store, built.run_id)
    return result


def _waits(holder: str) -> None:
    """Say who runs the same already. When it is done, all of it is in the store."""
    get_run_logger().info("waiting for %s, which runs the same", holder)
    listener.get().stage(f"waiting for {holder}, which runs the same; Ctrl-C ends this command alone")


@flow(
    name="build-archive",
    flow_run_name="{pipeline.space_name}: archive from {pipeline.source.task}",
    persist_result=False,
)
def build_archive(pipeline: Pipeline, execution: Execution) -> Archive:
    """Line 1: good architectures of the source task, and of nothing else."""
    built = build(pipeline, execution)
    task, hears = pipeline.source.task, listener.get()
    hears.stage(f"building the archive on {task}")
    evaluator = whole_space(built, task)
    hears.target(task, pipeline.source.archive.evaluations)
    archive = evaluate_source(context(built.steps), context(evaluator), context(built.record))
    hears.target_done(task)
    return archive


def whole_space(built: Built, task: str) -> Evaluator:
    """The evaluator of a search on the whole space, its supernet trained where it has one."""
    evaluator = built.evaluator(task)
    if isinstance(evaluator, StoredEvaluator) and evaluator.of_space:
        label = f"supernet on {task}, whole space"
        train_supernet(
            context(evaluator), context(built.record), context(epochs(label)), g=0, subspace_id=None, label=task
        )
    return evaluator


@flow(name="adapt-to-target", flow_run_name="{pipeline.space_name}: adapt to {target}", persist_result=False)
def adapt_to_target(pipeline: Pipeline, execution: Execution, target: str, principles: str) -> TargetResult:
    """Lines 4 to 12: refine, search and adapt, ``iterations`` times, from the principles of that id."""
    began = time.monotonic()
    built = build(pipeline, execution)
    listener.get().stage(f"adapting to {target}")
    listener.get().target(target, pipeline.budget + pipeline.scored_again)
    search = _TargetSearch(built, target)
    incumbent, evaluations = adapt_target(
        built.record.principles_named(principles),
        iterations=pipeline.adaptation.iterations,
        refine=search.refine,
        search=search.search,
        adapt=search.adapt,
        rescore=search.rescore,
        stopped=search.stop,
    )
    listener.get().target_done(target)
    search.end()
    return TargetResult.of(
        built.space,
        search.evaluator,
        incumbent,
        evaluations,
        began,
        supernets=built.record.seconds_of_supernets(target),
        repeats=search.repeats,
        lacking=search.lacking,
        space_size=search.space_size,
        stopped=search.stopped,
    )


class _TargetSearch:
    """The steps on one target, each as a task, with what they ask for recorded as it is known."""

    def __init__(self, built: Built, target: str) -> None:
        self.built, self.target = built, target
        self.evaluator = built.evaluator(target)
        self._refined: SearchSpace | None = None
        self._asked = 0
        self.repeats = self.lacking = 0
        self.space_size = built.space.size
        self.stopped: str | None = None
        self._cut = False  # does the search lack evaluations that a limit has left out?
        self._principles: Principles | None = None
        self._batches: list[data[list[Evaluation]]] = []
        self._of_one_evaluator: list[Evaluation] = []
        pipeline = built.pipeline
        self._progress = artifacts.SearchProgress(pipeline.name, target, pipeline.budget + pipeline.scored_again)

    def end(self) -> None:
        """What the Prefect UI shows of the whole search."""
        evaluations = self._of_one_evaluator
        self._progress.evaluated(self._asked, _shown(best(evaluations)), last=True)
        artifacts.leaderboard(self.built.pipeline.name, self.target, self.built.space, evaluations)

    def stop(self, spent: BudgetSpent) -> None:
        self.stopped = str(spent)
        get_run_logger().warning("the search ends here: %s", spent)

    def refine(self, principles: Principles, g: int) -> SearchSpace:
        meter.get().check()
        self._principles = principles
        refined = refine_space(
            context(self.built.steps), context(self.built.record), data(principles), target=self.target, g=g
        )
        self.space_size = refined.size
        self._of_space = refined != self._refined and self._followed_by(refined, g)
        self._refined = refined
        get_run_logger().info("iteration %d: refined space of %d architectures", g, refined.size)
        return refined

    def _followed_by(self, refined: SearchSpace, g: int) -> bool:
        """Where scores hang on the space: the evaluator of this one, with a supernet of its own."""
        root = self.built.evaluator(self.target)
        if not (isinstance(root, StoredEvaluator) and root.of_space):
            return False
        before = self.evaluator if g > 1 else None
        self.evaluator = root.within(refined, cast(StoredEvaluator | None, before))
        label = f"supernet on {self.target}, iteration {g}"
        train_supernet(
            context(self.evaluator),
            context(self.built.record),
            context(epochs(label)),
            g=g,
            subspace_id=subspace_id(refined),
            label=f"iteration {g}",
            wait_for=[data(refined)],
        )
        return True

    def rescore(self, refined: SearchSpace, history: Sequence[Evaluation], g: int) -> list[Evaluation] | None:
        if not (self._of_space and history):
            return None
        again = self.built.steps.again(refined, history)
        get_run_logger().info("iteration %d: %d of the best so far are scored again", g, len(again))
        return self._evaluate(again, refined, g) if again else []

    def search(self, refined: SearchSpace, history: Sequence[Evaluation], g: int) -> list[Evaluation]:
        steps, principles = self.built.steps, self._principles
        assert principles is not None
        searcher = steps.searcher(refined, self.evaluator, g, steps.prior(principles, self._archive))
        done = list(history)

        def evaluate(architectures: list[Architecture]) -> list[Evaluation]:
            found = self._evaluate(architectures, refined, g)
            done.extend(found)
            text = _shown(best(done))
            self._of_one_evaluator = done
            listener.get().evaluated(self.target, self._asked, text)
            self._progress.evaluated(self._asked, text)
            get_run_logger().info("iteration %d: %d evaluations in all, best %s", g, self._asked, text)
            return found

        first = steps.first(refined, principles, self.evaluator, history)
        found = steps.search(searcher, evaluate, history, g, first)
        self.repeats += searcher.repeats
        self.lacking += searcher.lacking
        return found

    def _evaluate(self, architectures: list[Architecture], refined: SearchSpace, g: int) -> list[Evaluation]:
        assert self._principles is not None
        first, costs = self._asked + 1, meter.get()
        wanted, architectures = len(architectures), architectures[: costs.room(len(architectures))]
        if not architectures:
            found: list[Evaluation] = []
        elif self.built.execution.dispatch == "deployment":
            # What dispatches is plain: a task would hold back its children's results.
            found = self.evaluator.evaluate(architectures)
        else:
            found = evaluate_batch.with_options(tags=["cpu"])(
                context(self.evaluator), context(architectures), g=g, first=first, wait_for=[data(refined)]
            )
            self._batches.append(data(found))
        self.built.record.trials(
            refined,
            found,
            task=self.target,
            iteration=g,
            first=first,
            subspace_id=subspace_id(refined),
            principles_id=self._principles.id,
            fingerprint=self.evaluator.fingerprint,
        )
        self._asked += len(found)
        costs.asked(len(found))
        self._cut = len(found) < wanted
        return found

    @cached_property
    def _archive(self) -> Archive | None:
        """The source's, for a method that learns from it: its scores are known by now, and are read again."""
        built = self.built
        if not built.steps.transfers:
            return None
        return built.steps.build_archive(built.evaluator(built.pipeline.source.task))

    def adapt(
        self, principles: Principles, base: float, best_found: float, evaluations: Sequence[Evaluation], g: int
    ) -> tuple[Principles, float]:
        if self._cut:
            meter.get().check()
        adapted = adapt_principles(
            context(self.built.steps),
            context(self.built.record),
            data(principles),
            context(base),
            context(best_found),
            context(evaluations),
            target=self.target,
            g=g,
            wait_for=self._batches,
        )
        self._batches = []
        get_run_logger().info("iteration %d: principles %s", g, adapted[0].origin.step)
        return adapted


def _shown(incumbent: Evaluation | None) -> str:
    return "-" if incumbent is None else f"{incumbent.value:.4g}{incumbent.metric.unit}"
