"""Latency of the network that is deployed, as a score of its own: measured once, and predicted for whole spaces."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapt.base.digests import digest
from lapt.base.statistics import Scores
from lapt.errors import BudgetSpent, ConfigError, LaptError
from lapt.evaluation import Evaluation, Evaluator, Metric, Quantity
from lapt.evaluators.deployed import LATENCY
from lapt.evaluators.images import InWorkers, Outcome, TrainingSpec, task_of
from lapt.evaluators.training import network_of
from lapt.latency.additive import NEEDED, Additive
from lapt.latency.quiet import alone
from lapt.latency.timing import Protocol, interleaved
from lapt.spaces import Architecture, SearchSpace

if TYPE_CHECKING:
    from torch import nn

VERSION = 1
"""Raise it by hand when the same network would be timed otherwise. It is part of every fingerprint."""
TASK = "latency"
"""Task of a latency in the store."""


class LatencyEvaluator(InWorkers):
    """Measures the latency of each architecture's deployed network, in ms a batch; lower is better.

    A worker process measures while trainings on this machine pause (``lapt.latency.quiet``), interleaved with a
    reference network. In the store, ``device`` names processor, runtime, batch and threads, and ``measures`` has the
    quartiles and the ratio to the reference. The fingerprint has all of that, so nothing is measured twice.
    """

    metric = Metric(LATENCY, "ms", higher_is_better=False)

    def __init__(self, spec: TrainingSpec, protocol: Protocol) -> None:
        """Raises ConfigError for a runtime that is not there, or not for the device."""
        super().__init__(spec, processes=1)
        self.protocol = protocol
        runtime_version(protocol)
        if protocol.runtime == "onnxruntime" and super().device != "cpu":
            raise ConfigError(
                "latency.runtime torch on a GPU", "onnxruntime, of which LAPT uses the CPU", "say --device cpu"
            )

    @property
    def task(self) -> str:
        return TASK

    @cached_property
    def device(self) -> str:
        """Processor, runtime, batch and threads, in words."""
        runtime = f"{self.protocol.runtime} {runtime_version(self.protocol)}"
        return f"{self._processor}: {self.protocol.words.replace(self.protocol.runtime, runtime, 1)}"

    @cached_property
    def _processor(self) -> str:
        return processor_of(super().device)

    @cached_property
    def fingerprint(self) -> str:
        from lapt.networks.family import networks_of

        size = self.spec.network_size()
        network = {**size._asdict(), **networks_of(self.spec.space).settings(), **task_of(self.spec).settings}
        return "latency:" + digest(
            {"network": network, "device": self.device, **self.protocol.model_dump(), "version": VERSION}
        )

    def identity(self, architecture: Architecture) -> str:
        return self.spec.space.encode(self.spec.space.canonical(architecture))

    def test(self, architecture: Architecture) -> None:
        """None: a latency has no test split."""

    def _job(self, architecture: Architecture) -> Job:
        return Job(self.spec, self.spec.space.canonical(architecture), self.protocol)


class Job(NamedTuple):
    """One latency. ``architecture``: canonical."""

    spec: TrainingSpec
    architecture: Architecture
    protocol: Protocol

    def run(self) -> Outcome:
        """Measure in this process. A network that cannot be built or exported is a failed outcome."""
        from lapt.training.device import with_threads
        from lapt.training.loop import OutOfMemory

        began = time.perf_counter()
        try:
            with with_threads(self.protocol.threads):
                run = self._runner(network_of(self.spec, self.architecture))
                reference = self._runner(reference_network(self.spec))
                with alone():
                    timing = interleaved(run, reference, self.protocol, clock=self._clock)
        except (LaptError, OutOfMemory) as error:
            return Outcome(error=str(error), seconds=time.perf_counter() - began)
        return Outcome(timing.median, seconds=time.perf_counter() - began, measures=timing.measures)

    @property
    def _clock(self) -> Callable[[], float]:
        """Of this thread, where it does all the work: other processes take no time from it."""
        from lapt.training.device import device_for

        alone_at_work = self.protocol.threads == 1 and device_for(self.spec.device).type == "cpu"
        return time.thread_time if alone_at_work else time.perf_counter

    def _runner(self, network: nn.Module) -> Callable[[], object]:
        """A function that runs one batch of noise through the network and returns when that is done."""
        import torch

        from lapt.training.device import device_for

        shape = task_of(self.spec).shape
        images = torch.rand(self.protocol.batch, *shape, generator=torch.Generator().manual_seed(0))
        if self.protocol.runtime == "onnxruntime":
            return _onnx_runner(network, images.numpy(), shape, self.protocol)
        device = device_for(self.spec.device)
        network, images = network.to(device).eval(), images.to(device)

        def run() -> None:
            with torch.inference_mode():
                network(images)
            if device.type == "cuda":
                torch.cuda.synchronize(device)

        return run


def _onnx_runner(
    network: nn.Module, images: np.ndarray, shape: tuple[int, int, int], protocol: Protocol
) -> Callable[[], object]:
    import onnxruntime

    from lapt.export import onnx_model

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads, options.inter_op_num_threads = protocol.threads, 1
    session = onnxruntime.InferenceSession(onnx_model(network, shape), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"images": images})


def reference_network(spec: TrainingSpec) -> nn.Module:
    """The network that is timed beside every other: six 3x3 convolutions as wide as the evaluator's cells.

    Its input is that of the task; twice it halves the side and doubles the width.
    """
    import torch
    from torch import nn

    channels, width = task_of(spec).shape[0], spec.channels
    modules: list[nn.Module] = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for at, stride in enumerate((1, 1, 2, 1, 2, 1)):
            wider = spec.channels * 2 ** (at // 2)
            convolution = nn.Conv2d(channels if at == 0 else width, wider, 3, stride, 1, bias=False)
            modules += [convolution, nn.BatchNorm2d(wider), nn.ReLU()]
            width = wider
        return nn.Sequential(*modules, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))


class KnownLatency:
    """The latency of architectures before they are trained.

    ``predicted`` is for whole spaces: an additive predictor, fitted to ``fit`` random architectures that are measured
    when it is first asked. ``measured`` is for those that a search asks for. ``measures``: an evaluator of latencies,
    which keeps what it measured.

    Milliseconds are the ratio to the reference network times the reference's median in the first measurement. The
    medians of a busy machine drift by ten times as much as ratios do.
    """

    def __init__(self, measures: Evaluator, space: SearchSpace, fit: int) -> None:
        self.measures, self.space, self.fit = measures, space, fit

    @cached_property
    def additive(self) -> Additive:
        """The predictor. Raises ConfigError if too few architectures could be measured."""
        return Additive.fit(self.space, [one.architecture for one in self._first], self._milliseconds(self._first))

    def predicted(self, architectures: Sequence[Architecture]) -> Scores:
        """N latencies in ms."""
        return self.additive.predict(architectures)

    def measured(self, architectures: Sequence[Architecture]) -> Scores:
        """N latencies in ms; NaN where the measurement failed. Raises BudgetSpent at a limit of the run."""
        return self._milliseconds(self._evaluated(architectures))

    @cached_property
    def _first(self) -> list[Evaluation]:
        """The measured ones of ``fit`` distinct random architectures, always the same."""
        rng = np.random.default_rng(0)
        drawn = {self.measures.identity(one): one for one in (self.space.sample(rng) for _ in range(50 * self.fit))}
        found = self._evaluated(list(drawn.values())[: self.fit])
        measured = [one for one in found if not one.failed]
        if len(measured) < NEEDED:
            failed = next(
                (f"{len(measured)}, and {one.error}" for one in found if one.error), f"{len(measured)} in all"
            )
            raise ConfigError(
                f"{NEEDED} latencies of {self.space.name}, to predict others", failed, "mend the networks"
            )
        return measured

    def _milliseconds(self, found: Sequence[Evaluation]) -> Scores:
        first = self._first[0].measures["reference_ms"]
        return np.array([np.nan if one.failed else first * one.measures["ratio"] for one in found], dtype=np.float64)

    def _evaluated(self, architectures: Sequence[Architecture]) -> list[Evaluation]:
        found = self.measures.evaluate(architectures)
        if len(found) < len(architectures):
            raise BudgetSpent(
                f"{len(architectures)} latencies before anything is trained",
                f"{len(found)} when a limit of the run was reached",
                "with a higher limit, or none, the same run goes on from here",
            )
        return found

    @property
    def quantity(self) -> Quantity:
        return Quantity(self.predicted, exact=self.measured, remark=self.words)

    def words(self) -> str:
        """A sentence on how far the predictor is off on architectures that it was not fitted to."""
        fitted = self.additive
        return (
            f"{LATENCY} is predicted from {fitted.measured} measured networks, off by {fitted.error:.1%} (median) and "
            f"{fitted.spread:.1%} (90 %) for those held out; what a search asks for is measured"
        )


def processor_of(device: str) -> str:
    """The name of a torch device's processor."""
    import torch

    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    known = Path("/proc/cpuinfo")
    lines = known.read_text(encoding="utf-8").splitlines() if known.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return (models[0] if models else platform.processor() or platform.machine()) or device


def runtime_version(protocol: Protocol) -> str:
    """The version of the runtime that measures. Raises ConfigError where it is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(protocol.runtime)
    except PackageNotFoundError:
        raise ConfigError(
            f"{protocol.runtime}, to measure latencies",
            "an environment without it",
            "pip install 'lapt[export]', or say latency.runtime: torch",
        ) from None
