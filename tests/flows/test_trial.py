"""A trial trains random networks with two seeds, and says whether their scores tell them apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from flows import trial as module
from flows.cli.app import app
from flows.running.progress import listener
from flows.scoring import Scoring
from flows.trial import trial
from lapt.errors import ConfigError, LaptError
from lapt.evaluation import Evaluation, Metric, quantity_of
from lapt.evaluators.config import TrainingEvaluation
from lapt.pipeline.config import Execution, Pipeline, load_pipeline
from lapt.pipeline.constraints import feasible_of
from lapt.pipeline.results import Trial
from lapt.pipeline.wording import tried
from lapt.spaces import Architecture, space_named

DIGITS = load_pipeline("digits")
SPACE = space_named("nas201")
ACCURACY = Metric("accuracy", "%")


@dataclass
class Trained:
    """An evaluator whose score is the number of skips, and a term of the seed. It tells of each as a training would."""

    task: str
    seed: int
    noise: float = 0.1
    fails: frozenset[str] = frozenset()
    metric: Metric = ACCURACY
    asked: list[Architecture] = field(default_factory=list)

    def identity(self, architecture: Architecture) -> str:
        return SPACE.encode(SPACE.canonical(architecture))

    def evaluate(self, architectures: Sequence[Architecture]) -> list[Evaluation]:
        self.asked += architectures
        found = []
        for architecture in architectures:
            text = self.identity(architecture)
            value = 10.0 * architecture.operators.count("skip_connect")
            value += self.noise * float(np.random.default_rng([self.seed, *text.encode()]).normal())
            failed = text in self.fails and self.seed == 1
            one = Evaluation(architecture, text, None if failed else value, self.metric)
            found.append(replace(one, error="it diverged") if failed else one)
            listener.get().scored(self.task)
        return found


@dataclass
class Trainings:
    """Stands in for the trainings of ``Scoring.by``."""

    noise: float = 0.1
    fails: frozenset[str] = frozenset()
    metric: Metric = ACCURACY
    made: list[Trained] = field(default_factory=list)

    def by(self, pipeline: Pipeline, execution: Execution) -> Scoring:
        assert isinstance(pipeline.evaluator, TrainingEvaluation)
        seed = pipeline.evaluator.seed
        made = [Trained(task, seed, self.noise, self.fails, self.metric) for task in pipeline.targets]
        self.made += made
        return Scoring(SPACE, tuple(made))  # type: ignore[arg-type]


def tried_with(
    trainings: Trainings, monkeypatch: pytest.MonkeyPatch, pipeline: Pipeline = DIGITS, count: int = 8
) -> tuple[list[Trial], list[tuple[int, int]]]:
    monkeypatch.setattr(module, "Scoring", trainings)
    told: list[tuple[int, int]] = []
    return trial(pipeline, Execution(store="unused"), count, lambda done, total: told.append((done, total))), told


def test_each_target_has_other_functions_and_both_seeds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    trainings = Trainings()
    found, told = tried_with(trainings, monkeypatch)
    assert [one.task for one in found] == ["classification", "autoencoding"]
    first, second = trainings.made[0], trainings.made[2]
    assert first.asked == second.asked
    assert (first.seed, second.seed) == (0, 1)
    assert len({first.identity(architecture) for architecture in first.asked}) == 8
    assert told[0] == (0, 32)
    assert told[-1] == (32, 32)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_it_is_said_whether_scores_tell_networks_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    (clear, _), _ = tried_with(Trainings(noise=0.1), monkeypatch)
    assert clear.noise.p < 0.001
    assert clear.gain == pytest.approx(clear.noise.gain(20))
    (said,) = tried(clear)
    assert said.startswith("classification: scores tell networks apart (p = ")
    assert said.endswith("points better than an average one.")
    (drowned, _), _ = tried_with(Trainings(noise=1e6), monkeypatch)
    assert drowned.noise.p > 0.05
    (said,) = tried(drowned)
    assert "a search would choose by luck. Train longer" in said
    assert "--trial 16" in said


def test_a_loss_is_printed_as_a_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    (found, _), _ = tried_with(Trainings(metric=Metric("loss", higher_is_better=False)), monkeypatch)
    assert found.mean > 0
    assert found.gain > 0


def test_a_network_that_fails_is_left_out_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Trainings()
    tried_with(asked, monkeypatch)
    texts = [asked.made[0].identity(architecture) for architecture in asked.made[0].asked]
    (found, _), _ = tried_with(Trainings(fails=frozenset(texts[:2])), monkeypatch)
    assert found.noise.architectures == 6
    assert list(tried(found))[1] == "classification: 2 trainings failed, the first with: it diverged"
    with pytest.raises(
        LaptError, match=r"4 or more networks with 2 scores .*; got 3, and 5 failed trainings, the first"
    ):
        tried_with(Trainings(fails=frozenset(texts[:5])), monkeypatch)


def test_constraints_hold_for_a_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    capped = load_pipeline("digits", ["constraints={parameters: {max: 30000}}"])
    real = Scoring.by(capped, Execution(store="unused")).evaluators[0]
    trainings = Trainings()
    monkeypatch.setattr(module, "feasible_of", lambda bounds, space, _: feasible_of(bounds, space, real))
    tried_with(trainings, monkeypatch, capped)
    sizes = quantity_of(real, "parameters").of(trainings.made[0].asked)
    assert len(sizes) == 8
    assert max(sizes) <= 30000


@pytest.mark.parametrize("preset", ["digits_table", "darts", "invented"])
def test_nothing_is_tried_where_nothing_is_trained_alone(preset: str) -> None:
    with pytest.raises(
        ConfigError, match=r"evaluator.kind training, for a trial; got (table|supernet); leave out --trial"
    ):
        trial(load_pipeline(preset), Execution(store="unused"), 8)


@pytest.mark.parametrize("beside", [["--dry-run"], ["--max-seconds", "5"], ["--library", "mine.json"]])
def test_a_trial_is_asked_for_alone(tmp_path: Path, beside: list[str]) -> None:
    with pytest.raises(ConfigError, match="--trial without --dry-run, --library and limits"):
        app(["run", "digits", "--trial", "8", "--store", str(tmp_path), *beside], standalone_mode=False)
