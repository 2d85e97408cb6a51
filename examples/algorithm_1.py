"""Algorithm 1 of the paper with plain functions: no store, no flows, no language model. Seconds.

The scores are invented ones of the shape of NAS-Bench-201. With a table of your own, load that; with networks of your
own, write an Evaluator.
"""

from lapt.algorithms import adapt_target, algorithm_1, algorithm_2
from lapt.archive import best_of_random
from lapt.evaluators import TableEvaluator
from lapt.reasoning import Frequency
from lapt.search import SEARCHERS
from lapt.search.loop import search
from lapt.spaces import space_named
from lapt.testing import invented_table

space, table, reasoner = space_named("nas201"), invented_table(), Frequency(max_operators=2)


def evaluator(task):
    return TableEvaluator(table, space, task)


def adapt(task, principles):
    scored = evaluator(task)

    def one_search(refined, history, g):
        method = SEARCHERS["rea"](refined, seed=[0, g], identity=scored.identity, population_size=5)
        return search(method, scored.evaluate, budget=5 * (1 + (g == 1)), ask_size=1, history=history)

    def one_adaptation(principles, base, best, evaluations, g):
        return algorithm_2(
            principles,
            base,
            best,
            evaluations,
            r=5,
            update=lambda stated, top: reasoner.update(space, stated, top, task=task),
            explore=lambda stated: reasoner.explore(space, stated, task=task),
        )

    return adapt_target(
        principles,
        iterations=3,
        refine=lambda stated, g: reasoner.translate(space, stated, task=task),
        search=one_search,
        adapt=one_adaptation,
    )


found = algorithm_1(
    ["invented_a", "invented_b"],
    build_archive=lambda: best_of_random(space, evaluator("invented_source"), size=20, samples=200, seed=0),
    learn=lambda archive: reasoner.learn(space, archive),
    adapt_target=adapt,
)
for task, (incumbent, evaluations) in found.items():
    print(f"{task}: {incumbent.value:.2f} after {len(evaluations)} evaluations, {space.encode(incumbent.architecture)}")
