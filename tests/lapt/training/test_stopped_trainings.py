"""A training that is stopped and goes on: the scores of an undisturbed one, and no epoch twice."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from lapt.errors import ConfigError
from lapt.evaluators.images import Outcome, TrainingSpec
from lapt.evaluators.training import TrainingEvaluator
from lapt.spaces import BUILTIN
from lapt.training import Recipe

SPACE = BUILTIN["nas201"]
SPEC = TrainingSpec(
    space=SPACE,
    task="classification",
    data="digits",
    channels=4,
    training_images=200,
    recipe=Recipe(epochs=4, batch_size=50, recalibrate_batch_norm=True),
)
CELL = SPACE.decode("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|skip_connect~0|nor_conv_1x1~1|avg_pool_3x3~2|")


class Killed(Exception):
    """The power went out."""


@dataclass
class Kept:
    """A checkpoint in memory that counts the epochs of its training; it dies after some of them."""

    states: list[bytes] = field(default_factory=list)
    dies_after: int | None = None

    def load(self) -> bytes | None:
        return self.states[-1] if self.states else None

    def save(self, state: bytes) -> None:
        self.states.append(state)
        if len(self.states) == self.dies_after:
            raise Killed

    def tell(self, epoch: int, epochs: int, loss: float) -> None: ...


def stopped(evaluator: TrainingEvaluator, epochs: int, kept: Kept | None = None) -> Outcome:
    """The outcome after so many epochs, in this process."""
    given = None if kept is None else lambda identity: kept
    return evaluator.at(epochs, given)._job(CELL).run()


def test_rungs_go_on_from_each_other_and_end_as_a_whole_training_does() -> None:
    evaluator, kept = TrainingEvaluator(SPEC, processes=1), Kept()
    whole = evaluator._job(CELL).run()
    found = [stopped(evaluator, epochs, kept) for epochs in (1, 2, 4)]
    assert len(kept.states) == 4  # one state an epoch: each was trained once
    assert found[-1].value == whole.value
    assert found[-1].measures == whole.measures
    # A rung alone, without a checkpoint, has the same score.
    assert [one.value for one in found[:2]] == [stopped(evaluator, epochs).value for epochs in (1, 2)]


def test_after_a_kill_no_epoch_is_trained_twice() -> None:
    evaluator, kept = TrainingEvaluator(SPEC, processes=1), Kept()
    first = stopped(evaluator, 1, kept)
    kept.dies_after = 3  # in the rung after
    with pytest.raises(Killed):
        stopped(evaluator, 4, kept)
    assert len(kept.states) == 3
    assert stopped(evaluator, 4, kept).value == evaluator._job(CELL).run().value
    assert len(kept.states) == 4
    assert first.value == stopped(evaluator, 1).value


def test_the_schedule_is_that_of_the_whole_training() -> None:
    short = SPEC.model_copy(update={"recipe": SPEC.recipe.model_copy(update={"epochs": 2})})
    alone = TrainingEvaluator(short, processes=1)._job(CELL).run()
    assert stopped(TrainingEvaluator(SPEC, processes=1), 2).value != alone.value


def test_the_state_of_a_later_epoch_says_nothing_of_an_earlier_one() -> None:
    evaluator, kept = TrainingEvaluator(SPEC, processes=1), Kept()
    early = stopped(evaluator, 1)
    stopped(evaluator, 4, kept)
    assert stopped(evaluator, 1, kept).value == early.value


def test_rungs_have_fingerprints_of_their_own_and_the_last_is_the_whole() -> None:
    evaluator = TrainingEvaluator(SPEC, processes=1)
    assert evaluator.epochs == 4
    found = [evaluator.at(epochs).fingerprint for epochs in (1, 2, 4)]
    assert len(set(found)) == 3
    assert found[-1] == evaluator.fingerprint
    assert evaluator.at(1).final_fingerprint == evaluator.final_fingerprint
    with pytest.raises(ConfigError, match=r"1 to 4 epochs.*got 5"):
        evaluator.at(5)
