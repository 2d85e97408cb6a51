"""Final trainings from scratch: stored once, followed epoch by epoch, resumed after a kill."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from lapt.evaluators.images import TrainingSpec
from lapt.evaluators.training import TrainingEvaluator
from lapt.spaces import BUILTIN
from lapt.training import Recipe
from storage.runs.checkpoints import StoredCheckpoint
from storage.runs.evaluator import StoredEvaluator
from storage.store import Store

SPACE = BUILTIN["nas201"]
CELL = SPACE.decode("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|nor_conv_1x1~0|none~1|nor_conv_3x3~2|")
SPEC = TrainingSpec(
    space=SPACE, task="classification", data="digits", channels=2, final_epochs=3, recipe=Recipe(batch_size=100)
)


class PowerCut(Exception):
    pass


class Failing(StoredCheckpoint):
    """The process ends after the second epoch is saved."""

    def tell(self, epoch: int, epochs: int, loss: float) -> None:
        super().tell(epoch, epochs, loss)
        if epoch == 2:
            raise PowerCut


def test_a_final_training_is_heard_of_and_stored_once(tmp_path: Path) -> None:
    store, heard = Store(tmp_path), list[tuple[int, int]]()
    evaluator = StoredEvaluator(TrainingEvaluator(SPEC, processes=1), store, SPACE, seed=0)
    found = evaluator.final(CELL, lambda epoch, epochs, loss: heard.append((epoch, epochs)))
    assert found is not None
    assert found.value is not None
    assert heard[-1] == (3, 3)
    assert found.parameters
    assert found.cost_seconds > 0
    assert store.files.names("checkpoints") == []
    again = StoredEvaluator(TrainingEvaluator(SPEC, processes=1), Store(tmp_path), SPACE, seed=0)
    told = again.final(CELL, lambda epoch, epochs, loss: pytest.fail("trained again"))
    assert told is not None
    assert (told.value, told.parameters) == (found.value, found.parameters)
    assert again.test(CELL) == found.value


def test_one_that_was_cut_off_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole, _ = TrainingEvaluator(SPEC, processes=1).retrained(CELL)
    store = Store(tmp_path)
    evaluator = TrainingEvaluator(SPEC, processes=1)
    with pytest.raises(PowerCut):
        evaluator._job(CELL, final=True, checkpoint=Failing(store, "key")).run()
    rest, _ = evaluator.retrained(CELL, StoredCheckpoint(store, "key"))
    assert (rest.value, rest.measures) == (whole.value, whole.measures)


def test_who_follows_hears_the_last_word(tmp_path: Path) -> None:
    checkpoint, heard = StoredCheckpoint(Store(tmp_path), "key"), list[int]()
    assert checkpoint.told() is None
    with checkpoint.followed(lambda epoch, epochs, loss: heard.append(epoch)):
        other = threading.Thread(target=StoredCheckpoint(Store(tmp_path), "key").tell, args=(7, 9, 0.5))
        other.start()
        other.join()
    assert heard == [7]
    assert checkpoint.told() == (7, 9, 0.5)
    checkpoint.forget()
    assert checkpoint.told() is None
    assert checkpoint.load() is None
