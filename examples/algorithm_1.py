"""Algorithm 1 of the paper by hand: plain functions, no store, no flows, no language model. Seconds."""

import lapt
from lapt.algorithms import algorithm_1
from lapt.pipeline.config import load_pipeline
from lapt.pipeline.steps import Steps
from lapt.pipeline.target import TargetSearch
from lapt.reasoning import Frequency

steps = Steps(load_pipeline("invented"), lapt.space("nas201"), Frequency(max_operators=2))
found = algorithm_1(
    ["invented_a", "invented_b"],
    build_archive=lambda: steps.build_archive(lapt.table("invented", "invented_source")),
    learn=steps.learn,
    adapt_target=lambda task, principles: TargetSearch(steps, lapt.table("invented", task)).run(principles),
)
for task, (incumbent, evaluations) in found.items():
    print(f"{task}: {incumbent.value:.2f} after {len(evaluations)} evaluations, {incumbent.identity}")
