"""Scores with inherited weights: real supernets on scikit-learn's digits."""

from __future__ import annotations

import numpy as np
import pytest

from lapt.errors import ConfigError, SpaceError
from lapt.evaluators.images import TrainingSpec
from lapt.evaluators.supernet import Finished, SupernetEvaluator
from lapt.evaluators.training import TrainingEvaluator
from lapt.spaces import BUILTIN, SearchSpace
from lapt.training import Recipe

SPACE = BUILTIN["nas201"]
LARGE = SPACE.restrict(operators={name: ["skip_connect", "nor_conv_1x1", "nor_conv_3x3"] for name in SPACE.layer_names})
SMALL = LARGE.restrict(operators={name: ["nor_conv_1x1", "nor_conv_3x3"] for name in SPACE.layer_names[:3]})
SPEC = TrainingSpec(
    space=SPACE, task="classification", data="digits", channels=2, training_images=120, validation_share=0.1,
    recipe=Recipe(epochs=2, batch_size=30),
)  # fmt: skip


class Kept:
    """A checkpoint in memory."""

    def __init__(self) -> None:
        self.state: bytes | None = None
        self.epochs: list[int] = []

    def load(self) -> bytes | None:
        return self.state

    def save(self, state: bytes) -> None:
        self.state = state

    def tell(self, epoch: int, epochs: int, loss: float) -> None:
        self.epochs.append(epoch)


class Memory:
    """``Supernets`` of one process."""

    def __init__(self) -> None:
        self.checkpoints: dict[str, Kept] = {}
        self.done: dict[str, tuple[Finished, bytes]] = {}

    def checkpoint(self, key: str) -> Kept:
        return self.checkpoints.setdefault(key, Kept())

    def finished(self, key: str) -> Finished | None:
        return self.done[key][0] if key in self.done else None

    def weights(self, finished: Finished) -> bytes:
        return next(weights for found, weights in self.done.values() if found == finished)

    def finish(self, key: str, finished: Finished, weights: bytes) -> Finished:
        self.done[key] = finished, weights
        return finished


def evaluator(searched: SearchSpace = LARGE, **more: object) -> SupernetEvaluator:
    return SupernetEvaluator(SPEC, Memory(), searched=searched, processes=1, **more)  # type: ignore[arg-type]


def test_a_supernet_is_trained_once_and_read_from_its_checkpoint_by_the_next_process() -> None:
    kept, heard = Memory(), list[tuple[int, int]]()
    one = SupernetEvaluator(SPEC, kept, searched=LARGE, processes=1)
    told = one.prepare(lambda epoch, epochs, loss: heard.append((epoch, epochs)))
    assert (told.epochs, heard) == (2, [(1, 2), (2, 2)])
    cells = [LARGE.sample(np.random.default_rng(seed)) for seed in range(4)]
    scores = one.evaluate(cells)
    other = SupernetEvaluator(SPEC, kept, searched=LARGE, processes=2)
    other.prepare(lambda epoch, epochs, loss: heard.append((epoch, epochs)))
    assert len(heard) == 2  # nothing was trained
    assert [e.value for e in other.evaluate(cells)] == [e.value for e in scores]
    assert other.fingerprint == one.fingerprint
    assert list(kept.done) == [one.key]
    assert kept.checkpoints[one.key].epochs == [1, 2]
    assert all(e.parameters and e.flops and not e.failed and "accuracy" in e.measures for e in scores)


def test_two_cells_of_one_function_have_scores_of_their_own() -> None:
    made = evaluator(SPACE)
    one, two = (
        SPACE.decode(f"|{a}~0|+|none~0|{b}~1|+|none~0|none~1|nor_conv_3x3~2|")
        for a, b in (("skip_connect", "nor_conv_3x3"), ("nor_conv_3x3", "skip_connect"))
    )
    assert SPACE.canonical(one) == SPACE.canonical(two)
    assert made.identity(one) != made.identity(two)


def test_what_is_no_member_has_no_weights() -> None:
    outside = SPACE.decode("|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|")
    with pytest.raises(SpaceError):
        evaluator(SMALL).evaluate([outside])


def test_the_supernet_of_the_next_space_starts_from_the_weights_of_the_one_before() -> None:
    one = evaluator()
    inherits, fresh = one.within(SMALL, one), one.within(SMALL, None)
    assert len({one.key, inherits.key, fresh.key}) == 3
    losses = [made.prepare().loss for made in (inherits, fresh)]
    assert losses[0] < losses[1]
    assert inherits.fingerprint != fresh.fingerprint


def test_everything_a_score_depends_on_is_in_the_fingerprint() -> None:
    longer = SPEC.model_copy(update={"recipe": SPEC.recipe.model_copy(update={"epochs": 1})})
    made = [
        evaluator(SMALL),
        evaluator(LARGE),
        evaluator(SMALL, calibration_images=40),
        SupernetEvaluator(longer, Memory(), searched=SMALL),
    ]
    assert len({one.fingerprint for one in made}) == 4
    assert evaluator(SMALL).fingerprint == made[0].fingerprint


def test_what_a_supernet_cannot_do_is_refused_before_anything_is_trained() -> None:
    dropping = SPEC.model_copy(update={"space": BUILTIN["darts"], "recipe": Recipe(epochs=2, drop_path=0.2)})
    with pytest.raises(ConfigError, match=r"no recipe\.drop_path of a supernet; got 0\.2"):
        SupernetEvaluator(dropping, Memory()).check()
    with pytest.raises(ConfigError, match=r"evaluator\.final, to train what was found"):
        evaluator().retrained(next(LARGE.members()))
    assert not evaluator().has_test


def test_what_was_found_is_trained_from_scratch_and_goes_on_from_its_checkpoint() -> None:
    final = TrainingEvaluator(SPEC.model_copy(update={"channels": 4}), processes=1)
    made, cell = evaluator(final=final), next(SMALL.members())
    found, weights = made.retrained(cell)
    assert weights is not None
    assert made.test(cell) == found.value
    assert made.final_fingerprint == final.final_fingerprint
