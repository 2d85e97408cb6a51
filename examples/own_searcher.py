"""A search method of one's own: ask and tell, beside those that come with LAPT, at the same budget. Seconds.

A package that declares it under the entry point ``lapt.searchers`` can use it in pipelines as ``search.method``.
"""

import numpy as np
from pydantic import Field

import lapt
from lapt.evaluation import best
from lapt.search import SEARCHERS, Searcher
from lapt.search.loop import search

BUDGET, SEEDS = 60, 20


class Climber(Searcher):
    """Mutates the best so far, and starts anew after ``patience`` proposals without a better one."""

    class Parameters(Searcher.Parameters):
        patience: int = Field(10, ge=1, description="proposals without a better one, before a new start")

    def __init__(self, space, **given):
        super().__init__(space, **given)
        self.summit, self.since = None, 0

    def propose(self):
        if self.summit is None or self.since >= self.parameters.patience:
            self.summit, self.since = None, 0
            return self.space.sample(self.rng)
        return self.space.mutate(self.summit.architecture, self.rng)

    def observe(self, evaluation):
        better = self.summit is None or evaluation.score > self.summit.score
        self.summit, self.since = (evaluation, 0) if better else (self.summit, self.since + 1)


space = lapt.space("nas201")
scored = lapt.table("invented", "invented_a")
for name, method in (("climber", Climber), ("rea", SEARCHERS["rea"]), ("random", SEARCHERS["random"])):
    values = []
    for seed in range(SEEDS):
        searcher = method(space, seed=seed, identity=scored.identity)
        values.append(best(search(searcher, scored.evaluate, budget=BUDGET, ask_size=1)).value)
    print(f"{name:8} {np.mean(values):.2f} on average over {SEEDS} seeds, {BUDGET} evaluations each")
