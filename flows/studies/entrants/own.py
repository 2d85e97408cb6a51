"""LAPT without a source: WO Transfer of Figure 4."""

from __future__ import annotations

from collections.abc import Sequence

from flows.studies.entrants.bench import Bench
from flows.studies.entrants.methods import Searched, Watched
from lapt.archive import Archive
from lapt.evaluation import Evaluation, top
from lapt.principles import Origin, Principles
from lapt.search import Searcher
from lapt.spaces import Architecture, SearchSpace


class _FromItsOwn(Watched):
    """LAPT without a source (WO Transfer, Figure 4): principles are learned from the target's own architectures.

    The first iteration searches the whole space. The best of its evaluations are the archive that a source has else.
    """

    def refine(self, principles: Principles, g: int) -> SearchSpace:
        return self.steps.space if g == 1 else super().refine(principles, g)

    def searcher(
        self, refined: SearchSpace, history: Sequence[Evaluation], g: int
    ) -> tuple[Searcher, list[Architecture]]:
        if g > 1:
            return super().searcher(refined, history, g)
        return self.steps.searcher(refined, self.evaluator, g), []

    def adapt(
        self, principles: Principles, base: float, best_found: float, evaluations: Sequence[Evaluation], g: int
    ) -> tuple[Principles, float]:
        best = tuple(top(evaluations, self.steps.pipeline.adaptation.top_r))
        if g > 1 or not best:
            return super().adapt(principles, base, best_found, evaluations, g)
        own = Archive(self.steps.space, self.task, best, asked=tuple(evaluations), chosen_from=len(evaluations))
        return self.steps.learn(own), best_found


def from_its_own(bench: Bench, task: str, seed: int) -> Searched:
    """LAPT that reads no source: WO Transfer of Figure 4."""
    steps, evaluator = bench.steps(seed), bench.evaluator(task)
    origin = Origin(reasoner="none", step="learn", task=task, archive="")
    nothing = Principles(space=bench.space.name, principles=(), origin=origin)
    watched = _FromItsOwn(steps, evaluator)
    _, evaluations = watched.run(nothing)
    return Searched(evaluations, lacking=watched.lacking)
