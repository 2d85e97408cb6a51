"""The archive A of established architectures (Algorithm 1, line 1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lapt.base.digests import short
from lapt.errors import BudgetSpent, ConfigError, LaptError
from lapt.evaluation import Evaluation, Evaluator, Quantity, top
from lapt.search.loop import askable, scored
from lapt.search.methods.model_free import RandomSearch
from lapt.search.models.hypervolume import front_of
from lapt.spaces import Architecture, SearchSpace


@dataclass(frozen=True)
class Archive:
    """Good architectures of the source task, best first.

    ``asked``: the evaluations that were paid for, in order; for the top of a whole table, the entries themselves,
    though they were chosen from ``chosen_from`` scores. ``cost``: the second objective, of entries that are on fronts.
    """

    space: SearchSpace
    task: str
    entries: tuple[Evaluation, ...]
    asked: tuple[Evaluation, ...]
    chosen_from: int
    cost: str = ""

    @property
    def digest(self) -> str:
        return short([self.space.name, self.task, [self.space.encode(e.architecture) for e in self.entries]])


def nothing_read(space: SearchSpace, source: str) -> Archive:
    """The empty archive of a source that is not read: stored principles, or none."""
    return Archive(space, source, entries=(), asked=(), chosen_from=0)


def best_of_all(space: SearchSpace, evaluator: Evaluator, size: int) -> Archive:
    """The archive of the ``size`` best architectures that have a score, distinct by the evaluator's identity.

    For tabular benchmarks, as in the paper's experiments. Raises SpaceError for a space too large to list whose scores
    are in no table."""
    different = {evaluator.identity(member): member for member in scored(space, evaluator)}
    evaluations = _scored(evaluator, list(different.values()))
    entries = _best(evaluations, size, evaluator.task)
    return Archive(space, evaluator.task, entries, asked=entries, chosen_from=len(evaluations))


def worst_of_all(space: SearchSpace, evaluator: Evaluator, size: int) -> Archive:
    """The archive of the ``size`` worst architectures of the whole space, the least bad first.

    A control: a reasoner that knows a benchmark by heart gives the same principles whatever it is shown."""
    whole = best_of_all(space, evaluator, space.size)
    entries = whole.entries[-size:]
    return Archive(space, evaluator.task, entries, asked=entries, chosen_from=whole.chosen_from)


def resampled(archive: Archive, *, seed: int | Sequence[int]) -> Archive:
    """A bootstrap archive (Efron 1979): as many entries, drawn from ``archive`` with replacement, best first."""
    rng = np.random.default_rng(seed)
    drawn = np.sort(rng.integers(len(archive.entries), size=len(archive.entries)))
    entries = tuple(archive.entries[int(at)] for at in drawn)
    return replace(archive, entries=entries, asked=tuple(archive.entries[int(at)] for at in np.unique(drawn)))


def best_of_random(
    space: SearchSpace, evaluator: Evaluator, size: int, samples: int, *, seed: int | Sequence[int]
) -> Archive:
    """The archive of the ``size`` best of ``samples`` random architectures, distinct by the evaluator's identity.

    For users without a full table. Raises ConfigError if the space has fewer than ``samples``.
    """
    there = askable(space, evaluator)
    # Drawing the last of 15,625 cells one by one takes half a minute: more than the space has is not even tried.
    few_enough = samples <= there.size
    drawn = RandomSearch(there, seed=seed, identity=evaluator.identity).ask(samples) if few_enough else ()
    if len(drawn) < samples:
        raise ConfigError(
            f"at most {len(drawn) or there.size} samples of {space.name}, which has no more that differ",
            f"source.archive.samples = {samples}",
            "ask for fewer",
        )
    asked = tuple(_scored(evaluator, drawn))
    return Archive(space, evaluator.task, _best(asked, size, evaluator.task), asked, chosen_from=len(asked))


def of_fronts(archive: Archive, name: str, cost: Quantity, size: int) -> Archive:
    """The ``size`` entries on the first layers of the front of score and the cost of that name, best score first.

    Layers as of non-dominated sorting (Deb et al. 2002, NSGA-II): the front, then the front of what is left. Of the
    last layer, every so many. Of one canonical form the best alone counts, since copies have different measured costs,
    and would make layers of their own. Entries whose cost is not known are left out. Raises NothingScored if none has
    one.
    """
    different = {archive.space.canonical(entry.architecture): entry for entry in reversed(archive.entries)}
    entries = list(different.values())
    costs = np.asarray((cost.exact or cost.of)([entry.architecture for entry in entries]), dtype=float)
    left = np.flatnonzero(~np.isnan(costs))
    if not len(left):
        raise NothingScored(
            f"architectures of {archive.task} whose {name} is known",
            f"none of {len(entries):,}",
            "name another quantity, or another source.archive.strategy",
        )
    scores = np.array([entry.score for entry in entries])
    chosen: list[Evaluation] = []
    while len(left) and len(chosen) < size:
        layer = left[front_of(scores[left], costs[left])]
        room = min(size - len(chosen), len(layer))
        chosen += [entries[at] for at in layer[np.linspace(0, len(layer) - 1, room).astype(int)]]
        left = np.setdiff1d(left, layer)
    found = tuple(top(chosen, size))
    asked = found if archive.asked == archive.entries else archive.asked
    return replace(archive, entries=found, asked=asked, cost=name)


def _scored(evaluator: Evaluator, architectures: Sequence[Architecture]) -> list[Evaluation]:
    """Evaluate all of them. Raises BudgetSpent if a limit of the run left some out.

    Principles learned from a part would be other principles."""
    found = evaluator.evaluate(architectures)
    if len(found) < len(architectures):
        raise BudgetSpent(
            f"{len(architectures):,} evaluations of {evaluator.task}, from which the run learns",
            f"{len(found):,} when a limit of the run was reached, and nothing found yet",
            "with a higher limit, or none, the same run goes on from here",
        )
    return found


class NothingScored(LaptError):
    """A source task on which every architecture asked for failed."""


def _best(evaluations: Sequence[Evaluation], size: int, task: str) -> tuple[Evaluation, ...]:
    entries = tuple(top(evaluations, size))
    if not entries:
        raise NothingScored(
            f"an architecture that could be scored on the source task {task}",
            f"{len(evaluations)} failed evaluations, the first with {evaluations[0].error!r}",
            "mend what made them fail, or choose another source task",
        )
    return entries
