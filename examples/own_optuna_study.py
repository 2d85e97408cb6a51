"""A study of Optuna's own on the space that LAPT refined from another task's scores. Needs optuna. Seconds."""

import numpy as np
import optuna

import lapt
from lapt.pipeline.config import load_pipeline
from lapt.pipeline.steps import Steps
from lapt.reasoning import Frequency

steps = Steps(load_pipeline("invented"), lapt.space("nas201"), Frequency(max_operators=2))
principles = steps.learn(steps.build_archive(lapt.table("invented", "invented_source")))
refined = steps.refine(principles, task="invented_a")
scored = lapt.table("invented", "invented_a")
optuna.logging.set_verbosity(optuna.logging.ERROR)

for name, space in (("whole", steps.space), ("refined", refined)):
    best = []
    for seed in range(5):
        study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
        for _ in range(20):
            trial = study.ask(space.to_optuna())
            (evaluation,) = scored.evaluate([space.from_optuna(trial.params)])
            study.tell(trial, evaluation.score)
        best.append(study.best_value)
    print(f"{name}: {space.size:,} architectures, best of 20 trials {np.mean(best):.2f} on average over 5 seeds")
