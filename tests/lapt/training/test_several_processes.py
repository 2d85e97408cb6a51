"""Several processes that train one network: the training of one process, and failures that leave nobody waiting."""

from __future__ import annotations

import io
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lapt.data.images import split
from lapt.data.sources import load_images
from lapt.errors import ConfigError
from lapt.evaluators import training
from lapt.evaluators.images import Outcome, TrainingSpec
from lapt.evaluators.training import Share, TrainingEvaluator
from lapt.evaluators.workers import Crashed, Workers
from lapt.latency.quiet import FOLDER, alone
from lapt.spaces import BUILTIN
from lapt.training import Augmentation, Recipe
from lapt.training.checkpoint import read
from lapt.training.device import DeviceError
from lapt.training.distributed import ALONE, Rank, check_processes
from lapt.training.loop import Diverged, OutOfMemory, train
from lapt.training.network import build
from lapt.training.tasks import make_task

PLAIN = Recipe(epochs=2, batch_size=64, augmentation=Augmentation.none())
TODAY = Recipe(
    epochs=2,
    batch_size=64,
    learning_rate=0.02,
    gradient_clip=1.0,
    mixup=0.2,
    cutmix=1.0,
    average=0.9,
    accumulation=3,
    recalibrate_batch_norm=True,
    augmentation=Augmentation(rand_augment=5),
)


class Network(nn.Module):
    """Two convolutions, and one that no output needs."""

    out_channels, reduction = 8, 4

    def __init__(self, norm: bool, dropout: float = 0.0) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, 2, 1)
        self.norm = nn.BatchNorm2d(8) if norm else nn.Identity()
        self.idle, self.dropout = nn.Conv2d(1, 1, 1), nn.Dropout(dropout)

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.second(self.dropout(self.norm(self.first(images)).relu())).relu()
        return features


@dataclass(frozen=True)
class Kept:
    """A checkpoint in a folder."""

    folder: Path
    dies_after: int | None = None

    def load(self) -> bytes | None:
        states = sorted(self.folder.glob("*.state"))
        return states[-1].read_bytes() if states else None

    def save(self, state: bytes) -> None:
        number = len(list(self.folder.glob("*.state"))) + 1
        (self.folder / f"{number}.state").write_bytes(state)
        if number == self.dies_after:
            os.kill(os.getpid(), signal.SIGKILL)

    def tell(self, epoch: int, epochs: int, loss: float) -> None: ...


@dataclass(frozen=True)
class Job:
    """A training by one process of several; what goes wrong in one of them."""

    recipe: Recipe
    rank: Rank
    norm: bool = False
    dropout: float = 0.0
    images: int = 301
    kept: Kept | None = None
    fault: str = ""


Found = tuple[float, tuple[float, ...], dict[str, Tensor], list[float]]


def run(job: Job) -> Found:
    """(score, losses, weights, draws of mixed images) of the training; one thread."""
    if job.fault and not job.rank.leads:
        return fail(job)
    data = split(load_images("digits").train, 0.25, 0, limit=job.images)
    task = make_task("classification", data[0])
    network = build(lambda: Network(job.norm, job.dropout), task, seed=0)
    found = train(network, task, *data, job.recipe, seed=3, device="cpu", checkpoint=job.kept, rank=job.rank)
    return found.value, found.losses, network.state_dict(), [found.seconds]


def fail(job: Job) -> Found:
    job.rank.join(torch.device("cpu"))
    time.sleep(0.2)  # the first waits by now
    if job.fault == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    raise {"diverges": Diverged, "memory": OutOfMemory}[job.fault]("expected", "got", "remedy")


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers[Job, Found]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FOLDER, str(tmp_path_factory.mktemp("locks")))
        found = Workers(run, 2)
        yield found
        found.close()


Together = Callable[..., Any]


@pytest.fixture
def together(workers: Workers[Job, Found], tmp_path: Path) -> Together:
    def found(recipe: Recipe, processes: int = 2, **more: Any) -> Any:
        meeting = tmp_path / f"meeting{len(list(tmp_path.glob('meeting*')))}"
        return workers.together([Job(recipe, Rank(number, processes, str(meeting)), **more) for number in range(2)])

    return found


def far(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    assert one.keys() == other.keys()
    return max(float((one[name].double() - other[name].double()).abs().max()) for name in one)


@pytest.mark.integration
def test_two_processes_train_the_network_of_one(together: Together) -> None:
    # 301 images: five batches of 60 or 61, so two shares are of unequal size.
    for recipe in (PLAIN, PLAIN.model_copy(update={"accumulation": 4, "gradient_clip": 0.5})):
        alone = run(Job(recipe, ALONE))
        first, second = together(recipe)
        assert far(first[2], second[2]) == 0
        assert far(alone[2], first[2]) < 1e-4
        assert first[1] == pytest.approx(alone[1], abs=1e-5)
        assert first[0] == pytest.approx(alone[0], abs=1.0)
        assert second[0] != second[0]  # the first alone is scored


@pytest.mark.integration
def test_batch_norm_mixed_images_and_averages(together: Together) -> None:
    first, second = together(TODAY, norm=True, dropout=0.2)
    assert 0 < first[0] <= 100
    assert first[1] == second[1]
    # The first alone has the statistics of the whole training set.
    same = [{name: w for name, w in one[2].items() if ".norm." not in name} for one in (first, second)]
    assert far(*same) == 0
    (again, _), alone = together(TODAY, norm=True, dropout=0.2), run(Job(TODAY, ALONE, norm=True, dropout=0.2))
    assert again[:2] == first[:2]
    assert far(alone[2], first[2]) > 1e-3  # statistics of half a batch, and other draws
    plain = PLAIN.model_copy(update={"epochs": 1})
    first, second = together(plain, norm=True)
    assert far(first[2], second[2]) == 0  # with the running statistics


@pytest.mark.integration
def test_after_a_kill_no_epoch_is_trained_twice(together: Together, tmp_path: Path) -> None:
    longer, kept = TODAY.model_copy(update={"epochs": 3}), tmp_path / "kept"
    kept.mkdir()
    whole = together(longer, norm=True, dropout=0.2)
    assert isinstance(together(longer, norm=True, dropout=0.2, kept=Kept(kept, dies_after=2)), Crashed)
    assert len(list(kept.iterdir())) == 2
    resumed = together(longer, norm=True, dropout=0.2, kept=Kept(kept))
    assert len(list(kept.iterdir())) == 3
    assert resumed[0][:2] == whole[0][:2]
    assert far(resumed[0][2], whole[0][2]) == 0
    # One process may go on with the training of two.
    (kept / "3.state").unlink()
    assert len(run(Job(longer, ALONE, norm=True, dropout=0.2, kept=Kept(kept)))[1]) == 3
    assert len(read((kept / "3.state").read_bytes())["losses"]) == 3


@pytest.mark.integration
def test_a_failure_in_one_process_ends_all(workers: Workers[Job, Found], together: Together) -> None:
    workers.close()
    others = set(multiprocessing.active_children())  # an earlier test's evaluator keeps its processes warm
    began = time.monotonic()
    assert isinstance(together(PLAIN, fault="dies"), Crashed)
    for fault, error in (("diverges", Diverged), ("memory", OutOfMemory)):
        with pytest.raises(error):
            together(PLAIN, fault=fault)
    assert time.monotonic() - began < 60
    deadline = time.monotonic() + 5
    while (left := set(multiprocessing.active_children()) - others) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left


@pytest.mark.integration
def test_latencies_can_be_measured_meanwhile(together: Together, tmp_path: Path) -> None:
    kept, found, waits = tmp_path / "kept", list[Any](), []
    kept.mkdir()
    recipe = PLAIN.model_copy(update={"epochs": 40, "batch_size": 16})
    thread = threading.Thread(target=lambda: found.extend(together(recipe, kept=Kept(kept))), daemon=True)

    def measure() -> None:
        while thread.is_alive():
            if list(kept.iterdir()):
                began = time.monotonic()
                with alone():
                    waits.append(time.monotonic() - began)
                    time.sleep(0.01)
            time.sleep(0.02)

    thread.start()
    threading.Thread(target=measure, daemon=True).start()
    thread.join(timeout=240)
    assert len(found) == 2  # and nobody waits for ever
    assert len(waits) >= 3
    assert max(waits) < 10


SPACE = BUILTIN["nas201"]
SPEC = TrainingSpec(
    space=SPACE,
    task="classification",
    data="digits",
    channels=2,
    device="cpu",
    final_processes=2,
    final_epochs=2,
    recipe=Recipe(epochs=1, batch_size=100),
)
CELL = SPACE.decode("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|skip_connect~0|nor_conv_1x1~1|avg_pool_3x3~2|")


@pytest.mark.integration
def test_the_final_training_of_an_evaluator(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluator = TrainingEvaluator(SPEC, processes=1)
    evaluator.check()
    found, weights = evaluator.retrained(CELL)
    assert found.value is not None
    assert 10 < found.value <= 100
    assert weights is not None
    assert all(tensor.isfinite().all() for tensor in torch.load(io.BytesIO(weights), weights_only=True).values())
    alone = TrainingEvaluator(SPEC.model_copy(update={"final_processes": 1}), processes=1)
    assert evaluator.final_fingerprint == alone.final_fingerprint
    wild = SPEC.model_copy(update={"recipe": SPEC.recipe.model_copy(update={"learning_rate": 1e30})})
    failed, weights = TrainingEvaluator(wild, processes=1).retrained(CELL)
    assert failed.error is not None
    assert "loss" in failed.error
    assert weights is None


class Pool:
    """Processes that answer as told."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.accumulations, self.meetings = list(answers), list[int](), set[str]()

    def together(self, shares: list[Share]) -> Any:
        self.accumulations += [share.recipe.accumulation for share in shares if share.rank.leads]
        self.meetings |= {share.rank.meeting for share in shares}
        answer = self.answers.pop(0)
        if isinstance(answer, OutOfMemory):
            raise answer
        return answer


def test_a_process_that_died_and_one_without_memory_get_a_second_try(monkeypatch: pytest.MonkeyPatch) -> None:
    done, dead, full = [Outcome(50.0), Outcome(None)], Crashed("it died"), OutOfMemory("a", "b", "c")
    for answers, accumulations, value, error in (
        ((done,), [1], 50.0, None),
        ((dead, done), [1, 1], 50.0, None),
        ((dead, dead), [1, 1], None, "it died"),
        ((full, done), [1, 2], 50.0, None),
        ((full, full), [1, 2], None, "expected a; got b; c"),
        ((dead, full, dead, done), [1, 1, 2, 2], 50.0, None),
    ):
        pool = Pool(*answers)
        monkeypatch.setattr(training, "workers", lambda number, pool=pool: pool)
        found, _ = TrainingEvaluator(SPEC, processes=1).retrained(CELL)
        assert (found.value, found.error, pool.accumulations) == (value, error, accumulations)
        assert len(pool.meetings) == len(accumulations)


def test_what_cannot_be_trained_together_is_said_before() -> None:
    check_processes(2, "cpu", 4)
    with pytest.raises(ConfigError, match=r"batches of 6 images or more.*got 4; lower final_processes"):
        check_processes(3, "cpu", 4)
    with pytest.raises(ConfigError, match=r"batches of 160 images or more.*got 95;"):
        TrainingEvaluator(SPEC.model_copy(update={"final_processes": 80})).check()
    if not torch.cuda.is_available():
        with pytest.raises(DeviceError):
            check_processes(2, "cuda", 4)


def test_gpus_are_asked_for_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    check_processes(2, "auto", 4)
    for device, processes in (("cuda:1", 2), ("auto", 3)):
        with pytest.raises(DeviceError, match=rf"{processes} GPUs for {processes} processes.*got {device}, 2 GPUs"):
            check_processes(processes, device, 100)
