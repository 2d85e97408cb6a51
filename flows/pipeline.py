"""The root flow and its two subflows: Figure 1 of the paper, with Prefect tasks as the steps of Algorithm 1."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cached_property
from statistics import median
from typing import TypeVar, cast

from prefect import flow, get_run_logger, tags

from flows.build import Built, built_for, hand_made
from flows.final import FinalTraining
from flows.library import grow_library, read_of, shown_by, with_conditions
from flows.running.cancelling import cancellable
from flows.running.progress import epochs, listener, meter, metered
from flows.running.starting import started_by
from lapt.algorithms import algorithm_1
from lapt.archive import Archive
from lapt.base.guessing import Guessing, Reach
from lapt.errors import BudgetSpent
from lapt.evaluation import Evaluation, Evaluator, best
from lapt.evaluators.hand_made import HAND_MADE
from lapt.library.growing import Read
from lapt.pipeline.config import Execution, Pipeline
from lapt.pipeline.objectives import costs, front
from lapt.pipeline.results import ControlResult, Found, RunResult, TargetResult
from lapt.pipeline.sources import Source
from lapt.pipeline.steps import SOURCE_RANKING
from lapt.pipeline.target import TargetSearch
from lapt.pipeline.wording import guessed_source, named, refuted
from lapt.principles import Principles
from lapt.search.searcher import Refuted
from lapt.spaces import Architecture, SearchSpace
from storage.runs.evaluator import StoredEvaluator
from storage.runs.record import subspace_id
from storage.sql.query import snapshot
from tasks import artifacts
from tasks.step import context, data, subflow
from tasks.steps import (
    adapt_principles,
    evaluate_batch,
    evaluate_source,
    learn_principles,
    refine_space,
    report_run,
    search_control,
    test_incumbent,
    train_supernet,
)

F = TypeVar("F", bound=Found)


@flow(name="lapt", flow_run_name="{pipeline.title}", persist_result=False)
@cancellable
def lapt_flow(pipeline: Pipeline, execution: Execution) -> RunResult:
    """Algorithm 1: learn principles from the source task once, then adapt them to each target task."""
    built = built_for(pipeline, execution)
    by = started_by()
    with (
        built.record.attempt(pipeline, by, _waits),
        tags(f"space:{pipeline.space_name}"),
        metered(execution.limits),
    ):
        run = _Transfer(built)
        result = run.run()
        built.record.finished(pipeline, by, result)
        if execution.library is not None and result.stopped is None:
            listener.get().told(grow_library(execution.library, run.seen))
        if execution.snapshot and result.stopped is None:  # it is written once
            snapshot(built.store, built.run_id)
    return result


def _waits(holder: str) -> None:
    """Report who runs the same already. When that run is done, all of its results are in the store."""
    get_run_logger().info("waiting for %s, which runs the same", holder)
    listener.get().stage(f"waiting for {holder}, which runs the same; Ctrl-C ends this command alone")


class _Transfer:
    """Algorithm 1 on the objects of one run. Its subflows are methods, so that each has the same objects."""

    def __init__(self, built: Built) -> None:
        self.built, self.pipeline, self.costs = built, built.pipeline, meter.get()
        self.archive: Archive | None = None
        """The first archive of the searched space, for methods and controls that read its architectures."""
        self.seen: list[tuple[SearchSpace, Read]] = []
        """The evidence of each task, for a library."""

    @cached_property
    def hand_made(self) -> Built | None:
        """The objects that train hand-made networks."""
        return hand_made(self.built)

    def run(self) -> RunResult:
        pipeline = self.pipeline
        found = algorithm_1(
            pipeline.targets,
            build_archive=self.build_archives,
            learn=self.learn,
            adapt_target=self.adapted,
        )
        if not any(one.evaluations for one in found.values()):
            self.costs.check()
        controls = {target: [self.control(target, m) for m in pipeline.controls] for target in pipeline.targets}
        listener.get().stage("testing what was found")
        tested = tuple(self.tested(found[target], controls[target]) for target in pipeline.targets)
        result = RunResult(
            run_id=self.built.run_id,
            pipeline=pipeline.name,
            store=self.built.store.address,
            targets=tested,
            stopped=str(self.costs.denied) if self.costs.denied else None,
        )
        record = self.built.record
        report_run(context(pipeline), context(result), context(record), wait_for=[data(one) for one in tested])
        return result

    @subflow(
        name="build-archive",
        flow_run_name="{self.pipeline.space_name}: archive from {self.pipeline.source.named}",
    )
    def build_archives(self) -> tuple[Archive, ...]:
        """Line 1: good architectures of the source tasks alone."""
        archives = self.built.steps.build_archives(self.read)
        mine = [one for one in archives if one.entries and one.space == self.built.space]
        self.archive = mine[0] if mine else None
        return archives

    def read(self, source: Source) -> Archive:
        """The archive of one source."""
        hears, built = listener.get(), self.built
        hears.stage(f"building the archive on {source.named}")
        there, evaluator = built.read(source)
        if source.table is None:
            evaluator = self.whole_space(source.task)
            hears.target(source.named, source.archive.evaluations)
        found = evaluate_source(context(built.steps), context(evaluator), context(built.record), source, context(there))
        if source.table is None:
            hears.target_done(source.named)
        self._warn_of_chance(found, evaluator)
        self.seen.append((found.space, read_of(self.pipeline, found, source, evaluator, built.run_id)))
        return found

    def _warn_of_chance(self, found: Archive, evaluator: Evaluator) -> None:
        """Warn if what is read of a source scores no better than guessing."""
        guessing: Guessing | None = getattr(evaluator, "guessing", None)
        values = [entry.value for entry in found.entries if entry.value is not None]
        if guessing is not None and guessing.nothing_read(values, found.chosen_from):
            said = guessed_source(found.task, median(values), guessing.best_of(found.chosen_from))
            get_run_logger().info(said)
            listener.get().told(f"warning: {said}")

    def learn(self, archives: tuple[Archive, ...]) -> Principles:
        """Line 2: the principles learned from the archives."""
        source = self.pipeline.source
        read = sum(len(archive.entries) for archive in archives)
        listener.get().stage(
            f"learning principles from {read} architectures of {source.named}" if read else f"source: {source.named}"
        )
        learned = learn_principles(context(self.built.steps), data(archives), context(self.built.record))
        self.seen = [(space, with_conditions(seen, learned)) for space, seen in self.seen]
        return learned

    def adapted(self, target: str, principles: Principles) -> TargetResult:
        """Lines 4 to 12, as a subflow with the target's tag."""
        with tags(f"target:{target}"):
            return self.adapt_target(target, data(principles))

    @subflow(name="adapt-to-target", flow_run_name="{self.pipeline.space_name}: adapt to {target}")
    def adapt_target(self, target: str, principles: Principles) -> TargetResult:
        """Lines 4 to 12: refine, search and adapt, ``iterations`` times."""
        began, built = time.monotonic(), self.built
        listener.get().stage(f"adapting to {target}")
        listener.get().target(target, self.pipeline.budget + self.pipeline.scored_again)
        search = _TargetSearch(built, target, self.archive)
        incumbent, evaluations = search.run(principles)
        listener.get().target_done(target)
        search.end()
        self.seen.append(
            (built.space, shown_by(self.pipeline, built.space, search.evaluator, evaluations, built.run_id))
        )
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
            advice=search.advice,
            refuted=tuple(search.refuted),
            quantities=built.steps.quantities(search.evaluator, incumbent),
            front=front(self.pipeline, built.space, search.evaluator, evaluations),
            guessing=_guessed(search.evaluator, incumbent, evaluations),
            costs=costs(self.pipeline, search.evaluator, evaluations),
            rungs=search.rungs,
        )

    def control(self, target: str, method: str) -> ControlResult | None:
        """A control to compare with; None if a limit of the run leaves it less than the same budget."""
        budget, hears, built = self.pipeline.budget, listener.get(), self.built
        if method in HAND_MADE:  # nothing is searched
            nothing = ControlResult.of(built.space, built.evaluator(target), None, [], time.monotonic(), method=method)
            return nothing.model_copy(update={"architecture": method})
        if self.costs.room(budget) < budget:
            return None
        hears.stage(f"{named(method)} on {target}, for comparison")
        evaluator = self.whole_space(target)
        hears.target(target, budget, named(method))
        known = data(self.archive) if method == SOURCE_RANKING else None
        result = search_control(context(built.steps), context(evaluator), context(built.record), known, method=method)
        self.costs.asked(result.evaluations)
        hears.target_done(target)
        return None if result.evaluations < budget and not self.costs.room(1) else result

    def tested(self, found: TargetResult, controls: Sequence[ControlResult | None]) -> TargetResult:
        """A target's result with test scores, and the controls with theirs."""
        beside = tuple(self._test(control, control.method) for control in controls if control is not None)
        return self._test(found, self.pipeline.label).model_copy(update={"controls": beside})

    def _test(self, result: F, label: str) -> F:
        if not self.pipeline.evaluator.trains:
            evaluator = self.built.evaluator(result.task)
            tested: F = test_incumbent(context(self.built.space), context(evaluator), data(result))
            return tested
        if result.architecture is None or not self.costs.may_train():
            return result
        built = self.hand_made if label in HAND_MADE else self.built
        assert built is not None
        training = FinalTraining(built)
        final = training.train(result.task, result.architecture, label, wait_for=[data(result)])
        return result if final is None else result.model_copy(update={"test": final.test, "final": final})

    def whole_space(self, task: str) -> Evaluator:
        """The evaluator of a search on the whole space. Its supernet, if it has one, is trained first."""
        evaluator = self.built.evaluator(task)
        if isinstance(evaluator, StoredEvaluator) and evaluator.of_space:
            heard = epochs(f"supernet on {task}, whole space")
            record = context(self.built.record)
            train_supernet(context(evaluator), record, context(heard), g=0, subspace_id=None, label=task)
        return evaluator


class _TargetSearch(TargetSearch):
    """The search on one target, each step a Prefect task, with its evaluations recorded as soon as they are known."""

    def __init__(self, built: Built, target: str, archive: Archive | None) -> None:
        super().__init__(built.steps, built.evaluator(target), archive)
        self.built, pipeline = built, built.pipeline
        self._asked = 0
        self._cut = False  # does the search lack evaluations that a limit has left out?
        self._refined: SearchSpace | None = None
        self._batches: list[data] = []
        self._evaluated: list[Evaluation] = []  # so far, of one evaluator
        self._progress = artifacts.SearchProgress(pipeline.name, target, pipeline.budget + pipeline.scored_again)

    def refine(self, principles: Principles, g: int) -> SearchSpace:
        meter.get().check()
        refined = refine_space(context(self.steps), context(self.built.record), data(principles), target=self.task, g=g)
        self._of_space = refined != self._refined and self._followed_by(refined, g)
        self._refined = refined
        get_run_logger().info("iteration %d: refined space of %d architectures", g, refined.size)
        return refined

    def _followed_by(self, refined: SearchSpace, g: int) -> bool:
        """Go on with the evaluator of the refined space, if scores depend on the space; return whether they do."""
        root = self.built.evaluator(self.task)
        if not (isinstance(root, StoredEvaluator) and root.of_space):
            return False
        before = self.evaluator if g > 1 else None
        self.evaluator = root.within(refined, cast(StoredEvaluator | None, before))
        train_supernet(
            context(self.evaluator),
            context(self.built.record),
            context(epochs(f"supernet on {self.task}, iteration {g}")),
            g=g,
            subspace_id=subspace_id(refined),
            label=f"iteration {g}",
            wait_for=[data(refined)],
        )
        return True

    def rescore(self, refined: SearchSpace, history: Sequence[Evaluation], g: int) -> list[Evaluation] | None:
        if not (self._of_space and history):
            return None
        again = self.steps.again(refined, history)
        get_run_logger().info("iteration %d: %d of the best so far are scored again", g, len(again))
        return self._scored(again, refined, g) if again else []

    def search(self, refined: SearchSpace, history: Sequence[Evaluation], g: int) -> list[Evaluation]:
        self._evaluated = list(history)
        return super().search(refined, history, g)

    def evaluate(
        self, architectures: list[Architecture], refined: SearchSpace, g: int, epochs: int | None = None
    ) -> list[Evaluation]:
        found = self._scored(architectures, refined, g, epochs)
        if self.rungs is None or epochs == self.rungs.fidelity.whole:
            self._evaluated += found
        text = _shown(best(self._evaluated))
        listener.get().evaluated(self.task, self._done, text)
        self._progress.evaluated(self._done, text)
        get_run_logger().info("iteration %d: %d evaluations in all, best %s", g, self._asked, text)
        return found

    @property
    def _done(self) -> int:
        """Evaluations so far; where trainings stop early, whole trainings of as many epochs."""
        return self._asked if self.rungs is None else self.rungs.spent // self.rungs.fidelity.whole

    def _scored(
        self, architectures: list[Architecture], refined: SearchSpace, g: int, epochs: int | None = None
    ) -> list[Evaluation]:
        evaluator = self.evaluator_after(epochs)
        first, costs = self._asked + 1, meter.get()
        wanted, architectures = len(architectures), architectures[: costs.room(len(architectures))]
        if not architectures:
            found: list[Evaluation] = []
        elif self.built.execution.dispatch == "deployment":
            # What dispatches is plain: a task would hold back its children's results.
            found = evaluator.evaluate(architectures)
        else:
            found = evaluate_batch.with_options(tags=["cpu"])(
                context(evaluator), context(architectures), g=g, first=first, wait_for=[data(refined)]
            )
            self._batches.append(data(found))
        self.built.record.trials(
            refined,
            found if self.rungs is None else self.rungs.added(found),
            task=self.task,
            iteration=g,
            first=first,
            subspace_id=subspace_id(refined),
            principles_id=self.principles.id,
            fingerprint=evaluator.fingerprint,
            epochs=epochs,
        )
        self._asked += len(found)
        costs.asked(len(found))
        self._cut = len(found) < wanted
        return found

    def adapt(
        self, principles: Principles, base: float, best_found: float, evaluations: Sequence[Evaluation], g: int
    ) -> tuple[Principles, float]:
        if self._cut:
            meter.get().check()
        adapted = adapt_principles(
            context(self.steps),
            context(self.built.record),
            data(principles),
            context(base),
            context(best_found),
            context(evaluations),
            target=self.task,
            g=g,
            wait_for=self._batches,
        )
        self._batches = []
        get_run_logger().info("iteration %d: principles %s", g, adapted[0].origin.step)
        return adapted

    def refute(self, of: Refuted, statements: Sequence[str]) -> None:
        said = refuted(of, self.task)
        dropped = self.built.pipeline.adaptation.refuted == "drop"
        then = "without them" if dropped else "with them (--set adaptation.refuted=drop: without)"
        get_run_logger().info("%s; the search goes on %s", said, then)
        listener.get().told(f"{said}; the search goes on {then}")
        artifacts.refuted(self.built.pipeline.name, self.task, of.adviser, said, statements)

    def stop(self, spent: BudgetSpent) -> None:
        super().stop(spent)
        get_run_logger().warning("the search ends here: %s", spent)

    def end(self) -> None:
        """Show the whole search in the Prefect UI."""
        self._progress.evaluated(self._done, _shown(best(self._evaluated)), last=True)
        artifacts.leaderboard(self.built.pipeline.name, self.task, self.steps.space, self._evaluated)


def _guessed(evaluator: Evaluator, incumbent: Evaluation | None, evaluations: Sequence[Evaluation]) -> Reach | None:
    """The scores of guessing, if the incumbent of these evaluations is no better; else None."""
    guessing: Guessing | None = getattr(evaluator, "guessing", None)
    value = None if incumbent is None else incumbent.value
    nothing = guessing is not None and guessing.tells_nothing(value, len(evaluations))
    return guessing.best_of(len(evaluations)) if guessing is not None and nothing else None


def _shown(incumbent: Evaluation | None) -> str:
    return "-" if incumbent is None else f"{incumbent.value:.4g}{incumbent.metric.unit}"
